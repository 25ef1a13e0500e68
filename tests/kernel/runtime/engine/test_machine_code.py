"""The cache of machine code: used only if nobody can have tampered with it, made anew otherwise."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kernel.base.errors import FaztError
from kernel.runtime.engine import machine_code
from kernel.runtime.engine.machine_code import RECORD, STAMP, Script, Source, load, open_or_build
from tests.kernel.runtime.engine.driver import DRIVER, wasm

SOURCE = Source(b"wasm", [Script("a.js", b"1")], b"{}")
FILES = {"snap.cwasm": b"native 1", "glue.cwasm": b"native 2", "stub.cwasm": b"native 3", "places.json": b'{"a": 7}'}


class Compiler:
    """Stands in for the process that compiles."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, source: Source, new: Path) -> None:
        self.runs += 1
        for name, data in FILES.items():
            (new / name).write_bytes(data)
            (new / name).chmod(0o600)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Compiler:
    made = Compiler()
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine_code, "compiled", made)
    return made


def folder(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "cache").glob("engine-*")
    return found


def entries(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").iterdir() if path.name != machine_code.LOCK]


def test_it_is_made_once(compiler: Compiler, tmp_path: Path) -> None:
    for _ in range(2):
        found = open_or_build(SOURCE, "config")
        assert found.places == {"a": 7}
        assert {name: path.read_bytes() for name, path in found.modules.items()} == {
            "snap": b"native 1",
            "glue": b"native 2",
            "stub": b"native 3",
        }
    assert compiler.runs == 1
    assert entries(tmp_path) == [folder(tmp_path)]


def test_nobody_else_can_read_or_write_it(compiler: Compiler, tmp_path: Path) -> None:
    open_or_build(SOURCE, "config")
    assert folder(tmp_path).stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder(tmp_path).iterdir()} == {0o600}


@pytest.mark.parametrize(
    "other",
    [
        Source(b"other", SOURCE.scripts, b"{}"),
        Source(b"wasm", [Script("a.js", b"2")], b"{}"),
        Source(b"wasm", [Script("b.js", b"1")], b"{}"),
        Source(b"wasm", [*SOURCE.scripts, Script("", b"")], b"{}"),
        Source(b"wasm", SOURCE.scripts, b"[]"),
    ],
)
def test_whatever_it_is_made_of_has_its_own(other: Source) -> None:
    assert other.key("config") != SOURCE.key("config")
    assert SOURCE.key("config") != SOURCE.key("another")
    assert SOURCE.key("config") == Source(b"wasm", [Script("a.js", b"1")], b"{}").key("config")


def test_another_processor_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SOURCE.key("config")
    monkeypatch.setattr(machine_code, "processor", lambda: "another")
    assert SOURCE.key("config") != before


def damage(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda path: (path / name).write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "other code": damage("snap.cwasm", b"native x"),
    "truncated": damage("glue.cwasm", b"native"),
    "empty": damage("stub.cwasm", b""),
    "empty record": damage(RECORD, b""),
    "no record": damage(RECORD, b"[]"),
    "other record": damage(RECORD, b'{"places": {"a": "x"}, "sha256": {}}'),
    "missing": lambda path: (path / "snap.cwasm").unlink(),
    "readable": lambda path: (path / "snap.cwasm").chmod(0o644),
    "writable": lambda path: (path / RECORD).chmod(0o620),
    "open folder": lambda path: path.chmod(0o755),
    "link": lambda path: (
        (path / "snap.cwasm").rename(path / "real"),
        (path / "snap.cwasm").symlink_to(path / "real"),
    ),
    "folder": lambda path: ((path / "snap.cwasm").unlink(), (path / "snap.cwasm").mkdir()),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_is_damaged_or_open_to_others_is_made_anew(compiler: Compiler, tmp_path: Path, kind: str) -> None:
    open_or_build(SOURCE, "config")
    DAMAGE[kind](folder(tmp_path))
    assert open_or_build(SOURCE, "config").modules["snap"].read_bytes() == b"native 1"
    assert compiler.runs == 2
    assert open_or_build(SOURCE, "config").places == {"a": 7}
    assert compiler.runs == 2
    assert len(entries(tmp_path)) == 1


def test_a_link_in_its_place_is_replaced(compiler: Compiler, tmp_path: Path) -> None:
    open_or_build(SOURCE, "config")
    place = folder(tmp_path)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    open_or_build(SOURCE, "config")
    assert compiler.runs == 2
    assert not place.is_symlink()
    assert (tmp_path / "elsewhere" / RECORD).exists()


def test_files_of_another_user_are_not_used(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_or_build(SOURCE, "config")
    place = folder(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(machine_code.Unfit):
        load(place)
    with pytest.raises(machine_code.Unfit):
        machine_code.read_private(place / RECORD)


def test_a_place_others_can_write_to_is_not_used(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    beside = tmp_path / "data"
    beside.mkdir()
    open_or_build(SOURCE, "config", beside)
    assert list((tmp_path / "cache").iterdir()) == []
    assert list((beside / ".fazt-cache").glob("engine-*"))


def test_no_place_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code, "usable", lambda folder: False)
    with pytest.raises(FaztError) as refused:
        open_or_build(SOURCE, "config")
    assert "FAZT_CACHE" in (refused.value.hint or "")


def test_of_several_that_need_the_same_one_makes_it(
    compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Barrier(3)
    alone = machine_code.alone

    def together(place: Path) -> AbstractContextManager[None]:
        looked.wait(10)
        return alone(place)

    monkeypatch.setattr(machine_code, "alone", together)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(open_or_build(SOURCE, "config"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    assert compiler.runs == 1
    assert entries(tmp_path) == [folder(tmp_path)]


def test_a_file_system_without_locks(compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*arguments: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(machine_code.fcntl, "flock", unsupported)
    assert open_or_build(SOURCE, "config").places == {"a": 7}


def test_what_nobody_used_for_long_is_deleted(compiler: Compiler, tmp_path: Path) -> None:
    open_or_build(SOURCE, "config")
    old = folder(tmp_path)
    current = Source(b"new", SOURCE.scripts, b"{}")
    open_or_build(current, "config")
    long_ago = time.time() - 40 * machine_code.DAY
    for place in entries(tmp_path):
        os.utime(place / STAMP, (long_ago, long_ago))
    open_or_build(current, "config")
    assert not old.exists()
    assert len(entries(tmp_path)) == 1


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path))
    with pytest.raises(FaztError) as refused:
        open_or_build(Source(b"no wasm", [], b"{}"), "config")
    assert refused.value.code == "INTERNAL_ERROR"
    assert [path.name for path in tmp_path.iterdir()] == [machine_code.LOCK]


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (b"throw new TypeError('broken')", "TypeError: broken"),
        (b"globalThis.__in = 1; globalThis.__take = () => ''", "__in is not a function"),
        (b"globalThis.__in = () => {}; __host('echo', '')", "uninitialized element"),
        (b"globalThis.__in = () => {}", "__take"),
        (DRIVER + b"; Object.freeze(globalThis)", "__in cannot be removed"),
    ],
)
def test_scripts_that_cannot_be_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, script: bytes, why: str
) -> None:
    monkeypatch.setenv("FAZT_CACHE", str(tmp_path))
    with pytest.raises(FaztError), caplog.at_level("ERROR"):
        open_or_build(Source(wasm(), [Script("a.js", script)], b"{}"), "config")
    assert why in caplog.text
