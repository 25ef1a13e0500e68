"""The engine of a node: what is made once from our scripts and the registry's capabilities."""

from __future__ import annotations

from pathlib import Path

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.runtime.engine.engine import Engine
from kernel.runtime.engine.machine_code import Script
from kernel.syscall.javascript import descriptor
from kernel.syscall.registry import Registry

GUEST = Path(__file__).parent / "guest"
SCRIPTS = ("web.js", "libs.js", "prelude.js")


def open_engine(registry: Registry, beside: Path, clock: Clock) -> Engine:
    try:
        wasm = (GUEST / "quickjs.wasm").read_bytes()
        scripts = [Script(name, (GUEST / name).read_bytes()) for name in SCRIPTS]
    except FileNotFoundError:
        raise FaztError(
            "INTERNAL_ERROR", "The JavaScript of the program is missing.", "In a checkout: scripts/guest."
        ) from None
    return Engine(wasm, scripts, encode(descriptors(registry)), beside=beside, clock=clock)


def descriptors(registry: Registry) -> list[dict[str, object]]:
    """What JavaScript needs to know of each capability that apps may call."""
    return [descriptor(entry) for entry in registry if entry.declared.js]
