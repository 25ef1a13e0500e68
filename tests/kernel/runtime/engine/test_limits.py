"""Hostile programs: every one of them is stopped or fails by itself, and another instance works on."""

from __future__ import annotations

import threading
import time

import pytest

from kernel.runtime.engine.engine import Engine
from kernel.runtime.engine.instance import Instance, Limits, Stopped
from tests.kernel.runtime.engine.driver import TestHost, limits, run

CPU = 0.2

ENDLESS = {
    "loop": "for (;;);",
    "finally": "for (;;) { try { for (;;); } finally { continue; } }",
    "catch": "for (;;) { try { throw 1; } catch {} }",
    "microtasks": "(function again() { Promise.resolve().then(again); })(); 1",
    "await": "(async () => { for (;;) await 1; })()",
    "regex": "/^(a+)+$/.test('a'.repeat(40) + 'b')",
    "indexOf": "Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)",
    "join": "new Array(2 ** 32 - 2).join('')",
    "sort": "const a = []; a.length = 2 ** 32 - 2; a.sort()",
    "search": "'a'.repeat(3e7 / 4).indexOf('a'.repeat(1e6) + 'b')",
    "thrown": "throw {toString() { for (;;); }}",
    "getter": "({get then() { for (;;); }}); JSON.stringify({toJSON() { for (;;); }})",
    "proxy": "new Proxy({}, {get() { for (;;); }}).x",
    "thenable": "(async () => await {then(f) { for (;;); }})()",
    "memory": "const kept = []; for (;;) { try { kept.push(new ArrayBuffer(1 << 20)); } catch {} }",
    "calls": "for (;;) host('echo', '')",
    "errors": "for (;;) { try { host('nothing', ''); } catch {} }",
    "op": "host({toString() { for (;;); }}, '')",
    "generator": "const o = {*[Symbol.iterator]() { for (;;) yield 1; }}; for (const x of o);",
    "bigint": "let n = 3n; for (;;) n = n * n % (1n << 20000n) + 3n",
    "date": "const t = Date.now(); while (Date.now() - t < 1000);",
    "replace": "'a'.repeat(1e6).replace(/(?:a*)*b/g, '')",
    "map": "const m = new Map([[0, 0]]); for (const [k] of m) { m.delete(k); m.set(k + 1, 0); }",
}

