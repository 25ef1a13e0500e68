"""The request as handlers see it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.runtime.fake_host import App, closing

__all__ = ["closing"]
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def seen(expression: str, **request: Any) -> Any:
    result = App(f"module.exports = (request) => ({{json: ({expression}) ?? null}})").request(**request)
    assert result.error is None, result.error
    return result.json


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[request.id, request.method, request.path, request.ip, request.trigger]",
         ["req_1", "PUT", "/api/a%20b", "192.0.2.7", "http"]),
        ("request.url", {"pathname": "/api/a%20b", "search": "?x=1&y=%C3%BC&x=2&z", "query": "x=1&y=%C3%BC&x=2&z",
                         "href": "https://notes.example.com/api/a%20b?x=1&y=%C3%BC&x=2&z",
                         "host": "notes.example.com"}),
        ("`${request.url}`", "https://notes.example.com/api/a%20b?x=1&y=%C3%BC&x=2&z"),
        ("request.query", {"x": "1", "y": "ü", "z": ""}),
        ("request.user", None),
        ("[request.body, request.rawBody, request.text, request.json, request.form, request.files]",
         [None, None, "", None, {}, {}]),
        ("Object.keys(JSON.parse(JSON.stringify(request))).length >= 16", True),
        ("(request.body = 5, request.body)", 5),
        ("request.query === request.query", True),
    ],
)  # fmt: skip
def test_the_parts_of_a_request(expression: str, expected: Any) -> None:
    assert seen(expression, method="PUT", path="/api/a%20b?x=1&y=%C3%BC&x=2&z") == expected


def test_headers_that_come_twice_are_joined() -> None:
    headers = [
        ["x-a", "1"],
        ["x-a", "2"],
        ["cookie", "a=1"],
        ["cookie", "b=2"],
        ["__proto__", "p"],
        ["constructor", "c"],
    ]
    assert seen("[request.headers['x-a'], request.headers.cookie]", headers=headers) == ["1, 2", "a=1; b=2"]
    assert seen("Object.getOwnPropertyDescriptor(request.headers, '__proto__').value", headers=headers) == "p"
    assert seen("request.headers.constructor", headers=headers) == "c"


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1; a=2", {"a": "1"}),
        ('a="x y"; b=%C3%BC; c=%zz', {"a": "x y", "b": "ü", "c": "%zz"}),
        ("; =x; nothing; a=b=c", {"a": "b=c"}),
        ("", {}),
    ],
)
def test_cookies(cookie: str, expected: dict[str, str]) -> None:
    assert seen("request.cookies", headers={"cookie": cookie}) == expected


@pytest.mark.parametrize(
    ("expression", "headers", "body", "expected"),
    [
        ("request.body", JSON, '{"a":[1]}', {"a": [1]}),
        ("JSON.parse(request.body)", JSON, '{"a":1}', {"a": 1}),
        ("Object.keys(request.body)", JSON, '{"a":1}', ["a"]),
        ("request.body", {"content-type": "application/x+json; charset=utf-8"}, "[1]", [1]),
        ("request.body", JSON, "{bad", "{bad"),
        ("request.json", JSON, "{bad", None),
        ("request.json", {}, '{"a":1}', {"a": 1}),
        ("request.body", JSON, "7", 7),
        ("request.body", {"content-type": "text/csv"}, "a,b", "a,b"),
        ("request.text", {}, "grüß", "grüß"),
        ("request.body instanceof ArrayBuffer && request.body.byteLength", {}, "abc", 3),
        ("request.rawBody instanceof ArrayBuffer && request.rawBody.byteLength", JSON, "{}", 2),
        ("request.body", FORM, "a=1&b=x+y&a=2", {"a": "1", "b": "x y"}),
        ("request.form", FORM, "a=%C3%BC", {"a": "ü"}),
        ("request.json", FORM, "a=1", {"a": "1"}),
        ("`${request.body}`", FORM, "a=1", "a=1"),
        ("request.form.__proto__", FORM, "__proto__=p", "p"),
        ("({}).polluted ?? 'clean'", JSON, '{"__proto__":{"polluted":1}}', "clean"),
    ],
)
def test_bodies(expression: str, headers: dict[str, str], body: str, expected: Any) -> None:
    assert seen(expression, method="POST", headers=headers, body=body) == expected


def test_a_form_the_host_took_apart() -> None:
    app = App("""module.exports = (request) => ({json: [request.form, request.body, request.files.doc.name,
      request.files.doc.size, request.files.doc.data instanceof ArrayBuffer,
      new TextDecoder().decode(request.files.doc.data), Object.keys(request.files)]})""")
    app.parts = [b"one", b"two", b"three"]
    parts = [
        {"field": "doc", "name": "a.txt", "type": "text/plain", "size": 3},
        {"field": "doc", "name": "b.txt", "type": "text/plain", "size": 3},
        {"field": "__proto__", "name": "c.txt", "type": "text/plain", "size": 5},
    ]
    result = app.request(
        "POST",
        headers={"content-type": "multipart/form-data; boundary=x"},
        body="raw",
        form=[["title", "t"], ["title", "u"]],
        parts=parts,
    )
    assert result.json == [{"title": "t"}, {"title": "t"}, "a.txt", 3, True, "one", ["doc", "__proto__"]]


def web(code: str, **request: Any) -> Any:
    app = App(f"exports.default = {{async fetch(request) {{ {code} }}}}", "fetch", answers=request.pop("answers", {}))
    app.parts = request.pop("parts_data", [])
    result = app.request(**request)
    assert result.error is None, result.error
    return result.json


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("return Response.json([request.method, request.url])", ["POST", "https://notes.example.com/api?q=1"]),
        ("return Response.json([...request.headers])", [["content-type", "application/json"], ["x-a", "b"]]),
        ("return Response.json(await request.json())", {"n": 1}),
        ("return Response.json(await request.text())", '{"n":1}'),
        ("return Response.json((await request.bytes()).length)", 7),
        ("return Response.json((await request.clone().json()).n + (await request.json()).n)", 2),
        ("return Response.json(await new Request(request).json())", {"n": 1}),
        ("return Response.json(request instanceof Request && request.signal.aborted)", False),
        ("let n = 0; for await (const c of request.body) n += c.length; return Response.json(n)", 7),
        ("await request.text(); return Response.json(request.bodyUsed)", True),
        ("try { request.headers.set('a', 'b') } catch (e) { return Response.json(e.name) }", "TypeError"),
    ],
)
def test_the_web_request(code: str, expected: Any) -> None:
    headers = {"content-type": "application/json", "x-a": "b"}
    assert web(code, method="POST", path="/api?q=1", headers=headers, body='{"n":1}') == expected


def test_nothing_of_the_request_is_asked_for_until_it_is_read() -> None:
    app = App("exports.default = () => new Response('x')", "fetch")
    app.op_body = app.unknown  # type: ignore[method-assign]
    assert app.request("POST", body="abc").text == "x"


def streamed(code: str, answers: dict[str, Any], kind: str, parts: list[bytes]) -> Any:
    app = App(f"exports.default = async (request) => {{ {code} }}", "fetch", answers=answers)
    app.parts = parts
    return app.go(app.started("POST", headers={"content-type": kind}, body_kind="stream")).json


def test_a_form_on_its_way_is_taken_apart_by_the_host() -> None:
    form = {
        "fields": [["a", "1"], ["a", "2"]],
        "parts": [{"field": "f", "name": "x.txt", "type": "text/plain", "size": 3, "index": 1}],
    }
    code = """const f = await request.formData(); const file = f.get('f');
      return Response.json([f.getAll('a'), file.name, file.size, await file.text(), file instanceof File])"""
    asked = streamed(code, {"body.form": lambda _: form}, "multipart/form-data; boundary=x", [b"no", b"yes"])
    assert asked == [["1", "2"], "x.txt", 3, "yes", True]


def test_a_body_on_its_way_is_read_in_pieces() -> None:
    pieces = [b"ab", b"cd"]
    code = "let s = ''; for await (const c of request.body) s += c.length + '|'; return Response.json(s)"
    answers = {"body.read": lambda _: pieces.pop(0) if pieces else None}
    assert streamed(code, answers, "text/plain", []) == "2|2|"
    pieces[:] = [b'{"a"', b":1}"]
    assert streamed("return Response.json(await request.json())", answers, "application/json", []) == {"a": 1}
