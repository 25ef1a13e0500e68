"""Files as a data file needs them: nobody else's to read, and on the disk when it counts."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

# no second names here: what file systems without them say
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV)


def create_private(path: Path, new: bool = False) -> None:
    """`new`: FileExistsError if it is there."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if new else 0), 0o600))


def part_of(path: Path) -> Path:
    """A name nobody else has, for what will be called so when it is whole."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")


def remove_parts(folder: Path, name: str = "*") -> None:
    """What programs that were killed left half-way."""
    for part in folder.glob(f"{name}.{'[0-9a-f]' * 8}.part"):
        part.unlink(missing_ok=True)


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
    """The same file under a second name, which nobody has; a copy of it where there are no second names."""
    try:
        os.link(path, name)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        create_private(name, new=True)
        try:
            shutil.copyfile(path, name)
            flush(name)
        except BaseException:
            name.unlink(missing_ok=True)
            raise
