"""Every kind of answer, in every style of code, by both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.kernel.runtime.live import Live, living

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON, HTML, TEXT = "application/json; charset=utf-8", "text/html; charset=utf-8", "text/plain; charset=utf-8"
BYTES = "application/octet-stream"
# what an expression gives: name, expression, status, body, headers
PLAIN: list[tuple[str, str, int, bytes, dict[str, str | None]]] = [
    ("object", "({a: 1})", 200, b'{"a":1}', {"content-type": JSON, "content-length": "7"}),
    ("looks-like", "({success: true, status: 'ok'})", 200, b'{"success":true,"status":"ok"}', {"content-type": JSON}),
    ("odd-status", "({status: 'ok'})", 200, b'{"status":"ok"}', {"content-type": JSON}),
    ("half-status", "({status: 1.5})", 200, b'{"status":1.5}', {"content-type": JSON}),
    ("extra-key", "({status: 201, other: 1})", 200, b'{"status":201,"other":1}', {"content-type": JSON}),
    ("array", "[1,2]", 200, b"[1,2]", {"content-type": JSON}),
    ("number", "7", 200, b"7", {"content-type": JSON}),
    ("true", "true", 200, b"true", {"content-type": JSON}),
    ("null", "null", 200, b"null", {"content-type": JSON}),
    ("text", "'hällo'", 200, "hällo".encode(), {"content-type": TEXT}),
    ("no-text", "''", 200, b"", {"content-length": "0"}),
    ("html", "'  <!DOCTYPE html><p>'", 200, b"  <!DOCTYPE html><p>", {"content-type": HTML}),
    ("html-tag", "'<html>'", 200, b"<html>", {"content-type": HTML}),
    ("json-text", "'{\"a\": 1}'", 200, b'{"a": 1}', {"content-type": JSON}),
    ("no-json-text", "'{a}'", 200, b"{a}", {"content-type": TEXT}),
    ("bytes", "({body: new Uint8Array([0, 255, 13, 10])})", 200, b"\0\xff\r\n", {"content-type": BYTES}),
    ("buffer", "new Uint8Array([1, 2]).buffer", 200, b"\1\2", {"content-type": BYTES}),
    ("part-of-a-buffer", "new Uint8Array([1, 2, 3, 4]).subarray(1, 3)", 200, b"\2\3", {"content-type": BYTES}),
    ("wide-array", "({body: new Uint16Array([1])})", 200, b"\1\0", {"content-type": BYTES}),
    ("half-a-character", "({text: '\\ud800x'})", 200, "\ufffdx".encode(), {"content-type": TEXT}),
    ("lines", "({text: '\\nD200 []\\n\\r\\n'})", 200, b"\nD200 []\n\r\n", {"content-type": TEXT}),
    ("html-key", "({html: '<p>'})", 200, b"<p>", {"content-type": HTML}),
    ("text-key", "({text: '<html>'})", 200, b"<html>", {"content-type": TEXT}),
    ("json-key", "({json: 'a', status: 201})", 201, b'"a"', {"content-type": JSON}),
    ("json-null", "({json: null})", 200, b"null", {"content-type": JSON}),
    (
        "own-type",
        "({body: 'a', headers: {'Content-Type': 'text/css', 'X-Own': ['1', 2]}})",
        200,
        b"a",
        {"content-type": "text/css"},
    ),
    ("created", "({status: 201, body: {a: 1}})", 201, b'{"a":1}', {}),
    ("teapot", "({status: 418, text: ''})", 418, b"", {"content-length": "0"}),
    ("strange-status", "({status: 599, text: 'x'})", 599, b"x", {}),
    ("no-content", "({status: 204, body: 'lost'})", 204, b"", {"content-length": None, "content-type": None}),
    ("reset", "({status: 205, body: 'lost'})", 205, b"", {"content-length": "0"}),
    ("unchanged", "({status: 304, headers: {etag: '\"1\"'}})", 304, b"", {"content-length": None, "etag": '"1"'}),
    ("redirect", "({redirect: '/there'})", 302, b"", {"location": "/there", "content-type": None}),
    ("see-other", "({redirect: '/ä?b=c#d', status: 303})", 303, b"", {"location": "/%C3%A4?b=c#d"}),
    ("not-300", "({redirect: '/x', status: 200})", 302, b"", {"location": "/x"}),
    ("nothing", "undefined", 204, b"", {"content-length": None}),
    ("only-status", "({status: 404})", 404, b"", {"content-length": "0", "content-type": None}),
    (
        "hop",
        "({text: 'x', headers: {Connection: 'close', 'Transfer-Encoding': 'chunked', 'Content-Length': '99',"
        " Date: 'never', Server: 'me', 'X-Request-ID': 'mine'}})",
        200,
        b"x",
        {"content-length": "1", "connection": None, "transfer-encoding": None, "server": "fazt"},
    ),
    (
        "framed",
        "({text: 'x', headers: {'X-Content-Type-Options': 'none'}})",
        200,
        b"x",
        {"x-content-type-options": "none"},
    ),
    ("large", "({text: 'x'.repeat(3 << 20)})", 200, b"x" * (3 << 20), {"content-length": str(3 << 20)}),
    ("latin", "({text: 'x', headers: {'x-name': 'caf\\u00c3\\u00a9'}})", 200, b"x", {"x-name": "caf\xc3\xa9"}),
]
WEB: list[tuple[str, str, int, bytes, dict[str, str | None]]] = [
    ("text", "new Response('hällo')", 200, "hällo".encode(), {"content-type": "text/plain;charset=UTF-8"}),
    ("json", "Response.json({a: 1})", 200, b'{"a":1}', {"content-type": "application/json", "content-length": "7"}),
    ("bytes", "new Response(new Uint8Array([0, 10]))", 200, b"\0\n", {"content-type": BYTES}),
    ("blob", "new Response(new Blob(['ab'], {type: 'text/css'}))", 200, b"ab", {"content-type": "text/css"}),
    (
        "params",
        "new Response(new URLSearchParams({a: 'b c'}))",
        200,
        b"a=b+c",
        {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"},
    ),
    ("no-body", "new Response(null)", 200, b"", {"content-length": "0", "content-type": None}),
    ("no-text", "new Response('')", 200, b"", {"content-length": "0"}),
    ("no-content", "new Response(null, {status: 204})", 204, b"", {"content-length": None}),
    ("reset", "new Response(null, {status: 205})", 205, b"", {"content-length": "0"}),
    ("unchanged", "new Response(null, {status: 304, headers: {etag: '\"1\"'}})", 304, b"", {"content-length": None}),
    ("redirect", "Response.redirect('http://other.example/x', 303)", 303, b"", {"location": "http://other.example/x"}),
    (
        "stream",
        "new Response(new ReadableStream({start(c) { c.enqueue(new TextEncoder().encode('ab'));"
        " c.enqueue(new TextEncoder().encode('cd')); c.close(); }}), {headers: {'content-type': 'text/x'}})",
        200,
        b"abcd",
        {"content-type": "text/x", "transfer-encoding": "chunked", "content-length": None},
    ),
    (
        "untyped-stream",
        "new Response(new ReadableStream({start(c) { c.enqueue(new Uint8Array([1])); c.close(); }}))",
        200,
        b"\1",
        {"content-type": BYTES},
    ),
    ("empty-stream", "new Response(new ReadableStream({start(c) { c.close(); }}))", 200, b"", {}),
    (
        "large-stream",
        "new Response(new ReadableStream({start(c) { this.n = 0; }, pull(c) {"
        " if (this.n++ > 99) c.close(); else c.enqueue(new Uint8Array(65536).fill(this.n)); }}))",
        200,
        b"".join(bytes([n]) * 65536 for n in range(1, 101)),
        {},
    ),
    ("late", "new Promise((done) => setTimeout(() => done(new Response('late')), 1))", 200, b"late", {}),
]
SCRIPTS: list[tuple[str, str, int, bytes, dict[str, str | None]]] = [
    ("one", "respond({a: 1})", 200, b'{"a":1}', {"content-type": JSON}),
    ("status", "respond(404)", 404, b"", {"content-length": "0"}),
    ("two", "respond(201, 'x')", 201, b"x", {"content-type": TEXT}),
    (
        "three",
        "respond(200, '<html>', {'content-type': 'text/plain', 'x-a': '1'})",
        200,
        b"<html>",
        {"content-type": "text/plain", "x-a": "1"},
    ),
    ("first-wins", "respond('first'); respond('second')", 200, b"first", {}),
    ("over-return", "respond('told'); return 'returned'", 200, b"told", {}),
    ("return", "return {text: 'returned'}", 200, b"returned", {}),
    ("nothing", "const x = 1", 204, b"", {}),
    ("builder", "response.status(201).header('x-id', '7').json({a: 1})", 201, b'{"a":1}', {"x-id": "7"}),
    ("builder-html", "response.html('<p>')", 200, b"<p>", {"content-type": HTML}),
    ("builder-redirect", "response.redirect('/x')", 302, b"", {"location": "/x"}),
    ("bytes", "respond(new Uint8Array([1, 10]))", 200, b"\1\n", {"content-type": BYTES}),
    ("late", "return new Promise((done) => setTimeout(() => done('late'), 1))", 200, b"late", {}),
]


def cases(rows: list[tuple[str, str, int, bytes, dict[str, str | None]]], run: str) -> str:
    return ",\n".join(f"{name!r}: (request) => {{ {run.format(made)} }}" for name, made, *_ in rows)


MODULE = f"""
const cases = {{ {cases(PLAIN, "return {};")} }};
module.exports = (request) => cases[request.query.case](request);
"""
ASYNC = MODULE.replace("module.exports = (", "module.exports = async (")
FETCH = f"""
const cases = {{ {cases(WEB, "return {};")} }};
exports.default = {{ fetch: (request) => cases[new URL(request.url).searchParams.get('case')](request) }};
"""
SCRIPT = f"""
const cases = {{ {cases(SCRIPTS, "{}")} }};
return cases[request.query.case](request);
"""
COOKIES = """
module.exports = () => ({ text: '', cookies: { a: '1 2;', b: { value: 'x', maxAge: 60, path: '/api', httpOnly: false,
  secure: true, sameSite: 'Strict' }, c: { value: '', maxAge: 0 } },
  headers: { 'Set-Cookie': ['d=1; Domain=localhost; Path=/', 'e=2'] } });
