"""A whole copy of the file, made while it is written to.

It is made on the writer's connection, a few pages between two groups: what this connection writes meanwhile goes into
the copy as well, where another connection would have to begin again after every commit. The copy has another name
until all of it is on the disk and was looked through, so a name that is there stands for a copy that is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from kernel.base.errors import FaztError
from kernel.storage.copies import Copy, inspect
from kernel.storage.disk import also_named, create_private, flush, part_of

if TYPE_CHECKING:
    from kernel.storage.store import Store

PAGES = 256  # 2 MiB, a few milliseconds
Told = Callable[[int, int], None]


class Copying:
    """The errand. `told` hears of pages that are done, and of all."""

    def __init__(self, target: Path, told: Told | None = None) -> None:
        self._target, self._told = target, told
        self._into: apsw.Connection | None = None
        self._backup: apsw.Backup | None = None
        self.unwanted = False

    def part(self, source: apsw.Connection) -> bool:
        done = True
        try:
            if not self.unwanted:
                done = self._step(source)
        finally:
            # on the thread that opened it, which nobody else can be in the middle of
            if done:
                self.close()
        return not done

    def _step(self, source: apsw.Connection) -> bool:
        if self._backup is None:
            self._into = apsw.Connection(str(self._target))
            # until it is whole it is worth nothing: then it is written to the disk as one
            self._into.pragma("journal_mode", "off")
            self._into.pragma("synchronous", "off")
            self._backup = self._into.backup("main", source, "main")
        done = self._backup.step(PAGES)
        if self._told:
            self._told(self._backup.page_count - self._backup.remaining, self._backup.page_count)
        return done

    def close(self) -> None:
        """Also of one that failed half-way; that it did has been said."""
        with contextlib.suppress(apsw.Error):
            if self._backup:
                self._backup.close(True)
        with contextlib.suppress(apsw.Error):
            if self._into:
                self._into.close(True)


async def copy(store: Store, target: Path, told: Told | None = None) -> Copy:
    """A copy of the store's file with this name, and what it is. The name is taken when the copy is whole."""
    part = part_of(target)
    try:
        create_private(part, new=True)
        copying = Copying(part, told)
        try:
            await store.errand(copying.part)
        except asyncio.CancelledError:
            # the writer may be in the middle of it
            copying.unwanted = True
            raise
        except BaseException:
            copying.close()
            raise

        def kept() -> Copy:
            found = inspect(part, target)
            flush(part)
            with _named(target):
                also_named(part, target)
            flush(target.parent)
            return found

        return await store.aside(kept)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _named(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise FaztError("CONFLICT", f"{target} is there already.", "Choose another name.") from None
