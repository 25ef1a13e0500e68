"""Makes the machine code of the engine; runs in a process of its own, as compiling leaves much memory behind.

A plain instance evaluates our scripts. Its memory becomes the beginning of every instance, and the places of what
lies in it become constants of the glue.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wasmtime

from kernel.runtime.engine import glue, image, native
from kernel.runtime.engine.machine_code import Script

JS_STACK = 256 * 1024
MOST_MEMORY = 256 << 20
NEVER = 1 << 40
_IMPORT = re.compile(r'\(import "quickjs" "(\w+)"')


class BuildError(Exception):
    pass


def module_of(engine: wasmtime.Engine, text: str) -> wasmtime.Module:
    return wasmtime.Module(engine, bytes(wasmtime.wat2wasm(text)))


class Workshop:
    """The instance in which the scripts are evaluated."""

    def __init__(self, engine: wasmtime.Engine, wasm: bytes, stub: wasmtime.Module) -> None:
        self.store = wasmtime.Store(engine)
        self.store.set_limits(memory_size=MOST_MEMORY)
        self.store.set_epoch_deadline(NEVER)
        served = wasmtime.Instance(self.store, stub, []).exports(self.store)
        module = wasmtime.Module(engine, wasm)
        instance = wasmtime.Instance(self.store, module, [served[needed.name or ""] for needed in module.imports])
        self.exports: Any = instance.exports(self.store)
        self.memory: Any = self.exports["memory"]
        fixed = module_of(engine, glue.BUILD)
        wasmtime.Instance(self.store, fixed, [self.memory, served["slots"]])

    def call(self, name: str, *values: int) -> int:
        result: int = self.exports[name](self.store, *values)
        return result

    def allocate(self, data: bytes) -> int:
        at = self.call("wasm_malloc", len(data))
        if not at:
            raise BuildError("there is no memory left")
        self.memory.write(self.store, data, at)
        return at

    def checked(self, value: int) -> int:
        if self.call("qjs_is_exception", value):
            failure = self.call("qjs_get_exception")
            stack = self.call("qjs_get_prop_string", failure, self.allocate(b"stack\0"))
            raise BuildError(f"{self.text(failure)}\n{self.text(stack)}")
        return value

    def text(self, value: int) -> str:
        length = self.allocate(bytes(4))
        at = self.call("qjs_get_string_len", value, length)
        size = int.from_bytes(self.memory.read(self.store, length, length + 4), "little")
        return bytes(self.memory.read(self.store, at, at + size)).decode("utf-8", "replace")

    def evaluate(self, name: str, code: bytes) -> int:
        source, file = self.allocate(code + b"\0"), self.allocate(name.encode() + b"\0")
        result = self.checked(self.call("qjs_eval", source, len(code), file, 0))
        self.call("wasm_free", source)
        self.call("wasm_free", file)
        return result

    def run_jobs(self) -> None:
        while self.call("qjs_is_job_pending"):
            if self.call("qjs_execute_pending_job") < 0:
                raise BuildError(self.text(self.call("qjs_get_exception")))

    def set_global(self, name: str, value: int) -> None:
        self.call("qjs_set_prop_string", self.call("qjs_get_global"), self.allocate(name.encode() + b"\0"), value)
        self.call("qjs_free_value", value)

    def take_function(self, name: str) -> int:
        """A global function, which from now on only the host has."""
        value = self.evaluate("engine", name.encode())
        if not self.call("qjs_is_function", value):
            raise BuildError(f"{name} is not a function")
        if not self.call("qjs_get_bool", self.evaluate("engine", f"delete globalThis.{name}".encode())):
            raise BuildError(f"{name} cannot be removed")
        return value


def prepared(engine: wasmtime.Engine, wasm: bytes, stub: wasmtime.Module, descriptors: bytes) -> Workshop:
    shop = Workshop(engine, wasm, stub)
    shop.call("_initialize")
    if shop.call("qjs_init"):
        raise BuildError("QuickJS did not start")
    shop.call("qjs_set_max_stack_size", JS_STACK)
    shop.call("qjs_set_promise_rejection_handler", 1)
    name = b"__host"
    shop.set_global("__host", shop.call("qjs_new_host_function", shop.allocate(name + b"\0"), len(name), 0))
    text = shop.call("qjs_new_string", shop.allocate(descriptors + b"\0"), len(descriptors))
    shop.set_global("__descriptors", shop.checked(text))
    return shop


def constants(shop: Workshop) -> dict[str, int]:
    """The places of what the glue and the host use."""
    places = {
        "take_in": shop.take_function("__in"),
        "give_out": shop.take_function("__take"),
        "undefined": shop.call("qjs_get_undefined"),
        "reply": shop.allocate(bytes(glue.REPLY_SIZE + 2)),
        "input": shop.allocate(bytes(glue.INPUT_SIZE + 1)),
        "mailbox": -(-shop.allocate(bytes(glue.MAILBOX_SIZE + 8)) // 8) * 8,
    }
    places |= {name: shop.allocate(name.encode() + b"\0") for name in glue.PROPERTIES}
    return places


def build(wasm: bytes, scripts: Sequence[Script], descriptors: bytes) -> tuple[dict[str, bytes], dict[str, int]]:
    """Machine code of the three modules, and the places in guest memory."""
    engine = native.new_engine()
    stub = module_of(engine, glue.STUB)
    shop = prepared(engine, wasm, stub, descriptors)
    for script in scripts:
        shop.call("qjs_free_value", shop.evaluate(script.name, script.code))
        shop.run_jobs()
    places = constants(shop)
    for _ in range(2):  # what the first collection frees may hold the rest of a ring
        shop.call("qjs_run_gc")
    memory = bytes(shop.memory.read(shop.store, 0, None))
    stack_pointer: int = shop.exports["__stack_pointer"].value(shop.store)
    snapshot = image.take(wasm, memory, stack_pointer, set(_IMPORT.findall(glue.GLUE)))
    text = glue.GLUE.format(**places, **{name: value for name, value in vars(glue).items() if name.startswith("STEP_")})
    code = {
        "snap": wasmtime.Module(engine, snapshot),
        "glue": module_of(engine, text),
        "stub": stub,
    }
    places["pages"] = len(memory) // image.PAGE
    return {name: bytes(module.serialize()) for name, module in code.items()}, places


def main() -> int:
    """Read a job from standard input, write its files into the folder it names."""
    job = json.load(sys.stdin)
    scripts = [Script(name, base64.b64decode(code)) for name, code in job["scripts"]]
    try:
        code, places = build(base64.b64decode(job["wasm"]), scripts, base64.b64decode(job["descriptors"]))
    except (BuildError, image.ImageError, wasmtime.WasmtimeError, wasmtime.Trap) as error:
        sys.stderr.write(str(error))
        return 1
    files = {f"{name}.cwasm": data for name, data in code.items()}
    files["places.json"] = json.dumps(places).encode()
    for name, data in files.items():
        with open(os.open(Path(job["folder"], name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    return 0
