"""Public files from memory: what is kept, how long it holds, and that the door shuts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from pathlib import Path

import pytest
from aiohttp.web_protocol import RequestHandler
from hypothesis import given
from hypothesis import strategies as st

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.net import boundary, simple, sockets
from kernel.net.entry import ONE_PIECE, Entry
from kernel.net.front import MEMO_BYTES, MEMO_MOST, Front
from kernel.net.gate import Gate
from kernel.net.protocol import NEEDED, Plain, Protocol, WebServer
from kernel.net.settings import LISTEN
from tests.kernel.net.lines import CLOSE, GET, POST, TINY, Lines, connect, limit, node
from tests.support import Running

__all__ = ["connect", "node"]
REQUEST = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def entry(body: bytes = b"body", app: str = "app_1", tags: tuple[bytes, ...] = (b'"t"',)) -> Entry:
    head = OK + b"Content-Length: %d\r\n" % len(body)
    return Entry(app, head, body, tags, b'HTTP/1.1 304 Not Modified\r\nETag: "t"\r\n')


class Moving:
    """A generation the test moves."""

    def __init__(self) -> None:
        self.now = 1

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def generation() -> Moving:
    return Moving()


@pytest.fixture
def front(generation: Moving) -> Front:
    return Front(ManualClock(), generation)


def answer(front: Front, request: bytes = REQUEST, now: float = 1000.0) -> bytes | None:
    found = front.find(request)
    if found is None:
        return None
    made = front.answer(found[0], found[1], now)
    return made if isinstance(made, bytes) else b"".join(made)


# --- what is kept


def test_what_is_kept_is_answered_with_the_date(front: Front) -> None:
    assert front.keep(1, b"h", b"/a", b"", entry())
    date = b"Date: Fri, 15 Jan 2027 08:00:00 GMT\r\n\r\n"
    assert answer(front) == OK + b"Content-Length: 4\r\n" + date + b"body"
    assert answer(front, REQUEST.replace(b"GET", b"HEAD")) == OK + b"Content-Length: 4\r\n" + date
    unchanged = REQUEST[:-2] + b'If-None-Match: "t"\r\n\r\n'
    assert answer(front, unchanged) == b'HTTP/1.1 304 Not Modified\r\nETag: "t"\r\n' + date


def test_the_date_goes_on(front: Front) -> None:
    front.keep(1, b"h", b"/a", b"", entry())
    before = answer(front, now=1000.9)
    front._clock.advance(2)  # type: ignore[attr-defined]
    assert answer(front, now=1000.99) == before
    assert answer(front, now=1002.0) == (before or b"").replace(b"08:00:00", b"08:00:02")


@pytest.mark.parametrize(
    ("known", "same"),
    [
        (b'"t"', True),
        (b'W/"t"', True),
        (b'"a", W/"t" ,"b"', True),
        (b"*", True),
        (b'"br"', True),
        (b'"T"', False),
        (b"t", False),
        (b'"a","b"', False),
        (b"", False),
        (b'*, "a"', False),
        (b'w/"t"', False),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_who_has_it_already_is_told_so(front: Front, known: bytes, same: bool, method: bytes) -> None:
    front.keep(1, b"h", b"/a", b"", entry(tags=(b'W/"t"', b'"br"')))
    told = answer(front, REQUEST.replace(b"GET", method)[:-2] + b"If-None-Match: " + known + b"\r\n\r\n")
    assert told is not None and told.startswith(b"HTTP/1.1 304" if same else OK)


def test_a_change_of_what_visitors_see_drops_everything(front: Front, generation: Moving) -> None:
    front.keep(1, b"h", b"/a", b"", entry())
    assert answer(front) and answer(front)
    generation.now = 2
    assert answer(front) is None
    assert len(front) == 0 and front.bytes == 0
    assert not front.keep(1, b"h", b"/a", b"", entry()), "made from what no longer holds"
    assert front.keep(2, b"h", b"/a", b"", entry())


def test_hits_are_told_before_they_are_forgotten(front: Front, generation: Moving) -> None:
    told: list[tuple[str, int, int, int]] = []
    front.counted = lambda *news: told.append(news)
    front.keep(1, b"h", b"/a", b"", entry())
    front.keep(1, b"h", b"/b", b"", entry(app="app_2"))
    unchanged = REQUEST[:-2] + b'If-None-Match: "t"\r\n\r\n'
    for request in (REQUEST, REQUEST, REQUEST, unchanged, unchanged):
        assert answer(front, request)
    assert answer(front, unchanged.replace(b"GET", b"HEAD"))
    front.flush()
    assert told == [("app_1", 200, 3, 3 * len(b"body")), ("app_1", 304, 3, 0)]
    front.flush()
    assert len(told) == 2
    answer(front)
    generation.now = 2
    answer(front)
    assert told[2:] == [("app_1", 200, 1, len(b"body"))]
    front.flush()
    assert len(told) == 3


def test_names_are_host_path_and_encodings(front: Front) -> None:
    front.keep(1, b"h:80", b"/a", b"br, gzip", entry())
    line = b"Accept-Encoding: br, gzip\r\n\r\n"
    assert answer(front, b"GET /a?x=1 HTTP/1.1\r\nHOST: H:80\r\nCookie: c\r\n" + line)
    for other in (
        b"GET /A HTTP/1.1\r\nHost: h:80\r\n" + line,
        b"GET /a HTTP/1.1\r\nHost: h\r\n" + line,
        b"GET /a HTTP/1.1\r\nHost: h:80\r\nAccept-Encoding: br\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: h:80\r\n\r\n",
    ):
        assert answer(front, other) is None


NOT_SIMPLE = [
    b"GET /a HTTP/1.0\r\nHost: h\r\n\r\n",
    b"get /a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET  /a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /a#x HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /a HTTP/1.1\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: h\r\n",
    b"GET /a HTTP/1.1\nHost: h\n\n",
    REQUEST + REQUEST,
    REQUEST + b"x",
    b"\r\n" + REQUEST,
    *(
        REQUEST[:-2] + line + b"\r\n\r\n"
        for line in (
            b"Authorization: x",
            b"Range: bytes=0-1",
            b"If-Range: x",
            b"If-Modified-Since: x",
            b"If-Match: x",
            b"Content-Length: 0",
            b"content-length: 0",
            b"Transfer-Encoding: chunked",
            b"Content-Encoding: br",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Connection: close",
            b"Connection: keep-alive, close",
            b"Connection: keep-alive\r\nConnection: close",
            b"Expect: 100-continue",
            b"TE: trailers",
            b"Trailer: x",
            b'If-None-Match: "t"\r\nIf-None-Match: "u"',
            b"Accept-Encoding: br\r\nAccept-Encoding: gzip",
            b"X: a\x00",
            b"X: a\rb",
            b"X: a\nb",
            b"X: a\r\n b",
            b"X : a",
            b" X: a",
            b": a",
            b"X",
            b"X\x7f: a",
            b"X: a\x7f",
            b"X: " + b"a" * 9000,
            b"\r\n".join(b"X-%d: a" % n for n in range(100)),
        )
    ),
]


@pytest.mark.parametrize("request_", NOT_SIMPLE, ids=lambda value: repr(value.removeprefix(REQUEST[:-2]))[2:50])
def test_what_is_not_simple_is_not_for_the_door(front: Front, request_: bytes) -> None:
    front.keep(1, b"h", b"/a", b"", entry())
    assert answer(front)
    assert front.find(request_) is None


@given(st.binary(max_size=200), st.integers(0, len(REQUEST)), st.integers(0, len(REQUEST)))
def test_random_bytes_in_a_request_never_make_another_of_it(noise: bytes, start: int, end: int) -> None:
    """What is read is one request without a body, to the last byte, whatever stands in it."""
    data = REQUEST[:start] + noise + REQUEST[end:]
    read = simple.read(data)
    if read is not None:
        assert data.count(b"\r\n\r\n") == 1 and data.endswith(b"\r\n\r\n")
        assert data.count(b"\n") == data.count(b"\r\n") == data.count(b"\r")
        assert data.startswith((b"GET /", b"HEAD /"))
        assert b"content-length" not in data.lower() and b"transfer-encoding" not in data.lower()


# --- bounds


def test_it_takes_so_much_memory_and_no_more(front: Front) -> None:
    front.most = 1 << 20
    for n in range(500):
        assert front.keep(1, b"h", b"/%d" % n, b"", entry(b"x" * 10_000))
        assert front.bytes <= front.most
        assert front.bytes == sum(kept.size + sum(map(len, name)) for name, kept in front._entries.items())
    assert len(front) > 20


def test_what_is_asked_for_stays_longest(front: Front) -> None:
    front.most = 1 << 20
    for n in range(300):
        front.keep(1, b"h", b"/%d" % n, b"", entry(b"x" * 10_000))
        assert answer(front, REQUEST.replace(b"/a", b"/0")), n
    assert answer(front, REQUEST.replace(b"/a", b"/1")) is None


def test_telling_what_was_answered_does_not_make_it_less_wanted(front: Front) -> None:
    front.most = 1 << 20
    front.keep(1, b"h", b"/a", b"", entry(b"x" * 10_000))
    while front.bytes + 30_000 < front.most:
        front.keep(1, b"h", b"/%d" % len(front), b"", entry(b"x" * 10_000))
    assert answer(front)
    front.flush()
    before = len(front)
    while len(front) >= before:
        before = len(front)
        front.keep(1, b"h", b"/%d" % len(front), b"", entry(b"x" * 10_000))
    assert answer(front), "it was the oldest, and the only one anybody asked for"


def test_the_names_of_what_is_kept_take_room_too(front: Front) -> None:
    front.most = 1 << 20
    for n in range(3000):
        assert front.keep(1, b"h" * 500, b"/" + b"p" * 1000 + b"%d" % n, b"x" * 200, entry(b""))
    assert sum(len(part) for name in front._entries for part in name) <= front.bytes <= front.most
    assert not front.keep(1, b"h", b"/" + b"p" * (1 << 17), b"", entry(b""))


def test_what_is_asked_for_in_endless_ways_is_not_kept(front: Front) -> None:
    assert front.keep(1, b"h", b"/a", b"x" * 200, entry())
    assert not front.keep(1, b"h", b"/a", b"x" * 201, entry())
    assert len(front) == 1


def test_what_is_large_is_not_kept_and_shares_its_body(front: Front) -> None:
    front.most = 1 << 20
    assert not front.keep(1, b"h", b"/a", b"", entry(b"x" * (1 << 18)))
    front.keep(1, b"h", b"/a", b"", kept := entry(b"x" * (ONE_PIECE + 1)))
    found = front.find(REQUEST)
    assert found and isinstance(pieces := front.answer(found[0], found[1], 1.0), tuple)
    assert pieces[1] is kept.body


def test_nothing_is_kept_where_there_is_no_room(front: Front) -> None:
    front.most = 0
    assert not front.keep(1, b"h", b"/a", b"", entry())


def test_requests_it_remembers_are_few_and_short(front: Front) -> None:
    front.keep(1, b"h", b"/a", b"", entry())
    for n in range(MEMO_MOST * 3):
        assert answer(front, b"GET /a?%d HTTP/1.1\r\nHost: h\r\nX: " % n + b"x" * 1500 + b"\r\n\r\n")
        assert len(front._memo) <= MEMO_MOST and front._memo_bytes <= MEMO_BYTES
    front.drop()
    front.keep(1, b"h", b"/a", b"", entry())
    assert answer(front, REQUEST[:-2] + b"X: " + b"x" * 3000 + b"\r\n\r\n")
    assert not front._memo


def test_another_entry_under_the_same_name_takes_its_place(front: Front) -> None:
    front.keep(1, b"h", b"/a", b"", entry(b"one"))
    assert (answer(front) or b"").endswith(b"one")
    front.keep(1, b"h", b"/a", b"", entry(b"two"))
    assert (answer(front) or b"").endswith(b"two")
    front.keep(1, b"h", b"/a", b"", entry(b"one"))
    size = front.bytes
    front.keep(1, b"h", b"/a", b"", entry(b"two"))
    assert front.bytes == size


# --- where a request ends


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (REQUEST, 0),
        (REQUEST[:-2] + b"Upgrade-Insecure-Requests: 1\r\n\r\n", 0),  # every browser
        (REQUEST[:-2] + b"upgrade : x\r\n\r\n", -1),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 5),
        (b"POST / HTTP/1.1\r\ncontent-LENGTH:\t5 \r\n\r\nab", 3),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde", 0),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcdef", -1),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", -1),
        (b"POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nabcde", -1),
        (b"POST / HTTP/1.1\r\nX-Content-Length: 5\r\n\r\n", -1),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", -1),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", -1),
        (b"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", -1),
        (b"GET / HTTP/1.1\r\nConnection: x, Upgrade\r\n\r\n", -1),
        (b"CONNECT h:80 HTTP/1.1\r\n\r\n", -1),
        (b"GET / HTTP/1.1\r\nHost", -1),
        (REQUEST + REQUEST, -1),
        (b"\r\n", -1),
    ],
)
def test_the_next_request_begins_where_it_is_known_to(data: bytes, expected: int) -> None:
    assert boundary.after(0, data) == expected


def test_once_unknown_always_unknown() -> None:
    assert boundary.after(boundary.UNKNOWN, REQUEST) == boundary.UNKNOWN
    assert [boundary.after(5, b"x" * n) for n in (1, 5, 6)] == [4, 0, boundary.UNKNOWN]


# --- on real sockets


async def test_a_virgin_connection_needs_nothing_of_aiohttp(node: Running, connect: Lines) -> None:
    first, second = await connect(), await connect()
    assert await first.ask(GET + b"\r\n") == 200
    before = len(node.server._web.connections)
    for _ in range(10):
        assert await second.ask(GET + b"\r\n") == 200
    assert len(node.server._web.connections) == before == 1


async def test_the_way_is_fast_again_after_a_slow_request(node: Running, connect: Lines) -> None:
    line = await connect()
    body = b"Content-Length: 3\r\n\r\nabc"
    assert [await line.ask(GET + b"\r\n"), await line.ask(POST + body)] == [200, 200]
    asked = node.server._web.requests_count
    assert [await line.ask(GET + b"\r\n") for _ in range(5)] == [200] * 5
    assert node.server._web.requests_count == asked
    assert await line.ask(POST + body) == 200


@pytest.mark.parametrize("sent", [GET + b"\r\n", POST + b"Content-Length: 0\r\n\r\n"], ids=["from memory", "not kept"])
async def test_who_asks_too_much_is_told_when_to_come_again(
    node: Running, connect: Lines, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("kernel.net.gate.is_loopback", lambda address: address == "127.0.0.1")
    limit(node, requestBurst=20, requestsPerSecond=2)
    warm, line, other = await connect(), await connect("127.0.0.2"), await connect("127.0.0.3")
    assert await warm.ask(GET + b"\r\n") == 200
    assert [await line.ask(sent) for _ in range(22)] == [200] * 20 + [429] * 2
    line.send(sent)
    status, head, body = await line.answer()
    assert status == 429 and b"RATE_LIMIT_EXCEEDED" in body
    for header in (b"Retry-After: 1", b"X-RateLimit-Limit: 2", b"X-RateLimit-Remaining: 0", b"X-RateLimit-Reset: 1"):
        assert header + b"\r\n" in head
    assert await other.ask(sent) == 200
    assert [await warm.ask(sent) for _ in range(50)] == [200] * 50
    node.clock.advance(1)
    assert [await line.ask(sent) for _ in range(3)] == [200, 200, 429]


async def test_a_refused_head_has_no_body(node: Running, connect: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernel.net.gate.is_loopback", lambda address: False)
    limit(node, requestBurst=3)
    line = await connect()
    assert [await line.ask(GET + b"\r\n") for _ in range(3)] == [200] * 3
    line.send((GET + b"\r\n").replace(b"GET", b"HEAD"))
    async with asyncio.timeout(20):
        assert b" 429 " in await line.reader.readuntil(b"\r\n\r\n")
        node.clock.advance(1)
        line.send(CLOSE)
        assert (await line.reader.read()).startswith(OK)


async def test_a_page_with_two_hundred_files_is_not_too_much(
    node: Running, connect: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel.net.gate.is_loopback", lambda address: False)
    line = await connect()
    assert {await line.ask(GET + b"\r\n") for _ in range(4 * 201)} == {200}


async def test_a_change_is_seen_by_the_next_request(node: Running, connect: Lines) -> None:
    line = await connect()
    assert await line.ask(GET + b"\r\n") == 200
    assert len(node.server.gate.front) == 1
    await node.run("apps.create", slug="shop")
    node.server.gate.front.find(b"")
    assert len(node.server.gate.front) == 0
    line.send(GET + b"\r\n")
    assert (await line.answer())[2] == TINY


async def test_what_arrived_is_answered_when_the_node_stops(node: Running, connect: Lines) -> None:
    idle, used, busy = [await connect() for _ in range(3)]
    assert await idle.ask(GET + b"\r\n") == 200
    assert await used.ask(POST + b"Content-Length: 0\r\n\r\n") == 200
    busy.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await connect.seen(3)
    late = await connect()
    late.send(GET + b"\r\n")
    await node.server.drain(5, breath=0.01)
    assert [await busy.status(), await late.status()] == [200, 200]
    assert [await line.rest() for line in (idle, used, busy, late)] == [b""] * 4
    assert not node.server.gate.connections


async def test_an_answer_while_it_stops_says_that_it_is_the_last(node: Running, connect: Lines) -> None:
    line = await connect()
    assert await line.ask(GET + b"\r\n") == 200
    node.server.draining = True
    node.server.gate.front.close()
    line.send(GET + b"\r\n")
    status, head, _ = await line.answer()
    assert status == 200 and b"Connection: close" in head
    assert await line.rest() == b""
    node.server.draining = False


async def test_an_aiohttp_that_is_not_known_is_used_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert all(hasattr(RequestHandler, name) for name in NEEDED)
    assert WebServer(None, gate=Gate()).kind is Protocol
    monkeypatch.setattr("kernel.net.protocol.NEEDED", (*NEEDED, "_renamed"))
    assert WebServer(None, gate=Gate()).kind is Plain
    assert [record.missing for record in caplog.records] == [["_renamed"]]  # type: ignore[attr-defined]


async def test_without_the_fast_way_everything_is_answered(
    node: Running, connect: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel.net.gate.is_loopback", lambda address: False)
    node.server._web.kind = Plain
    line = await connect()
    for _ in range(3):
        assert await line.ask(POST + b"Content-Length: 1\r\n\r\na") == 200
        assert await line.ask(GET + b"\r\n") == 200
    (peer,) = (connection.peer for connection in node.server.gate.connections)
    bucket = peer.counted
    assert bucket and bucket.connections == 1
    line.writer.close()
    await connect.seen(0)
    assert bucket.connections == 0


# --- a public unix socket


async def unix(path: Path, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(sent)
    async with asyncio.timeout(20):
        back = await reader.read()
    writer.close()
    return back


async def test_a_public_unix_socket_is_not_the_owners(node: Running, tmp_path: Path) -> None:
    path = tmp_path / "public.sock"
    await node.server.listen(sockets.open_ports((f"unix:{path}",), 0))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    close = b"Connection: close\r\n\r\n"
    assert (await unix(path, CLOSE)).endswith(TINY)
    assert b" 401 " in await unix(path, b"GET /api/keys HTTP/1.1\r\nHost: admin.localhost\r\n" + close)
    assert b" 404 " in await unix(path, b"GET / HTTP/1.1\r\nHost: unknown\r\n" + close)
    await node.server.listen_here(own := tmp_path / "own.sock")
    assert b" 200 " in await unix(own, b"GET /api/keys HTTP/1.1\r\nHost: localhost\r\n" + close)


def test_a_dead_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    (dead,) = sockets.open_ports((f"unix:{path}",), 0)
    dead.close()
    assert path.exists()
    (alive,) = sockets.open_ports((f"unix:{path}",), 0)
    alive.listen()
    with pytest.raises(FaztError) as refused:
        sockets.open_ports(("127.0.0.1", f"unix:{path}"), 0)
    assert refused.value.code == "PORT_IN_USE"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        probe.connect(str(path))
    alive.close()


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("precious")
    with pytest.raises(FaztError):
        sockets.open_ports((f"unix:{path}",), 0)
    assert path.read_text() == "precious"


def test_unix_sockets_come_after_ports_and_are_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sockets.INHERITED, raising=False)
    opened = sockets.open_ports((f"unix:{tmp_path}/s.sock", "127.0.0.1"), 0)
    assert [sock.family for sock in opened] == [socket.AF_INET, socket.AF_UNIX]
    assert sockets.port_of(opened, 80) == opened[0].getsockname()[1] != 80
    assert sockets.port_of(opened[1:], 80) == 80
    sockets.hand_over(opened)
    taken = sockets.inherited()
    assert [sock.getsockname() for sock in taken] == [sock.getsockname() for sock in opened]
    for sock in (*opened, *taken):
        sock.close()


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("unix:/run/fazt.sock", True),
        ("127.0.0.1, unix:/run/fazt.sock", True),
        ("unix:", False),
        ("unix:relative.sock", False),
        ("unix:/", False),
        ("unix:/" + "x" * 100, False),
        ("unix:/a.sock,", False),
    ],
)
def test_a_unix_socket_to_listen_on_has_an_absolute_path(value: str, good: bool) -> None:
    if good:
        assert LISTEN.parse(value) == value
        assert [part.strip() for part in value.split(",")] == list(sockets.addresses(value, "localhost"))
    else:
        with pytest.raises(FaztError):
            LISTEN.parse(value, force=True)
