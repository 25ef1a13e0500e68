"""Requests no honest program sends: smuggling, broken framing, odd methods, odd bytes, too much of anything.

The tests speak over a bare socket. A request that is refused for its form is answered once, and the connection ends.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest

from kernel.net.asked import Asked
from kernel.net.router import Endpoint
from tests.support import Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")
HOST = b"Host: admin.localhost:{port}\r\n"
POST = b"POST /api/login HTTP/1.1\r\n" + HOST
GET = b"GET /health HTTP/1.1\r\n" + HOST
LOGIN = b'{"username":"owner","password":"wrong password"}'


LAST = b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


async def everything(running: Running, sent: bytes) -> bytes:
    """All that comes back until the server closes: what is sent ends with a request that says so."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.site.port)
    try:
        async with asyncio.timeout(20):
            writer.write(sent.replace(b"{port}", str(running.site.port).encode()))
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        POST + b"Content-Length: 2, 2\r\n\r\n{}",
        POST + b"Content-Length: +2\r\n\r\n{}",
        POST + b"Content-Length: -2\r\n\r\n{}",
        POST + b"Content-Length: 0x2\r\n\r\n{}",
        POST + b"Content-Length: 2 2\r\n\r\n{}",
        POST + b"Content-Length: \r\n\r\n{}",
        POST + b"Content-Length: 2.0\r\n\r\n{}",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        POST + b"Content-Length: \xd9\xa2\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2 \n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}}}\r\n0\r\n\r\n",
        b"GET /health HTTP/1.1\nHost: admin.localhost\n\n",
        GET + b"X: a\rb\r\n\r\n",
        GET + b"X: a\nY: b\r\n\r\n",
        GET + b"X: a\r\n b\r\n\r\n",
        GET + b" X: a\r\n\r\n",
        GET + b"X : a\r\n\r\n",
        GET + b"X: a\x00b\r\n\r\n",
        GET + b"X\x00: a\r\n\r\n",
        GET + b"X(Y): a\r\n\r\n",
        GET + b": a\r\n\r\n",
        GET + b"no colon\r\n\r\n",
        b"G@T /health HTTP/1.1\r\n" + HOST + b"\r\n",
        b"get /health HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/0.9\r\n" + HOST + b"\r\n",
        b"GET /health HTTP/9.9\r\n" + HOST + b"\r\n",
        b"GET /health HTTPS/1.1\r\n" + HOST + b"\r\n",
        b"GET /health HTTP/1.1 x\r\n" + HOST + b"\r\n",
        b"GET /he alth HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET health HTTP/1.1\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda sent: repr(sent.removeprefix(POST).removeprefix(GET))[2:50],
)
@on_shared_node
async def test_a_malformed_request_is_refused_once(untouched: Running, sent: bytes) -> None:
    """What stands behind a request that was not understood is never taken for another request."""
    back = await everything(untouched, sent + LAST)
    assert back.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400", b"HTTP/1.1 405", b"HTTP/1.0 505", b"HTTP/1.1 505")), back
    assert len(re.findall(rb"HTTP/1\.[01] \d{3} ", back)) == 1
    assert b"OK\n" not in back
    assert b"Traceback" not in back and b".py" not in back


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "LOCK"])
@pytest.mark.parametrize("path", ["/", "/api/apps/x", "/signin/x"])
@on_shared_node
async def test_an_odd_method_is_not_allowed(untouched: Running, method: str, path: str) -> None:
    answer = await untouched.raw(f"{method} {path} HTTP/1.1\r\n".encode() + HOST + b"X: secret\r\n\r\n")
    assert answer.status in (400, 401, 405)
    if answer.status == 405 and "Allow" in answer.headers:
        assert method not in answer.headers["Allow"]
    assert b"secret" not in answer.body


async def test_health_is_only_read(running: Running) -> None:
    for method in ("TRACE", "OPTIONS", "POST", "DELETE"):
        answer = await running.ask(method, "/health")
        assert (answer.status, answer.headers.get("Allow")) == (405, "GET, HEAD")


@pytest.mark.parametrize("start", [b"CONNECT admin.localhost:80 HTTP/1.1", b"CONNECT evil.example:443 HTTP/1.1"])
async def test_the_node_is_no_proxy(running: Running, start: bytes) -> None:
    assert (await running.raw(start + b"\r\n" + HOST + b"\r\n")).status in (400, 405, 421)


async def test_a_stranger_is_not_told_which_program_this_is(running: Running) -> None:
    """A version is half of an attack; and what is answered to a malformed request has the shape of all errors."""
    answer = await running.raw(GET + b"X : a\r\n\r\n")
    assert answer.status == 400
    assert "aiohttp" not in answer.headers["Server"] and "Python" not in answer.headers["Server"]
    assert answer.code == "BAD_REQUEST"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_malformed_request_is_not_worth_a_trace(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Anybody can send one: thousands of them must not bury what matters in the log."""
    with caplog.at_level(logging.DEBUG):
        await running.raw(GET + b"X : a\r\n\r\n")
        await running.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_a_fault_of_ours_is_worth_a_trace(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Not what strangers send is at fault here: without a trace nobody would ever find it."""

    async def broken(asked: Asked) -> Any:
        return None

    running.server.mount("admin", Endpoint("GET", "/broken", broken, "Returns nothing."))
    answer = await running.ask("GET", "/broken")
    assert (answer.status, answer.code) == (500, "INTERNAL_ERROR")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert answer.headers["X-Request-ID"]


# --- bytes that are not text


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer fzt_" + b"\xff" * 43,
        b"Authorization: Bearer fzt_" + "é".encode() * 43,
        b"Authorization: \xff",
        b"Authorization: Bearer \xed\xa0\x80",
        b"Cookie: fazt_admin_dev=" + b"\xff" * 43,
        b"Cookie: \xff=\xff; fazt_admin_dev=" + b"x" * 43,
        b"Origin: \xff",
        b"Sec-Fetch-Site: \xff",
        b"Cookie: fazt_admin_dev",
        b"Cookie: ;;;=;",
    ],
    ids=lambda line: repr(line)[2:45],
)
@pytest.mark.parametrize("path", [b"/api/apps", b"/api/keys"])
@on_shared_node
async def test_odd_bytes_in_a_header_are_no_fault_of_ours(untouched: Running, line: bytes, path: bytes) -> None:
    answer = await untouched.raw(b"GET " + path + b" HTTP/1.1\r\n" + HOST + line + b"\r\n\r\n")
    assert answer.status in (200, 400, 401, 403), answer.body


