"""One process per file. The lock vanishes with its holder, however it ends; what it says about the holder is a note."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.storage.connection import in_words


def lock_path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


# how long to wait for a command that holds the file for a moment; a node is not waited for
PATIENCE, STEP = 20.0, 0.05


class FileLock:
    def __init__(self, database: Path, clock: Clock | None = None) -> None:
        self.path, clock = lock_path(database), clock or Clock()
        until = clock.monotonic() + PATIENCE
        while not self._taken():
            held = _note(self.path)
            if "socket" in held or clock.monotonic() > until:
                pid = held.get("pid", "unknown")
                raise FaztError(
                    "NODE_RUNNING",
                    f"{database} is in use by process {pid}.",
                    f"Stop it with `fazt proc stop --db {database}`, or use another file.",
                    pid=pid,
                )
            clock.pause(STEP)

    def _taken(self) -> bool:
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            return False
        # what a holder that died wrote does not speak for us
        os.ftruncate(self._fd, 0)
        return True

    def note(self, **facts: Any) -> None:
        """Say who holds it: the pid, and how to reach the holder."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps({"pid": os.getpid(), **facts}).encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@contextlib.contextmanager
def hold(database: Path) -> Iterator[FileLock]:
    """Hold the file for as long as anything is written; what the system refuses is said in words."""
    with in_words(database):
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(database)
        lock.note()
    with lock:
        yield lock


def holder(database: Path) -> dict[str, Any] | None:
    """What the process that holds the file says of itself; None when nobody holds it."""
    path = lock_path(database)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _note(path)
    finally:
        os.close(fd)
    return None


def _note(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
