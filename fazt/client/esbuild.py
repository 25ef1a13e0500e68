"""The bundler: the project's own, or one that npm puts into our cache. It runs on the author's machine only."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from fazt.client.hashes import cache_home
from kernel.base.errors import FaztError

VERSION = "0.28.2"
SECONDS = 120
MANUAL = "Put one into the project: npm install --save-dev esbuild"
_PASSED = re.compile(r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TMPDIR|TZ|NODE_PATH")
# how npm reaches its registry, and who it is there
_FOR_NPM = re.compile(r"(npm|yarn)_.*|(https?|no|all)_proxy|XDG_\w+|NODE_EXTRA_CA_CERTS|SSL_CERT_\w+", re.IGNORECASE)
_MISSING = re.compile(r'\[ERROR\] Could not resolve "([^"\n]+)"(?:[^\n]*)\n+\s+([^\n:]+:\d+):\d+:')
_FIRST = re.compile(r"\[ERROR\] ([^\n]+)(?:\n+\s+([^\n:]+:\d+:\d+):)?")


class Failed(Exception):
    """The bundler refused the code."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said

    @property
    def missing(self) -> list[tuple[str, str]]:
        """What was imported and not found, and where."""
        return [(found[1], found[2]) for found in _MISSING.finditer(self.said)]

    @property
    def first(self) -> str:
        found = _FIRST.search(self.said)
        if found is None:
            return self.said.strip()[:500] or "esbuild failed"
        return f"{found[2]}: {found[1]}" if found[2] else found[1]


class Esbuild:
    def __init__(self, program: str) -> None:
        self._program = program
        try:
            self.version = self._ran([program, "--version"], os.path.dirname(program)).strip()
        except Failed as failed:
            raise FaztError("USAGE", f"{program} does not work: {failed.first}.", MANUAL) from None

    @classmethod
    def found(cls, top: str) -> Esbuild:
        for folder in tree_of(top):
            own = os.path.join(folder, "node_modules", ".bin", "esbuild")
            if os.path.isfile(own) and os.access(own, os.X_OK) and is_ours(own):
                return cls(own)
        return cls(_fetched())

    def run(self, folder: str, *arguments: str) -> None:
        self._ran([self._program, *arguments, "--log-level=error", "--log-limit=50", "--color=false"], folder)

    def _ran(self, command: list[str], folder: str) -> str:
        ended = _run(command, folder)
        if ended.returncode:
            raise Failed(ended.stderr)
        return ended.stdout


def tree_of(top: str) -> list[str]:
    """The folders of the project that a folder belongs to, from that one up: whose programs may be run."""
    folders, nearest = [top, *map(str, Path(top).parents)], 0
    home = os.path.expanduser("~")
    for place, folder in enumerate(folders):
        if os.path.exists(os.path.join(folder, ".git")):
            return folders[: place + 1]
        if not nearest and os.path.exists(os.path.join(folder, "package.json")):
            nearest = place + 1
        if folder == home:
            break
    return folders[: nearest or 1]


def is_ours(program: str) -> bool:
    """Could nobody but the author and root have put it there? A link counts, and what it leads to."""
    real = os.path.realpath(program)
    for path in (program, os.path.dirname(program), os.path.dirname(os.path.dirname(program)), real):
        status = os.lstat(path)
        open_to_all = not stat.S_ISLNK(status.st_mode) and status.st_mode & stat.S_IWOTH
        if open_to_all or status.st_uid not in (0, os.getuid()):
            return False
    return not os.stat(os.path.dirname(real)).st_mode & stat.S_IWOTH


def _environment(npm: bool) -> dict[str, str]:
    """What a program of the project may know: none of the author's secrets."""
    passed = [_PASSED, _FOR_NPM] if npm else [_PASSED]
    return {name: value for name, value in os.environ.items() if any(one.fullmatch(name) for one in passed)}


def _run(command: list[str], folder: str, npm: bool = False) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=_environment(npm),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FaztError("USAGE", f"{os.path.basename(command[0])} cannot run: {error}.", MANUAL) from None


def _fetched() -> str:
    """The bundler of our cache, put there if it is not."""
    home = cache_home()
    kept = home / f"esbuild-{VERSION}"
    program = kept / "node_modules" / ".bin" / "esbuild"
    if program.exists():
        return str(program)
    npm = shutil.which("npm")
    if npm is None:
        raise FaztError(
            "USAGE", "The handler uses npm packages, and bundling them takes npm, which is not here.", MANUAL
        )
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=home, prefix="new-esbuild-") as made:
            _fetch(npm, Path(made))
            with suppress(OSError):  # another deploy was quicker
                os.rename(made, kept)
                os.mkdir(made)
    except OSError as error:
        raise FaztError("USAGE", f"There is no room for esbuild in {home}: {error.strerror}.", MANUAL) from None
    return str(program)


def _fetch(npm: str, folder: Path) -> None:
    # a folder without a package.json is not where npm installs to
    (folder / "package.json").write_text('{"private": true}')
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline", "--save-exact")
    ended = _run([npm, "install", *quiet, f"esbuild@{VERSION}"], str(folder), True)
    if ended.returncode or not (folder / "node_modules" / ".bin" / "esbuild").exists():
        why = (re.findall(r"npm (?:ERR!|error) (?!code)([^\n]+)", ended.stderr) or ["no reason given"])[0]
        raise FaztError("UNREACHABLE", f"npm could not fetch esbuild {VERSION}: {why}", MANUAL)
