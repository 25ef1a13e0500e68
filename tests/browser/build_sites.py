"""The sites of sites/, built as their authors would build them; made anew when their sources change.

What npm installs and what it builds is kept in build/, each under the hash of what it was made from.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from scripts.node import digest, installed, made, npm, run

SOURCES = Path(__file__).resolve().parent / "sites"
# name → the script that builds it, what it is told, where it lies then
SITES = {
    "app-one": ("app", {"VITE_EDITION": "one"}, "app/dist"),
    "app-two": ("app", {"VITE_EDITION": "two"}, "app/dist"),
    "docs": ("docs", {}, "docs/.vitepress/dist"),
    "docs-clean": ("docs", {"CLEAN_URLS": "yes"}, "docs/.vitepress/dist"),
    "kit": ("kit", {}, "kit/build"),
}


def built() -> Path:
    """A folder with a folder for each of the sites."""
    files = [path for path in sorted(SOURCES.rglob("*")) if path.is_file()]
    return made(f"sites-{digest([*files, Path(__file__).resolve()])}", _build)


def _build(folder: Path) -> None:
    packages = installed(SOURCES)
    # inside of the folder that has node_modules: what is imported is looked for upwards
    with tempfile.TemporaryDirectory(dir=packages) as name:
        work = Path(name)
        shutil.copytree(SOURCES, work, dirs_exist_ok=True)
        for site, (script, told, output) in SITES.items():
            run([*npm(), "run", script], work, told)
            shutil.move(work / output, folder / site)
