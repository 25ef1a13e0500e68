"""A copy takes the place of the file; the file that was there stays beside it.

First the copy is laid ready under a name of its own, looked through and on the disk: up to there nothing has happened
to the file. From then on it only goes forward: every start of anything on this file first finishes what was laid
ready, and each step may be done twice. The old log goes before the new file comes: SQLite would read it into a file
it does not belong to.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from kernel.storage.copies import Copy, inspect
from kernel.storage.disk import also_named, create_private, flush, give_to_owner_of


def ready_path(database: Path) -> Path:
    return database.with_name(database.name + ".restore")


def damage_path(database: Path) -> Path:
    """Where it is noted that the file is damaged."""
    return database.with_name(database.name + ".damaged")


def lay_ready(copy: Path, database: Path) -> Copy:
    """Bring a copy to where the next start finds it. The copy itself stays as it is."""
    inspect(copy)
    ready = ready_path(database)
    part = ready.with_name(ready.name + ".part")
    try:
        part.unlink(missing_ok=True)
        create_private(part)
        give_to_owner_of(database, part)
        shutil.copyfile(copy, part)
        flush(part)
        # looked through where it lies now: the copy may have changed meanwhile, or been read wrongly
        found = inspect(part)
        part.rename(ready)
        flush(ready.parent)
    finally:
        part.unlink(missing_ok=True)
    return found


def finish(database: Path, now: int) -> Path | None:
    """Put what was laid ready in the place of the file, which nobody holds open; where the old one is now."""
    ready = ready_path(database)
    if not ready.exists():
        return None
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
    return kept


def _old(database: Path, now: int) -> Path:
    """Its name from now on. One that was begun is gone on with: it is the same file."""
    for found in database.parent.glob(f"{database.name}.replaced-*"):
        if not found.name.endswith("-wal") and database.exists() and found.samefile(database):
            return found
    return database.with_name(f"{database.name}.replaced-{now}")
