"""Makes kernel/runtime/guest from stdlib-js: the engine, and one script for each part of what runs in it.

The result depends on the sources and the lock file alone. It is made anew when one of them changed, and put in place
file by file, so that who reads one meanwhile gets an old or a new one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from node import ROOT, digest, installed, node, run

SOURCES = ROOT / "stdlib-js"
GUEST = ROOT / "kernel" / "runtime" / "guest"
STAMP = ".stamp"
BUNDLER = Path(__file__).resolve().with_suffix(".mjs")


def main() -> None:
    stamp = digest(inputs())
    if read(GUEST / STAMP) == stamp:
        return
    packages = installed(SOURCES)
    (GUEST / STAMP).unlink(missing_ok=True)
    GUEST.mkdir(parents=True, exist_ok=True)
    # inside of the folder that has node_modules: what is imported is looked for upwards
    with tempfile.TemporaryDirectory(dir=packages) as name:
        work = Path(name)
        shutil.copytree(SOURCES, work / "stdlib-js")
        shutil.copy(BUNDLER, work)
        run([node(), BUNDLER.name, "stdlib-js", "guest", str(packages / "node_modules")], work)
        publish(work / "guest")
    (GUEST / STAMP).write_text(stamp)


def inputs() -> list[Path]:
    """All that decides what the result is."""
    tools = [path for path in Path(__file__).resolve().parent.glob("guest*") if path.is_file()]
    return sorted([*tools, *(path for path in SOURCES.rglob("*") if path.is_file())])


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def publish(made: Path) -> None:
    new = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    for path in new:
        target = GUEST / path
        target.parent.mkdir(parents=True, exist_ok=True)
        arriving = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(made / path, arriving)
        arriving.replace(target)
    for path in [path for path in GUEST.rglob("*") if path.is_file()]:
        # what begins with a dot is the stamp, or somebody else's file on its way
        if path.relative_to(GUEST) not in new and not path.name.startswith("."):
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
