"""A file on its way: conditions, ranges, codings, large files piece by piece; the same whoever answers."""

from __future__ import annotations

import asyncio
import gzip
import random
from typing import Any

import apsw
import brotli
import pytest
import zstandard

from kernel.fs.cid import CHUNK
from tests.kernel.fs.site import Wire, deploy, get, nobody_reads, twice
from tests.support import Running

TEXT = b"a line of text that comes again and again\n" * 100
BIG = random.Random(3).randbytes(3 * CHUNK + 1000)
FILES = {
    "index.html": b"<h1>home</h1>",
    "a.txt": TEXT,
    "tiny.txt": b"t",
    "empty.txt": b"",
    "big.bin": BIG,
    "exact.bin": BIG[:CHUNK],
    "pic.png": b"\x89PNG" + bytes(2000),
    "assets/app-Bd3fGh12.js": TEXT,
    "assets/plain.js": TEXT,
    "big.txt": TEXT * 1000,
}


@pytest.fixture
async def blog(running: Running) -> Running:
    await deploy(running, "blog", FILES)
    return running


# --- conditions


async def test_what_a_client_has_is_not_sent_again(blog: Running) -> None:
    full = await twice(blog, "/a.txt")
    tag, date = full.headers["ETag"], full.headers["Last-Modified"]
    for headers in (
        {"If_None_Match": tag},
        {"If_None_Match": f"W/{tag}"},
        {"If_None_Match": f'"x", {tag}'},
        {"If_None_Match": "*"},
        {"If_Modified_Since": date},
        {"If_None_Match": tag, "If_Modified_Since": date},
        {"If_None_Match": f'{tag[:-1]}-br"'},
    ):
        for method in ("GET", "HEAD"):
            answer = await twice(blog, "/a.txt", method=method, **headers)
            assert (answer.status, answer.body) == (304, b""), headers
            assert "Content-Type" not in answer.headers and "Content-Length" not in answer.headers
            for name in ("Cache-Control", "Vary", "ETag"):
                assert name in answer.headers
    for headers in (
        {"If_None_Match": '"x"'},
        {"If_None_Match": tag.strip('"')},
        {"If_Modified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"If_Modified_Since": "nonsense"},
        {"If_Match": tag},
        {"If_Match": "*"},
        {"If_Unmodified_Since": date},
    ):
        answer = await twice(blog, "/a.txt", **headers)
        assert (answer.status, answer.body) == (200, TEXT), headers
    for headers in ({"If_Match": '"x"'}, {"If_Unmodified_Since": "Thu, 01 Jan 1970 00:00:00 GMT"}):
        assert (await twice(blog, "/a.txt", **headers)).status == 412, headers


async def test_a_condition_given_twice_is_refused(blog: Running) -> None:
    for line in (b'If-None-Match: "a"', b"If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", b'If-Match: "a"'):
        request = b"GET /a.txt HTTP/1.1\r\nHost: blog.localhost:{port}\r\n" + (line + b"\r\n") * 2 + b"\r\n"
        assert (await blog.raw(request)).status == 400


async def test_another_release_is_another_time_even_in_the_same_second(running: Running) -> None:
    await deploy(running, "blog", {"a.txt": b"one"})
    first = await get(running, "/a.txt")
    running.clock.advance(-1)
    await deploy(running, "blog", {"a.txt": b"two"})
    second = await get(running, "/a.txt")
    assert first.headers["Last-Modified"] != second.headers["Last-Modified"]
    since = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert (await get(running, "/a.txt", headers=since)).status == 200
    await running.ask("POST", "/api/apps/blog/rollback", key="deploy", body={})
    since = {"If-Modified-Since": second.headers["Last-Modified"]}
    assert (await get(running, "/a.txt", headers=since)).status == 200, "a file may become older"


# --- codings

DECODERS: dict[str, Any] = {
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@pytest.mark.parametrize("coding", DECODERS)
async def test_text_is_compressed_for_who_understands_it(blog: Running, coding: str) -> None:
    plain = await twice(blog, "/a.txt")
    for path in ("/a.txt", "/assets/plain.js"):
        answer = await twice(blog, path, Accept_Encoding=coding)
        assert answer.headers["Content-Encoding"] == coding
        assert DECODERS[coding](answer.body) == TEXT and len(answer.body) < len(TEXT)
        assert answer.headers["Vary"] == "Accept-Encoding"
    suffix = {"br": "br", "gzip": "gz", "zstd": "zst"}[coding]
    assert answer.headers["ETag"] == f'{plain.headers["ETag"][:-1]}-{suffix}"'
    head = await twice(blog, "/a.txt", method="HEAD", Accept_Encoding=coding)
    assert (head.headers["Content-Encoding"], head.headers["Content-Length"]) == (coding, str(len(answer.body)))
    same = await twice(blog, "/a.txt", Accept_Encoding=coding, If_None_Match=answer.headers["ETag"])
    assert (same.status, same.headers["ETag"]) == (304, answer.headers["ETag"])
    assert "Content-Encoding" not in same.headers


@pytest.mark.parametrize("accept", ["", "identity", "br;q=0", "x-unknown", "gzip;q=0, br;q=0", "*;q=0", "x" * 2000])
async def test_everybody_else_gets_the_file_as_it_is(blog: Running, accept: str) -> None:
    answer = await twice(blog, "/a.txt", Accept_Encoding=accept)
    assert ("Content-Encoding" not in answer.headers, answer.body) == (True, TEXT)
    assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("path", ["/tiny.txt", "/empty.txt", "/pic.png", "/big.bin", "/big.txt"])
async def test_what_would_not_become_smaller_is_sent_as_it_is(blog: Running, path: str) -> None:
    answer = await twice(blog, path, Accept_Encoding="br, gzip, zstd")
    assert "Content-Encoding" not in answer.headers
    assert answer.body == FILES[path[1:]]


async def test_the_answer_for_one_is_not_that_for_another(blog: Running) -> None:
    """By turns over one connection: the door holds each apart."""
    async with Wire(blog) as wire:
        for _ in range(3):
            for coding in ("br", "gzip", "zstd", "identity"):
                answer = await wire.ask("/a.txt", Accept_Encoding=coding)
                assert answer.headers.get("Content-Encoding", "identity") == coding


@pytest.mark.parametrize("range", ["lines=1", "bytes", "bytes=0-,0-", "bytes=0-1"])
async def test_who_asks_for_a_part_does_not_decide_for_others(blog: Running, range: str) -> None:
    async with Wire(blog) as wire:
        await wire.ask("/a.txt", Accept_Encoding="gzip", Range=range)
        answer = await wire.ask("/a.txt", Accept_Encoding="gzip")
        assert (answer.headers["Content-Encoding"], gzip.decompress(answer.body)) == ("gzip", TEXT)


async def test_a_header_is_the_same_bytes_whoever_answers(running: Running) -> None:
    said = "/*\n  X-Name: é ☃\n".encode()
    await deploy(running, "blog", {"a.txt": TEXT, "_headers": said})
    answer = await twice(running, "/a.txt")
    assert answer.headers["X-Name"].encode("latin-1").decode() == "é ☃"
    assert len(running.server.gate.front) == 1, "the door took part in it"


async def test_who_accepts_codings_at_length_is_answered_and_not_kept(blog: Running) -> None:
    for length in (200, 201):
        accept = "gzip, " + "x" * (length - 6)
        assert gzip.decompress((await twice(blog, "/a.txt", Accept_Encoding=accept)).body) == TEXT
        assert len(blog.server.gate.front) == 1


# --- how long it may be kept


async def test_what_has_its_hash_in_its_name_is_kept_for_ever(blog: Running) -> None:
    for path, cache in (
        ("/assets/app-Bd3fGh12.js", "public, max-age=31536000, immutable"),
        ("/assets/plain.js", "no-cache"),
        ("/a.txt", "public, max-age=300"),
        ("/", "no-cache"),
    ):
        assert (await twice(blog, path)).headers["Cache-Control"] == cache
    assert (await get(blog, "/assets/gone-Bd3fGh12.js")).headers[
        "Cache-Control"
    ] != "public, max-age=31536000, immutable"


async def test_assets_of_the_release_before_are_there_for_a_day(running: Running) -> None:
    await deploy(running, "blog", {"index.html": b"1", "assets/app-Bd3fGh12.js": b"one", "plain.js": b"one"})
    await deploy(running, "blog", {"index.html": b"2", "assets/app-Cd3fGh12.js": b"two"})
    old = await twice(running, "/assets/app-Bd3fGh12.js")
    assert (old.status, old.body) == (200, b"one")
    assert (await get(running, "/plain.js")).status == 404
    running.clock.advance(86_400 + 1)
    await deploy(running, "blog", {"index.html": b"3"})
    assert (await get(running, "/assets/app-Bd3fGh12.js")).status == 404
    assert (await get(running, "/assets/app-Cd3fGh12.js")).status == 200


# --- parts

SIZE = len(BIG)
RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=0-9": (0, 10),
    f"bytes={CHUNK - 5}-{CHUNK + 4}": (CHUNK - 5, CHUNK + 5),
    f"bytes={CHUNK}-": (CHUNK, SIZE),
    "bytes=-7": (SIZE - 7, SIZE),
    f"bytes=-{SIZE + 5}": (0, SIZE),
    f"bytes={SIZE - 1}-": (SIZE - 1, SIZE),
    f"bytes=0-{SIZE * 2}": (0, SIZE),
}


@pytest.mark.parametrize("range", RANGES)
async def test_a_part_is_that_part(blog: Running, range: str) -> None:
    start, end = RANGES[range]
    answer = await twice(blog, "/big.bin", Range=range, Accept_Encoding="br, gzip")
    assert (answer.status, answer.body) == (206, BIG[start:end])
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
    head = await twice(blog, "/big.bin", method="HEAD", Range=range)
    assert (head.status, head.headers["Content-Length"]) == (206, str(end - start))


@pytest.mark.parametrize("path", ["/a.txt", "/big.bin"])
@pytest.mark.parametrize(
    "range", ["bytes=9999999-", "bytes=-0", "bytes=5-4", "bytes=x", "bytes=9999999-,8888888-", "bytes=-"]
)
async def test_a_part_that_is_not_there_is_416(blog: Running, path: str, range: str) -> None:
    answer = await twice(blog, path, Range=range)
    size = len(FILES[path[1:]])
    if range == "bytes=5-4":
        assert answer.status in (200, 416)
        return
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (416, b"", f"bytes */{size}")


@pytest.mark.parametrize(
    "range", ["bytes=" + ",".join(f"{n}-{n}" for n in range(1000)), "lines=0-1", "bytes", "bytes=0-,0-"]
)
async def test_odd_ranges_give_the_whole(blog: Running, range: str) -> None:
    answer = await twice(blog, "/big.bin", Range=range)
    assert (answer.status, answer.body) == (200, BIG)


async def test_several_parts_come_in_one_answer(blog: Running) -> None:
    answer = await get(blog, "/big.bin", headers={"Range": f"bytes=0-1,{CHUNK - 1}-{CHUNK},-2"})
    assert answer.status == 206
    kind, boundary = answer.headers["Content-Type"].split("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.body.split(b"--" + boundary.encode())
    assert [part.partition(b"\r\n\r\n")[2][:-2] for part in parts[1:-1]] == [
        BIG[:2],
        BIG[CHUNK - 1 : CHUNK + 1],
        BIG[-2:],
    ]
    assert answer.headers["Content-Length"] == str(len(answer.body))


async def test_parts_of_another_file_are_not_mixed_in(blog: Running) -> None:
    full = await get(blog, "/big.bin")
    tag, date = full.headers["ETag"], full.headers["Last-Modified"]
    for unless, status in (
        (tag, 206),
        (date, 206),
        ('"other"', 200),
        (f"W/{tag}", 200),
        (f'{tag[:-1]}-br"', 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 200),
    ):
        answer = await twice(blog, "/big.bin", Range="bytes=0-9", If_Range=unless)
        assert (answer.status, len(answer.body)) == (status, 10 if status == 206 else SIZE), unless


async def test_a_part_of_an_empty_file(blog: Running) -> None:
    assert (await twice(blog, "/empty.txt", Range="bytes=0-")).status in (200, 416)
    empty = await twice(blog, "/empty.txt")
    assert (empty.status, empty.headers["Content-Length"], empty.body) == (200, "0", b"")


# --- large files


@pytest.fixture
def pieces_read(blog: Running, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Which pieces were read from the data file."""
    read, found = blog.node.content._read, list[tuple[int, int]]()

    def noted(id: int, n: int) -> bytes:
        found.append((id, n))
        return read(id, n)

    monkeypatch.setattr(blog.node.content, "_read", noted)
    return found


async def test_a_large_file_is_read_piece_by_piece_and_only_as_fast_as_it_is_taken(
    blog: Running, pieces_read: list[tuple[int, int]]
) -> None:
    """Whoever does not read holds some pieces in buffers, not the file."""
    data = random.Random(9).randbytes(40 * CHUNK)
    await deploy(blog, "blog", {"huge.bin": data})
    content = blog.node.content
    content._hot.clear()
    content.held = 0
    pieces_read.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", blog.site.port, limit=1 << 16)
    writer.write(f"GET /huge.bin HTTP/1.1\r\nHost: blog.localhost:{blog.site.port}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    seen = -1
    while seen != len(pieces_read):  # until it stops by itself
        seen = len(pieces_read)
        for _ in range(200):
            await asyncio.sleep(0)
    assert 0 < len(pieces_read) < 40, "it waits for the reader"
    assert sum(content.reading.values()) == 1
    assert await reader.readexactly(len(data)) == data
    writer.close()
    for _ in range(100):
        await asyncio.sleep(0)
    assert not content.reading


async def test_who_goes_away_leaves_nothing(blog: Running) -> None:
    data = random.Random(8).randbytes(40 * CHUNK)
    await deploy(blog, "blog", {"huge.bin": data})
    content = blog.node.content
    for range in ("", "Range: bytes=5-\r\n", "Range: bytes=0-0,5-\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", blog.site.port, limit=1 << 16)
        writer.write(f"GET /huge.bin HTTP/1.1\r\nHost: blog.localhost:{blog.site.port}\r\n{range}\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        assert sum(content.reading.values()) == 1
        writer.transport.abort()
        await nobody_reads(blog)
    assert (await get(blog, "/huge.bin", method="HEAD")).headers["Content-Length"] == str(len(data))
    assert not content.reading


async def test_the_memory_for_pieces_has_an_end(blog: Running) -> None:
    await blog.run("limits.set", name="vfs.maxCacheMB", value=1)
    for _ in range(2):
        assert (await get(blog, "/big.bin")).body == BIG
        assert blog.node.content.held <= 1 << 20
    content = blog.node.content
    await blog.run("limits.set", name="vfs.maxCacheMB", value=0)
    content._hot.clear()
    content.held = 0
    assert (await get(blog, "/big.bin")).body == BIG
    assert content.held == 0


async def test_pieces_that_are_asked_for_often_are_read_once(blog: Running, pieces_read: list[tuple[int, int]]) -> None:
    for _ in range(5):
        assert (await get(blog, "/big.bin")).body == BIG
    assert len(pieces_read) == len(set(pieces_read)) == 4


async def test_an_answer_that_fails_on_its_way_is_cut_off(blog: Running) -> None:
    """No second answer is written into the middle of the first."""
    file = apsw.Connection(str(blog.node.path))
    file.setbusytimeout(5000)
    file.execute("delete from chunks where n = 2")
    file.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", blog.site.port)
    writer.write(f"GET /big.bin HTTP/1.1\r\nHost: blog.localhost:{blog.site.port}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)) as cut:
        async with asyncio.timeout(20):
            await reader.readexactly(SIZE)
    if isinstance(cut.value, asyncio.IncompleteReadError):
        assert BIG.startswith(cut.value.partial)
    writer.close()
    assert not blog.node.content.reading