# Each ends by itself with what is said, or the instance is stopped for one of the reasons.
BOUNDED = {
    "recursion": ("(function f() { f(); })()", "!RangeError"),
    "mutual": ("const f = () => g(), g = () => f(); f()", "!RangeError"),
    "json": ("JSON.parse('['.repeat(3e6))", "stack"),
    "nested": ("let o = []; for (let i = 0; i < 5e4; i++) o = [o]; JSON.stringify(o)", "!RangeError|stack"),
    "proxies": ("let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p.x", "!RangeError|stack"),
    "parser": ("eval('('.repeat(1e6))", "!SyntaxError|!RangeError|stack"),
    "spread": ("Math.max(...new Array(1e7))", "!RangeError|!InternalError|memory|stack"),
    "string": ("'x'.repeat(2 ** 29).length", "!InternalError|!RangeError"),
    "bytes": ("const a = []; for (;;) a.push(new ArrayBuffer(1 << 22))", "!InternalError|!RangeError"),
    "one": ("new ArrayBuffer(1e9).byteLength", "!InternalError|!RangeError"),
    "free": ("let o = null; for (let i = 0; i < 3e5; i++) o = {o}; o = null; 7", "7|stack"),
    "null": ("throw null", "!null"),
    "symbol": ("throw Symbol('x')", "!?"),
    "rejected": ("Promise.reject(5)", "!5"),
    "unsettled": ("new Promise(() => {})", ""),
    "atomics": ("typeof Atomics === 'undefined' ? 'no' : Atomics.wait(new Int32Array(4), 0, 0)", "no|!TypeError"),
    "shadow": ("globalThis.eval = null; Array.prototype.push = () => { throw 1; }; 3", "3"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_programs_are_stopped(engine: Engine, host: TestHost, name: str) -> None:
    instance = Instance(engine, host)
    with pytest.raises(Stopped) as stopped:
        run(instance, ENDLESS[name], limits(CPU))
    assert stopped.value.reason == "cpu"
    assert instance.dead
    instance.close()
    other = Instance(engine, host)
    assert run(other, "1 + 1") == "2"
    other.close()


@pytest.mark.parametrize("name", BOUNDED)
def test_bounded_programs_end(engine: Engine, host: TestHost, name: str) -> None:
    code, expected = BOUNDED[name]
    instance = Instance(engine, host)
    try:
        said = run(instance, code, limits(10))
        assert instance.memory_used <= 64 << 20
        assert run(instance, "1") in ("1", "!TypeError: not a function")
    except Stopped as stopped:
        said = stopped.reason
    assert any(said.startswith(one) if one else not said for one in expected.split("|")), said[:200]
    instance.close()


def test_memory_has_a_limit_and_is_said_to_be_exhausted(engine: Engine, host: TestHost) -> None:
    instance = Instance(engine, host, memory=16 << 20)
    code = "globalThis.kept = []; for (;;) kept.push(new Uint8Array(1 << 16))"
    assert run(instance, code, limits(10)).startswith("!InternalError: out of memory")
    assert 12 << 20 < instance.memory_used <= 16 << 20
    assert instance.exhausted
    assert instance.grown > 8 << 20
    instance.close()


def test_a_message_the_guest_has_no_memory_for_stops_it(engine: Engine, host: TestHost) -> None:
    instance = Instance(engine, host, memory=16 << 20)
    with pytest.raises(Stopped) as stopped:
        instance.step(b"1" * (20 << 20), limits())
    assert stopped.value.reason == "memory"


def test_the_wall_counts_while_the_host_waits_but_computing_does_not(engine: Engine) -> None:
    woken = threading.Event()
    host = TestHost(wait=lambda arg, data: str(woken.wait(0.4)))
    instance = Instance(engine, host)
    assert run(instance, "host('wait', '')", limits(CPU)) == "False"
    with pytest.raises(Stopped) as stopped:
        run(instance, "host('wait', ''); for (;;);", limits(CPU, wall=0.2))
    assert stopped.value.reason == "timeout"


def test_a_deadline_that_passed_during_a_call_stops_what_follows(engine: Engine) -> None:
    deadline = Limits(60, time.monotonic() + 60)

    def late(arg: bytes, data: object) -> None:
        deadline.deadline = time.monotonic() - 1

    instance = Instance(engine, TestHost(late=late))
    with pytest.raises(Stopped) as stopped:
        run(instance, "host('late', ''); try { for (;;); } catch {} finally { for (;;); }", deadline)
    assert stopped.value.reason == "timeout"


def test_computing_adds_up_over_the_steps_of_an_invocation(instance: Instance) -> None:
    given = limits(CPU)
    busy = "for (let i = 0; i < 1e6; i++); 1"
    with pytest.raises(Stopped) as stopped:
        for _ in range(1000):
            run(instance, busy, given)
    assert stopped.value.reason == "cpu"
    assert given.used >= CPU


def test_whoever_computes_for_long_is_reported_once(instance: Instance) -> None:
    told: list[int] = []
    with pytest.raises(Stopped):
        run(instance, "for (;;);", limits(CPU, slow=lambda: told.append(1)))
    assert told == [1]


def test_a_short_step_is_not_reported(instance: Instance) -> None:
    told: list[int] = []
    run(instance, "1", limits(slow=lambda: told.append(1)))
    assert told == []


def test_an_interrupt_of_the_program_is_not_swallowed(engine: Engine) -> None:
    def interrupt(arg: bytes, data: object) -> None:
        raise KeyboardInterrupt

    instance = Instance(engine, TestHost(interrupt=interrupt))
    with pytest.raises(KeyboardInterrupt):
        run(instance, "try { host('interrupt', ''); } catch { 1 }")
    assert instance.dead


def test_a_dead_or_closed_instance_takes_no_step(engine: Engine, instance: Instance) -> None:
    with pytest.raises(Stopped):
        run(instance, "for (;;);", limits(0.05))
    with pytest.raises(RuntimeError):
        run(instance, "1")
    instance.close()
    instance.close()


def test_a_starved_thread_is_not_stopped_early(engine: Engine) -> None:
    """Time in which others have the processor is not the app's."""
    stop = threading.Event()

    def hog() -> None:
        while not stop.is_set():
            sum(range(1000))

    hogs = [threading.Thread(target=hog) for _ in range(3)]
    instances = [Instance(engine, TestHost()) for _ in range(3)]
    said: list[str] = []
    busy = "for (let i = 0; i < 3e6; i++); host('echo', 'done')"
    alone = limits(60)
    run(instances[0], busy, alone)
    runners = [
        threading.Thread(target=lambda one=one: said.append(run(one, busy, limits(alone.used * 3 + 0.1))))
        for one in instances
    ]
    for thread in hogs + runners:
        thread.start()
    for thread in runners:
        thread.join()
    stop.set()
    for thread in hogs:
        thread.join()
    assert said == ["done"] * 3
    for one in instances:
        one.close()
