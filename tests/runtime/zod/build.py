"""zod's own tests, as they were published, each with the runner of vitest.js in one file that an app can require."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.runtime.npm import STDLIB, bundled, installed

HERE = Path(__file__).resolve().parent
ENTRY = 'import "{test}";\nexport {{ run }} from "vitest";\n'
WAYS = (
    f"--alias:vitest={HERE / 'vitest.js'}",
    f"--alias:node:buffer={HERE / 'buffer.js'}",
    "--ignore-annotations",  # zod says of all its files that importing them does nothing
    "--format=cjs",
    "--target=es2022",
    "--platform=neutral",
)
# all of their tests are comments: they are about an editor
EMPTY = ("language-server",)


def names() -> list[str]:
    """Of the files, in order."""
    found = sorted(path.name.removesuffix(".test.ts") for path in _published().glob("*.test.ts"))
    return [name for name in found if name not in EMPTY]


def app(folder: Path) -> Path:
    """The app that runs them."""
    shutil.copytree(HERE / "api", folder / "api")
    for _ in _bundles(folder / "api" / "tests", "--external:zod", f"--alias:zod/v3={HERE / 'own.js'}"):
        pass
    return folder


def _published() -> Path:
    return installed(STDLIB) / "node_modules" / "zod" / "src" / "v3" / "tests"


def _bundles(output: Path, *words: str) -> Iterator[Path]:
    output.mkdir(parents=True)
    for name in names():
        entry = output / f"{name}.entry.ts"
        entry.write_text(ENTRY.format(test=_published() / f"{name}.test.ts"))
        yield bundled(installed(STDLIB), entry, output / f"{name}.js", *WAYS, *words)
        entry.unlink()
