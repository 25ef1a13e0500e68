"""Engines for tests: one with a driver of a few lines, and the real one. Compiled once per machine, then cached."""

from __future__ import annotations

import functools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kernel.runtime
from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.runtime.engine.engine import Engine
from kernel.runtime.engine.instance import Bytes, Code, Instance, Limits, Reply
from kernel.runtime.engine.machine_code import Script

GUEST = Path(kernel.runtime.__file__).parent / "guest"
REAL_SCRIPTS = ("web.js", "libs.js", "prelude.js")
CACHE = Path(tempfile.gettempdir(), f"fazt-tests-{os.geteuid()}")

# A step is a script; what comes out is its value, or "!" and what it threw.
DRIVER = b"""(() => {
  'use strict';
  let out = '';
  const show = value => typeof value === 'string' ? value : JSON.stringify(value) ?? 'undefined';
  const fail = error => { try { out += `!${error}`; } catch { out += '!?'; } };
  globalThis.host = globalThis.__host;
  delete globalThis.__host;
  globalThis.say = text => { out += text; };
  globalThis.__in = text => {
    let value;
    try { value = (0, eval)(text); } catch (error) { fail(error); return; }
    if (value instanceof Promise) value.then(v => { out += show(v); }, fail); else out += show(value);
  };
  globalThis.__take = (...rejected) => {
    const said = out + rejected.map(reason => `unhandled ${reason}`);
    out = '';
    return said;
  };
})();"""


def wasm() -> bytes:
    return (GUEST / "quickjs.wasm").read_bytes()


def cache() -> Path:
    CACHE.mkdir(mode=0o700, exist_ok=True)
    return CACHE


def small_engine(clock: Clock | None = None, driver: bytes = DRIVER) -> Engine:
    return Engine(wasm(), [Script("driver.js", driver)], b"{}", beside=cache(), clock=clock)


@functools.cache
def real_engine(descriptors: bytes = b"{}") -> Engine:
    """The engine apps run in; needs what scripts/guest makes."""
    scripts = [Script(name, (GUEST / name).read_bytes()) for name in REAL_SCRIPTS]
    return Engine(wasm(), scripts, descriptors, beside=cache())


class TestHost:
    """A host that answers from a table of functions."""

    __test__ = False

    def __init__(self, **ops: Callable[[bytes, bytes | memoryview | None], Reply]) -> None:
        self.asked: list[tuple[str, bytes, bytes | None]] = []
        self.ops = ops

    def ask(self, op: str, arg: bytes, data: bytes | memoryview | None) -> Reply:
        self.asked.append((op, arg, None if data is None else bytes(data)))
        if op in self.ops:
            return self.ops[op](arg, data)
        if op == "echo":
            return arg
        if op == "bytes":
            return Bytes(bytes(data or b""))
        if op == "code":
            return Code(arg, b"api/main.js")
        raise FaztError("NOT_FOUND", f"No operation {op}.", "Use another.", op=op)


def limits(cpu: float = 5.0, wall: float = 30.0, slow: Callable[[], None] | None = None) -> Limits:
    return Limits(cpu, time.monotonic() + wall, slow)


def run(instance: Instance, code: str, given: Limits | None = None) -> str:
    """What a script says, run in an instance of the small engine."""
    return instance.step(code.encode("utf-8", "surrogatepass"), given or limits()).decode("utf-8", "replace")
