"""A key made for one app is shown content of others only after it has sent that content itself."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

from tests.kernel.fs.site import body, deploy, finish, frame, frames, plan, send, sha256
from tests.support import running

SECRET = b"PIN=4821"
LARGE = random.Random(3).randbytes(600_000)
HIDDEN = {"index.html": b"other", "private/pin.txt": SECRET, "private/large.bin": LARGE}


async def test_a_hash_alone_opens_nothing_of_another_app(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        await deploy(node, "mine", {"index.html": b"mine"})
        await deploy(node, "other", HIDDEN)
        wanted = {"index.html": b"mine", "stolen.txt": SECRET, "stolen.bin": LARGE}
        told = (await plan(node, "mine", wanted, key="deploy:mine")).data
        assert told["missing"] == {sha256(SECRET): [0], sha256(LARGE): [0, 1, 2]}
        refused = await finish(node, "mine", wanted, key="deploy:mine")
        assert (refused.status, refused.code) == (409, "CONFLICT")
        # a lie about one piece of what is here proves nothing
        lie = await send(node, frame(LARGE, 1, piece=bytes(262_144)), key="deploy:mine")
        assert (lie.status, lie.code) == (400, "VALIDATION_FAILED")
        # who has it may send it
        for one in frames(wanted, told["missing"]):
            assert (await send(node, one, key="deploy:mine")).status == 200
        assert (await finish(node, "mine", wanted, key="deploy:mine")).status == 200
        # what the app has by now need not be sent again, nor by those who may deploy everything
        assert (await plan(node, "mine", wanted, key="deploy:mine")).data["missing"] == {}
        assert (await plan(node, "third", wanted)).data["missing"] == {}


async def test_a_body_of_pieces_stays_small_once_unpacked(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        zeros = zlib.compress(bytes(262_144))
        bomb = b"".join(
            struct.pack(">32sQIIB", n.to_bytes(32), 600_000, 0, len(zeros), 1) + zeros for n in range(1, 100)
        )
        before = node.content()["blobs"]
        answer = await send(node, bomb)
        assert (answer.status, answer.code) == (400, "VALIDATION_FAILED")
        twice = frame(LARGE, 0)
        assert (await send(node, twice + twice)).status == 400
        assert node.content()["blobs"] == before


async def test_folders_are_limited_as_files_are(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        deep = {"/".join(["a"] * 60) + "/index.html": b"x"}
        assert (await plan(node, "deep", deep)).code == "VALIDATION_FAILED"
        await node.run("config.set", name="limits.vfs.maxFiles", value=50)
        many = {"/".join([f"{n}", *["a"] * 30, "x"]): b"x" for n in range(10)}
        answer = await node.ask("POST", "/api/deploy/plan", key="deploy", raw=body("many", many))
        assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_small_file_cannot_be_poisoned_by_pieces_of_a_larger_one(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        small = b"a small file"
        for n in (0, 1, 2):
            junk = frame(LARGE, n, hash=sha256(small))
            assert (await send(node, junk)).status == 200
        assert (await plan(node, "blog", {"index.html": small})).data["missing"] == {sha256(small): [0]}
        await deploy(node, "blog", {"index.html": small})
        assert (await node.ask("GET", "/", host="blog.localhost")).body == small
        assert [row[1] for row in node.content()["chunks"]] == [0]
