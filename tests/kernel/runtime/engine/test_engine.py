from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kernel.base.errors import FaztError
from kernel.runtime.engine import engine as module
from kernel.runtime.engine import native
from kernel.runtime.engine.engine import Engine, Pulse
from kernel.runtime.engine.instance import Instance
from kernel.runtime.engine.machine_code import Script
from tests.kernel.runtime.engine.driver import DRIVER, TestHost, run, wasm


def test_machine_code_wasmtime_refuses_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path))

    def opened() -> str:
        instance = Instance(Engine(wasm(), [Script("driver.js", DRIVER)], b"{}"), TestHost())
        said = run(instance, "1 + 1")
        instance.close()
        return said

    assert opened() == "2"
    (folder,) = tmp_path.glob("engine-*")
    import hashlib

    record = json.loads((folder / "engine.json").read_bytes())
    (folder / "snap.cwasm").write_bytes(b"machine code of another version")
    record["sha256"]["snap"] = hashlib.sha256(b"machine code of another version").hexdigest()
    (folder / "engine.json").write_text(json.dumps(record))
    assert opened() == "2"
    assert (folder / "snap.cwasm").stat().st_size > 1 << 20


def test_a_place_where_files_cannot_be_mapped_as_code(
    engine: Engine, host: TestHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import wasmtime

    def forbidden(*arguments: object) -> None:
        raise wasmtime.WasmtimeError("operation not permitted")

    monkeypatch.setattr(wasmtime.Module, "deserialize_file", forbidden)
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path))
    instance = Instance(Engine(wasm(), [Script("driver.js", DRIVER)], b"{}"), host)
    assert run(instance, "2") == "2"
    instance.close()


def test_another_wasmtime_is_refused_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_missing", "no such function")
    with pytest.raises(FaztError) as refused:
        Engine(wasm(), [], b"{}")
    assert refused.value.code == "NOT_SUPPORTED"
    assert "no such function" in refused.value.message


def test_a_node_without_apps_does_not_load_wasmtime() -> None:
    code = "import sys, kernel.runtime.engine.engine; raise SystemExit('wasmtime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_instance_that_was_not_closed_is_no_noise_at_the_end() -> None:
    code = (
        "from tests.kernel.runtime.engine.driver import *\n"
        "one = Instance(small_engine(), TestHost())\n"
        "print(run(one, '3'))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("3\n", "")


class Counting:
    """An engine that counts its ticks."""

    def __init__(self) -> None:
        self.ticks = 0
        self.ticked = threading.Event()

    def increment_epoch(self) -> None:
        self.ticks += 1
        self.ticked.set()


def test_the_pulse_beats_only_while_something_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    rested = threading.Event()
    monkeypatch.setattr(module, "IDLE_TICKS", 2)
    counting = Counting()
    pulse = Pulse(counting)  # type: ignore[arg-type]
    wait = pulse._wake.wait

    def waiting(timeout: float | None = None) -> bool:
        rested.set()
        return wait(timeout)

    pulse._wake.wait = waiting  # type: ignore[method-assign]
    assert counting.ticks == 0
    for _ in range(3):
        rested.clear()
        counting.ticked.clear()
        pulse.begin(1)
        assert counting.ticked.wait(10)
        pulse.end(1)
        assert rested.wait(10)
    pulse.begin(1)
    counting.ticked.clear()
    assert counting.ticked.wait(10)
    pulse.end(1)
