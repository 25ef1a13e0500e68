"""Files as a data file needs them: nobody else's to read, and on the disk when it counts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def create_private(path: Path) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def give_to_owner_of(path: Path, made: Path) -> None:
    """Root makes it for whoever the other file belongs to."""
    if os.geteuid() == 0 and path.exists():
        os.chown(made, path.stat().st_uid, path.stat().st_gid)


def flush(path: Path) -> None:
    """To the disk: a file's bytes, or a folder's names."""
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def also_named(path: Path, name: Path) -> None:
    """The same file under a second name; a copy of it where there are no second names."""
    try:
        os.link(path, name)
    except FileExistsError:
        raise
    except OSError:
        create_private(name)
        shutil.copyfile(path, name)
        flush(name)
