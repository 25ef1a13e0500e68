"""Many instances on many threads, and many one after the other. Prints what things cost; asserts no durations."""

from __future__ import annotations

import threading
import time

from kernel.runtime.engine.engine import Engine
from kernel.runtime.engine.instance import Instance, Reply
from tests.kernel.runtime.engine.driver import TestHost, limits, run


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


class Own:
    """Answers with its own number; anything else it hears is a mix-up."""

    def __init__(self, number: int) -> None:
        self.number, self.wrong = number, 0

    def ask(self, op: str, arg: bytes, data: bytes | memoryview | None) -> Reply:
        self.wrong += not arg.startswith(b"%d:" % self.number)
        return arg + b"x" * (70_000 if arg.endswith(b"00") else 0)


def test_threads_do_not_hear_each_other(engine: Engine) -> None:
    hosts = [Own(number) for number in range(8)]
    said: list[str] = []

    def work(host: Own) -> None:
        instance = Instance(engine, host)
        code = f"""let wrong = 0;
        for (let i = 0; i < 1000; i++) {{
          const sent = '{host.number}:' + i;
          if (!host('op', sent).startsWith(sent)) wrong++;
        }}
        wrong"""
        for _ in range(3):
            said.append(run(instance, "{" + code + "}", limits(60, wall=600)))
        instance.close()

    threads = [threading.Thread(target=work, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["0"] * 24
    assert [host.wrong for host in hosts] == [0] * 8


def test_instances_give_their_memory_back(engine: Engine, host: TestHost) -> None:
    def many(count: int) -> None:
        for _ in range(count):
            instance = Instance(engine, host)
            run(instance, "globalThis.kept = new Uint8Array(1 << 20).fill(1); 1")
            instance.close()

    many(30)
    before = resident()
    many(300)
    assert resident() - before < 8 << 20


def test_stopped_instances_give_their_memory_back_too(engine: Engine, host: TestHost) -> None:
    def many(count: int) -> None:
        for _ in range(count):
            instance = Instance(engine, host)
            try:
                run(instance, "globalThis.kept = new Uint8Array(1 << 20).fill(1); for (;;);", limits(0.001))
            except Exception as stopped:
                assert str(stopped) == "cpu"

    many(5)
    before = resident()
    many(40)
    assert resident() - before < 8 << 20


def test_costs(engine: Engine) -> None:
    instance = Instance(engine, TestHost(none=lambda arg, data: None))
    instance._host = _Nothing()
    calls, steps, fresh = 20_000, 2000, 50

    def took(work: object, count: int) -> str:
        begun = time.perf_counter()
        work()  # type: ignore[operator]
        return f"{(time.perf_counter() - begun) / count * 1e6:.1f} µs"

    def make() -> None:
        for _ in range(fresh):
            Instance(engine, TestHost()).close()

    given = limits(600, wall=600)
    print("\nhost call", took(lambda: run(instance, f"for (let i = 0; i < {calls}; i++) host('x', '')", given), calls))
    print("step", took(lambda: [run(instance, "1", given) for _ in range(steps)], steps))
    print("instance", took(make, fresh))
    instance.close()


class _Nothing:
    def ask(self, op: str, arg: bytes, data: bytes | memoryview | None) -> Reply:
        return None
