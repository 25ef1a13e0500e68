"""What goes over the bridge: text, bytes and code, both ways, and everything that is wrong with them."""

from __future__ import annotations

import json
import logging
import struct
from typing import Any

import pytest

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.runtime.engine import instance as engine_instance
from kernel.runtime.engine.engine import Engine
from kernel.runtime.engine.instance import Bytes, Code, Instance, Limits, Reply
from kernel.runtime.engine.mailbox import MOST_ARGUMENT, MOST_REPLY, PAGE, Corrupt, Mailbox
from tests.kernel.runtime.engine.driver import TestHost, limits, run, small_engine

MIB = 1 << 20


def refused(said: str) -> dict[str, Any]:
    """The error a call was answered with."""
    assert said.startswith("!{"), said[:200]
    found: dict[str, Any] = json.loads(said[1:])
    return found


def test_the_scripts_have_run_and_the_private_globals_are_gone(instance: Instance) -> None:
    assert run(instance, "[typeof __in, typeof __take, typeof __host, typeof say]") == (
        '["undefined","undefined","undefined","function"]'
    )
    assert run(instance, "__descriptors") == "{}"


@pytest.mark.parametrize(
    "text",
    ["", "a", "grün 日本 😀", "nul \0 inside", "line\nline", "x" * 65_535, "x" * 65_536, "x" * 65_537, "é" * 200_000],
)
def test_text_goes_both_ways(instance: Instance, host: TestHost, text: str) -> None:
    assert run(instance, f"host('echo', {json.dumps(text)})") == text
    assert host.asked == [("echo", text.encode(), None)]


def test_a_lone_surrogate_comes_back_as_it_was(instance: Instance) -> None:
    assert run(instance, r"host('echo', 'a\ud800b') === 'a\ud800b'") == "true"


def test_a_message_larger_than_its_buffer(instance: Instance) -> None:
    assert run(instance, "/*" + "x" * MIB + "*/ 5") == "5"
    used = instance.memory_used
    for _ in range(20):
        run(instance, "/*" + "x" * MIB + "*/ 5")
    assert instance.memory_used <= used + MIB


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        ("new Uint8Array([1, 2, 255])", b"\1\2\xff"),
        ("new Uint8Array([1, 2, 3, 4]).subarray(1, 3)", b"\2\3"),
        ("new Uint16Array([1, 258])", b"\1\0\2\1"),
        ("new Uint8Array([1, 2, 3]).buffer", b"\1\2\3"),
        ("new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)", b"\2\3"),
        ("new Uint8Array()", b""),
        ("new ArrayBuffer()", b""),
        ("'té'", "té".encode()),
        ("''", b""),
        ("undefined", None),
    ],
)
def test_data_of_every_kind(instance: Instance, host: TestHost, data: str, sent: bytes | None) -> None:
    run(instance, f"host('bytes', '', {data})")
    assert host.asked == [("bytes", b"", sent)]


@pytest.mark.parametrize("data", ["5", "{}", "null", "[1]", "Symbol()", "() => 1", "new Proxy(new Uint8Array(1), {})"])
def test_what_is_no_data_is_a_type_error(instance: Instance, host: TestHost, data: str) -> None:
    assert run(instance, f"host('bytes', '', {data})").startswith("!TypeError")
    assert host.asked == []


@pytest.mark.parametrize(
    "data",
    [
        "(b => { b.transfer(); return b; })(new ArrayBuffer(8))",
        "(a => { a.buffer.transfer(); return a; })(new Uint8Array(8))",
        "(d => { d.buffer.transfer(); return d; })(new DataView(new ArrayBuffer(8)))",
        "(b => { const a = new Uint8Array(b); b.resize(0); return a; })(new ArrayBuffer(8, {maxByteLength: 16}))",
        "Object.defineProperty(new DataView(new ArrayBuffer(8)), 'byteLength', {value: 1e9})",
        "Object.defineProperty(new DataView(new ArrayBuffer(8)), 'buffer', {value: {}})",
        "Object.defineProperty(new DataView(new ArrayBuffer(8)), 'byteOffset', {get() { throw 1; }})",
    ],
)
def test_views_that_lie_give_nothing_of_the_memory(instance: Instance, host: TestHost, data: str) -> None:
    run(instance, f"host('bytes', '', {data})")
    assert host.asked in ([], [("bytes", b"", b"")])
    assert run(instance, "host('echo', 'on')") == "on"


