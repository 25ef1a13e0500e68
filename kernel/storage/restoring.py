"""A copy takes the place of the file; the file that was there stays beside it.

First the copy is laid ready under a name of its own, looked through and on the disk: up to there nothing has happened
to the file. From then on it only goes forward: every start of anything on this file first finishes what was laid
ready, and each step may be done twice. The old log goes before the new file comes: SQLite would read it into a file
it does not belong to.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from kernel.base.errors import FaztError
from kernel.storage.connection import fold, in_words
from kernel.storage.copies import Copy, inspect, looks_whole
from kernel.storage.disk import also_named, create_private, flush, give_to_owner_of, part_of, remove_parts
from kernel.storage.lock import holder

logger = logging.getLogger("fazt.storage")


def ready_path(database: Path) -> Path:
    return database.with_name(database.name + ".restore")


def damage_path(database: Path) -> Path:
    """Where it is noted that the file is damaged."""
    return database.with_name(database.name + ".damaged")


def lay_ready(copy: Path, database: Path, accept: Callable[[Copy, Path], None]) -> Copy:
    """Bring a copy to where the next start finds it, if `accept` lets it pass. The copy itself stays as it is.

    A log beside it (it is a file that was in use) is brought along and folded in: it holds what was told last.
    """
    if database.exists() and copy.exists() and copy.samefile(database):
        raise FaztError("CONFLICT", f"{copy} is the data file itself.", "Name a copy of it.")
    if (held := holder(copy)) is not None:
        raise FaztError(
            "NODE_RUNNING", f"{copy} is in use by process {held.get('pid', 'unknown')}.", "Stop it, or name a copy."
        )
    ready, log = ready_path(database), Path(f"{copy}-wal")
    part = part_of(ready)
    with in_words(database), _alone(database):
        remove_parts(ready.parent, ready.name)
        in_one = not (log.exists() and log.stat().st_size)
        if in_one:
            accept(inspect(copy), copy)
        try:
            create_private(part, new=True)
            shutil.copyfile(copy, part)
            if not in_one:
                shutil.copyfile(log, f"{part}-wal")
                fold(part)
            give_to_owner_of(database, part)
            flush(part)
            # looked through where it lies now: the copy may have changed meanwhile, or been read wrongly
            found = inspect(part, copy)
            if not in_one:
                accept(found, part)
            part.rename(ready)
            flush(ready.parent)
        finally:
            for left in ("", "-wal", "-shm"):
                Path(f"{part}{left}").unlink(missing_ok=True)
    return found


def call_off(database: Path) -> None:
    """What was laid ready is not wanted after all."""
    ready_path(database).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(database: Path) -> Iterator[None]:
    """One at a time, whichever process it is in."""
    with Path(f"{database}.restore.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FaztError("CONFLICT", "Another copy is being put in its place.", "Wait until that is done.") from None
        yield


def finish(database: Path, now: int) -> Path | None:
    """Put what was laid ready in the place of the file, which nobody holds open; where the old one is now."""
    ready = ready_path(database)
    if not ready.exists():
        return None
    if not looks_whole(ready):
        # nobody laid it ready; it stays to be looked at, and out of the way
        refused = ready.with_name(f"{ready.name}.refused-{now}")
        ready.rename(refused)
        logger.error("what lies ready to be restored is no data file", extra={"moved_to": str(refused)})
        return None
    ready.chmod(0o600)
    kept = _old(database, now)
    for suffix in ("", "-wal"):
        part = Path(f"{database}{suffix}")
        if part.exists() and not Path(f"{kept}{suffix}").exists():
            also_named(part, Path(f"{kept}{suffix}"))
    flush(database.parent)
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    flush(database.parent)
    ready.rename(database)
    damage_path(database).unlink(missing_ok=True)
    flush(database.parent)
    logger.warning("a copy took the place of the data file", extra={"file": str(database), "replaced": str(kept)})
    return kept


def _old(database: Path, now: int) -> Path:
    """Its name from now on. One that was begun is gone on with: it is the same file."""
    for found in database.parent.glob(f"{database.name}.replaced-*"):
        if not found.name.endswith("-wal") and database.exists() and found.samefile(database):
            return found
    return database.with_name(f"{database.name}.replaced-{now}")
