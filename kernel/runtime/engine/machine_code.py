"""The cache of the engine's machine code: made once for a program on a machine, then loaded in milliseconds.

What lies here is run as it is, so it counts only if nobody else can have written it and it is what was recorded when
it was made. Anything else is made anew; it holds nothing that could be lost.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kernel.base.errors import FaztError
from kernel.observe import log
from kernel.runtime.engine import glue

RECIPE = b"1"  # another one when the same source is to become something else
MODULES = ("snap", "glue", "stub")
RECORD = "engine.json"
STAMP = ".used"  # as in the folders of the program's own packs: its time says when this was last used
HALF_DONE = "new-"
LOCK = "engine.lock"
DAY = 86_400
UNUSED_DAYS = 30
BUILD_SECONDS = 300
STARTER = (
    "import json, sys\n"
    "sys.path[:] = json.loads(sys.stdin.readline())\n"
    "from kernel.runtime.engine.building import main\n"
    "raise SystemExit(main())\n"
)
logger = log.get("fazt.runtime")


class Script(NamedTuple):
    name: str
    code: bytes


@dataclass(frozen=True)
class Source:
    """What an engine is made of."""

    wasm: bytes
    scripts: Sequence[Script]
    descriptors: bytes

    def key(self, config: str) -> str:
        digest = hashlib.sha256()
        for part in (
            RECIPE,
            self.wasm,
            *(piece for script in self.scripts for piece in (script.name.encode(), script.code)),
            self.descriptors,
            glue.STUB.encode(),
            glue.BUILD.encode(),
            glue.GLUE.encode(),
            config.encode(),
            processor().encode(),
        ):
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()[:32]


class MachineCode(NamedTuple):
    modules: dict[str, Path]
    places: dict[str, int]


class Unfit(Exception):
    """Files that are not to be used, or a place for them."""


def processor() -> str:
    """The kind of processor, as the machine code uses what this one has."""
    features = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            features = next((line for line in file if line.startswith(("flags", "Features"))), "")
    except OSError:
        pass
    return f"{sys.platform} {platform.machine()} {features}"


def candidates(beside: Path | None) -> Iterator[Path]:
    """Where machine code may be kept, best first."""
    named = os.environ.get("FAZT_CACHE", "")
    if named:
        yield Path(os.path.abspath(named))
    if beside is not None:
        yield beside / ".fazt-cache"
    home = os.path.expanduser("~")
    if os.path.isabs(home) and os.path.isdir(home):
        yield Path(home, ".cache", "fazt")
    for shared in (os.environ.get("TMPDIR", "/tmp"), "/tmp", "/var/tmp"):
        yield Path(shared, f"fazt-{os.geteuid()}")


def own(info: os.stat_result) -> bool:
    return info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def usable(folder: Path) -> bool:
    """A folder only this user can write to, made if it is missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return own(os.stat(folder)) and own(os.lstat(folder)) and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def read_private(path: Path) -> bytes:
    """A file nobody but this user could have written or read."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(handle, "rb") as file:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
            raise Unfit(f"others may have written {path.name}")
        return file.read()


def load(folder: Path) -> MachineCode:
    info = os.lstat(folder)
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
        raise Unfit("others may have written there")
    try:
        record = json.loads(read_private(folder / RECORD))
        places = {str(name): int(place) for name, place in record["places"].items()}
        wanted = {name: str(record["sha256"][name]) for name in MODULES}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unfit("the record is damaged") from error
    modules = {name: folder / f"{name}.cwasm" for name in MODULES}
    for name, path in modules.items():
        if hashlib.sha256(read_private(path)).hexdigest() != wanted[name]:
            raise Unfit(f"{name} is damaged")
    return MachineCode(modules, places)


def compiled(source: Source, new: Path) -> None:
    """Have another process make the files."""
    import wasmtime  # noqa: F401 - in the built program this puts it on the path, which the other process is given

    job = {
        "wasm": base64.b64encode(source.wasm).decode(),
        "scripts": [(script.name, base64.b64encode(script.code).decode()) for script in source.scripts],
        "descriptors": base64.b64encode(source.descriptors).decode(),
        "folder": str(new),
    }
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    path = [os.path.abspath(entry) for entry in sys.path]
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", "-c", STARTER],
            input=(json.dumps(path) + "\n" + json.dumps(job)).encode(),
            capture_output=True,
            env=kept,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise failed(str(error)) from error
    if done.returncode:
        raise failed(done.stderr.decode("utf-8", "replace")[-2000:] or f"exit code {done.returncode}")


def failed(why: str) -> FaztError:
    logger.error("the engine could not be made: %s", why)
    return FaztError("INTERNAL_ERROR", "The JavaScript engine could not be made.", "The log says why.")


def record(new: Path) -> None:
    places = json.loads((new / "places.json").read_bytes())
    (new / "places.json").unlink()
    digests = {name: hashlib.sha256((new / f"{name}.cwasm").read_bytes()).hexdigest() for name in MODULES}
    for name, data in ((RECORD, json.dumps({"places": places, "sha256": digests}).encode()), (STAMP, b"")):
        with open(os.open(new / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)


def build(source: Source, folder: Path) -> None:
    """Make a folder of machine code. One rename makes it visible."""
    new = folder.parent / (HALF_DONE + os.urandom(8).hex())
    new.mkdir(mode=0o700)
    try:
        compiled(source, new)
        record(new)
        if folder.exists() or folder.is_symlink():
            os.rename(folder, f"{new}-replaced")
        os.rename(new, folder)
    finally:
        for left in (str(new), f"{new}-replaced"):
            if os.path.islink(left) or os.path.isfile(left):
                os.unlink(left)
            else:
                shutil.rmtree(left, ignore_errors=True)


def used(folder: Path) -> None:
    """Remember that it was used, and delete what nobody used for long."""
    now = time.time()
    try:
        if os.stat(folder / STAMP).st_mtime > now - DAY:
            return
        os.utime(folder / STAMP)
        for other in folder.parent.glob("engine-*"):
            if own(os.lstat(other)) and os.stat(other / STAMP).st_mtime < now - UNUSED_DAYS * DAY:
                shutil.rmtree(other, ignore_errors=True)
    except OSError:
        return  # tidiness is no reason not to start


def folder_for(source: Source, config: str, beside: Path | None) -> Path:
    for place in candidates(beside):
        if usable(place):
            return place / f"engine-{source.key(config)}"
    raise FaztError(
        "NOT_SUPPORTED",
        "There is no place for the JavaScript engine's machine code.",
        "Set FAZT_CACHE to a directory that only you can write to.",
    )


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """One process or thread at a time; the others then find what it made."""
    handle = os.open(place / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        with suppress(OSError):  # a file system without locks: each makes its own, the last one stays
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def existing(folder: Path) -> MachineCode | None:
    try:
        found = load(folder)
    except FileNotFoundError:
        return None
    except (OSError, Unfit) as error:
        logger.warning("the engine is made anew: %s", error)
        return None
    used(folder)
    return found


def open_or_build(source: Source, config: str, beside: Path | None = None, anew: bool = False) -> MachineCode:
    folder = folder_for(source, config, beside)
    found = None if anew else existing(folder)
    if found is None:
        with alone(folder.parent):
            found = None if anew else existing(folder)
            if found is None:
                build(source, folder)
                found = existing(folder)
    if found is None:
        raise failed(f"{folder} cannot be read")
    return found
