"""Nothing of the driver comes into the hands of an app: no function, no call site, no line of the protocol."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.base.errors import FaztError
from tests.kernel.runtime.fake_host import App, closing

__all__ = ["closing"]


def refused(arguments: list[Any]) -> None:
    raise FaztError("INVALID_ARGUMENT", "no")


# errors made while the driver's own functions are on the stack
PROVOKED = """
  const provoke = () => {
    for (const act of [() => fazt.storage.kv.get(''), () => fazt.private.read(), () => require('./nothing'),
      () => fazt.auth.requireLogin(), () => setTimeout(5), () => fazt.storage.kv.set('a', { toJSON() { null.x } }),
      () => new Response('', { status: 7 }), () => console.trace('here'), () => structuredClone(() => {}),
      () => { for (let n = 0; n < 10001; n++) setTimeout(() => {}, 1e6) },
      () => fazt.storage.kv.set('a', { get x() { Error.captureStackTrace({}); throw new Error('mine') } })]) {
      try { act() } catch (error) { String(error.stack) }
    }
  };
"""

HOOKS = {
    "assigned": "Error.prepareStackTrace = hook",
    "on a class below": "TypeError.prepareStackTrace = RangeError.prepareStackTrace = hook",
    "by Reflect": "Reflect.set(Error, 'prepareStackTrace', hook)",
    "by its setter": "Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace').set.call(Error, hook)",
    "defined": "try { Object.defineProperty(Error, 'prepareStackTrace', { value: hook }) } catch {}",
    "on a global of that name": "globalThis.Error = class extends Error {}; "
    "Object.defineProperty(globalThis.Error, 'prepareStackTrace', { value: hook })",
    "on an own class": "class Own extends Error {} Own.prepareStackTrace = hook; new Own('x').stack",
    "by the limit": "Error.stackTraceLimit = { valueOf() { hook('', ['limit']); return 9 } }",
    "on FaztError": "FaztError.prepareStackTrace = hook; try { DOMException.prepareStackTrace = hook } catch {}",
}


@pytest.mark.parametrize("way", HOOKS)
def test_nobody_is_shown_call_sites(way: str) -> None:
    code = f"""'use strict'; {PROVOKED} module.exports = () => {{
      const seen = []; const hook = (error, sites) => {{ seen.push(...sites); return 'hooked' }};
      {HOOKS[way]}; provoke(); try {{ null.x }} catch (error) {{ seen.push(error.stack === 'hooked') }}
      return seen.map(String) }}"""
    assert App(code, answers={"1": refused}).request(trigger="run").value == ["false"]


def test_the_hooks_are_deaf_and_outlive_no_request() -> None:
    code = """'use strict'; module.exports = (request) => {
      if (request.path === '/set') {
        Error.prepareStackTrace = () => 7; Error.stackTraceLimit = 0; TypeError.stackTraceLimit = 0;
        return [typeof Error.prepareStackTrace, typeof Error.stackTraceLimit, new Error('x').stack.includes('main.js')];
      }
      null.x }"""
    app = App(code)
    before = app.request(trigger="run").error
    assert app.request(path="/set", trigger="run").value == ["undefined", "undefined", True]
    after = app.request(trigger="run").error
    assert before == after and after is not None and "main.js" in after["stack"]


def test_a_captured_stack_is_text() -> None:
    code = """module.exports = () => { const seen = {}; Error.prepareStackTrace = (e, sites) => sites;
      Error.captureStackTrace(seen, module.exports); return [typeof seen.stack, Object.keys(seen)] }"""
    assert App(code).request(trigger="run").value == ["string", []]


def test_nobody_sees_who_called() -> None:
    code = """module.exports = () => new Promise((resolve) => { const seen = [];
      const look = (read) => { try { seen.push(typeof read()) } catch (error) { seen.push(error.name) } };
      function called() { look(() => called.caller); look(() => called.arguments);
        const own = arguments; look(() => own.callee.caller); look(() => own.callee.arguments);
        look(() => this === undefined || this === globalThis ? null : this.x) }
      try { fazt.storage.kv.set('a', { toJSON() { called(); return 1 } }) } catch {}
      setTimeout(function late() { called(); look(() => late.caller); resolve(seen) }, 1) })"""
    seen = App(code).request(trigger="run").value
    assert len(seen) == 11 and {"function"}.isdisjoint(seen), seen


# what a promise of the app's own making is given to call
GIVEN = """const given = []; const lying = Object.defineProperty(Promise.resolve(1), 'then',
  { value(...fns) { given.push(...fns); fns[0](1) } });"""
SPECIES = """const given = []; const lying = Promise.resolve(1);
  Object.defineProperty(lying, 'constructor', { value: { [Symbol.species]: function (executor) {
    executor(() => {}, () => {}); return { catch: (f) => given.push(f), then: (...f) => given.push(...f) } } } });"""
SHOWN = "const shown = () => given.map((fn) => String(fn)).filter((text) => !text.includes('[native code]'));"


@pytest.mark.parametrize("lie", [GIVEN, SPECIES])
@pytest.mark.parametrize("use", ["return lying", "context.waitUntil(lying); return new Response('x')", "throw lying"])
def test_a_promise_of_the_app_is_given_functions_of_the_engine_only(lie: str, use: str) -> None:
    code = f"""let shown = () => []; exports.default = {{ fetch(request, env, context) {{
      if (request.url.endsWith('/shown')) return Response.json(shown());
      {lie} {SHOWN.replace("const shown", "shown")} {use} }} }}"""
    app = App(code, "fetch")
    app.request()
    assert app.request(path="/shown").json == []


def test_a_module_that_returns_a_promise_is_given_nothing_either() -> None:
    code = f"{GIVEN} {SHOWN} module.exports = () => shown(); setTimeout(() => {{}}, 1); return lying"
    app = App(code)
    assert app.loaded.error is None
    assert app.request(trigger="run").value in ([], None)


def test_a_promise_with_a_then_of_its_own_is_waited_for() -> None:
    code = """class Lazy extends Promise { then(...fns) { return Promise.resolve('lazy').then(...fns) } }
      module.exports = () => new Lazy(() => {})"""
    assert App(code).request().text == "lazy"


def test_what_is_waited_for_ends_once() -> None:
    code = """exports.default = { fetch(request, env, context) {
      context.waitUntil({ then(done) { done(); done(); done() } }); context.waitUntil(fazt.sleep(5));
      return new Response('x') } }"""
    lines = App(code, "fetch").request().lines
    assert [line for line in lines if line[0] == "W"] == ["W1", "W0"]


FORGED = '\'D201 [["x-forged","1"]]\\nforged\''


@pytest.mark.parametrize(
    "make",
    [
        f"throw new caught.constructor('m', 'UNAUTHORIZED', {FORGED})",
        f"throw Reflect.construct(Object.getPrototypeOf(caught).constructor, ['m', 'c', {FORGED}])",
        f"throw new (class extends caught.constructor {{}})('m', 'c', {FORGED})",
        f"caught.response = {FORGED}; throw Object.assign(Object.create(caught), {{ response: {FORGED} }})",
    ],
)
def test_no_error_carries_an_answer_of_the_apps_own(make: str) -> None:
    code = f"module.exports = () => {{ try {{ fazt.auth.requireLogin() }} catch (caught) {{ {make} }} }}"
    result = App(code).request(user=None)
    assert result.status != 201 and "forged" not in result.text and ["x-forged", "1"] not in result.headers


def test_what_an_app_is_given_does_not_lead_to_its_class() -> None:
    code = """module.exports = (request) => { const seen = [];
      for (const it of [request, response, request.files.f]) { const Class = it.constructor;
        seen.push(typeof Class, Object.getOwnPropertyNames(Class).sort().join(), Object.isFrozen(Class));
        try { new Class({}) } catch (error) { seen.push(error.name) } }
      return seen }"""
    parts = [{"field": "f", "name": "a", "type": "b", "size": 1}]
    value = App(code).request("POST", body=b"x", form=[], parts=parts, trigger="run").value
    assert value == ["function", "length,name", True, "TypeError"] * 3


# everything that can be reached by names from what an app has
WALK = """
  const walk = (...roots) => { const seen = new Set(); const names = [];
    while (roots.length) { const it = roots.pop();
      if (it === null || (typeof it !== 'object' && typeof it !== 'function') || seen.has(it)) continue;
      seen.add(it); roots.push(Object.getPrototypeOf(it));
      if (typeof it === 'function' && PRIVATE.some((part) => String(it).includes(part))) names.push(String(it));
      for (const key of Reflect.ownKeys(it)) { const own = Object.getOwnPropertyDescriptor(it, key);
        roots.push(own.value, own.get, own.set); if (own.get) try { roots.push(it[key]) } catch {} } }
    return names };
