"""Styles of handlers and what becomes of what they give back."""

from __future__ import annotations

import pytest

from tests.kernel.runtime.fake_host import App, closing

__all__ = ["closing"]
JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
BYTES = "application/octet-stream"

# what a module returns: status, content type, body
RETURNED = [
    ("undefined", 204, None, b""),
    ("null", 200, JSON, b"null"),
    ("false", 200, JSON, b"false"),
    ("0", 200, JSON, b"0"),
    ("42", 200, JSON, b"42"),
    ("''", 200, TEXT, b""),
    ("'hi'", 200, TEXT, b"hi"),
    ("'gr\\u00fc\\u00df \\ud83d\\ude00'", 200, TEXT, "grüß 😀".encode()),
    ("'  <!DOCTYPE html><p>'", 200, HTML, b"  <!DOCTYPE html><p>"),
    ("'<html lang=x>'", 200, HTML, b"<html lang=x>"),
    ("'<htmlish>'", 200, TEXT, b"<htmlish>"),
    ("'{\"a\":1}'", 200, JSON, b'{"a":1}'),
    ("'[1]'", 200, JSON, b"[1]"),
    ("'{a:1}'", 200, TEXT, b"{a:1}"),
    ("'12'", 200, TEXT, b"12"),
    ("[]", 200, JSON, b"[]"),
    ("{}", 200, JSON, b"{}"),
    ("{success: true}", 200, JSON, b'{"success":true}'),
    ("{status: 'ok'}", 200, JSON, b'{"status":"ok"}'),
    ("{status: 1.5}", 200, JSON, b'{"status":1.5}'),
    ("{status: 201, extra: 1}", 200, JSON, b'{"status":201,"extra":1}'),
    ("{status: 201}", 201, None, b""),
    ("{body: 'x'}", 200, TEXT, b"x"),
    ("{status: 201, body: {a: 1}}", 201, JSON, b'{"a":1}'),
    ("{body: null}", 200, JSON, b"null"),
    ("{json: 'x'}", 200, JSON, b'"x"'),
    ("{json: null}", 200, JSON, b"null"),
    ("{html: '<b>'}", 200, HTML, b"<b>"),
    ("{text: '{}'}", 200, TEXT, b"{}"),
    ("{text: 7}", 200, TEXT, b"7"),
    ("{body: '{}', headers: {'Content-Type': 'text/x'}}", 200, "text/x", b"{}"),
    ("{json: {}, headers: {'content-type': 'application/ld+json'}}", 200, "application/ld+json", b"{}"),
    ("new Uint8Array([1, 2, 255])", 200, BYTES, b"\x01\x02\xff"),
    ("new Uint8Array([1, 2, 3]).buffer", 200, BYTES, b"\x01\x02\x03"),
    ("new Uint8Array([1, 2, 3, 4]).subarray(1, 3)", 200, BYTES, b"\x02\x03"),
    ("new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 2)", 200, BYTES, b"\x03\x04"),
    ("new Uint16Array([258])", 200, BYTES, b"\x02\x01"),
    ("{body: new Uint8Array([7]), headers: {'content-type': 'image/png'}}", 200, "image/png", b"\x07"),
    ("new Date(0)", 200, JSON, b'"1970-01-01T00:00:00.000Z"'),
    ("{a: undefined, b: NaN, c: Infinity}", 200, JSON, b'{"b":null,"c":null}'),
    ("{status: 204, body: 'never sent'}", 204, None, b""),
    ("{status: 304, json: {}}", 304, None, b""),
    ("{status: 599, text: ''}", 599, TEXT, b""),
    ("new Response('r', {status: 202})", 202, "text/plain;charset=UTF-8", b"r"),
    ("Response.json({a: 1})", 200, "application/json", b'{"a":1}'),
    ("new (class A { constructor() { this.x = 1 } })", 200, JSON, b'{"x":1}'),
    ("Object.create(null, {text: {value: 'n', enumerable: true}})", 200, TEXT, b"n"),
    ("{redirect: '/there'}", 302, None, b""),
    ("{redirect: '/there', status: 308}", 308, None, b""),
    ("{redirect: '/there', status: 200}", 302, None, b""),
]


