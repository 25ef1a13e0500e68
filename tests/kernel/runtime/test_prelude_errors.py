"""Errors: what an app throws, whatever it is, arrives as a bounded record; `fazt.auth` refuses as it should."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kernel.runtime.fake_host import App, Result, closing

__all__ = ["closing"]
USER = {"id": "u1", "email": "a@example.com", "name": "A", "picture": None, "role": "user", "provider": "google"}
BOMB = "{get: () => { throw new Error('trap') }}"

THROWN = [
    ("new Error('plain')", "Error", "plain"),
    ("new TypeError('type')", "TypeError", "type"),
    ("Object.assign(new Error('m'), {name: 'Mine', code: 'E_MINE'})", "Mine", "m"),
    ("'a text'", "Thrown", "a text"),
    ("null", "Thrown", "null"),
    ("undefined", "Thrown", "undefined"),
    ("42", "Thrown", "42"),
    ("10n", "Thrown", "10"),
    ("Symbol('s')", "Thrown", "a symbol"),
    ("{a: 1, b: 'x', c: {}}", "Thrown", "{ a: 1, b: x, c: a object }"),
    ("{message: 'said'}", "Thrown", "said"),
    ("() => 1", "Thrown", "a function"),
    ("new Error('x'.repeat(1e6))", "Error", "x" * 8192),
    ("'x'.repeat(1e6)", "Thrown", "x" * 8192),
    ("{toString() { for (;;); }}", "Thrown", "{ toString: a function }"),
    ("Object.defineProperty(new Error('e'), 'stack', {get() { throw 1 }})", "Error", "e"),
    ("Object.defineProperty({}, 'message', {get() { throw 1 }})", "Thrown", None),
    ("Object.defineProperty(new Error(), 'message', {get() { throw 1 }})", "Error", None),
    (f"new Proxy({{}}, {BOMB})", "Thrown", None),
    (f"new Proxy(new Error('p'), {BOMB})", "Error", None),
    ("new Proxy({}, {ownKeys() { throw 1 }, getPrototypeOf() { throw 2 }})", "Thrown", None),
    ("(() => { const e = new Error('c'); e.cause = e; e.details = e; e.code = 'X'; return e })()", "Error", "c"),
    ("Object.assign(new Error('big'), {code: 'X', details: {a: 'x'.repeat(1e6)}})", "Error", "big"),
    ("new AggregateError([1], 'agg')", "AggregateError", "agg"),
    ("Object.assign(new Error('m'), {name: {}, code: {}, status: '500'})", "Error", "m"),
    ("new DOMException('d', 'DataCloneError')", "DataCloneError", "d"),
]


@pytest.mark.parametrize("how", ["throw {}", "return Promise.reject({})", "await null; throw {}"])
@pytest.mark.parametrize(("value", "name", "message"), THROWN)
def test_whatever_is_thrown_is_told(how: str, value: str, name: str, message: str | None) -> None:
    keyword = "async " if "await" in how else ""
    app = App(f"module.exports = {keyword}() => {{ {how.format(f'({value})')} }}")
    result = app.request()
    assert result.status == 0 and result.error is not None and len(result.lines) == 1
    assert (result.error["name"], result.error["kind"]) == (name, "handler")
    if message is not None:
        assert result.error["message"] == message
    assert len(json.dumps(result.error)) < 60_000
    assert app.request().error is not None, "the next request is served"


def test_an_error_says_where_it_happened() -> None:
    error = App("\n\nmodule.exports = () => { null.x }").request().error
    assert error is not None and "api/main.js:4" in error["stack"]
    assert "prelude.js" not in error["stack"], "the driver is no business of an author"


def test_what_is_thrown_in_a_timer_fails_the_request() -> None:
    error = App("module.exports = () => new Promise(() => setTimeout(() => { throw new Error('t') }))").request().error
    assert error is not None and error["message"] == "t"


def test_errors_of_fazt_have_codes() -> None:
    code = """module.exports = () => {
      try { fazt.storage.kv.get() } catch (e) { return {json: [e instanceof TypeError, e.name, e.code, e.message]} }
    }"""
    assert App(code).request().json == [
        True,
        "TypeError",
        "INVALID_ARGUMENT",
        "fazt.storage.kv.get: key is missing.",
    ]


def test_errors_of_the_host_are_fazt_errors() -> None:
    from kernel.base.errors import FaztError

    def refuse(arguments: list[Any]) -> Any:
        raise FaztError("LIMIT_EXCEEDED", "too many", "Delete some.", limit=5)

    code = """module.exports = async () => {
      const seen = [];
      for (const call of [() => fazt.storage.kv.get('a'), () => fazt.net.ask('u')])
        try { await call() } catch (e) {
          const kinds = [e instanceof FaztError, e instanceof Error, e.name];
          seen.push([...kinds, e.code, e.message, e.hint, e.details, Object.keys(e)]) }
      return {json: seen}
    }"""
    one = [True, True, "FaztError", "LIMIT_EXCEEDED", "too many", "Delete some.", {"limit": 5}, []]
    assert App(code, answers={"1": refuse, "5": refuse}).request().json == [one, one]


# --- who is asking

HTML = {"accept": "text/html,application/xhtml+xml"}


def ask(expression: str, user: dict[str, Any] | None = None, **request: Any) -> Result:
    return App(f"module.exports = () => ({{json: ({expression}) ?? null}})").request(user=user, **request)


ROLES = {"nobody": None, **{role: USER | {"role": role} for role in ("user", "admin", "owner", "editor")}}


@pytest.mark.parametrize(
    ("expression", "who"),
    [
        ("fazt.auth.isLoggedIn()", {"user", "admin", "owner", "editor"}),
        ("fazt.auth.hasRole('user')", {"user", "admin", "owner", "editor"}),
        ("fazt.auth.isAdmin()", {"admin", "owner"}),
        ("fazt.auth.hasRole('admin')", {"admin", "owner"}),
        ("fazt.auth.isOwner()", {"owner"}),
        ("fazt.auth.hasRole('owner')", {"owner"}),
        ("fazt.auth.hasRole('editor')", {"editor"}),
        ("fazt.auth.hasRole('constructor')", set()),
    ],
)
def test_roles(expression: str, who: set[str]) -> None:
    assert {name for name, user in ROLES.items() if ask(expression, user).json} == who


@pytest.mark.parametrize(
    ("expression", "who"),
    [
        ("fazt.auth.requireLogin().id", {"user", "admin", "owner", "editor"}),
        ("fazt.auth.requireAdmin().id", {"admin", "owner"}),
        ("fazt.auth.requireOwner().id", {"owner"}),
        ("fazt.auth.requireRole('editor').id", {"editor"}),
        ("fazt.auth.requireRole(['editor', 'admin']).id", {"editor", "admin", "owner"}),
    ],
)
def test_who_may_not_is_refused(expression: str, who: set[str]) -> None:
    for name, user in ROLES.items():
        result = ask(expression, user)
        assert result.status == (200 if name in who else 401 if user is None else 403), name
        if result.status != 200:
            assert result.json["code"] == ("UNAUTHORIZED" if user is None else "FORBIDDEN")
            assert isinstance(result.json["error"], str)


def test_browsers_are_sent_to_the_login_page() -> None:
    result = ask("fazt.auth.requireLogin()", headers=HTML, path="/api/a?b=c&d")
    assert result.status == 307
    assert result.header("location") == "https://admin.example.com/login?app=notes&redirect=%2Fapi%2Fa%3Fb%3Dc%26d"
    assert ask("fazt.auth.requireLogin()", headers=HTML, method="POST").status == 401
    assert ask("fazt.auth.requireLogin()", headers={"accept": "application/json"}).status == 401
    assert ask("fazt.auth.requireAdmin()", USER, headers=HTML).status == 403


@pytest.mark.parametrize("style", ["module", "fetch", "script"])
def test_a_refusal_answers_in_every_style(style: str) -> None:
    code = {
        "module": "module.exports = async () => { await null; fazt.auth.requireLogin() }",
        "fetch": "exports.default = {async fetch() { await null; fazt.auth.requireLogin() }}",
        "script": "respond('secret'); fazt.auth.requireLogin()",
    }[style]
    result = App(code, style).request()
    assert (result.status, result.error) == (401, None)


def test_frameworks_that_catch_everything_find_the_refusal() -> None:
    code = """exports.default = {fetch() {
      try { fazt.auth.requireLogin() } catch (e) { return e.getResponse() } }}"""
    result = App(code, "fetch").request()
    assert (result.status, result.json["code"]) == (401, "UNAUTHORIZED")


def test_the_user_and_the_addresses() -> None:
    expression = (
        "[fazt.auth.getUser(), fazt.auth.getLoginURL('/x?y'), fazt.auth.getLoginURL(), fazt.auth.getLogoutURL()]"
    )
    login = "https://admin.example.com/login?app=notes&redirect="
    assert ask(expression, USER).json == [
        USER,
        f"{login}%2Fx%3Fy",
        f"{login}%2F",
        "https://admin.example.com/logout",
    ]
    assert ask("fazt.auth.getUser()").json is None


@pytest.mark.parametrize("call", ["hasRole()", "hasRole({})", "requireRole()", "requireRole(7)", "getLoginURL({})"])
def test_bad_questions_about_the_user(call: str) -> None:
    error = ask(f"fazt.auth.{call}", USER).error
    assert error is not None and (error["name"], error["code"]) == ("TypeError", "INVALID_ARGUMENT")


NO_REQUEST = ["fazt.auth.getUser()", "fazt.auth.isOwner()", "fazt.auth.requireLogin()", "fazt.auth.getLoginURL()",
              "fazt.auth.getLogoutURL()", "request.path", "respond('x')", "response.text('x')"]  # fmt: skip


@pytest.mark.parametrize("expression", NO_REQUEST)
def test_nobody_asks_while_a_module_is_loaded(expression: str) -> None:
    error = App(f"{expression}; module.exports = () => 1").loaded.error
    assert error is not None and (error["code"], error["kind"]) == ("NO_REQUEST", "load")
    app = App(f"try {{ {expression} }} catch (e) {{ var hint = e.hint }}; module.exports = () => hint")
    assert "handler" in app.request().text


@pytest.mark.parametrize(
    ("code", "logs"),
    [
        ("Promise.reject(new Error('stray'))", ["Uncaught Error: stray"]),
        ("(async () => { await null; throw new Error('later') })()", ["Uncaught Error: later"]),
        ("Promise.reject(undefined)", ["Uncaught undefined"]),
        ("Promise.reject(new Error('caught')).catch(() => {})", []),
        ("new Promise((resolve, reject) => { reject(1); resolve() }).then(() => 1, () => 2)", []),
    ],
)
def test_a_rejection_that_nobody_hears_is_logged_and_answers_nothing(code: str, logs: list[str]) -> None:
    app = App(f"module.exports = () => {{ {code}; return 'well' }}")
    for _ in range(2):  # the second time as the first
        result = app.request()
        assert result.text == "well"
        assert [text.split("\n")[0] for _, text in result.logs] == logs


def test_a_promise_given_to_wait_until_is_complained_of_once() -> None:
    code = """exports.default = {fetch(request, env, ctx) {
      ctx.waitUntil(Promise.reject(new Error('late')));
      return new Response('now') }}"""
    result = App(code, "fetch").request()
    assert [text.split("\n")[0] for _, text in result.logs] == ["Uncaught Error: late"]


def test_an_error_with_half_a_character_is_told() -> None:
    error = App("module.exports = () => { throw new Error('a\\ud800b') }").request().error
    assert error is not None
    assert (error["name"], error["message"]) == ("Error", "a\ufffdb")
