"""What no browser sends, as the catalogue of attacks numbers it: 24 to 38. Raw bytes on real sockets.

A refusal for a request's form is one answer, and the connection ends.
"""

from __future__ import annotations

import asyncio
import gzip
import resource
import zlib

import pytest
from aiohttp import web

from kernel.net.asked import MOST_BODY, Asked
from kernel.net.door import HEAD_SECONDS, IDLE_SECONDS, SILENT_SECONDS
from kernel.net.pace import BODY_SECONDS, DRAIN_SECONDS
from kernel.net.router import Endpoint
from tests.faults.http_fuzz import statuses
from tests.kernel.net.lines import CLOSE, GET, POST, TINY, Line, Lines, connect, limit, node
from tests.support import Running

__all__ = ["connect", "node"]


async def refused(connect: Lines, sent: bytes, *expected: int, first: bytes = b"") -> None:
    """It is answered once, with this status, and nothing behind it is heard."""
    line = await connect()
    line.send(first + sent + CLOSE)
    told = statuses(await line.rest())
    assert told[-1:] == [told[-1]] and told[-1] in expected, told
    assert len(told) == 1


FRAMING = {
    24: [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    ],
    25: [
        b"Content-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
        b"Content-Length: +5\r\n\r\nhello",
        b"Content-Length: 0x5\r\n\r\nhello",
        b"Content-Length: 5,5\r\n\r\nhello",
        b"Content-Length: 5 5\r\n\r\nhello",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length:\r\n\r\n",
    ],
    26: [
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ],
    27: [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nab\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\nab\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-2\r\nab\r\n0\r\n\r\n",
    ],
    28: [
        b"X: a\nY: b\r\n\r\n",
        b"X: a\rb\r\n\r\n",
        b"X: a\r\n b\r\n\r\n",
        b" X: a\r\n\r\n",
        b"X : a\r\n\r\n",
        b"X: a\x00b\r\n\r\n",
        b"Host : localhost\r\n\r\n",
    ],
}


