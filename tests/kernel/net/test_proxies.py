"""Who is behind a proxy, and whose word counts."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from kernel.net.asked import Asked
from kernel.net.door import HEAD_SECONDS
from kernel.net.proxies import SIGNATURE, Header, Proxies, parse, proxy_header
from kernel.net.router import Endpoint
from tests.kernel.net.lines import GET, Line, Lines, connect, limit, node
from tests.support import Running

__all__ = ["connect", "node"]
WHO = b"GET /who HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    ("peer", "said", "expected"),
    [
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4"),
        ("10.0.0.1", "10.1.1.1,10.2.2.2", "10.1.1.1"),
        ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, garbage, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", " , ,", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("10.0.0.1", "2001:DB8::1", "2001:db8::1"),
        ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, ::1, 10.0.0.3", "6.6.6.6"),
        ("10.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("10.0.0.1", "6.6.6.6," + "10.0.0.2," * 100 + "10.0.0.2", "10.0.0.2"),
    ],
)
def test_the_visitor_is_the_first_from_the_right_that_is_no_proxy(peer: str, said: str, expected: str) -> None:
    assert Proxies("10.0.0.0/8, ::1").client(peer, said) == expected


@given(st.text(max_size=200))
def test_nothing_said_is_a_fault_and_the_answer_is_an_address(said: str) -> None:
    assert ipaddress.ip_address(Proxies("10.0.0.0/8").client("10.0.0.1", said))


@pytest.mark.parametrize("text", ["x", "10.0.0.1/8", "10.0.0.0/33", "unix,", "a.example", "10.0.0.0/8;::1"])
def test_a_list_of_proxies_is_networks(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


# --- the PROXY protocol


def block(family: int, addresses: bytes, command: int = 0x21, more: bytes = b"") -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(addresses + more)) + addresses + more


V4 = socket.inet_aton("1.2.3.4") + socket.inet_aton("5.6.7.8") + struct.pack("!HH", 1, 2)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") * 2 + struct.pack("!HH", 1, 2)
GOOD = [
    (b"PROXY TCP4 1.2.3.4 5.6.7.8 111 222\r\n", "1.2.3.4"),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 0 65535\r\n", "2001:db8::1"),
    (b"PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n", "1.2.3.4"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    (block(0x11, V4), "1.2.3.4"),
    (block(0x11, V4, more=b"\x04\x00\x03abc" * 20), "1.2.3.4"),
    (block(0x21, V6), "2001:db8::1"),
    (block(0x00, b""), None),
    (block(0x11, V4, command=0x20), None),
    (block(0x31, b"x" * 216), None),
]
BAD = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 111\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 111 222 \r\n",
    b"PROXY TCP4 1.2.3.4  5.6.7.8 111 222\r\n",
    b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
    b"PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY TCP4 1.2.3.400 5.6.7.8 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
    b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
    b"proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    b"PROXY " + b"x" * 101,
    block(0x12, V4),
    block(0x11, V4[:11]),
    block(0x21, V6[:35]),
    block(0x11, V4, command=0x22),
    block(0x11, V4, command=0x11),
    block(0x11, V4, more=b"x" * 2048),
    block(0x44, V4),
]


@pytest.mark.parametrize(("data", "address"), GOOD, ids=lambda value: repr(value)[:50])
def test_a_header_is_read_however_it_is_cut(data: bytes, address: str | None) -> None:
    for end in range(len(data)):
        assert proxy_header(data[:end]) is None
    assert proxy_header(data + b"GET / HTTP/1.1") == Header(address, len(data))


@pytest.mark.parametrize("data", BAD, ids=lambda value: repr(value)[:50])
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        proxy_header(data)


@given(st.binary(max_size=300), st.sampled_from([b"", SIGNATURE, b"PROXY ", b"PROXY TCP4 1.2.3.4 "]))
def test_random_bytes_are_refused_or_bounded(data: bytes, start: bytes) -> None:
    try:
        header = proxy_header(start + data)
    except ValueError:
        return
    assert header is None or header.size <= 16 + 2048


# --- on real sockets


@pytest.fixture
async def heard(node: Running) -> AsyncIterator[list[tuple[str, str]]]:
    """Who asked for /who: address and scheme."""
    found: list[tuple[str, str]] = []

    async def who(asked: Asked) -> web.StreamResponse:
        found.append((asked.address, asked.scheme))
        return web.Response()

    node.server.mount("root", Endpoint("GET", "/who", who, "Who asks."))
    yield found


def configure(node: Running, proxies: str, protocol: bool = False) -> None:
    node.node.settings.apply("net.trusted_proxies", proxies)
    node.node.settings.apply("net.proxy_protocol", protocol)
    node.server.gate.refresh()


async def test_a_trusted_proxy_is_believed(node: Running, connect: Lines, heard: list[tuple[str, str]]) -> None:
    configure(node, "127.0.0.1")
    line, stranger = await connect(), await connect("127.0.0.2")
    more = b"X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: admin.localhost\r\n\r\n"
    assert await line.ask(WHO + more) == 200
    assert await stranger.ask(WHO + more) == 200
    assert await line.ask(WHO + b"\r\n") == 200
    assert heard == [("1.2.3.4", "https"), ("127.0.0.2", "http"), ("127.0.0.1", "http")]


@pytest.mark.parametrize("warm", [True, False], ids=["from memory", "not kept"])
async def test_a_visitor_behind_a_proxy_is_limited_and_his_neighbour_is_not(
    node: Running, connect: Lines, warm: bool
) -> None:
    configure(node, "127.0.0.1")
    limit(node, requestBurst=10)
    line = await connect()
    path = WHO.replace(b"/who", b"/f/tiny" if warm else b"/nothing")
    told = [await line.ask(path + b"X-Forwarded-For: 1.2.3.4\r\n\r\n") for _ in range(12)]
    assert told == [200 if warm else 404] * 10 + [429] * 2
    assert await line.ask(path + b"X-Forwarded-For: 1.2.3.5\r\n\r\n") != 429
    assert await line.ask(path + b"X-Forwarded-For: 1.2.3.5, 1.2.3.4\r\n\r\n") == 429
    assert await (await connect("127.0.0.3")).ask(path + b"X-Forwarded-For: 1.2.3.4\r\n\r\n") != 429
    node.clock.advance(1)
    assert await line.ask(path + b"X-Forwarded-For: 1.2.3.4\r\n\r\n") != 429


@pytest.mark.parametrize(("header", "address"), GOOD, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("cut", [False, True], ids=["", "in pieces"])
async def test_a_connection_begins_with_the_visitors_address(
    node: Running, connect: Lines, heard: list[tuple[str, str]], header: bytes, address: str | None, cut: bool
) -> None:
    configure(node, "127.0.0.1", protocol=True)
    line = await connect()
    if cut:
        for n in range(len(header)):
            line.send(header[n : n + 1])
            await connect.seen()
        header = b""
    # a proxy that speaks like this passes headers on: they are the visitor's own
    assert await line.ask(header + WHO + b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n") == 200
    assert await line.ask(GET + b"\r\n") == 200
    assert heard == [(address or "127.0.0.1", "http")]


@pytest.mark.parametrize("data", [BAD[0], BAD[1], BAD[4], BAD[-1]], ids=lambda value: repr(value)[:40])
async def test_a_connection_without_the_header_ends(node: Running, connect: Lines, data: bytes) -> None:
    configure(node, "127.0.0.1", protocol=True)
    line = await connect()
    line.send(data)
    assert await line.rest() == b""


async def test_a_stranger_is_refused_while_the_protocol_is_on(
    node: Running, connect: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    """He would choose his own address. That it happens is said in the log: the owner may wonder."""
    configure(node, "127.0.0.1", protocol=True)
    for _ in range(3):
        line = await connect("127.0.0.2")
        line.send(GOOD[0][0] + GET + b"\r\n")
        assert await line.rest() == b""
    await connect.pass_time(1)
    assert [record.connections for record in caplog.records if "net.proxy_protocol" in record.getMessage()] == [3]  # type: ignore[attr-defined]


async def test_a_header_that_does_not_come_is_not_waited_for(node: Running, connect: Lines) -> None:
    configure(node, "127.0.0.1", protocol=True)
    line = await connect()
    for byte in (b"P", b"R", b"O"):
        line.send(byte)
        await connect.pass_time(HEAD_SECONDS / 3)
    await connect.pass_time(0.1)
    assert await line.rest() == b""


async def test_behind_the_protocol_nobody_is_this_machine(
    node: Running, connect: Lines, heard: list[tuple[str, str]]
) -> None:
    """A visitor the proxy calls 127.0.0.1 is limited like all others."""
    configure(node, "127.0.0.1", protocol=True)
    limit(node, requestBurst=3)
    line = await connect()
    line.send(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n")
    assert [await line.ask(GET + b"\r\n") for _ in range(4)] == [200, 200, 200, 429]


async def test_connections_of_a_visitor_behind_the_protocol_are_counted(node: Running, connect: Lines) -> None:
    configure(node, "127.0.0.1", protocol=True)
    limit(node, maxConnectionsPerAddress=2)

    async def visit(address: bytes) -> tuple[Line, int]:
        line = await connect()
        return line, await line.ask(b"PROXY TCP4 " + address + b" 5.6.7.8 1 2\r\n" + GET + b"\r\n")

    held = [await visit(b"1.2.3.4") for _ in range(3)]
    assert [status for _, status in held] == [200, 200, 429]
    assert (await visit(b"1.2.3.5"))[1] == 200