@pytest.mark.parametrize("agent", [b"\xff", b"\xed\xa0\x80", "é😀".encode(), b"x" * 5000, b""])
async def test_an_odd_user_agent_spoils_no_journal(running: Running, agent: bytes) -> None:
    """A guest's failed sign-in is remembered: what he calls himself must be something that can be kept."""
    head = POST + b"User-Agent: " + agent + b"\r\nContent-Length: %d\r\n\r\n" % len(LOGIN)
    assert (await running.raw(head + LOGIN)).status == 401
    await running.node._flush(running.node.journal)
    listed = (await running.ask("GET", "/api/system/logs?action=auth.login", key="*")).data
    assert [entry["result"] for entry in listed] == ["INVALID_CREDENTIALS"]


@pytest.mark.parametrize("agent", [b"\xff", "é😀".encode(), b"x" * 5000])
async def test_an_odd_user_agent_may_sign_in(running: Running, agent: bytes) -> None:
    link = await running.run("signin.link")
    path = b"POST /signin/" + link.url.rpartition("/")[2].encode() + b" HTTP/1.1\r\n"
    assert (await running.raw(path + HOST + b"User-Agent: " + agent + b"\r\n\r\n")).status == 303


# --- too much


@pytest.mark.parametrize("length", [9000, 70_000])
async def test_an_address_may_be_too_long(running: Running, length: int) -> None:
    answer = await running.raw(b"GET /" + b"a" * length + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.status == 414


@pytest.mark.parametrize(
    "lines",
    [
        b"".join(b"X-%d: a\r\n" % n for n in range(200)),
        b"X: " + b"a" * 40_000 + b"\r\n",
        b"".join(b"X-%d: " % n + b"a" * 4000 + b"\r\n" for n in range(20)),
        b"X" * 40_000 + b": a\r\n",
    ],
    ids=["many", "a long one", "many long ones", "a long name"],
)
async def test_there_may_be_too_many_headers(running: Running, lines: bytes) -> None:
    assert (await running.raw(GET + lines + b"\r\n")).status == 431


async def test_a_long_address_is_still_an_address(running: Running) -> None:
    answer = await running.raw(b"GET /" + b"a" * 4000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.status == 404


async def test_who_waits_to_be_asked_for_the_body_is_asked(running: Running) -> None:
    """`Expect: 100-continue`: a client that takes it seriously sends nothing before the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.site.port)
    try:
        head = POST.replace(b"{port}", str(running.site.port).encode())
        writer.write(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(LOGIN))
        waiting = asyncio.ensure_future(reader.readline())
        for _ in range(20):
            # each is a way there and back: an answer that comes at all has come by then
            await running.ask("GET", "/health")
        assert waiting.done(), "the client waits for ever"
        assert waiting.result().split()[1] in (b"100", b"417")
    finally:
        waiting.cancel()
        writer.close()


@pytest.mark.parametrize("expectation", ["200-ok", "100-continue, x", "nothing"])
async def test_another_expectation_is_not_met(running: Running, expectation: str) -> None:
    answer = await running.raw(GET + f"Expect: {expectation}\r\n\r\n".encode())
    assert answer.status in (200, 400, 417)


# --- several requests on a connection


async def test_requests_in_a_row_are_answered_in_order(running: Running) -> None:
    one = b"GET /api/apps?limit=%d HTTP/1.1\r\n" + HOST + b"\r\n"
    sent = b"".join(one % n for n in range(1, 101))
    back = await everything(running, sent + LAST)
    limits = [int(part.split(b",")[0]) for part in back.split(b'"limit":')[1:]]
    assert limits == list(range(1, 101))
    assert back.endswith(b"OK\n")


async def test_a_refused_body_is_not_the_next_request(running: Running) -> None:
    """The body of a request that is refused unread could hold one."""
    inner = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
    body = inner.replace(b"{port}", str(running.site.port).encode())
    sent = b"POST /api/apps HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    back = await everything(running, sent + LAST)
    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", back)] in ([401], [401, 200])


async def test_a_body_of_a_read_is_not_the_next_request(running: Running) -> None:
    inner = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    length = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(inner)
    back = await everything(running, b"GET /api/apps HTTP/1.1\r\n" + HOST + length + inner)
    assert back.count(b"HTTP/1.1") == 1 and b"OK\n" not in back


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nHo", POST + b'Content-Length: 100\r\n\r\n{"user'])
async def test_who_leaves_early_leaves_nothing_behind(
    running: Running, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", running.site.port)
    writer.write(sent.replace(b"{port}", str(running.site.port).encode()))
    await writer.drain()
    assert (await running.ask("GET", "/health")).status == 200
    writer.close()
    await writer.wait_closed()
    for _ in range(10):
        assert (await running.ask("GET", "/health")).status == 200
    assert running.server.active == 0
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