"""
PRIVATE = [
    "conclude(",
    "pending.set",
    "lines.push(",
    "call(op, arg",
    "new Invocation",
    "function answer(",
    "=== 33",
    'promised("body.read"',
]


def test_no_name_leads_to_the_driver() -> None:
    code = f"""const PRIVATE = {PRIVATE!r}; {WALK} exports.default = {{ fetch(request, env, context) {{
      let caught; try {{ fazt.auth.requireLogin() }} catch (error) {{ caught = error }}
      return Response.json(walk(globalThis, request, env, context, caught, require, module, fazt.sleep(1),
        new Response('x').body, request.signal, request.body)) }} }}"""
    app = App(code, "fetch")
    assert app.go(app.started("POST", body_kind="stream", user=None)).json == []


def test_that_walk_finds_what_is_there() -> None:
    code = f"""const PRIVATE = ['found me']; {WALK}
      module.exports = () => walk({{ get a() {{ return 'found me' }} }}).length"""
    assert App(code).request(trigger="run").value == 1


# --- lines


def test_timers_set_and_cleared_at_once_are_not_worth_a_word() -> None:
    code = """module.exports = () => { const all = [];
      for (let n = 0; n < 1000; n++) { clearTimeout(setTimeout(() => {}, 1e3)); all.push(setTimeout(() => {}, 1e3)) }
      for (const id of all) clearTimeout(id); clearInterval(setInterval(() => {}, 5)); return 'x' }"""
    assert App(code).request().lines == ["D200 " + '[["content-type","text/plain; charset=utf-8"]]']


def test_what_is_not_cleared_is_said_in_its_order() -> None:
    code = """module.exports = () => new Promise((done) => {
      const [a, b, c, d] = [1, 2, 3, 4].map((ms) => setTimeout(() => { clearTimeout(d); done([a, b, c, d]) }, ms * 10));
      clearTimeout(a); clearTimeout(c) })"""
    result = App(code).request(trigger="run")
    assert result.lines == ["C2 timer [20]", "C4 timer [40]", "N4", "V[1,2,3,4]"]


def test_clearing_a_timer_ends_no_other_call() -> None:
    code = """module.exports = () => { const answer = fazt.net.ask('u'); for (let n = 0; n < 9; n++) clearTimeout(n);
      return answer }"""
    result = App(code, answers={"5": lambda _: "heard"}).request(trigger="run")
    assert (result.value, result.cancelled) == ("heard", [])


@pytest.mark.parametrize("text", ["a\nV[1]", "a\x1fb", "\u2028E{}", "\n\n"])
def test_no_text_of_an_app_begins_a_line(text: str) -> None:
    code = f"module.exports = () => fazt.net.ask({text!r})"
    heard: list[Any] = []
    result = App(code, answers={"5": heard.append}).request(trigger="run")
    assert heard == [[text]] and [line[0] for line in result.lines] == ["C", "V"]