def test_a_view_that_lies_sees_its_own_buffer_only(instance: Instance, host: TestHost) -> None:
    run(instance, "globalThis.v = new DataView(new ArrayBuffer(8), 4); host('bytes', '', v)")
    run(instance, "Object.defineProperty(v, 'byteOffset', {value: -1, configurable: true}); host('bytes', '', v)")
    run(instance, "Object.defineProperty(v, 'byteOffset', {value: NaN}); host('bytes', '', v)")
    assert [len(data or b"") for _, _, data in host.asked] == [4, 4, 4]


def test_bytes_come_back_as_they_were(instance: Instance) -> None:
    code = """
    let sum = 0;
    for (const size of [0, 1, 65535, 65536, 65537, 300000]) {
      const sent = new Uint8Array(size).map((_, i) => i * 7);
      const got = host('bytes', '', sent);
      if (!(got instanceof Uint8Array) || got.length !== size || !got.every((b, i) => b === sent[i])) throw size;
      got[0] = 9;
      sum += got.length;
    }
    sum"""
    assert run(instance, code) == "496609"


def test_a_view_ends_with_its_call(engine: Engine) -> None:
    kept: list[memoryview] = []

    def keep(arg: bytes, data: bytes | memoryview | None) -> Reply:
        assert isinstance(data, memoryview)
        with pytest.raises(TypeError):
            data[0] = 1
        kept.append(data)
        return None

    class Keeping(TestHost):
        def ask(self, op: str, arg: bytes, data: bytes | memoryview | None) -> Reply:
            return keep(arg, data)

    instance = Instance(engine, Keeping())
    run(instance, "host('keep', '', new Uint8Array(10))")
    with pytest.raises(ValueError):
        kept[0][0]
    instance.close()


@pytest.mark.parametrize(
    ("reply", "seen"),
    [
        (None, "undefined"),
        ("", "string"),
        (b"", "string"),
        (Bytes(b""), "object"),
        (Bytes(memoryview(b"abc")), "object"),
        (Code(b"(function () {})", b"a.js"), "function"),
        (Code(b"", b""), "undefined"),
    ],
)
def test_replies_of_every_kind(engine: Engine, reply: Reply, seen: str) -> None:
    instance = Instance(engine, TestHost(give=lambda arg, data: reply))
    assert run(instance, "typeof host('give', '')") == seen
    instance.close()


@pytest.mark.parametrize("reply", [5, ["a"], object(), {"a": 1}, 1.5, True])
def test_a_reply_of_a_wrong_kind_is_a_fault_of_ours(engine: Engine, reply: Any) -> None:
    instance = Instance(engine, TestHost(give=lambda arg, data: reply))
    assert refused(run(instance, "host('give', '')"))["code"] == "INTERNAL_ERROR"
    instance.close()


def test_code_is_evaluated_with_its_name(engine: Engine, instance: Instance) -> None:
    assert run(instance, "host('code', '(function (a) { return this === undefined ? 0 : a + 1; })')(3)") == "4"
    stack = run(instance, r"try { host('code', '(function () {\n  throw new Error(1);\n})')(); } catch (e) { e.stack }")
    assert "api/main.js:2" in stack
    assert run(
        instance, "try { host('code', 'let let = 1 (') } catch (e) { [e.name, e.stack.includes('api/main.js')] }"
    ) == ('["SyntaxError",true]')
    assert run(instance, "try { host('code', 'throw null') } catch (e) { e === null }") == "true"
    large = "/*" + "x" * 200_000 + "*/ (() => 8)"
    assert run(instance, f"host('code', '{large}')()") == "8"


def test_code_that_evaluates_code_without_end(instance: Instance) -> None:
    code = """host('code', '(function again() { return host("code", "(" + again + ")")(); })')()"""
    try:
        assert run(instance, code, limits(5)).startswith(("!RangeError", "!SyntaxError"))
        assert run(instance, "host('echo', 'on')") == "on"
    except engine_instance.Stopped as stopped:
        assert stopped.reason == "stack"


def test_an_error_of_the_house_is_shown_as_it_is(instance: Instance) -> None:
    assert refused(run(instance, "host('nothing', '')")) == {
        "code": "NOT_FOUND",
        "message": "No operation nothing.",
        "hint": "Use another.",
        "details": {"op": "nothing"},
    }


def test_an_error_whose_details_have_no_json_form(engine: Engine) -> None:
    def fail(arg: bytes, data: object) -> Reply:
        raise FaztError("CONFLICT", "no", what=object())

    instance = Instance(engine, TestHost(fail=fail))
    assert refused(run(instance, "host('fail', '')")) == {"code": "CONFLICT", "message": "no"}
    instance.close()