@pytest.mark.parametrize("style", ["module", "script"])
@pytest.mark.parametrize(("value", "status", "kind", "body"), RETURNED)
def test_what_a_handler_returns_becomes_a_response(
    style: str, value: str, status: int, kind: str | None, body: bytes
) -> None:
    code = f"return ({value})" if style == "script" else f"module.exports = () => ({value})"
    result = App(code, style).request()
    assert result.error is None
    assert (result.status, result.header("content-type"), result.body) == (status, kind, body)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("{status: 99}", "status"),
        ("{status: 600, body: ''}", "status"),
        ("{status: 100}", "status"),
        ("{headers: {'a b': 'x'}}", "header name"),
        ("{headers: {'x': 'a\\r\\nset-cookie: b'}}", "character"),
        ("{headers: {'x': {}}}", "string"),
        ("{headers: 'x: y'}", "headers"),
        ("{headers: {x: '\\u0141'}}", "character"),
        ("{redirect: 'http://x\\r\\nx: y'}", "character"),
        ("{redirect: 7}", "address"),
        ("{text: {}}", "string"),
        ("{html: null}", "string"),
        ("{cookies: {'a;b': 'x'}}", "cookie"),
        ("{cookies: {a: {value: {}}}}", "string"),
        ("{cookies: {a: {value: 'x', path: '/;x'}}}", "path"),
        ("{cookies: {a: {value: 'x', maxAge: 'soon'}}}", "maxAge"),
        ("{cookies: {a: {value: 'x', sameSite: 'Maybe'}}}", "sameSite"),
        ("{cookies: {a: {value: 'x', expires: 'never'}}}", "date"),
        ("10n", "JSON"),
        ("() => 1", "JSON"),
        ("Symbol('x')", "JSON"),
        ("(() => { const a = {}; a.a = a; return a })()", "JSON"),
        ("({toJSON() { throw new Error('no') }})", "no"),
        ("{json: () => 1}", "JSON"),
        ("'x'.repeat(10 * 1024 * 1024 + 1)", "10 MiB"),
        ("new Uint8Array(10 * 1024 * 1024 + 1)", "10 MiB"),
        ("Response.error()", "cannot be sent"),
    ],
)
def test_a_value_that_is_no_response_is_an_error_that_says_why(value: str, why: str) -> None:
    result = App(f"module.exports = () => ({value})").request()
    assert result.status == 0 and result.error is not None
    assert (result.error["code"], result.error["kind"]) == ("INVALID_RESPONSE", "response")
    assert why in result.error["message"]


FETCH = [
    ("exports.default = {fetch: () => new Response('a')}", "a"),
    ("exports.default = {async fetch() { await null; return new Response('b') }}", "b"),
    ("exports.default = () => new Response('c')", "c"),
    ("exports.default = async (request) => new Response(request.method)", "GET"),
    ("module.exports = Object.assign(() => 'no', {fetch: () => new Response('function')})", "function"),
    ("class App { fetch() { return new Response(this.say) } say = 'd' }; exports.default = new App()", "d"),
    ("module.exports = {fetch: (request) => new Response(new URL(request.url).pathname)}", "/api"),
    ("exports.default = {fetch: (r, env) => new Response(env.A + Object.isFrozen(env))}", "1true"),
    ("exports.GET = (request) => new Response(`${request instanceof Request}`)", "true"),
    ("const app = {fetch: null}; exports.default = app; app.fetch = () => new Response('late')", "late"),
    ("exports.default = {fetch: () => ({then(done) { done(new Response('thenable')) }})}", "thenable"),
]


@pytest.mark.parametrize(("code", "body"), FETCH)
def test_web_handlers_are_found_in_every_form(code: str, body: str) -> None:
    result = App(code, "fetch", env={"A": "1"}).request()
    assert (result.status, result.text) == (200, body), result.error


@pytest.mark.parametrize("value", ["undefined", "null", "'text'", "{ok: true}", "7"])
def test_a_web_handler_has_to_return_a_response(value: str) -> None:
    result = App(f"exports.default = {{fetch: () => ({value})}}", "fetch").request()
    assert result.error is not None and result.error["code"] == "INVALID_RESPONSE"
    assert "Response" in result.error["message"]


def test_methods_of_a_module_are_handlers() -> None:
    app = App("exports.GET = () => new Response('g'); exports.POST = () => new Response('p')", "fetch")
    assert [app.request(method).text for method in ("GET", "POST", "HEAD")] == ["g", "p", ""]
    refused = app.request("DELETE")
    assert (refused.status, refused.header("allow")) == (405, "GET, POST")
    assert app.request("OPTIONS").status == 204


@pytest.mark.parametrize("code", ["", "exports.a = 1", "module.exports = 7", "module.exports = null"])
def test_a_module_without_a_handler_says_what_to_write(code: str) -> None:
    error = App(code).loaded.error
    assert error is not None and error["kind"] == "load"
    assert "The code exports no handler" in error["message"]


def test_a_module_may_wait_at_its_top() -> None:
    app = App("const a = await Promise.resolve(5); exports.default = () => new Response(`${a}`)", "fetch", waits=True)
    assert app.loaded.lines == ["G"]
    assert app.request().text == "5"


def test_a_module_that_fails_at_its_top_is_not_loaded() -> None:
    for code, waits in (("throw new TypeError('top')", False), ("await null; throw new TypeError('top')", True)):
        loaded = App(code, "fetch", waits=waits).loaded
        assert loaded.error is not None and "G" not in loaded.lines
        assert (loaded.error["name"], loaded.error["kind"]) == ("TypeError", "load")


