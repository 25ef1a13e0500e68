"""The parts of wasmtime below its public interface, all in one place. Importing this loads wasmtime: do it late.

A call through the public interface costs 40 µs, through these 5 µs. They belong to one version, which is therefore
pinned; with another version the engine says so and does not start.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import wasmtime

from kernel.base.errors import FaztError

VERSION = "50.0.1"
WASM_STACK = 1 << 20
RESERVED = 4 << 30  # address space, not memory: so no access needs a check of its own, and memory never moves
CONFIG = f"wasmtime {VERSION} epochs stack={WASM_STACK} reserved={RESERVED} speed"
STACK_TRAPS = (0, 1)  # stack overflow, and an access below memory, which is where the guest's own stack ends


class Trapped(Exception):
    """The guest was stopped; `code` says by what if wasmtime knows."""

    def __init__(self, code: int | None, message: str) -> None:
        super().__init__(message)
        self.code = code


def unusable(why: str) -> FaztError:
    return FaztError("NOT_SUPPORTED", f"JavaScript cannot run here: {why}.", f"The program needs wasmtime {VERSION}.")


try:
    from wasmtime import _ffi as ffi

    Slot = ctypes.c_void_p
    Asked = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    Ticked = ctypes.CFUNCTYPE(
        ctypes.c_size_t,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_uint64),
        ctypes.POINTER(ctypes.c_uint8),
    )
    # The declarations that come with wasmtime convert every argument; addresses are all that is needed.
    _new_function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 6)(("wasmtime_func_new_unchecked", ffi.dll))
    _on_epoch = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(("wasmtime_store_epoch_deadline_callback", ffi.dll))
    _call = ffi.wasmtime_func_call_unchecked
    set_epoch_deadline = ffi.wasmtime_context_set_epoch_deadline
    _missing = ""
except (ImportError, AttributeError) as missing:  # another wasmtime
    _missing = str(missing)


def address(pointer: Any) -> int:
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def new_engine() -> wasmtime.Engine:
    if _missing:
        raise unusable(_missing)
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.max_wasm_stack = WASM_STACK
    config.memory_may_move = False
    config.memory_reservation = RESERVED
    return wasmtime.Engine(config)


def trap() -> int:
    return address(wasmtime.Trap("stopped by the host")._consume())


def error() -> int:
    return address(wasmtime.WasmtimeError("stopped by the host")._consume())


class Callbacks:
    """What WebAssembly calls in Python; one for the whole process, as C keeps their addresses."""

    def __init__(
        self,
        ask: Callable[[int], int],
        fetch: Callable[[int], int],
        tick: Callable[[int], int],
        engine: wasmtime.Engine,
    ) -> None:
        # A function type belongs to the first engine it is used with; with a second one the process would abort.
        self._type = wasmtime.FuncType([], [])
        self._engine = engine

        def asked(slot: int, caller: int, values: int, count: int) -> int:
            return ask(slot)

        def fetched(slot: int, caller: int, values: int, count: int) -> int:
            return fetch(slot)

        def ticked(context: int, slot: int, delta: Any, kind: Any) -> int:
            delta[0], kind[0] = 1, 0
            return tick(slot)

        self._kept = (Asked(asked), Asked(fetched), Ticked(ticked))
        self._ask, self._fetch, self._tick = (address(callback) for callback in self._kept)

    def functions(self, store: wasmtime.Store, slot: int) -> dict[str, wasmtime.Func]:
        return {"ask": self._function(store, self._ask, slot), "fetch": self._function(store, self._fetch, slot)}

    def _function(self, store: wasmtime.Store, callback: int, slot: int) -> wasmtime.Func:
        made = ffi.wasmtime_func_t()
        _new_function(
            address(store._context()), address(self._type.ptr()), callback, slot, None, ctypes.addressof(made)
        )
        return wasmtime.Func._from_raw(made)

    def watch(self, store: wasmtime.Store, slot: int) -> None:
        _on_epoch(address(store.ptr()), self._tick, slot, None)


def caller(store: wasmtime.Store, function: Any, count: int) -> Callable[..., int]:
    """A function of the guest from numbers to a number."""
    values = (ffi.wasmtime_val_raw_t * max(count, 1))()
    context, size = store._context(), max(count, 1)
    this = ctypes.byref(function._func)
    trapped = ctypes.POINTER(ffi.wasm_trap_t)()
    where = ctypes.byref(trapped)

    def call(*numbers: int) -> int:
        for index, number in enumerate(numbers):
            values[index].i32 = number
        failed = _call(context, this, values, size, where)
        if failed or trapped:
            raise _trapped(failed, trapped)
        result: int = values[0].i32 & 0xFFFFFFFF
        return result

    call.keep = function  # type: ignore[attr-defined]  # `this` points into it
    return call


def _trapped(failed: Any, trapped: Any) -> Trapped:
    if failed:
        return Trapped(None, str(wasmtime.WasmtimeError._from_ptr(failed)))
    made = wasmtime.Trap._from_ptr(ctypes.cast(trapped, ctypes.POINTER(ffi.wasm_trap_t)))
    code = made.trap_code
    return Trapped(None if code is None else code.value, made.message)


def view(store: wasmtime.Store, memory: wasmtime.Memory, size: int) -> memoryview:
    """Guest memory up to what it may grow to; only what it has grown to may be touched."""
    base = ctypes.addressof(memory.data_ptr(store).contents)
    return memoryview((ctypes.c_char * size).from_address(base)).cast("B")
