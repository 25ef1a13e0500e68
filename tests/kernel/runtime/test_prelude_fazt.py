"""`fazt.*` from descriptors, timers, randomness, and what does not outlive an invocation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel.runtime.engine.instance import Bytes
from tests.kernel.runtime.fake_host import App, Result, closing

__all__ = ["closing"]


def sent(expression: str) -> list[tuple[str, Any, bytes | None]]:
    app = App(f"module.exports = async () => {{ await ({expression}) }}", answers={"5": lambda a: 1, "6": lambda a: 1})
    result = app.request()
    assert result.error is None, result.error
    return app.asked


@pytest.mark.parametrize(
    ("expression", "op", "arguments", "data"),
    [
        ("fazt.storage.kv.get('k')", "1", ["k"], None),
        ("fazt.app.kv.get('k')", "1", ["k"], None),
        ("fazt.storage.kv.get('k', 'too', 'many')", "1", ["k"], None),
        ("fazt.storage.kv.set('k', {a: [1, new Date(0), undefined], b: undefined, c: NaN})", "2",
         ["k", {"a": [1, "1970-01-01T00:00:00.000Z", None], "c": None}], None),
        ("fazt.storage.kv.set('k', null, '1h')", "2", ["k", None, "1h"], None),
        ("fazt.storage.kv.set('k', 1, undefined)", "2", ["k", 1], None),
        ("fazt.storage.kv.list()", "3", [], None),
        ("fazt.storage.kv.list('p')", "3", ["p"], None),
        ("fazt.storage.kv.list(undefined, 3)", "3", ["", 3], None),
        ("fazt.storage.kv.list(undefined, undefined, {limit: 5, after: undefined})", "3", ["", 7, {"limit": 5}], None),
        ("fazt.storage.kv.list('p', undefined, {odd: 1})", "3", ["p", 7, {"odd": 1}], None),
        ("fazt.storage.s3.put('k', 'text')", "4", ["k"], b"text"),
        ("fazt.storage.s3.put('k', new Uint8Array([1, 2, 3]).subarray(1), 'a/b')", "4", ["k", "a/b"], b"\2\3"),
        ("fazt.app.s3.put('k', new DataView(new ArrayBuffer(2)), undefined)", "4", ["k"], b"\0\0"),
        ("fazt.util.all(1, 'x', {a: 1})", "8", [1, "x", {"a": 1}], None),
        ("fazt.tools.all()", "8", [], None),
    ],
)  # fmt: skip
def test_arguments_cross_as_declared(expression: str, op: str, arguments: list[Any], data: bytes | None) -> None:
    assert sent(expression) == [(op, arguments, data)]


@pytest.mark.parametrize(
    "expression",
    [
        "fazt.storage.kv.get()",
        "fazt.storage.kv.get(undefined)",
        "fazt.storage.kv.set('k')",
        "fazt.storage.kv.set('k', undefined)",
        "fazt.storage.kv.set('k', () => 1)",
        "fazt.storage.kv.set('k', {a: [() => 1]})",
        "fazt.storage.kv.set('k', Symbol('x'))",
        "fazt.storage.kv.set('k', 10n)",
        "fazt.storage.kv.set('k', (() => { const a = []; a.push(a); return a })())",
        "fazt.storage.kv.set('k', {toJSON() { throw new Error('evil') }})",
        "fazt.storage.kv.set('k', new Proxy({}, {ownKeys() { throw null }}))",
        "fazt.storage.kv.set('k', {get a() { throw Object.defineProperty({}, 'code', {get() { throw 1 }}) }})",
        "fazt.storage.s3.put('k', {})",
        "fazt.storage.s3.put('k', 5)",
        "fazt.sleep('x')",
        "fazt.sleep(-1)",
        "fazt.env.get()",
        "fazt.private.read()",
        "setTimeout('code')",
    ],
)
def test_what_cannot_cross_is_refused_before_it_is_sent(expression: str) -> None:
    code = f"try {{ {expression}; return 'sent' }} catch (e) {{ return [e instanceof TypeError, e.code] }}"
    app = App(f"module.exports = () => {{ {code} }}")
    result = app.request(trigger="run")
    assert (result.value, app.asked) == ([True, "INVALID_ARGUMENT"], [])


def test_answers() -> None:
    code = """module.exports = async () => [fazt.storage.kv.get('a'), fazt.storage.kv.list() instanceof Uint8Array,
      await fazt.net.ask('u'), (await fazt.net.ask('b')).byteLength, (await fazt.net.ask('n')) === undefined,
      fazt.storage.kv.set('a', 1) === undefined]"""
    said = {"u": {"x": 1}, "b": b"12345", "n": None}
    answers = {"1": lambda a: {"v": a}, "3": lambda a: Bytes(b"b"), "5": lambda a: said[a[0]]}
    assert App(code, answers=answers).request(trigger="run").value == [{"v": ["a"]}, True, {"x": 1}, 5, True, True]


def test_bytes_of_an_asynchronous_call_are_stashed() -> None:
    seen: list[Any] = []
    app = App("module.exports = () => fazt.net.send('u', new Uint8Array([9, 8]))", answers={"6": seen.append})
    result = app.request()
    (line,) = [line for line in result.lines if line[0] == "C"]
    assert line == 'C1 6:1 ["u"]' and app.stash == {1: b"\x09\x08"} and seen == [["u"]]


def test_streams_of_events_are_left_out() -> None:
    assert App("module.exports = () => typeof fazt.net.watch").request().text == "undefined"


def test_the_app_knows_itself() -> None:
    code = """module.exports = () => [
      fazt.app.id, fazt.app.name, fazt.app.source, fazt.app.version, fazt.app.manifest, fazt.version,
      { ...fazt.app.env }, fazt.app.env.get('A'), fazt.env.get('A'), fazt.env.get('B'), fazt.env.get('B', 'd'),
      fazt.env.has('A'), fazt.env.has('toString'), fazt.env.get('constructor', null)]"""
    about = ["app_1", "notes", "deploy", "1.2.0", {"a": {"b": 1}}, "0.1.0"]
    values = [{"A": "1"}, "1", "1", None, "d", True, False, None]
    assert App(code, env={"A": "1"}).request(trigger="run").value == about + values


def test_sealed_settings_say_so() -> None:
    app = App("module.exports = () => { try { return fazt.env.get('A') } catch (e) { return e.code } }", locked=True)
    assert app.request().text == "LOCKED"


def test_private_files() -> None:
    code = """module.exports = () => [fazt.private.read('a.json'),
      fazt.private.readJSON('a.json').n, fazt.private.list(),
      fazt.private.exists('a.json'), fazt.private.exists('b'), fazt.private.read('b') === undefined,
      fazt.private.readJSON('b'), fazt.private.readJSON('bad')]"""
    files = {"a.json": '{"n": 1}', "bad": "{"}
    expected = ['{"n": 1}', 1, ["a.json", "bad"], True, False, True, None, None]
    assert App(code, private=files).request(trigger="run").value == expected


# --- timers


def test_timers_fire_with_their_arguments_and_in_order() -> None:
    code = """module.exports = () => new Promise((resolve) => { const seen = [];
      setTimeout((x) => { seen.push(x); resolve(seen) }, 50, 'last'); setTimeout((x) => seen.push(x), 10, 'first');
      clearTimeout(setTimeout(() => seen.push('never'), 5)); setImmediate(() => seen.push('now'));
      queueMicrotask(() => seen.push('micro')); clearTimeout(undefined); clearTimeout(999); clearTimeout({}) })"""
    result = App(code).request(trigger="run")
    assert result.value == ["micro", "now", "first", "last"]


def test_intervals_turn_until_they_are_cleared() -> None:
    code = """module.exports = () => new Promise((resolve) => { let n = 0;
      const id = setInterval(() => { if (++n === 3) { clearInterval(id); setTimeout(() => resolve(n), 50) } }, 5) })"""
    assert App(code).request(trigger="run").value == 3


@pytest.mark.parametrize(
    ("given", "ms"), [("-5", 0), ("NaN", 0), ("'7'", 7), ("1e12", 1), ("1.9", 1), ("", 0), ("{}", 0)]
)
def test_odd_delays(given: str, ms: int) -> None:
    result = App(f"module.exports = () => new Promise(r => setTimeout(r, {given or 'undefined'}))").request()
    assert result.lines[0] == f"C1 timer [{ms}]"


def test_there_are_so_many_timers_and_no_more() -> None:
    code = "module.exports = () => { try { for (;;) setTimeout(() => {}, 1e6) } catch (e) { return [e.code] } }"
    result = App(code).request(trigger="run")
    assert result.value == ["LIMIT_EXCEEDED"] and [line[0] for line in result.lines] == ["V"]


# --- randomness


def test_random_numbers_follow_the_seed_of_the_invocation() -> None:
    app = App("module.exports = () => [Math.random(), Math.random(), Math.random()]")
    first, again = (app.request(trigger="run", seed=[5, 6, 7, 8]).value for _ in range(2))
    other = app.request(trigger="run", seed=[5, 6, 7, 9]).value
    zeros = app.request(trigger="run", seed=[0, 0, 0, 0]).value
    assert first == again and first != other
    for numbers in (first, other, zeros):
        assert len(set(numbers)) == 3 and all(0 <= number < 1 for number in numbers)


def test_random_numbers_are_spread_evenly() -> None:
    code = """module.exports = () => { const buckets = Array(10).fill(0);
      for (let i = 0; i < 1e4; i++) buckets[Math.floor(Math.random() * 10)]++; return buckets }"""
    assert all(850 < count < 1150 for count in App(code).request(trigger="run").value)


def test_a_module_has_random_numbers_before_anybody_asks() -> None:
    assert 0 < App("const n = Math.random(); module.exports = () => n").request(trigger="run").value < 1


# --- one invocation after another


def test_nothing_of_one_invocation_reaches_the_next() -> None:
    code = """module.exports = (request) => {
      if (request.path === '/first') {
        setTimeout(() => console.log('timer of the first'), 1000);
        setInterval(() => console.log('interval of the first'), 1000);
        fazt.net.ask('u').then(() => console.log('answer of the first'));
        return 'first';
      }
      return fazt.sleep(5000).then(() => 'second') }"""
    app = App(code, answers={"5": lambda a: 1})
    first = Result()
    app.log = first.logs
    app.step(app.started(path="/first"), first)
    assert first.text == "first" and [line[0] for line in first.lines] == ["D"]
    second = Result()
    app.log = second.logs
    app.step(app.started(path="/second"), second)
    for late in ("R1 v", "R2 v", 'R3 v {"x":1}', "R3 e {}", "R999 v"):
        app.step(late, second)
    app.step(app.settle(app.next()), second)
    assert (second.text, second.logs, first.logs) == ("second", [], [])


def test_the_user_is_the_one_of_the_request() -> None:
    app = App("module.exports = async () => { await fazt.sleep(1); return fazt.auth.getUser()?.id ?? 'nobody' }")
    users: list[dict[str, Any] | None] = [{"id": "u1", "role": "user"}, None, {"id": "u2", "role": "owner"}]
    assert [app.request(user=user).text for user in users] == ["u1", "nobody", "u2"]


def test_what_an_invocation_left_behind_has_nobody_to_ask_for() -> None:
    code = """let later; module.exports = (request) => {
      if (request.path === '/first') { new Promise((r) => { later = r }).then(() => {
        try { console.log(fazt.auth.getUser().id) } catch (e) { console.log(e.code) } }); return 'a' }
      setTimeout(later, 1); return 'b' }"""
    app = App(code)
    app.request(path="/first", user={"id": "u1", "role": "owner"})
    assert "u1" not in app.request(path="/second", user=None).all_logs


def test_an_invocation_that_was_given_up_leaves_nothing() -> None:
    app = App("module.exports = (r) => r.path === '/hang' ? new Promise(() => {}) : r.path")
    hung = Result()
    app.step(app.started(path="/hang"), hung)
    assert hung.lines == []
    assert app.request(path="/next").text == "/next"


def test_module_code_may_call_and_be_answered_later() -> None:
    code = "const ready = fazt.net.ask('u'); module.exports = async () => (await ready).x"
    app = App(code, answers={"5": lambda a: {"x": "late"}})
    assert app.loaded.lines[:2] == ['C1 5 ["u"]', "G"]
    assert [app.request().text for _ in range(2)] == ["late", "late"]


def test_timers_of_a_module_end_with_the_first_invocation() -> None:
    code = "let n = 0; setInterval(() => console.log(++n), 1000); module.exports = () => fazt.sleep(10).then(() => 'x')"
    result = App(code).request()
    assert (result.text, result.cancelled, result.logs) == ("x", [1], [])


def test_two_messages_in_one_input() -> None:
    app = App("module.exports = async () => Promise.all([fazt.net.ask('a'), fazt.net.ask('b')])")
    result = Result()
    app.step(app.started(), result)
    app.step('R2 v "second"\nR1 v "first"', result)
    assert json.loads(result.text) == ["first", "second"]
