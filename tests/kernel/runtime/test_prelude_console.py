"""`console` and `fazt.log`."""

from __future__ import annotations

import pytest

from tests.kernel.runtime.fake_host import App, closing

__all__ = ["closing"]


def logged(code: str) -> list[tuple[str, str]]:
    result = App(f"module.exports = () => {{ {code} }}").request()
    assert result.error is None, result.error
    return result.logs


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("'plain'", "plain"),
        ("'a', 1, true, null, undefined, -0, 5n, Symbol('s')", "a 1 true null undefined -0 5n Symbol(s)"),
        ("", ""),
        ("{a: 1, 'b c': 'x'}", "{ a: 1, 'b c': 'x' }"),
        ("{}, []", "{} []"),
        ("['it\\'s', 'a\\nb', '\\\"']", "[ \"it's\", 'a\\nb', '\"' ]"),
        ("{a: {b: {c: {d: 1}}}}", "{ a: { b: { c: [Object] } } }"),
        ("[[[[1]]]]", "[ [ [ [Array] ] ] ]"),
        ("new Map([[{a: 1}, 2]]), new Set(['x'])", "Map(1) { { a: 1 } => 2 } Set(1) { 'x' }"),
        ("new Date(0), /a\\/b/gi", "1970-01-01T00:00:00.000Z /a\\/b/gi"),
        ("new Date(NaN)", "Invalid Date"),
        ("(() => { const a = {}; a.self = a; return a })()", "{ self: [Circular] }"),
        ("function f() {}, () => 1, class A {}", "[Function: f] [Function] [Function: A]"),
        ("new (class Point { x = 1 })()", "Point { x: 1 }"),
        ("Object.create(null)", "[Object: null prototype] {}"),
        ("{get a() { throw 1 }, set b(v) {}}", "{ a: [Getter], b: [Setter] }"),
        ("new Uint8Array([1, 2]), new ArrayBuffer(3)", "Uint8Array(2) [ 1, 2 ] ArrayBuffer { byteLength: 3 }"),
        ("Promise.resolve(1), new WeakMap()", "Promise {} Weak {}"),
        ("'%s is %d and %i, %f, %j %o %O %c%%', 'x', '4', 5.7, 1.5, {a: 1}, [1], {b: 2}, 'css'",
         "x is 4 and 5, 1.5, {\"a\":1} [ 1 ] { b: 2 } %"),
        ("'%s', {a: {}}, 'more', {b: 1}", "{ a: [Object] } more { b: 1 }"),
        ("'100%', 'x'", "100% x"),
        ("'%s %s', 'only'", "only %s"),
        ("new Proxy({}, {ownKeys() { throw 1 }})", "[cannot be shown]"),
        ("new Proxy([], {get() { throw 1 }})", "[cannot be shown]"),
        ("'%d', {valueOf() { for (;;); }}", "NaN"),
        ("Object.assign(new Error(), {stack: '', name: 'N', message: 'm', code: 7})", "N: m { code: 7 }"),
        ("{constructor: {name: 'Fake'}}", "{ constructor: { name: 'Fake' } }"),
    ],
)  # fmt: skip
def test_values_are_shown_as_people_expect(given: str, text: str) -> None:
    assert logged(f"console.log({given})") == [("info", text)]


def test_errors_show_their_stack_and_cause() -> None:
    ((_, text),) = logged("console.error(new TypeError('bad', {cause: new Error('why')}))")
    assert text.startswith("TypeError: bad\n") and "api/main.js:2" in text
    assert "[cause]: Error: why" in text


@pytest.mark.parametrize(
    "given",
    [
        "'x'.repeat(5e6)",
        "Array.from({length: 1e5}, (_, i) => i)",
        "Array.from({length: 1000}, () => 'y'.repeat(1000))",
        "Object.fromEntries(Array.from({length: 5000}, (_, i) => ['k'.repeat(500) + i, {a: [1]}]))",
        "new Map(Array.from({length: 5000}, (_, i) => [i, 'z'.repeat(500)]))",
        "{length: 1e9}",
        "new Array(1e9)",
        "'%s', 'x'.repeat(5e6)",
        "(() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a })()",
    ],
)
def test_what_is_huge_is_cut_before_it_is_built(given: str) -> None:
    ((_, text),) = logged(f"console.log({given})")
    assert len(text) <= 20_000


def test_levels() -> None:
    assert logged("for (const l of ['log', 'info', 'debug', 'warn', 'error']) console[l](l)") == [
        ("info", "log"),
        ("info", "info"),
        ("debug", "debug"),
        ("warn", "warn"),
        ("error", "error"),
    ]


def test_fazt_log_takes_data() -> None:
    assert logged("fazt.log.warn('low', {left: 5}); fazt.log.info('done'); fazt.log.debug({a: 1})") == [
        ("warn", "low { left: 5 }"),
        ("info", "done"),
        ("debug", "{ a: 1 }"),
    ]


def test_groups_counts_asserts_and_clocks() -> None:
    code = """console.group('outer'); console.log('a\\nb'); console.group(); console.log('c'); console.groupEnd();
      console.groupEnd(); console.groupEnd(); console.log('d'); console.count(); console.count(); console.countReset();
      console.count('x'); console.count(); console.assert(1, 'no'); console.assert(0, 'yes %s', 1);
      console.assert(false);
      console.time('t'); console.timeEnd('t'); console.timeEnd('t'); console.dir({a: {b: {}}}, {depth: 0})"""
    texts = [text for _, text in logged(code)]
    assert texts[:4] == ["outer", "  a\n  b", "    c", "d"]
    assert texts[4:10] == [
        "default: 1",
        "default: 2",
        "x: 1",
        "default: 1",
        "Assertion failed: yes 1",
        "Assertion failed",
    ]
    assert texts[10].startswith("t: ") and texts[10].endswith("ms")
    assert texts[11:] == ["No timer called t.", "{ a: [Object] }"]


def test_what_one_request_left_open_is_closed_for_the_next() -> None:
    app = App("module.exports = () => { console.group(); console.group(); console.log('x'); console.count() }")
    assert [app.request().logs for _ in range(2)] == [[("info", "    x"), ("info", "    default: 1")]] * 2


def test_tables() -> None:
    ((_, text),) = logged("console.table([{a: 1, b: 'x'}, {a: 22}])")
    assert text.splitlines() == ["(index) | a  | b", "--------|----|--", "0       | 1  | x", "1       | 22 |"]
    assert logged("console.table(5); console.table(['v'])")[0] == ("info", "5")
    assert len(logged("console.table(Array.from({length: 1e5}, (_, i) => ({i})))")[0][1]) < 20_000
