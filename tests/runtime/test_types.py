"""The types that authors get, as the TypeScript compiler understands them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fazt.boot import registry
from kernel.runtime.declarations import declarations
from tests.runtime.apps import SAMPLES
from tests.runtime.npm import installed, node

HERE = Path(__file__).resolve().parent / "types"
STRICT = ("--strict", "--noEmit", "--target", "es2022", "--lib", "es2023,dom,dom.iterable", "--module", "es2022")
SOURCES = {file.name: file for file in HERE.glob("*.ts")} | {"notes.ts": SAMPLES / "notes" / "api" / "main.ts"}


def complaints(folder: Path, *files: str) -> list[str]:
    """What the compiler has against these files beside the types."""
    (folder / "fazt.d.ts").write_text(declarations(registry()))
    program = installed(HERE) / "node_modules" / "typescript" / "bin" / "tsc"
    command = [node(), str(program), *STRICT, "fazt.d.ts", *files]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return ended.stdout.splitlines()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_what_is_right_compiles_and_what_is_expected_to_be_wrong_does_not(name: str, tmp_path: Path) -> None:
    shutil.copy(SOURCES[name], tmp_path / name)
    assert complaints(tmp_path, name) == []


def test_what_nobody_expects_to_be_wrong_is_said(tmp_path: Path) -> None:
    (tmp_path / "wrong.ts").write_text("export const value: number = fazt.storage.kv.delete('x');\n")
    (said,) = complaints(tmp_path, "wrong.ts")
    assert said.startswith("wrong.ts(1,14): error TS2322:")
