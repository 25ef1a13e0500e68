"""A folder of this machine over an app: seen at once, never beyond its walls, for the owner here only."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.fs.mounts import Mount
from tests.kernel.fs.site import Wire, deploy, get
from tests.support import Running, running


async def mounted(node: Running, folder: Path, where: str = "blog", **how: object) -> None:
    await node.run("fs.mount", folder=str(folder), where=where, **how)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    (made / "sub").mkdir(parents=True)
    (made / "index.html").write_text("from the folder")
    (made / "sub" / "a.txt").write_text("a")
    return made


async def test_what_is_edited_is_seen_at_the_next_request(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released", "only.txt": b"released"})
        assert (await get(node, "/")).body == b"released"
        await mounted(node, folder)
        assert (await get(node, "/")).body == b"from the folder"
        (folder / "index.html").write_text("edited")
        answer = await get(node, "/")
        assert (answer.body, answer.headers["Cache-Control"]) == (b"edited", "no-store")
        assert (await get(node, "/sub/a.txt")).body == b"a"
        # what the folder does not have is the release's
        assert (await get(node, "/only.txt")).body == b"released"
        await node.run("fs.unmount", where="blog")
        assert (await get(node, "/")).body == b"released"


async def test_an_app_without_a_release_shows_the_folder(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        await mounted(node, folder)
        assert (await get(node, "/")).body == b"from the folder"
        assert (await get(node, "/nothing")).status == 404


async def test_a_folder_below_a_prefix(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released"})
        await mounted(node, folder, "blog:/docs")
        assert (await get(node, "/")).body == b"released"
        assert (await get(node, "/docs/")).body == b"from the folder"


async def test_nothing_outside_of_the_folder_is_read(tmp_path: Path, folder: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (folder / "out").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / ".env").write_text("secret")
    (folder / "inside").symlink_to(folder / "sub" / "a.txt")
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released"})
        await mounted(node, folder)
        for path in (
            "/out",
            "/up/secret",
            "/../secret",
            "/%2e%2e/secret",
            "/sub/../../secret",
            "/.env",
            "/sub%2f..%2f..%2fsecret",
        ):
            answer = await get(node, path)
            assert answer.status in (400, 404) and answer.body != b"secret", path
        assert (await get(node, "/inside")).body == b"a"


async def test_a_link_within_the_folder_shows_no_more_than_its_target(tmp_path: Path, folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / "repo").symlink_to(folder / ".git")
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released"})
        await mounted(node, folder)
        assert (await get(node, "/repo/config")).status == 404


@pytest.mark.parametrize("replaced", ["sub", "sub/a.txt"])
def test_a_link_that_is_put_there_after_the_look_is_not_followed(tmp_path: Path, folder: Path, replaced: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("secret")
    found = Mount("", str(folder), False).find("sub/a.txt")
    assert found
    opened = found.open()
    assert os.read(opened, 9) == b"a"
    os.close(opened)
    (folder / replaced).rename(tmp_path / "away")
    (folder / replaced).symlink_to(outside / "a.txt" if replaced.endswith(".txt") else outside)
    with pytest.raises(OSError):
        found.open()


def test_a_pipe_in_place_of_a_file_makes_nobody_wait(tmp_path: Path, folder: Path) -> None:
    found = Mount("", str(folder), False).find("sub/a.txt")
    assert found
    (folder / "sub" / "a.txt").unlink()
    os.mkfifo(folder / "sub" / "a.txt")
    with pytest.raises(FileNotFoundError):
        found.open()


@pytest.mark.parametrize("released", [None, {"index.html": b"released"}, {"api/x.js": b"of the release"}])
async def test_the_server_code_of_a_mounted_folder_is_hidden(tmp_path: Path, folder: Path, released: Any) -> None:
    (folder / "api").mkdir()
    (folder / "api" / "lib.js").write_text("source")
    async with running(tmp_path / "node" / "data.db") as node:
        if released:
            await deploy(node, "blog", released)
        else:
            await node.run("apps.create", slug="blog")
        await mounted(node, folder)
        # without a handler it is a file like others
        assert (await get(node, "/api/lib.js")).body == b"source"
        (folder / "api" / "main.js").write_text("/* source */ respond(request.path)")
        for path in ("/api/main.js", "/api/main", "/api/lib.js", "/api/lib", "/api/x.js"):
            assert (await get(node, path)).body.decode() == path
        (folder / "api" / "main.js").unlink()
        assert (await get(node, "/api/lib.js")).body == b"source"


async def test_the_file_itself_is_sent_whatever_lies_beside_it(tmp_path: Path, folder: Path) -> None:
    (folder / "b.html").write_text("fresh")
    for ending in ("gz", "br"):
        (folder / f"b.html.{ending}").write_bytes(gzip.compress(b"stale"))
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        await mounted(node, folder)
        answer = await get(node, "/b.html", headers={"Accept-Encoding": "gzip, br"})
        assert (answer.status, answer.body) == (200, b"fresh")
        assert "Content-Encoding" not in answer.headers and answer.headers["Content-Type"].startswith("text/html")


LARGE = bytes(range(256)) * 3000


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        ({}, 200, LARGE, {}),
        ({"Range": "bytes=0-9"}, 206, LARGE[:10], {"Content-Range": f"bytes 0-9/{len(LARGE)}"}),
        ({"Range": "bytes=262140-262150"}, 206, LARGE[262140:262151], {}),
        ({"Range": "bytes=-5"}, 206, LARGE[-5:], {}),
        ({"Range": "bytes=9999999-"}, 416, b"", {"Content-Range": f"bytes */{len(LARGE)}"}),
        ({"If-Match": '"other"'}, 412, b"", {}),
    ],
)
async def test_parts_and_conditions_of_a_mounted_file(
    tmp_path: Path, folder: Path, asked: dict[str, str], status: int, body: bytes, said: dict[str, str]
) -> None:
    (folder / "large.bin").write_bytes(LARGE)
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        await mounted(node, folder)
        answer = await get(node, "/large.bin", headers=asked)
        assert (answer.status, answer.body) == (status, body)
        assert answer.headers["Content-Length"] == str(len(body)) and answer.headers["Cache-Control"] == "no-store"
        assert {name: answer.headers[name] for name in said} == said
        head = await get(node, "/large.bin", method="HEAD", headers=asked)
        assert (head.status, head.body) == (status, b"")
        if status < 400:
            assert head.headers["Content-Length"] == str(len(body))


async def test_a_mounted_file_that_did_not_change_is_not_sent_again(tmp_path: Path, folder: Path) -> None:
    (folder / "empty.txt").write_text("")
    (folder / "404.html").write_text("not here")
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        await mounted(node, folder)
        tag = (await get(node, "/sub/a.txt")).headers["ETag"]
        assert (await get(node, "/sub/a.txt", headers={"If-None-Match": tag})).status == 304
        (folder / "sub" / "a.txt").write_text("longer")
        assert (await get(node, "/sub/a.txt", headers={"If-None-Match": tag})).body == b"longer"
        parts = await get(node, "/sub/a.txt", headers={"Range": "bytes=0-0,2-2"})
        assert parts.status == 206 and parts.body.count(b"Content-Range: bytes") == 2
        assert len(parts.body) == int(parts.headers["Content-Length"])
        empty = await get(node, "/empty.txt")
        assert (empty.status, empty.body) == (200, b"")
        missing = await get(node, "/nothing", headers={"Range": "bytes=0-1"})
        assert (missing.status, missing.body) == (404, b"not here")


@pytest.mark.parametrize("folder_", ["/", "/etc", "/proc/self", "/root", "relative", "/nowhere/at/all"])
async def test_folders_that_are_never_mounted(tmp_path: Path, folder_: str) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        before = node.content()
        with pytest.raises(FaztError) as refused:
            await mounted(node, Path(folder_))
        assert refused.value.code in ("FORBIDDEN", "VALIDATION_FAILED")
        for own in (node.node.path.parent, node.node.path.parent.parent):
            with pytest.raises(FaztError):
                await mounted(node, own)
        assert node.content() == before


async def test_only_the_owner_on_this_machine(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await node.run("apps.create", slug="blog")
        answer = await node.ask(
            "POST", "/api/cmd", key="*", body={"command": "fs", "args": ["mount", str(folder), "blog"]}
        )
        assert answer.data["error"]["code"] == "FORBIDDEN"
        assert await node.run("fs.mount") == []


async def test_writing_through(tmp_path: Path, folder: Path) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released"})
        await mounted(node, folder, sync=True)
        entry = node.node.registry["fs.put"]
        from kernel.syscall.call import LOCAL

        call = node.node.caller.call(entry, LOCAL, "cli", None)
        await node.node.driver.invoke(entry, call, {"where": "/apps/blog/new/b.txt"}, raw=b"b")
        assert (folder / "new" / "b.txt").read_bytes() == b"b"
        await node.run("fs.rm", where="/apps/blog/sub/a.txt")
        assert not (folder / "sub" / "a.txt").exists()
        (folder / "out").symlink_to(tmp_path / "elsewhere")
        call = node.node.caller.call(entry, LOCAL, "cli", None)
        with pytest.raises(FaztError):
            await node.node.driver.invoke(entry, call, {"where": "/apps/blog/out"}, raw=b"b")
        assert not (tmp_path / "elsewhere").exists()
        # no release was made of it
        assert len((await node.ask("GET", "/api/apps/blog/releases", key="read")).data) == 1
        # from elsewhere the folder cannot be changed
        assert (await node.ask("PUT", "/api/apps/blog/files/x.txt", key="*", raw=b"x")).status == 403


async def test_a_file_that_appears_in_the_folder_is_seen_although_the_release_had_one(
    tmp_path: Path, folder: Path
) -> None:
    async with running(tmp_path / "node" / "data.db") as node:
        await deploy(node, "blog", {"index.html": b"released", "b.txt": b"released"})
        await mounted(node, folder)
        async with Wire(node) as wire:
            assert (await wire.ask("/b.txt")).body == b"released"
            assert (await wire.ask("/b.txt")).body == b"released"
            (folder / "b.txt").write_text("new")
            assert (await wire.ask("/b.txt")).body == b"new"
