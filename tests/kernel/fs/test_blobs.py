"""Pieces of files on their way: in any order, twice, at once, wrong, too short, too long, lying and bombs."""

from __future__ import annotations

import asyncio
import random
import zlib
from typing import Any

import apsw
import pytest

from kernel.fs.cid import CHUNK
from tests.kernel.fs.site import PAGE, deploy, finish, frame, frames, get, pieces, plan, send, sha256
from tests.support import Running

BIG = random.Random(1).randbytes(1_000_000)
SITE = {"index.html": PAGE, "big.bin": BIG}


def rows(running: Running, query: str, *values: Any) -> list[Any]:
    file = apsw.Connection(str(running.node.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return file.execute(query, values).fetchall()
    finally:
        file.close()


async def served(running: Running) -> None:
    """The site is there, byte by byte."""
    done = await finish(running, "blog", SITE)
    assert done.status == 200, done.body
    assert (await get(running, "/big.bin")).body == BIG
    assert (await get(running, "/")).body == PAGE


# --- what arrives


@pytest.mark.parametrize("seed", range(3))
async def test_pieces_arrive_in_any_order_and_twice(running: Running, seed: int) -> None:
    sent = frames(SITE) * 2
    random.Random(seed).shuffle(sent)
    for one in sent:
        assert (await send(running, one)).data == {"stored": 1}
    await served(running)
    assert len(rows(running, "select 1 from chunks")) == 5


async def test_pieces_arrive_all_at_once_on_many_connections(running: Running) -> None:
    await running.key("deploy")
    answers = await asyncio.gather(*[send(running, one) for one in frames(SITE) * 4])
    assert {answer.status for answer in answers} == {200}
    await served(running)


async def test_pieces_arrive_compressed(running: Running) -> None:
    data = b"compress me " * 40_000
    sent = [frame(data, n, piece=zlib.compress(piece), codec=1) for n, piece in enumerate(pieces(data))]
    assert (await send(running, *sent)).data == {"stored": len(sent)}
    assert (await finish(running, "blog", {"a.txt": data})).status == 200
    assert (await get(running, "/a.txt")).body == data


async def test_a_deploy_goes_on_where_it_was_cut_off(running: Running) -> None:
    """The plan says which pieces are missing, by their numbers; what is here is not asked for again."""
    hash = sha256(BIG)
    first = (await plan(running, "blog", SITE)).data
    assert first["missing"] == {hash: [0, 1, 2, 3], sha256(PAGE): [0]}
    assert first["bytes_missing"] == len(BIG) + len(PAGE)
    await send(running, frame(BIG, 2), frame(PAGE))
    second = (await plan(running, "blog", SITE)).data
    assert second["missing"] == {hash: [0, 1, 3]}
    assert second["bytes_missing"] == len(BIG) - CHUNK
    refused = await finish(running, "blog", SITE)
    assert (refused.status, refused.code) == (409, "CONFLICT")
    assert refused.json["error"]["details"]["missing"] is True
    await send(running, *frames(SITE, second["missing"]))
    assert (await plan(running, "blog", SITE)).data["missing"] == {}
    await served(running)


async def test_content_is_kept_once(running: Running) -> None:
    await deploy(running, "blog", {"a.bin": BIG, "b.bin": BIG, "c.txt": PAGE})
    planned = (await plan(running, "other", {"z.bin": BIG, "y.txt": PAGE})).data
    assert planned["missing"] == {} and planned["bytes_missing"] == 0
    assert len(rows(running, "select 1 from blobs")) == 2
    assert len(rows(running, "select 1 from chunks")) == 5


async def test_an_empty_file_is_a_file(running: Running) -> None:
    await deploy(running, "blog", {"index.html": PAGE, "empty.txt": b""})
    answer = await get(running, "/empty.txt")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
async def test_files_around_the_size_of_a_piece(running: Running, size: int) -> None:
    data = random.Random(size).randbytes(size)
    await deploy(running, "blog", {"a.bin": data})
    assert (await get(running, "/a.bin")).body == data


# --- what is refused

SMALL = b"small enough to be one piece"
BOMB = zlib.compress(bytes(50_000_000))
BAD = {
    "end in the middle of a head": frame(SMALL)[:30],
    "end in the middle of a piece": frame(SMALL)[:-1],
    "a word too much": frame(SMALL) + b"x",
    "another content than the hash": frame(SMALL, hash=sha256(b"other")),
    "a piece that is too short": frame(BIG, 0, piece=BIG[: CHUNK - 1]),
    "a piece that is too long": frame(BIG, 0, piece=BIG[: CHUNK + 1]),
    "a last piece that is too long": frame(BIG, 3, piece=BIG[3 * CHUNK :] + b"x"),
    "a piece of another size": frame(SMALL, size=len(SMALL) + 1),
    "a piece behind the last": frame(BIG, 0, piece=b"x", size=1)[:40] + b"\0\0\0\1" + b"\0\0\0\1\0x",
    "a number far away": frame(BIG, 0)[:40] + b"\xff\xff\xff\xff" + frame(BIG, 0)[44:],
    "a size above the limit": frame(BIG, 0, size=101 << 20),
    "the largest size there is": frame(BIG, 0, size=(1 << 64) - 1),
    "a length that lies": frame(SMALL, length=(1 << 32) - 1),
    "an unknown packing": frame(SMALL, codec=2),
    "no zlib": frame(SMALL, codec=1),
    "half a zlib": frame(BIG, 0, piece=zlib.compress(BIG[:CHUNK])[:1000], codec=1),
    "a bomb": frame(bytes(CHUNK), 0, piece=BOMB, codec=1),
    "a bomb in a large file": frame(bytes(50_000_000), 3, piece=BOMB, codec=1),
}


@pytest.mark.parametrize("sent", BAD.values(), ids=BAD)
async def test_pieces_that_cannot_be_are_refused_as_a_whole(running: Running, sent: bytes) -> None:
    await running.key("deploy")
    before = running.content()
    answer = await send(running, frame(PAGE), sent)
    assert (answer.status, answer.code) == (400, "VALIDATION_FAILED"), answer.body
    assert running.content() == before, "also the good piece beside it is not kept"


async def test_nothing_sent_is_nothing_stored(running: Running) -> None:
    assert (await send(running, b"")).data == {"stored": 0}


async def test_more_than_eight_megabytes_at_once_are_refused(running: Running) -> None:
    answer = await send(running, bytes(8 * 1024 * 1024 + 1))
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_large_file_that_is_not_what_its_hash_says_starts_again(running: Running) -> None:
    """Only together the pieces have a hash: they are looked through before anything is made of them."""
    wrong = bytearray(BIG)
    wrong[CHUNK] ^= 1
    hash = sha256(BIG)
    await send(running, *[frame(bytes(wrong), n, hash=hash) for n in range(4)], frame(PAGE))
    for turn in (1, 2):
        refused = await finish(running, "blog", SITE)
        assert refused.status == (400 if turn == 1 else 409), "what was wrong is forgotten"
    assert (await get(running, "/")).status == 404
    await send(running, *frames(SITE))
    await served(running)


# --- somebody else lies about a file that another one sends


@pytest.mark.parametrize("through", ["plan", "no plan"])
async def test_a_lie_about_a_small_file_does_not_stand_in_its_place(running: Running, through: str) -> None:
    """A piece of a large file is not checked by itself: one that borrows the hash of a small file must not last."""
    hash = sha256(PAGE)
    assert (await send(running, frame(b"", 0, hash=hash, size=CHUNK + 9, piece=b"E" * CHUNK))).status == 200
    files = {"index.html": PAGE}
    for _ in range(2):
        missing = (await plan(running, "blog", files)).data["missing"] if through == "plan" else None
        await send(running, *frames(files, missing))
        done = await finish(running, "blog", files)
        if done.status == 200:
            break
    assert done.status == 200, done.body
    assert (await get(running, "/")).body == PAGE


async def test_a_lie_about_the_size_of_a_large_file_does_not_stop_it(running: Running) -> None:
    await send(running, *frames({"a": BIG})[:3])
    liar = frame(b"", 9, hash=sha256(BIG), size=20 * CHUNK, piece=b"E" * CHUNK)
    assert (await send(running, liar)).status == 200
    await send(running, frame(BIG, 3), frame(PAGE))
    await send(running, liar)
    await served(running)
    assert rows(running, "select size from blobs where sha256 = ?", bytes.fromhex(sha256(BIG))) == [(len(BIG),)]
    answer = await get(running, "/big.bin", headers={"Range": "bytes=-5"})
    assert (answer.body, answer.headers["Content-Range"]) == (BIG[-5:], f"bytes 999995-999999/{len(BIG)}")


async def test_a_file_that_is_whole_is_not_changed_by_what_comes_later(running: Running) -> None:
    await deploy(running, "blog", SITE)
    before = rows(running, "select id, sha256, cid, size, complete from blobs order by id")
    for size in (CHUNK + 1, len(BIG), 20 * CHUNK):
        for hash in (sha256(BIG), sha256(PAGE)):
            await send(running, frame(b"", 0, hash=hash, size=size, piece=b"E" * CHUNK))
    assert rows(running, "select id, sha256, cid, size, complete from blobs order by id") == before
    running.node.content._hot.clear()
    await served(running)


async def test_a_list_that_lies_about_a_size_is_refused(running: Running) -> None:
    await deploy(running, "blog", SITE)
    before = running.content()
    for size in (0, 5, len(BIG) + 1):
        said = b'{"name":"blog","files":[["x","%s",%d]]}' % (sha256(BIG).encode(), size)
        for step in ("plan", "finish"):
            answer = await running.ask("POST", f"/api/deploy/{step}", key="deploy", raw=said)
            assert (answer.status, answer.code) == (400, "VALIDATION_FAILED"), answer.body
        running.clock.advance(60)
    assert running.content() == before


async def test_a_number_is_never_given_to_another_content(running: Running) -> None:
    """Pieces of large files stay in memory by their blob's number."""
    await deploy(running, "blog", {"big.bin": BIG})
    assert (await get(running, "/big.bin")).body == BIG
    await running.run("apps.delete", app="blog", purge=True, confirm="blog")
    running.clock.advance(3 * 86_400)
    gone = await running.run("storage.gc")
    assert (gone.blobs, rows(running, "select 1 from blobs")) == (1, [])
    other = BIG[::-1]
    await deploy(running, "blog", {"big.bin": other})
    assert (await get(running, "/big.bin")).body == other
