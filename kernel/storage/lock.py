"""One process per file. The lock vanishes with its holder, however it ends; what it says about the holder is a note."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any, Self

from kernel.base.errors import FaztError


def lock_path(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


class FileLock:
    def __init__(self, database: Path) -> None:
        self.path = lock_path(database)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            held = _note(self.path)
            pid = held.get("pid", "unknown")
            raise FaztError(
                "NODE_RUNNING",
                f"{database} is in use by process {pid}.",
                f"Stop it with `fazt proc stop --db {database}`, or use another file.",
                pid=pid,
            ) from None

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