def test_cookies_are_written_with_safe_defaults() -> None:
    code = """module.exports = () => ({text: '', cookies: {
      a: 'x y', b: {value: 1, maxAge: 60, path: '/p', httpOnly: false, secure: true, sameSite: 'strict'},
      c: {value: '', expires: new Date(0), sameSite: 'None'}}})"""
    assert [value for name, value in App(code).request().headers if name == "set-cookie"] == [
        "a=x%20y; Path=/; HttpOnly; SameSite=Lax",
        "b=1; Path=/p; Max-Age=60; Secure; SameSite=Strict",
        "c=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=None",
    ]


def test_a_redirect_keeps_the_address_it_was_given() -> None:
    result = App("module.exports = () => ({redirect: '/a?b=ü'})").request()
    assert result.header("location") == "/a?b=%C3%BC"


RESPOND = [
    ("respond('a')", 200, b"a"),
    ("respond(201)", 201, b""),
    ("respond(404, 'gone')", 404, b"gone"),
    ("respond(200, {a: 1}, {'x-a': 'b'})", 200, b'{"a":1}'),
    ("respond({status: 202, text: 'd'})", 202, b"d"),
    ("respond({status: 'ok'})", 200, b'{"status":"ok"}'),
    ("respond('first'); respond('second')", 200, b"first"),
    ("respond('said'); return 'returned'", 200, b"said"),
    ("if (request.path) { respond('nested') }", 200, b"nested"),
    ("", 204, b""),
    ("respond()", 200, b""),
    ("await null; respond('later')", 200, b"later"),
    ("response.status(201).header('x-a', 'b').json({a: 1})", 201, b'{"a":1}'),
    ("response.text('t')", 200, b"t"),
    ("response.send(new Uint8Array([5]))", 200, b"\x05"),
    ("response.status(204).send()", 204, b""),
    ("response.cookie('a', 'b').html('<p>')", 200, b"<p>"),
    ("return fazt.app.name", 200, b"notes"),
    ("this.x = 1; const m = module; m.exports = (r) => r.method", 200, b"GET"),
    ("respond('a\\ud800b')", 200, "a\ufffdb".encode()),
]


@pytest.mark.parametrize(("code", "status", "body"), RESPOND)
def test_scripts_respond(code: str, status: int, body: bytes) -> None:
    result = App(code, "script", waits="await" in code).request()
    assert (result.status, result.body) == (status, body), result.error


def test_a_second_respond_is_a_warning_once() -> None:
    result = App("respond(1e2 * 2, 'a'); respond('b'); respond('c')", "script").request()
    assert result.text == "a"
    assert [level for level, _ in result.logs] == ["warn"]


@pytest.mark.parametrize("code", ["respond('a', 'b')", "respond(1.5)", "response.status('x').send()"])
def test_respond_refuses_what_it_cannot_mean(code: str) -> None:
    error = App(code, "script").request().error
    assert error is not None and error["code"] == "INVALID_RESPONSE"


def test_a_module_may_respond_as_scripts_do() -> None:
    assert App("module.exports = () => { respond(201, 'x') }").request().status == 201
    assert App("module.exports = () => { respond(201, 'x'); return 'y' }").request().text == "y"


def test_a_run_gives_the_value_itself() -> None:
    app = App("module.exports = (request) => ({got: request.input, by: request.trigger})")
    result = app.request(trigger="run", input={"n": 1})
    assert (result.value, result.status) == ({"got": {"n": 1}, "by": "run"}, 0)
    assert App("module.exports = () => undefined").request(trigger="run").value is None
    assert App("module.exports = () => ({status: 201, text: 'x'})").request(trigger="run").status == 201
    error = App("module.exports = () => () => 1").request(trigger="run").error
    assert error is not None and error["code"] == "INVALID_RESPONSE"


def test_another_file_can_be_the_handler_of_a_run() -> None:
    app = App("module.exports = () => 'main'", files={"api/jobs/x.js": "module.exports = () => 'x'"})
    assert app.request(trigger="run", handler="api/jobs/x.js").value == "x"


def test_wait_until_is_told_and_awaited() -> None:
    code = """exports.default = {fetch(request, env, ctx) {
      ctx.passThroughOnException();
      ctx.waitUntil(fazt.sleep(20).then(() => console.log('after')));
      return new Response('now') }}"""
    result = App(code, "fetch").request()
    assert [line for line in result.lines if line[0] == "W"] == ["W1", "W0"]
    assert (result.text, result.logs) == ("now", [("info", "after")])


def test_an_error_after_the_answer_is_only_logged() -> None:
    code = """exports.default = {fetch(request, env, ctx) {
      ctx.waitUntil(Promise.reject(new Error('behind')));
      setTimeout(() => { throw new Error('late') });
      ctx.waitUntil(fazt.sleep(5));
      return new Response('now') }}"""
    result = App(code, "fetch").request()
    assert (result.status, result.error) == (200, None)
    assert "behind" in result.all_logs and "late" in result.all_logs


def test_no_body_follows_a_head() -> None:
    for code, style in (
        ("exports.default = () => new Response('abc')", "fetch"),
        ("exports.default = () => new Response(new ReadableStream())", "fetch"),
    ):
        result = App(code, style).request("HEAD")
        assert (result.status, result.body, result.error) == (200, b"", None)
