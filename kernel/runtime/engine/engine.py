"""One engine per process: the loaded machine code, and the clock that interrupts what runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.runtime.engine import instance
from kernel.runtime.engine.machine_code import MODULES, MachineCode, Script, Source, open_or_build

if TYPE_CHECKING:
    import wasmtime

TICK = 0.005
IDLE_TICKS = 200  # the clock goes on for a second after the last step, as another is likely


class Engine:
    """Opening it loads wasmtime, and the first time on a machine compiles for some seconds: not on the event loop."""

    def __init__(
        self,
        wasm: bytes,
        scripts: Sequence[Script],
        descriptors: bytes,
        *,
        beside: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        from kernel.runtime.engine import native

        self.native, self.clock = native, clock or Clock()
        self._engine = native.new_engine()
        source = Source(wasm, scripts, descriptors)
        try:
            code = self._load(open_or_build(source, native.CONFIG, beside))
        except FaztError:
            raise
        except Exception:  # machine code wasmtime refuses, say after the processor changed
            code = self._load(open_or_build(source, native.CONFIG, beside, anew=True))
        self.places = code.places
        self.callbacks = native.Callbacks(instance.asked, instance.fetched, instance.ticked, self._engine)
        self.pulse = Pulse(self._engine)
        self._imports = {name: [(i.module, i.name or "") for i in self._modules[name].imports] for name in MODULES}

    def _load(self, code: MachineCode) -> MachineCode:
        self._modules = {name: self._module(code.modules[name]) for name in MODULES}
        return code

    def _module(self, path: Path) -> wasmtime.Module:
        """Mapped from the file, so that memory holds only what is used; where that is forbidden, read."""
        import wasmtime

        try:
            return wasmtime.Module.deserialize_file(self._engine, str(path))
        except wasmtime.WasmtimeError:
            return wasmtime.Module.deserialize(self._engine, path.read_bytes())

    def store(self, memory: int) -> wasmtime.Store:
        import wasmtime

        store = wasmtime.Store(self._engine)
        store.set_limits(memory_size=memory)
        return store

    def instantiate(self, store: wasmtime.Store, slot: int) -> tuple[Any, Any]:
        """The exports of QuickJS and of its glue."""
        stub = self._instance(store, "stub", {})
        quickjs = self._instance(store, "snap", {"env": stub, "wasi_snapshot_preview1": stub})
        host = self.callbacks.functions(store, slot)
        return quickjs, self._instance(store, "glue", {"quickjs": quickjs, "stub": stub, "host": host})

    def _instance(self, store: wasmtime.Store, name: str, given: dict[str, Any]) -> Any:
        import wasmtime

        wanted = [given[module][item] for module, item in self._imports[name]]
        return wasmtime.Instance(store, self._modules[name], wanted).exports(store)


class Pulse:
    """Moves the engine's epoch while something runs, and rests when nothing does."""

    def __init__(self, engine: wasmtime.Engine) -> None:
        self._engine = engine
        self._running: set[int] = set()
        self._wake = threading.Event()
        self._resting = True
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def begin(self, slot: int) -> None:
        self._running.add(slot)
        if self._resting:
            self._resting = False
            self._wake.set()
            if self._thread is None:
                self._start()

    def end(self, slot: int) -> None:
        self._running.discard(slot)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="fazt-pulse", daemon=True)
                self._thread.start()

    def _beat(self) -> None:
        idle = 0
        while True:
            time.sleep(TICK)
            self._engine.increment_epoch()
            idle = 0 if self._running else idle + 1
            if idle > IDLE_TICKS:
                self._rest()
                idle = 0

    def _rest(self) -> None:
        self._wake.clear()
        self._resting = True
        # Who began before it could see this has not called: look once more.
        if self._running:
            self._resting = False
        else:
            self._wake.wait()
