"""What is there before the app is closed, and yet everything libraries do to it works."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernel.runtime.fake_host import App, closing

__all__ = ["closing"]


def value(code: str) -> Any:
    result = App(f"'use strict'; module.exports = () => {{ {code} }}").request(trigger="run")
    assert result.error is None, result.error
    return result.value


@pytest.mark.parametrize(
    "attack",
    [
        "Object.prototype.polluted = 1",
        "Object.prototype.toString = () => 'x'",
        "Array.prototype.push = () => 1",
        "Array.prototype.mine = 1",
        "Promise.prototype.then = null",
        "JSON.stringify = null",
        "Math.random = () => 4",
        "Date.now = () => 0",
        "Function.prototype.call = null",
        "Error.prototype.name = 'x'",
        "Response.prototype.clone = null",
        "Headers.prototype.get = null",
        "URL.prototype.mine = 1",
        "fazt.auth.getUser = () => ({role: 'owner'})",
        "fazt.app.name = 'x'",
        "fazt.storage = {}",
        "fazt.storage.kv.get = null",
        "globalThis.fazt = {}",
        "delete fazt.auth",
        "console.log = null",
        "crypto.getRandomValues = null",
        "Object.getPrototypeOf(function* () {}).mine = 1",
        "Object.getPrototypeOf(async () => {}).mine = 1",
        "Object.getPrototypeOf([].values()).next = null",
        "Object.getPrototypeOf(Object.getPrototypeOf([].values())).map = null",
        "Object.getPrototypeOf([].values().map(x => x)).next = null",
        "Object.getPrototypeOf(Iterator.from({ next() {} })).next = null",
        "Object.getPrototypeOf(Uint8Array).prototype.set = null",
        "Object.setPrototypeOf(Array.prototype, {})",
        "Object.defineProperty(String.prototype, 'trim', {value: null})",
        "({}).__proto__.x = 1",
        "({}).constructor.prototype.x = 1",
        "fazt.app.manifest.a.b = 2",
    ],
)
def test_nothing_shared_can_be_changed(attack: str) -> None:
    assert value(f"try {{ {attack}; return 'changed' }} catch (e) {{ return e instanceof TypeError }}") is True


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("const o = {}; o.toString = () => 'mine'; return `${o}` + Object.keys(o)", "minetoString"),
        ("const o = {}; o.constructor = 5; return o.constructor", 5),
        ("const o = Object.create({}); o.hasOwnProperty = 1; o.hasOwnProperty = 2; return o.hasOwnProperty", 2),
        ("const e = new TypeError('m'); e.name = 'Mine'; e.message = 'n'; return `${e}`", "Mine: n"),
        ("const e = new Error(); e.message = 'later'; return e.message", "later"),
        ("function F() {}; F.prototype.toString = () => 'f'; return `${new F()}`", "f"),
        ("function F() {}; F.prototype = Object.create(Error.prototype); F.prototype.constructor = F;"
         " F.prototype.name = 'F'; return new F().name", "F"),
        ("function f() {}; f.toString = () => 'src'; return `${f}`", "src"),
        ("class A extends Map { constructor() { super(); this.set = () => 'own' } }; return new A().set()", "own"),
        ("class A { toString = () => 'field' }; return `${new A()}`", "field"),
        ("class A extends Error { name = 'A'; code = 1 }; const e = new A('x'); return `${e}` + e.code", "A: x1"),
        ("class A extends Array { push(x) { super.push(x, x) } }; const a = new A(); a.push(1); return a.length", 2),
        ("const a = []; a.push = () => 'p'; return a.push()", "p"),
        ("const o = Object.assign({}, {toString: 1, constructor: 2}); return [o.toString, o.constructor]", [1, 2]),
        ("const d = new Date(0); d.toJSON = () => 'd'; return JSON.parse(JSON.stringify({d})).d", "d"),
        ("globalThis.crypto ||= {}; globalThis.mine = 1; return globalThis.mine", 1),
        ("globalThis.fetch = () => 'f'; return fetch()", "f"),
        ("globalThis.process = {env: {}}; return typeof process", "object"),
        ("Error.stackTraceLimit = 5; return 1", 1),
        ("const o = {['__proto__']: 1, a: 2}; return Object.keys(o)", ["__proto__", "a"]),
        ("const keys = Object.keys(Object.prototype); for (const key in {a: 1}) keys.push(key); return keys", ["a"]),
        ("const z = Object.freeze({toString: 1}); try { z.toString = 2 } catch (e) { return e.name }", "TypeError"),
        ("return typeof __host + typeof __in + typeof __take + typeof __libs + typeof __web + typeof __descriptors",
         "undefined" * 6),
        ("return [({}).hasOwnProperty('x'), `${{}}`, `${[1, 2]}`, String(new Error('x')), [1].concat([2]).length]",
         [False, "[object Object]", "1,2", "Error: x", 2]),
        ("class P extends Promise {}; return P.resolve(1) instanceof P", True),
        ("const s = new Set(); s.add = () => 'frozen'; return s.add()", "frozen"),
    ],
)  # fmt: skip
def test_what_libraries_do_works(code: str, expected: Any) -> None:
    assert value(code) == expected


REPLACED = ["JSON", "Promise", "Map", "Array", "Object", "Uint8Array", "Error", "Set", "Math", "Response", "Symbol",
            "Date", "console", "URL", "Request", "ReadableStream", "TypeError", "Reflect", "TextDecoder"]  # fmt: skip


@pytest.mark.parametrize("name", REPLACED)
def test_an_app_that_replaces_a_global_does_not_break_the_driver(name: str) -> None:
    code = f"""globalThis.{name} = null;
      exports.default = {{async fetch(request, env, ctx) {{
        await fazt.sleep(1); fazt.log.info('x', {{a: [1]}});
        return request.method === 'GET' ? new R('ok') : (() => {{ throw new E('bad') }})()
      }}}}"""
    app = App("const R = Response, E = Error; " + code, "fetch")
    assert app.request().text == "ok"
    error = app.request("POST").error
    assert error is not None and error["message"] == "bad"


LIBRARIES = [
    ("const _ = require('lodash'); return _.merge({a: {b: 1}}, {a: {toString: 2, c: 3}}).a.c", 3),
    ("const _ = require('lodash'); return _.chain([3, 1, 2]).sortBy().map(x => x * 2).value()", [2, 4, 6]),
    (
        "const _ = require('lodash'); return _.cloneDeep({constructor: 1, a: [new Map([[1, 2]])]}).constructor",
        1,
    ),
    ("return require('dayjs')(0).add(1, 'day').toISOString()", "1970-01-02T00:00:00.000Z"),
    ("return require('marked')('# a').trim()", "<h1>a</h1>"),
    ("return require('uuid').validate(require('uuid').v4())", True),
]


@pytest.mark.parametrize(("code", "expected"), LIBRARIES)
def test_bundled_libraries_work_closed(code: str, expected: Any) -> None:
    assert value(code) == expected