"""
BAD = {
    "low-status": "({status: 199, text: 'x'})",
    "high-status": "({status: 600, text: 'x'})",
    "bad-name": "({text: 'x', headers: {'a b': '1'}})",
    "split-header": "({text: 'x', headers: {a: '1\\r\\nSet-Cookie: b=1'}})",
    "wide-header": "({text: 'x', headers: {a: '\\u2603'}})",
    "split-redirect": "({redirect: '/\\r\\nX: 1'})",
    "kernel-cookie": "({text: '', cookies: {fazt_admin_dev: '1'}})",
    "kernel-cookie-by-hand": "({text: '', headers: {'set-cookie': ' __Host-fazt_admin=1'}})",
    "round": "(() => { const a = {}; a.a = a; return a; })()",
    "big-number": "({a: 1n})",
    "function": "() => 1",
    "too-large": "({text: 'x'.repeat((10 << 20) + 1)})",
    "too-many-bytes": "({body: new Uint8Array((10 << 20) + 1)})",
    "many-headers": "({text: '', headers: Object.fromEntries(Array.from({length: 200}, (_, n) => ['x' + n, '1']))})",
    "long-header": "({text: '', headers: {a: 'x'.repeat(40000)}})",
}
BROKEN = f"""
const cases = {{ {",".join(f"{name!r}: () => {made}" for name, made in BAD.items())} }};
module.exports = (request) => cases[request.query.case](request);
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with living(tmp_path_factory.mktemp("node")) as made:
        await made.app("module", MODULE)
        await made.app("async", ASYNC)
        await made.app("fetch", FETCH, "fetch")
        await made.app("script", SCRIPT, "script")
        await made.app("cookies", COOKIES)
        await made.app("broken", BROKEN)
        yield made


