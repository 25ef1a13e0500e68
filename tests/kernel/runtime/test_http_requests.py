"""What an app's code hears of a request, however it came."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from kernel.net.budget import Budget
from kernel.runtime.http import AppCode
from kernel.runtime.invocation import Invocation
from tests.kernel.runtime.live import Headers, Live, living

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO = """
module.exports = (request) => {
  const files = Object.entries(request.files).map(([field, file]) =>
    [field, file.name, file.type, file.size, [...new Uint8Array(file.data)].slice(0, 8)]);
  const shown = (value) => value instanceof ArrayBuffer ? { bytes: [...new Uint8Array(value)].slice(0, 16) } : value;
  const { method, path, url, query, headers, cookies, text, json, form, ip, user, trigger } = request;
  return { method, path, url, query, headers, cookies,
    body: shown(request.body?.length > 300000 ? "long" : request.body), text: text.slice(0, 100), json, form,
    files, ip, user, trigger, again: String(request.body).slice(0, 300) };
};
"""
WEB = """
exports.default = { async fetch(request) {
  const bytes = new Uint8Array(await request.arrayBuffer());
  let sum = 0;
  for (const byte of bytes) sum = (sum * 31 + byte) % 1000003;
  return Response.json({ method: request.method, url: request.url, headers: [...request.headers], size: bytes.length,
    sum, null: request.body === null });
} };
"""
FORMS = """
const first = async (file) => [...new Uint8Array(await file.arrayBuffer())].slice(0, 8);
exports.default = { async fetch(request) {
  const form = await request.formData();
  const shown = [];
  for (const [name, value] of form) {
    if (typeof value === 'string') shown.push([name, value]);
    else shown.push([name, value.name, value.type, value.size, await first(value)]);
  }
  return Response.json(shown);
} };
"""
COUNTS = """
exports.default = { async fetch(request) {
  let size = 0, chunks = 0, largest = 0;
  for await (const chunk of request.body) { size += chunk.length; chunks++; largest = Math.max(largest, chunk.length); }
  return Response.json({ size, chunks: chunks > 4, largest });
} };
"""
LAZY = "exports.default = { fetch: () => new Response('not read') };"
BACK = """
exports.default = { fetch: (request) => new Response(request.body, { headers: { 'content-type': 'text/x' } }) };
"""
SLOW = """
module.exports = async (request) => {
  await fazt.sleep(Number(request.query.wait ?? 1));
  return { text: request.path };
};
"""

INVITE = ("Expect", "100-continue")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    async with living(tmp_path_factory.mktemp("node")) as made:
        await made.app("echo", {"api/main.js": ECHO, "index.html": "<p>page"})
        await made.app("web", WEB, "fetch")
        await made.app("forms", FORMS, "fetch")
        await made.app("counts", COUNTS, "fetch")
        await made.app("lazy", LAZY, "fetch")
        await made.app("back", BACK, "fetch")
        await made.app("quick", "module.exports = () => 'quick';")
        await made.app("slow", {"api/main.js": SLOW, "index.html": "<p>page"})
        yield made


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_methods(live: Live, method: str) -> None:
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    assert (await live.both("echo", method, body=body)).json["method"] == method
    assert (await live.both("web", method, body=body)).json["method"] == method


async def test_other_methods_are_the_apps_too(live: Live) -> None:
    assert (await live.both("echo", "PROPFIND", direct=False)).json["method"] == "PROPFIND"


TARGETS: list[tuple[str, bool, str, str | None, dict[str, str]]] = [
    ("/api", True, "/api", "", {}),
    ("/api?", True, "/api", "", {}),
    ("/api/", True, "/api/", "", {}),
    ("/api/a/b?x=1&y=%C3%A4&x=2", True, "/api/a/b", "?x=1&y=%C3%A4&x=2", {"x": "2", "y": "ä"}),
    ("/api/a?x=a+b&x%5B%5D=1&&=", True, "/api/a", "?x=a+b&x%5B%5D=1&&=", {"x": "a b", "x[]": "1", "": ""}),
    ("/api/%C3%A4/%2F", False, "/api/%C3%A4/%2F", "", {}),
    ("/api//a", False, "/api//a", "", {}),
    ("/api/a;b=c,d@e:f!g$h'(i)*~", True, "/api/a;b=c,d@e:f!g$h'(i)*~", "", {}),
    ('/api/a?q="<>`{}|^', True, "/api/a", '?q="<>`{}|^', {"q": '"<>`{}|^'}),
    (
        "/api?__proto__=1&constructor=2",
        True,
        "/api",
        "?__proto__=1&constructor=2",
        {"__proto__": "1", "constructor": "2"},
    ),
    ("/api?" + "&".join(f"a{n}={n}" for n in range(300)), True, "/api", None, {f"a{n}": str(n) for n in range(300)}),
]


@pytest.mark.parametrize(("target", "direct", "path", "search", "query"), TARGETS, ids=lambda value: str(value)[:40])
async def test_targets(
    live: Live, target: str, direct: bool, path: str, search: str | None, query: dict[str, str]
) -> None:
    said = (await live.both("echo", "GET", target, direct=direct)).json
    assert said["path"] == path
    # which of several counts is looked at below
    assert {key: value for key, value in said["query"].items() if key != "x"} == {
        key: value for key, value in query.items() if key != "x"
    }
    assert said["url"]["host"] == live.host("echo")
    if search is not None and '"' not in search:
        assert said["url"]["search"] == search
    assert said["url"]["href"].startswith(f"http://{live.host('echo')}/api")
    web = (await live.both("web", "GET", target, direct=direct)).json
    assert web["url"].startswith(f"http://{live.host('web')}/api")


async def test_the_first_of_several_counts(live: Live) -> None:
    assert (await live.both("echo", "GET", "/api?a=1&a=2")).json["query"] == {"a": "1"}


async def test_bytes_in_a_target_have_to_be_escaped(live: Live) -> None:
    for coding in ("utf-8", "latin-1"):
        sent = f"GET /api/ä?b=ö HTTP/1.1\r\nHost: {live.host('echo')}\r\n\r\n".encode(coding)
        assert (await live.send(sent)).status == 400


HEADERS: list[tuple[Headers, dict[str, str | None], bool]] = [
    ([("X-One", "1"), ("x-one", "2")], {"x-one": "1, 2"}, True),
    ([("X-Space", "  a  b\t")], {"x-space": "a  b"}, True),
    ([("X-Empty", "")], {"x-empty": ""}, True),
    ([("X-Wide", "hä☃")], {"x-wide": "hä☃".encode().decode("latin-1")}, True),
    ([("Cookie", "a=1"), ("Cookie", "b=2")], {"cookie": "a=1; b=2"}, True),
    ([("Cookie", "a=1; fazt_admin_dev=secret; b=2")], {"cookie": "a=1; b=2"}, True),
    ([("Cookie", "__Host-fazt_admin=secret")], {"cookie": None}, True),
    ([("Cookie", " FAZT_x = secret ;a=1")], {"cookie": "a=1"}, True),
    ([("Cookie", "my_fazt_=1")], {"cookie": "my_fazt_=1"}, True),
    ([("Connection", "keep-alive"), ("Proxy-Connection", "x")], {"connection": None, "proxy-connection": None}, False),
    ([("Authorization", "Bearer own-token")], {"authorization": "Bearer own-token"}, False),
    ([("Authorization", "Basic YTpi")], {"authorization": "Basic YTpi"}, False),
    ([("X-Forwarded-For", "9.9.9.9")], {"x-forwarded-for": "9.9.9.9"}, False),
    ([("Accept", "text/html"), ("User-Agent", "u"), ("Referer", "r")], {"user-agent": "u", "referer": "r"}, True),
    ([("__proto__", "x"), ("constructor", "y")], {"constructor": "y"}, True),
    ([(f"x-{n}", "1") for n in range(60)], {"x-59": "1"}, True),
    ([(f"x-{n}", "1") for n in range(90)], {"x-89": "1"}, False),
    ([("If-None-Match", "*"), ("Range", "bytes=0-1"), ("If-Modified-Since", "x")], {"range": "bytes=0-1"}, True),
]


@pytest.mark.parametrize(("sent", "seen", "direct"), HEADERS, ids=lambda value: str(value)[:40])
async def test_headers(live: Live, sent: Headers, seen: dict[str, str | None], direct: bool) -> None:
    said = (await live.both("echo", headers=sent, direct=direct)).json
    for name, value in seen.items():
        assert said["headers"].get(name) == value, name
    assert "secret" not in json.dumps(said)
    assert said["ip"] == "127.0.0.1"
    assert said["user"] is None
    await live.both("web", headers=sent, direct=direct)


async def test_cookies_are_read(live: Live) -> None:
    sent = [("Cookie", 'a=1; b="2"; c=%C3%A4; d=%; a=3; e')]
    cookies = (await live.both("echo", headers=sent)).json["cookies"]
    assert {key: cookies[key] for key in "bcd"} == {"b": "2", "c": "ä", "d": "%"}


MULTIPART = (
    b'--e\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    b'--e\r\nContent-Disposition: form-data; name="f"; filename="n\xc3\xa4me.bin"\r\nContent-Type: image/x\r\n\r\n'
    b"\x00\xff\r\n\x01\r\n--e--\r\n"
)
KIND = "Content-Type"
BODIES: list[tuple[str, bytes, dict[str, Any], bool]] = [
    ("application/json", b'{"a": [1, "\xc3\xa4"]}', {"body": {"a": [1, "ä"]}, "json": {"a": [1, "ä"]}}, True),
    ("application/problem+json; charset=utf-8", b"[1]", {"body": [1]}, True),
    ("application/json", b"{bad", {"body": "{bad", "json": None}, True),
    ("application/json", b'{"__proto__": {"x": 1}}', {"text": '{"__proto__": {"x": 1}}'}, True),
    ("application/x-www-form-urlencoded", b"a=1&b=%C3%A4+x&a=2", {"body": {"a": "1", "b": "ä x"}}, True),
    ("text/plain", "hä".encode(), {"body": "hä", "text": "hä", "json": None}, True),
    ("text/plain", b"\xff\xfe", {"body": "\ufffd\ufffd"}, True),
    ("application/octet-stream", b"\x00\xff\r\n\r\n", {"body": {"bytes": [0, 255, 13, 10, 13, 10]}}, True),
    ("image/png", b"", {"body": None}, True),
    ("application/json", b"", {"body": None, "json": None}, True),
    ("text/plain", b"x" * 100_000, {"text": "x" * 100}, True),
    ("text/plain", b"x" * 200_000, {"text": "x" * 100}, False),
    ("text/plain", b"x" * (9 << 20), {"text": "x" * 100}, False),
    (
        "multipart/form-data; boundary=e",
        MULTIPART,
        {"form": {"a": "x"}, "files": [["f", "näme.bin", "image/x", 5, [0, 255, 13, 10, 1]]]},
        False,
    ),
]


@pytest.mark.parametrize(("kind", "body", "seen", "direct"), BODIES, ids=lambda value: str(value)[:30])
async def test_bodies(live: Live, kind: str, body: bytes, seen: dict[str, Any], direct: bool) -> None:
    said = (await live.both("echo", "POST", headers=[(KIND, kind)], body=body, direct=direct)).json
    for name, value in seen.items():
        assert said[name] == value, name
    if isinstance(said["body"], dict) and "bytes" not in said["body"] and kind.startswith("application/json"):
        assert said["again"] == body.decode()


def checksum(data: bytes) -> int:
    found = 0
    for byte in data:
        found = (found * 31 + byte) % 1_000_003
    return found


@pytest.mark.parametrize(
    ("size", "direct"), [(0, True), (1, True), (100_000, True), (200_000, False), (400_000, False)]
)
async def test_bytes_of_web_requests(live: Live, size: int, direct: bool) -> None:
    data = bytes(n % 251 for n in range(size))
    said = (await live.both("web", "POST", body=data, direct=direct)).json
    assert (said["size"], said["sum"], said["null"]) == (size, checksum(data), size == 0)
    chunked = [("Transfer-Encoding", "chunked")]
    sent = live.request("web", "POST", "/api", chunked) + chunks(data)
    again = (await live.send(sent)).json
    assert (again["size"], again["sum"]) == (size, checksum(data))


def chunks(data: bytes, size: int = 7000) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


async def test_forms_of_web_requests(live: Live) -> None:
    shown = [["a", "x"], ["f", "näme.bin", "image/x", 5, [0, 255, 13, 10, 1]]]
    kind = [(KIND, "multipart/form-data; boundary=e")]
    assert (await live.both("forms", "POST", headers=kind, body=MULTIPART)).json == shown
    # the same as it arrives
    sent = live.request("forms", "POST", "/api", [*kind, ("Transfer-Encoding", "chunked")]) + chunks(MULTIPART, 10)
    assert (await live.send(sent)).json == shown
    plain = [(KIND, "application/x-www-form-urlencoded")]
    assert (await live.both("forms", "POST", headers=plain, body=b"a=1&a=%C3%A4")).json == [["a", "1"], ["a", "ä"]]


async def test_a_large_upload_passes_through_little_memory(live: Live) -> None:
    size, piece = 20 << 20, b"x" * (1 << 20)
    async with live.line() as line:
        line.send(live.request("counts", "POST", "/api", [("Content-Length", str(size))]))
        for _ in range(size >> 20):
            line.send(piece)
            await line.writer.drain()
        said = (await line.reply()).json
    assert said["size"] == size
    assert said["chunks"]
    assert said["largest"] <= 256 * 1024


async def test_a_body_goes_back_as_it_comes(live: Live) -> None:
    async with live.line() as line:
        line.send(live.request("back", "POST", "/api", [("Transfer-Encoding", "chunked")]))
        line.send(b"3\r\none\r\n")
        assert (await line.head())[0] == 200
        assert await line.chunk() == b"one"
        line.send(b"3\r\ntwo\r\n0\r\n\r\n")
        assert await line.chunk() == b"two"
        assert await line.chunk() == b""


async def test_a_body_that_ends_early_is_no_body(live: Live) -> None:
    for app in ("web", "echo", "counts"):
        async with live.line() as line:
            line.send(live.request(app, "POST", "/api", [("Content-Length", "400000")]) + b"x" * 1000)
            await asyncio.sleep(0)
            line.writer.write_eof()
            reply = await line.reply()
            assert reply.status in (0, 400, 500)
        await live.quiet()


@pytest.mark.parametrize("app", ["echo", "web", "counts", "forms"])
async def test_too_large_is_refused_before_it_comes(live: Live, app: str) -> None:
    async with live.line() as line:
        line.send(live.request(app, "POST", "/api", [("Content-Length", str(10 << 30)), ("Expect", "100-continue")]))
        reply = await line.reply()
        assert reply.status == 413
        assert reply.json["code"] == "PAYLOAD_TOO_LARGE"
        # nobody reads it, so nothing can follow on this connection
        assert reply.get("connection") == "close"


def bodies(live: Live) -> Budget:
    sites = live.running.server.sites
    assert sites and isinstance(sites.code, AppCode)
    return sites.code.bodies


@pytest.mark.parametrize("app", ["echo", "web", "forms"])
async def test_a_body_without_room_is_refused_before_it_comes(
    live: Live, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = bodies(live)
    monkeypatch.setattr(budget, "most", 200_000)
    kind = (KIND, "application/x-www-form-urlencoded" if app == "forms" else "text/plain")
    async with live.line() as first:
        first.send(live.request("echo", "POST", "/api", [("Content-Length", "150000")]) + b"x" * 100)
        await live.until(lambda: budget.held == 150_000)
        async with live.line() as line:
            line.send(live.request(app, "POST", "/api", [kind, ("Content-Length", "200000"), INVITE]))
            reply = await line.reply()
            assert (reply.status, reply.json["code"]) == (503, "SERVICE_UNAVAILABLE")
            assert (reply.get("retry-after"), reply.get("connection")) == ("1", "close")
        # one whose length is not known is refused when it has grown too large
        grown = live.request(app, "POST", "/api", [kind, ("Transfer-Encoding", "chunked")])
        if app != "web":
            assert (await live.send(grown + chunks(b"a=" + b"x" * 100_000, 10_000))).status == 503
        # smaller ones always find room
        assert (await live.by_aiohttp(app, "POST", headers=[kind], body=b"a=" + b"x" * 60_000)).status == 200
        first.send(b"x" * 149_900)
        assert (await first.reply()).status == 200
    assert budget.held == 0
    assert (await live.ask(app, "POST", headers=[kind], body=b"a=" + b"x" * 150_000)).status == 200


async def test_what_bodies_took_is_given_back(live: Live) -> None:
    budget, text = bodies(live), [(KIND, "text/plain")]
    for app, path in (("echo", "/api"), ("web", "/api"), ("slow", "/api"), ("slow", "/api?wait=x"), ("back", "/api")):
        await live.ask(app, "POST", path, headers=text, body=b"x" * 200_000)
        await live.until(lambda: budget.held == 0)
    async with live.line() as line:
        line.send(live.request("slow", "POST", "/api?wait=100000", text, b"x" * 200_000))
        await live.until(lambda: budget.held == 200_000)
        line.abort()
    await live.until(lambda: budget.held == 0)
    await live.quiet()


@pytest.mark.parametrize("app", ["echo", "web"])
async def test_whoever_asks_before_sending_is_invited(live: Live, app: str) -> None:
    async with live.line() as line:
        line.send(live.request(app, "POST", "/api", [("Content-Length", "2"), ("Expect", "100-continue")]))
        assert (await line.head())[0] == 100
        line.send(b"{}")
        assert (await line.reply()).status == 200


async def test_whoever_is_not_invited_keeps_the_body(live: Live) -> None:
    """The answer came instead: what follows on this connection could be the body, or the next request."""
    async with live.line() as line:
        line.send(live.request("lazy", "POST", "/api", [("Content-Length", "400000"), ("Expect", "100-continue")]))
        reply = await line.reply()
        assert (reply.status, reply.body) == (200, b"not read")
        assert reply.get("connection") == "close"


async def test_an_invitation_never_stands_in_the_answer(live: Live) -> None:
    chunked = [("Transfer-Encoding", "chunked"), ("Expect", "100-continue")]
    async with live.line() as line:
        line.send(live.request("back", "POST", "/api", chunked))
        assert (await line.head())[0] == 100
        line.send(b"3\r\none\r\n0\r\n\r\n")
        assert (await line.reply()).body == b"one"


@pytest.mark.parametrize("kind", ["application/octet-stream", "multipart/form-data; boundary=e"])
async def test_too_much_of_what_comes_piece_by_piece(live: Live, kind: str) -> None:
    await live.running.run("config.set", name="limits.runtime.maxUploadMB", value=1)
    app = "forms" if "form" in kind else "counts"
    head = live.request(app, "POST", "/api", [("Transfer-Encoding", "chunked"), (KIND, kind)])
    form = b'--e\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' if "form" in kind else b""
    async with live.line() as line:
        line.send(head)
        if form:
            line.send(chunks(form)[:-5])
        for _ in range(12):
            line.send(chunks(b"x" * (1 << 20), 1 << 20)[:-5])
        reply = await line.reply()
        assert (reply.status, reply.json["code"]) == (413, "PAYLOAD_TOO_LARGE")
    await live.running.run("config.set", name="limits.runtime.maxUploadMB", value=100)
    await live.quiet()


async def test_an_unknown_expectation(live: Live) -> None:
    reply = await live.send(live.request("echo", "POST", "/api", [("Content-Length", "2"), ("Expect", "tea")]) + b"{}")
    assert (reply.status, reply.json["code"]) == (417, "EXPECTATION_FAILED")


# --- connections


async def test_one_connection_for_pages_and_code(live: Live) -> None:
    async with live.line() as line:
        for n in range(3):
            for path, seen in (("/", b"<p>page"), (f"/api/{n}", f"/api/{n}".encode()), ("/none", None)):
                line.send(live.request("slow", "GET", path))
                reply = await line.reply()
                assert seen is None or seen in reply.body
                assert reply.status == (200 if seen else 404)
        # aiohttp has it from here on, and both go on
        line.send(live.request("slow", "GET", "/api/%41"))
        assert (await line.reply()).body == b"/api/%41"
        before = live.direct
        line.send(live.request("slow", "GET", "/api/last"))
        assert (await line.reply()).body == b"/api/last"
        assert live.direct == before + 1
        line.send(live.request("slow", "GET", "/"))
        assert b"<p>page" in (await line.reply()).body


async def test_requests_at_once_are_answered_in_their_order(live: Live) -> None:
    waits = [20, 0, 5, 0, 1, 0]
    sent = [live.request("slow", "GET", f"/api/{n}?wait={wait}") for n, wait in enumerate(waits)]
    async with live.line() as line:
        line.send(b"".join(sent))
        assert [(await line.reply()).body for _ in sent] == [f"/api/{n}".encode() for n in range(len(sent))]


async def test_what_comes_meanwhile_waits_for_its_turn(live: Live) -> None:
    async with live.line() as line:
        before = live.direct
        line.send(live.request("slow", "GET", "/api/first?wait=30"))
        await live.until(lambda: live.direct > before)
        later = [live.request("slow", "GET", "/api/second"), live.request("slow", "GET", "/")]
        data = b"".join(later) + live.request("slow", "GET", "/api/third")
        for at in range(0, len(data), 50):
            line.send(data[at : at + 50])
            await asyncio.sleep(0)
        assert [(await line.reply()).body[:10] for _ in range(4)] == [
            b"/api/first",
            b"/api/secon",
            b"<p>page",
            b"/api/third",
        ]


async def test_a_request_that_comes_in_pieces(live: Live) -> None:
    data = live.request("echo", "POST", "/api/x", [(KIND, "text/plain")], b"the body")
    for size in (1, 7, len(data) - 4):
        async with live.line() as line:
            for at in range(0, len(data), size):
                line.send(data[at : at + size])
                await asyncio.sleep(0)
            assert (await line.reply()).json["text"] == "the body"


async def test_what_comes_after_a_close(live: Live) -> None:
    async with live.line() as line:
        line.send(live.request("echo", "GET", "/api", [("Connection", "close")]))
        line.send(live.request("echo", "GET", "/api/more"))
        reply = await line.reply()
        # both at once are refused as a whole
        assert reply.status in (200, 400)
        assert await line.ended() == b""


async def test_http_1_0(live: Live) -> None:
    for app in ("echo", "back"):
        sent = f"POST /api HTTP/1.0\r\nHost: {live.host(app)}\r\nContent-Length: 3\r\n\r\nabc".encode()
        async with live.line() as line:
            line.send(sent)
            reply = await line.reply()
            assert reply.status == 200
            assert reply.get("transfer-encoding") is None
            assert b"abc" in reply.body
            assert await line.ended() == b""


async def test_an_upgrade_is_not_made(live: Live) -> None:
    async with live.line() as line:
        line.send(live.request("echo", "GET", "/api", [("Connection", "Upgrade"), ("Upgrade", "websocket")]))
        reply = await line.reply()
        assert reply.status == 200
        assert not {"upgrade", "connection"} & set(reply.json["headers"])
        line.send(live.request("echo", "GET", "/api/next"))
        assert (await line.reply()).json["path"] == "/api/next"


async def test_absolute_targets(live: Live) -> None:
    host = live.host("echo")
    sent = f"GET http://{host}/api/x?a=1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    said = (await live.send(sent)).json
    assert (said["path"], said["url"]["href"]) == ("/api/x", f"http://{host}/api/x?a=1")
    other = f"GET http://other.example/api HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    assert (await live.send(other)).status == 421
    for target in ("http://{host}", "http://{host}?a=1"):
        sent = f"GET {target} HTTP/1.1\r\nHost: {{host}}\r\n\r\n".format(host=host).encode()
        assert b"page" in (await live.send(sent)).body


BAD = [
    "GET /api HTTP/1.1\r\n\r\n",
    "GET /api HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
    "GET /api HTTP/1.1\r\nHost: {host}\r\n folded: x\r\n\r\n",
    "GET /api HTTP/1.1\r\nHost: {host}\r\nbad name: x\r\n\r\n",
    "GET /api HTTP/1.1\r\nHost: {host}\r\nX: a\0b\r\n\r\n",
    "POST /api HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\n\r\n",
    "POST /api HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "POST /api HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /api HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "GET /api HTTP/1.2x\r\nHost: {host}\r\n\r\n",
    "GET /api HTTP/1.1\r\nHost : {host}\r\n\r\n",
]


@pytest.mark.parametrize("sent", BAD, ids=range(len(BAD)))
async def test_bad_heads_never_reach_the_code(live: Live, sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Invocation] = []
    begin = Invocation.begin

    def noted(self: Invocation) -> None:
        begun.append(self)
        begin(self)

    monkeypatch.setattr(Invocation, "begin", noted)
    async with live.line() as line:
        line.send(sent.format(host=live.host("echo")).encode())
        assert (await line.reply()).status in (400, 0)
        await line.ended()
    assert [one for one in begun if one.incoming.body] == []
    assert not begun or "Transfer-Encoding" in sent


async def test_a_post_without_a_length_is_one_without_a_body(live: Live) -> None:
    assert (await live.both("echo", "POST", direct=False)).json["body"] is None


async def test_a_host_in_any_case(live: Live) -> None:
    sent = f"GET /api HTTP/1.1\r\nHost: {live.host('echo').upper()}\r\n\r\n".encode()
    before = live.direct
    first = await live.send(sent)
    assert live.direct == before + 1
    live.only_aiohttp = True
    second = await live.send(sent)
    live.only_aiohttp = False
    assert first.shown == second.shown
    assert first.json["url"]["host"] == live.host("echo")


async def test_whoever_leaves_lets_go_of_the_instance(live: Live) -> None:
    runtime = live.running.node.runtime
    for only_aiohttp in (False, True):
        live.only_aiohttp = only_aiohttp
        async with live.line() as line:
            line.send(live.request("slow", "GET", "/api?wait=100000"))
            await live.until(lambda: runtime.active)
            line.abort()
        live.only_aiohttp = False
        await live.quiet()
        assert runtime.seats.total == 0
    assert (await live.ask("slow")).body == b"/api"


async def test_a_connection_that_is_used_stays_open(live: Live) -> None:
    clock, gate = live.running.clock, live.running.server.gate
    for _ in range(3):
        await live.ask("quick")
    async with live.line() as line:
        for _ in range(10):
            line.send(live.request("quick"))
            assert (await line.reply()).body == b"quick"
            clock.advance(15)
            for connection in list(gate.connections):
                connection.sweep(gate.now())
            await asyncio.sleep(0)
    await live.quiet()