@pytest.mark.parametrize("error", [ValueError("secret"), RecursionError(), MemoryError(), AssertionError("secret")])
def test_a_fault_says_nothing_of_the_inside(engine: Engine, caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    def fail(arg: bytes, data: object) -> Reply:
        raise error

    instance = Instance(engine, TestHost(fail=fail))
    with caplog.at_level(logging.ERROR):
        said = run(instance, "host('fail', '')")
    assert refused(said)["code"] == "INTERNAL_ERROR"
    assert "secret" not in said
    assert caplog.records[-1].exc_info is not None
    assert run(instance, "host('echo', 'on')") == "on"
    instance.close()


def test_arguments_have_a_largest_size(engine: Engine, host: TestHost) -> None:
    instance = Instance(engine, host, memory=256 * MIB)
    too_large = f"new Uint8Array({MOST_ARGUMENT + 1})"
    assert refused(run(instance, f"host('bytes', '', {too_large})"))["code"] == "LIMIT_EXCEEDED"
    assert (
        refused(run(instance, f"host('echo', 'x'.repeat({MOST_ARGUMENT + 1}))", limits(30)))["code"] == "LIMIT_EXCEEDED"
    )
    assert refused(run(instance, "host('x'.repeat(65), '')"))["code"] == "INVALID_ARGUMENT"
    assert host.asked == []
    assert refused(run(instance, "host('ö', '')"))["code"] == "NOT_FOUND"
    instance.close()


def test_replies_have_a_largest_size(engine: Engine) -> None:
    sizes = iter((MOST_REPLY + 1, MOST_REPLY))
    instance = Instance(engine, TestHost(give=lambda arg, data: Bytes(bytes(next(sizes)))), memory=128 * MIB)
    assert refused(run(instance, "host('give', '')"))["code"] == "LIMIT_EXCEEDED"
    assert run(instance, "host('give', '').length") == str(MOST_REPLY)
    instance.close()


def test_a_reply_the_guest_has_no_memory_for(engine: Engine) -> None:
    instance = Instance(engine, TestHost(give=lambda arg, data: b"x" * MOST_REPLY), memory=8 * MIB)
    assert refused(run(instance, "host('give', '')"))["code"] == "MEMORY_LIMIT"
    assert instance.exhausted
    assert run(instance, "1") == "1"
    instance.close()


def test_calls_without_the_needed_arguments(instance: Instance, host: TestHost) -> None:
    assert run(instance, "[typeof host(), typeof host('echo')]") == '["undefined","undefined"]'
    assert run(instance, "host(Symbol(), '')").startswith("!TypeError")
    assert run(instance, "host('echo', {toString() { throw 'mine'; }})") == "!mine"
    assert host.asked == []


def test_a_conversion_may_call_the_host_itself(instance: Instance, host: TestHost) -> None:
    assert run(instance, "host('echo', {toString: () => host('echo', 'inner') + '!'}, new Uint8Array(3))") == "inner!"
    assert host.asked[1] == ("echo", b"inner!", bytes(3))


def test_calls_in_jobs_and_deep_in_a_recursion(instance: Instance) -> None:
    assert run(instance, "(async () => { await 1; return host('echo', 'job'); })()") == "job"
    assert run(instance, "(function f() { host('echo', ''); f(); })()").startswith("!RangeError")
    assert run(instance, "host('echo', 'on')") == "on"


def test_the_host_cannot_step_or_close_the_instance_that_asks(engine: Engine) -> None:
    tried: list[str] = []
    host = TestHost()
    instance = Instance(engine, host)

    def again(arg: bytes, data: object) -> Reply:
        for attempt in (lambda: instance.step(b"1", limits()), instance.close):
            with pytest.raises(RuntimeError):
                attempt()
            tried.append("refused")
        return None

    host.ops["again"] = again
    run(instance, "host('again', '')")
    assert tried == ["refused"] * 2
    assert run(instance, "1") == "1"
    instance.close()


def test_instances_share_nothing(engine: Engine, instance: Instance) -> None:
    other = Instance(engine, TestHost())
    run(instance, "globalThis.mine = 1; Object.prototype.bad = 1")
    assert run(other, "[typeof mine, typeof ({}).bad]") == '["undefined","undefined"]'
    other.close()


def test_time_stands_still_between_calls() -> None:
    clock = ManualClock()
    host = TestHost()

    def later(arg: bytes, data: object) -> Reply:
        clock.advance(3)
        return Bytes(b"x" * 100_000) if arg else None

    host.ops["later"] = later
    engine = small_engine(clock)
    instance = Instance(engine, host)
    code = "const a = Date.now(); for (let i = 0; i < 1e5; i++); [a, Date.now(), (host('later', '{}'), Date.now())]"
    start = clock.now()
    given = Limits(5, clock.monotonic() + 30)
    assert json.loads(run(instance, code.format(""), given)) == [start, start, start + 3000]
    assert json.loads(run(instance, "{" + code.format("large") + "}", given)) == [
        start + 3000,
        start + 3000,
        start + 6000,
    ]
    clock.advance(1)
    assert run(instance, "Date.now()", given) == str(start + 7000)
    instance.close()


def test_instances_begin_with_the_same_numbers_so_whoever_needs_chance_must_seed(engine: Engine) -> None:
    said = set()
    for _ in range(2):
        instance = Instance(engine, TestHost())
        said.add(run(instance, "Math.random()"))
        instance.close()
    assert len(said) == 1


def test_calls_and_steps_leave_nothing_behind(instance: Instance) -> None:
    code = """for (let i = 0; i < 2000; i++) {
      host('echo', 'a' + i);
      host('bytes', '', new Uint8Array(i));
      Promise.reject({i});
      Promise.reject({i}).catch(() => {});
    }"""
    run(instance, code)
    used = instance.memory_used
    for _ in range(20):
        run(instance, code)
        for _ in range(200):
            run(instance, "1")
    assert instance.memory_used <= used + 65_536


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("Promise.reject(new TypeError('x')); 1", "1unhandled TypeError: x"),
        ("Promise.reject(1); Promise.reject(2); 1", "1unhandled 2"),
        ("(async () => { throw 5; })(); 1", "1unhandled 5"),
        ("Promise.reject(undefined); 1", "1unhandled undefined"),
        ("Promise.reject(1).catch(() => {}); 1", "1"),
        ("const p = Promise.reject(1); Promise.resolve().then(() => p.catch(() => {})); 1", "1"),
        ("Promise.reject(7)", "!7"),
        ("1", "1"),
    ],
)
def test_rejections_nobody_handles_are_said(instance: Instance, code: str, said: str) -> None:
    assert run(instance, code) == said
    assert run(instance, "2") == "2"