ROWS = [
    (app, row)
    for app, rows in (("module", PLAIN), ("async", PLAIN), ("fetch", WEB), ("script", SCRIPTS))
    for row in rows
]


@pytest.mark.parametrize(("app", "row"), ROWS, ids=[f"{app}-{row[0]}" for app, row in ROWS])
async def test_kinds_of_answers(live: Live, app: str, row: tuple[str, str, int, bytes, dict[str, Any]]) -> None:
    name, _, status, body, headers = row
    reply = await live.both(app, "GET", f"/api/x?case={name}")
    assert reply.status == status
    assert reply.body == body
    for header, value in headers.items():
        assert reply.get(header) == value, header
    assert reply.get("x-content-type-options") in ("nosniff", "none")
    assert reply.get("server") == "fazt"
    assert reply.get("x-request-id")
    # the same question without the answer's body
    head = await live.both(app, "HEAD", f"/api/x?case={name}")
    assert (head.status, head.body) == (status, b"")
    said = head.get("content-length")
    assert said in (None, reply.get("content-length"))
    assert head.get("content-type") in (None, reply.get("content-type"))


@pytest.mark.parametrize("name", BAD)
async def test_what_cannot_be_sent(live: Live, name: str) -> None:
    reply = await live.both("broken", "GET", f"/api/x?case={name}")
    assert reply.status == 500
    assert reply.json.keys() == {"error", "code", "requestId"}
    assert reply.json["code"] == "INVALID_RESPONSE"
    assert reply.json["requestId"] == reply.get("x-request-id")
    assert reply.get("set-cookie") is None


async def test_cookies(live: Live) -> None:
    reply = await live.both("cookies")
    assert reply.all("set-cookie") == [
        "d=1; Path=/",
        "e=2",
        "a=1%202%3B; Path=/; HttpOnly; SameSite=Lax",
        "b=x; Path=/api; Max-Age=60; Secure; SameSite=Strict",
        "c=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
    ]


async def test_bytes_are_answered_on_the_loop(live: Live) -> None:
    """What is tried there must not fail only because it answers bytes."""
    edition = live.running.node.editions.of(live.apps["fetch"], None)
    assert edition
    routes = live.running.node.programs.ready(edition).routes  # type: ignore[union-attr]
    before = routes.wrong
    for _ in range(4):
        assert (await live.ask("fetch", "GET", "/api/bytes?case=bytes")).body == b"\0\n"
    assert routes.wrong == before


async def test_many_at_once(live: Live) -> None:
    replies = await asyncio.gather(*(live.ask("fetch", "GET", "/api/y?case=late") for _ in range(50)))
    assert {reply.body for reply in replies} == {b"late"}
    await live.quiet()