def framing(number: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("tail", FRAMING[number], ids=lambda tail: repr(tail)[2:40])


@framing(24)
async def test_24_two_ways_to_say_how_long_it_is(connect: Lines, tail: bytes) -> None:
    await refused(connect, POST + tail, 400)


@framing(25)
async def test_25_a_length_that_is_none(connect: Lines, tail: bytes) -> None:
    await refused(connect, POST + tail, 400)


@framing(26)
async def test_26_an_encoding_that_is_not_chunked(connect: Lines, tail: bytes) -> None:
    await refused(connect, POST + tail, 400)


@framing(27)
async def test_27_a_chunk_without_a_size(connect: Lines, tail: bytes) -> None:
    await refused(connect, POST + tail, 400)


@framing(28)
async def test_28_lines_that_are_none(connect: Lines, tail: bytes) -> None:
    await refused(connect, GET + tail, 400)


@pytest.mark.parametrize("number", FRAMING)
async def test_24_to_28_on_a_connection_that_was_used(connect: Lines, number: int) -> None:
    """Between the door and aiohttp nothing slips through: the file is in memory when the attack comes."""
    for tail in FRAMING[number]:
        line = await connect()
        for _ in range(3):
            assert await line.ask(GET + b"\r\n") == 200
        line.send((GET if number == 28 else POST) + tail + CLOSE)
        assert statuses(await line.rest()) == [400]


HOSTS = [
    b"",
    b"Host: localhost\r\nHost: localhost\r\n",
    b"Host: localhost\r\nHost: admin.localhost\r\n",
    b"Host: \r\n",
    b"Host: admin.localhost:80@evil.example\r\n",
    b"Host: evil.example@admin.localhost\r\n",
    b"Host: admin_.localhost\r\n",
    b"Host: " + b"a" * 254 + b"\r\n",
    b"Host: admin.localhost/x\r\n",
    b"Host: admin.localhost:99999\r\n",
    "Host: аdmin.localhost\r\n".encode(),  # a Cyrillic letter
]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: repr(host)[2:50])
async def test_29_a_host_that_is_none(connect: Lines, host: bytes) -> None:
    line = await connect()
    line.send(b"GET /api/user/me HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
    back = await line.rest()
    assert statuses(back) in ([400], [421])
    assert b'"data"' not in back


@pytest.mark.parametrize("target", [b"http://admin.localhost/f/tiny", b"http://evil.example/f/tiny"])
async def test_29_a_target_that_is_another_host(connect: Lines, target: bytes) -> None:
    line = await connect()
    assert await line.ask(b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\n\r\n") == 421


async def test_29_a_host_in_capitals_or_with_a_dot_is_the_same(connect: Lines) -> None:
    line = await connect()
    for host in (b"LOCALHOST", b"localhost."):
        for _ in range(2):
            assert await line.ask(b"GET /f/tiny HTTP/1.1\r\nHost: " + host + b"\r\n\r\n") == 200


async def test_30_an_unknown_host_is_plainly_not_found(connect: Lines) -> None:
    """No default app, whatever is in memory for others."""
    line = await connect()
    assert await line.ask(GET + b"\r\n") == 200
    for host in (b"unknown.example", b"localhost.evil.example", b"xlocalhost", b"10.1.2.3"):
        for _ in range(2):
            status, _, body = await _asked(line, b"GET /f/tiny HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            assert status == 404 and body != TINY


async def _asked(line: Line, data: bytes) -> tuple[int, bytes, bytes]:
    line.send(data)
    return await line.answer()


@pytest.mark.parametrize(
    "header",
    [
        b"X-Forwarded-For: 6.6.6.6",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: admin.localhost",
        b"Forwarded: for=6.6.6.6;host=admin.localhost;proto=https",
        b"X-Real-IP: 6.6.6.6",
    ],
)
async def test_31_what_a_stranger_says_about_himself_is_not_heard(node: Running, connect: Lines, header: bytes) -> None:
    heard: list[tuple[str, str]] = []

    async def who(asked: Asked) -> web.StreamResponse:
        heard.append((asked.address, asked.scheme))
        return web.Response()

    node.server.mount("root", Endpoint("GET", "/who", who, "Who asks."))
    line = await connect()
    assert await line.ask(b"GET /who HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n\r\n") == 200
    assert heard == [("127.0.0.1", "http")]


# --- slow and silent


async def test_32_headers_one_byte_at_a_time(node: Running, connect: Lines) -> None:
    slow, other = await connect(), await connect()
    for byte in (b"G", b"E", b"T", b" ", b"/"):
        slow.send(byte)
        await connect.pass_time(HEAD_SECONDS / 5 - 0.01)
        assert await other.ask(GET + b"\r\n") == 200
    assert len(node.server.gate.connections) == 2
    slow.send(b"f")
    await connect.pass_time(0.1)
    assert statuses(await slow.rest()) == [408]
    assert await other.ask(GET + b"\r\n") == 200


async def test_32_the_second_request_may_not_be_slower_than_the_first(connect: Lines) -> None:
    line = await connect()
    assert await line.ask(POST + b"Content-Length: 2\r\n\r\nab") == 200
    await connect.pass_time(IDLE_SECONDS / 2)
    line.send(b"GET /f/ti")
    await connect.pass_time(HEAD_SECONDS - 0.1)
    line.send(b"ny")
    await connect.pass_time(0.2)
    assert statuses(await line.rest()) == [408]


async def test_32_who_finishes_in_time_is_answered(connect: Lines) -> None:
    line = await connect()
    for part in (GET[:9], GET[9:]):
        line.send(part)
        await connect.pass_time(HEAD_SECONDS / 2 - 0.1)
    assert await line.ask(b"\r\n") == 200
    await connect.pass_time(HEAD_SECONDS + 1)
    assert await line.ask(GET + b"\r\n") == 200


async def test_32_who_says_nothing_is_let_go(node: Running, connect: Lines) -> None:
    line = await connect()
    await connect.seen(1)
    await connect.pass_time(SILENT_SECONDS - 0.1)
    assert len(node.server.gate.connections) == 1
    await connect.pass_time(0.2)
    assert await line.rest() == b""


@pytest.mark.parametrize("first", [GET + b"\r\n", POST + b"Content-Length: 1\r\n\r\na"], ids=["fast", "slow"])
async def test_32_an_idle_connection_is_kept_a_while(connect: Lines, first: bytes) -> None:
    line = await connect()
    for _ in range(3):
        assert await line.ask(first) == 200
        await connect.pass_time(IDLE_SECONDS - 0.1)
    await connect.pass_time(0.2)
    assert await line.rest() == b""


async def test_33_a_body_that_drips_is_cut(node: Running, connect: Lines) -> None:
    slow, other = await connect(), await connect()
    slow.send(POST + b"Content-Length: 100000\r\n\r\n")
    await connect.seen(2)
    await connect.pass_time(0)
    for _ in range(9):
        slow.send(b"x" * 100)
        await connect.pass_time(BODY_SECONDS / 10)
    assert len(node.server.gate.connections) == 2
    await connect.pass_time(BODY_SECONDS / 10)
    assert await other.ask(GET + b"\r\n") == 200
    assert statuses(await slow.rest()) == [408]


async def test_33_a_body_that_is_only_slow_is_waited_for(connect: Lines) -> None:
    line = await connect()
    line.send(POST + b"Content-Length: 80000\r\n\r\n")
    for _ in range(40):
        line.send(b"x" * 2000)
        await connect.pass_time(1)
    assert await line.status() == 200


@pytest.mark.parametrize("path", [b"/f/large", b"/flood"])
async def test_33_who_does_not_read_is_cut(node: Running, connect: Lines, path: bytes) -> None:
    """From memory or not: what is waiting to be read takes memory."""

    async def flood(asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(asked.request)
        while True:
            await response.write(b"x" * 65536)

    node.server.mount("root", Endpoint("GET", "/flood", flood, "Never ends."))
    deaf, other = await connect(), await connect()
    request = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert await other.ask(request if path == b"/f/large" else GET + b"\r\n") == 200
    deaf.reader._transport.pause_reading()  # type: ignore[attr-defined]
    deaf.send(request * 1000)

    def waiting() -> bool:
        return any(each.wire.get_write_buffer_size() for each in node.server.gate.connections)  # type: ignore[attr-defined]

    async with asyncio.timeout(20):
        while not waiting():  # noqa: ASYNC110 - what is waited for is not ours to signal
            await asyncio.sleep(0)
    assert len(node.server.gate.connections) == 2
    size = -1
    async with asyncio.timeout(20):
        # the system's own buffers fill first
        while size != (size := sum(c.wire.get_write_buffer_size() for c in node.server.gate.connections)):  # type: ignore[attr-defined]
            await connect.seen()
    await connect.pass_time(0)
    await connect.pass_time(DRAIN_SECONDS / 2)
    assert len(node.server.gate.connections) == 2
    await connect.pass_time(DRAIN_SECONDS / 2)
    await connect.seen(1)
    assert await other.ask(GET + b"\r\n") == 200


async def test_33_a_stream_that_has_nothing_to_say_is_not_slow(node: Running, connect: Lines) -> None:
    """As events do: between two of them there may be an hour."""
    more = asyncio.Event()

    async def events(asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(asked.request)
        await response.write(b"data: 1\n\n")
        await more.wait()
        await response.write(b"data: 2\n\n")
        return response

    node.server.mount("root", Endpoint("GET", "/events", events, "Events."))
    line = await connect()
    line.send(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await line.reader.readuntil(b"data: 1\n\n")
    for _ in range(20):
        await connect.pass_time(180)
    more.set()
    async with asyncio.timeout(20):
        await line.reader.readuntil(b"data: 2\n\n")


# --- too much


async def test_34_the_node_holds_so_many_connections_and_no_more(node: Running, connect: Lines) -> None:
    limit(node, maxConnections=20)
    held = [await connect() for _ in range(20)]
    await connect.seen(20)
    for _ in range(3):
        line = await connect()
        status, head, _ = await line.answer()
        assert status == 503 and b"Retry-After: " in head and b"Connection: close" in head
        assert await line.rest() == b""
    assert [await line.ask(GET + b"\r\n") for line in held] == [200] * 20
    for line in held[:5]:
        line.writer.close()
    await connect.pass_time(3)
    await connect.seen(15)
    assert await (await connect()).ask(GET + b"\r\n") == 200


async def test_34_one_address_holds_so_many(node: Running, connect: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine itself is not counted, so the addresses of the test are made foreign."""
    monkeypatch.setattr("kernel.net.gate.is_loopback", lambda address: address == "127.0.0.1")
    limit(node, maxConnectionsPerAddress=5)
    held = [await connect("127.0.0.2") for _ in range(5)]
    await connect.seen(5)
    assert await (await connect("127.0.0.2")).status() == 429
    other = [await connect("127.0.0.3") for _ in range(5)] + [await connect() for _ in range(20)]
    assert [await line.ask(GET + b"\r\n") for line in (*held, *other)] == [200] * 30
    held[0].writer.close()
    await connect.pass_time(3)
    await connect.seen(29)
    assert await (await connect("127.0.0.2")).ask(GET + b"\r\n") == 200


async def test_34_ten_thousand_idle_connections_leave_it_awake(node: Running, connect: Lines) -> None:
    """As many as this machine's limits allow, of ten thousand; half of them are this program's own ends."""
    count = min(10_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500) // 2, 2000)
    limit(node, maxConnections=count)
    for _ in range(count + 50):
        await connect()
    line = connect.open[0]
    assert await line.ask(GET + b"\r\n") == 200
    told = [await refused.status() for refused in connect.open[count:]]
    assert told == [503] * 50
    node.server._sweeper.sweep()
    assert await line.ask(GET + b"\r\n") == 200


@pytest.mark.parametrize("length", [9_000, 70_000, 500_000])
async def test_35_an_address_that_is_too_long(connect: Lines, length: int) -> None:
    line = await connect()
    assert await line.ask(b"GET /" + b"a" * length + b" HTTP/1.1\r\nHost: localhost\r\n\r\n") == 414


@pytest.mark.parametrize(
    "lines",
    [
        b"".join(b"X-%d: a\r\n" % n for n in range(101)),
        b"X: " + b"a" * 33_000 + b"\r\n",
        b"".join(b"X-%d: " % n + b"a" * 1000 + b"\r\n" for n in range(33)),
    ],
    ids=["many", "long", "much"],
)
@pytest.mark.parametrize("warm", [False, True])
async def test_35_headers_that_are_too_many(connect: Lines, lines: bytes, warm: bool) -> None:
    line = await connect()
    if warm:
        assert await line.ask(GET + b"\r\n") == 200
    assert await line.ask(GET + lines + b"\r\n") == 431


async def test_35_a_body_that_is_too_large_is_refused_before_it_comes(connect: Lines) -> None:
    line = await connect()
    status, head, _ = await _asked(line, POST + b"Content-Length: %d\r\n\r\n" % (MOST_BODY + 1))
    assert status == 413 and b"Connection: close" in head


async def test_36_who_asks_to_be_asked_and_then_is_silent(connect: Lines) -> None:
    line = await connect()
    line.send(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    async with asyncio.timeout(20):
        assert b" 100 " in await line.reader.readuntil(b"\r\n\r\n")
    await connect.pass_time(0)
    await connect.pass_time(BODY_SECONDS)
    assert statuses(await line.rest()) == [408]


@pytest.mark.parametrize("kept", [True, False], ids=["from memory", "not kept"])
async def test_37_a_thousand_at_once_are_answered_in_order(node: Running, connect: Lines, kept: bool) -> None:
    limit(node, requestBurst=10_000)
    line = await connect()
    if kept:
        assert await line.ask(GET + b"\r\n") == 200
    paths = [b"/f/tiny" if n % 3 else b"/nothing" for n in range(1000)] if not kept else [b"/f/tiny"] * 1000
    line.send(b"".join(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" for path in paths) + CLOSE)
    assert statuses(await line.rest()) == [200 if path == b"/f/tiny" else 404 for path in paths] + [200]


async def test_37_a_thousand_of_both_kinds_keep_their_order(node: Running, connect: Lines) -> None:
    """Answers from memory do not overtake those that take longer."""
    line = await connect()
    assert await line.ask(GET + b"\r\n") == 200
    asked = [GET + b"\r\n" if n % 7 else POST + b"Content-Length: 4\r\n\r\n%04d" % n for n in range(1000)]
    line.send(b"".join(asked) + CLOSE)
    back = await line.rest()
    assert statuses(back) == [200] * 1001
    kinds = [b"Vary" in part for part in back.split(b"HTTP/1.1 ")[1:]]
    assert kinds == [n % 7 != 0 for n in range(1000)] + [True]


def bombs() -> dict[str, tuple[bytes, bytes]]:
    plain = bytes(MOST_BODY * 4)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return {
        "gzip": (b"gzip", gzip.compress(plain)),
        "deflate": (b"deflate", zlib.compress(plain)),
        "raw deflate": (b"deflate", deflate.compress(plain) + deflate.flush()),
        "twice": (b"gzip, gzip", gzip.compress(gzip.compress(plain))),
        "br": (b"br", bytes.fromhex("cfffff7ff82700e2b14020f7fe9ffffffff0") * 20),
        "no such": (b"bomb", b"x" * 100),
    }


@pytest.mark.parametrize("name", ["gzip", "deflate", "raw deflate", "br"])
async def test_38_a_body_that_inflates_is_cut_at_the_limit(connect: Lines, name: str) -> None:
    coding, body = bombs()[name]
    assert len(body) < MOST_BODY // 100
    line = await connect()
    head = POST + b"Content-Encoding: " + coding + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert await line.ask(head + body) in (400, 413, 415)


@pytest.mark.parametrize("name", ["twice", "no such"])
async def test_38_what_cannot_be_inflated_stays_as_it_is(connect: Lines, name: str) -> None:
    coding, body = bombs()[name]
    line = await connect()
    head = POST + b"Content-Encoding: " + coding + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    status, _, said = await _asked(line, head + body)
    assert status in (400, 413, 415) or said.startswith(b"%d " % len(body))