def test_a_rejection_that_is_handled_in_a_later_step(instance: Instance) -> None:
    assert run(instance, "globalThis.p = Promise.reject(1); 0") == "0unhandled 1"
    assert run(instance, "p.catch(() => {}); 0") == "0"
    assert run(instance, "Promise.reject(2); 0") == "0unhandled 2"


def test_an_instance_needs_more_memory_than_it_begins_with(engine: Engine, host: TestHost) -> None:
    with pytest.raises(FaztError) as refused_:
        Instance(engine, host, memory=MIB)
    assert refused_.value.code == "MEMORY_LIMIT"


class SubvertedBox:
    """A mailbox as a guest would leave it that can write where it wants."""

    def __init__(self, *words: int, size: int = 4) -> None:
        memory = bytearray(size * PAGE)
        struct.pack_into(f"<{len(words)}I", memory, 64, *words)
        places = {"mailbox": 64, "reply": 1024, "pages": size}
        self.box = Mailbox(memoryview(memory), places, ManualClock())


@pytest.mark.parametrize(
    "words",
    [
        (4 * PAGE, 1, 0, 0, 0, 0, 4, 0),
        (0, 0, 5, 4 * PAGE, 0, 0, 4, 0),
        (0, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 4, 2),
        (0, 0, 0, 0, 0, 0, 5, 0),
        (0, 0, 0, 0, 0, 0, 0xFFFFFFFF, 0),
    ],
)
def test_pointers_out_of_memory_end_the_instance(host: TestHost, words: tuple[int, ...]) -> None:
    with pytest.raises(Corrupt):
        SubvertedBox(*words).box.answer(host)
    assert host.asked == []


def test_other_pointers_out_of_memory() -> None:
    with pytest.raises(Corrupt):
        SubvertedBox(4 * PAGE - 1, 2, 0, 0, 0, 0, 4).box.output()
    with pytest.raises(Corrupt):
        SubvertedBox().box.write(4 * PAGE - 3, b"abc")
    one = SubvertedBox(4 * PAGE - 5, 0, 0, 0, 0, 0, 4, 9, 10, 0).box
    one._pending = (b"0123456789",)
    with pytest.raises(Corrupt):
        one.hand_over()
