"""Is the file what was written to it? Looked through after each start and once a week; damage stops all writing.

What was found is noted beside the file, so that a restart does not forget it: the file itself is not to be written.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.units import parse_duration
from kernel.fs import scrub
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.proc.state import State
from kernel.storage import pages
from kernel.storage.disk import create_private, flush
from kernel.storage.restoring import damage_path
from kernel.storage.store import Store
from kernel.syscall import Call, syscall

KIND, LANE = "storage.check", "checks"
WEEK_SECONDS = parse_duration("7d") / 1000
LONGEST = 24 * 3600.0
# looked through before the first answer, if the last run was killed
SMALL_BYTES = 64 << 20
MOST_FOUND = 5
logger = logging.getLogger("fazt.storage")


class Checked(Struct):
    sound: bool
    found: list[str]


class Soundness:
    def __init__(self, jobs: Jobs, store: Store, last_copy: Callable[[], str | None]) -> None:
        self.store, self._last_copy = store, last_copy
        self.found: list[str] = []
        self._looked, self._wanted = False, True
        self._one = asyncio.Lock()
        jobs.lane(LANE, 1)
        jobs.kind(KIND, self._weekly, lane=LANE, attempts=1, timeout=LONGEST)
        jobs.every(KIND, WEEK_SECONDS)
        if known := _noted(damage_path(store.path)):
            self._damaged(known)

    def before_ready(self) -> None:
        """A small file that was left in the middle of something is looked through before anybody is answered."""
        if self.store.left_open and self.store.size() <= SMALL_BYTES and not self.found:
            self._conclude(self._pages())

    async def check(self) -> Checked:
        """Look through all of it, beside everything else."""
        async with self._one:
            found = await asyncio.to_thread(self._all)
            if self._wanted:
                self._conclude(found)
            return Checked(not self.found, self.found)

    def stop(self) -> None:
        self._wanted = False

    def state(self) -> State:
        if self.found:
            return State("damaged", f"{'; '.join(self.found)}. {self._help()}")
        return State("ok", "" if self._looked else "not looked through yet")

    async def _weekly(self, job: Job) -> None:
        await self.check()

    def _all(self) -> list[str]:
        try:
            found = self._pages()
            return found or list(itertools.islice(scrub.damaged(self.store, lambda: self._wanted), MOST_FOUND))
        except FaztError as error:
            # pages that cannot be read; a check that was cut off has found nothing
            return [error.message] if self._wanted else []
        finally:
            self.store.let_go()

    def _pages(self) -> list[str]:
        return pages.damaged(self.store.path, lambda: self._wanted, MOST_FOUND)

    # --- what follows

    def _conclude(self, found: list[str]) -> None:
        self._looked = True
        if found:
            self._damaged(found)
            _note(damage_path(self.store.path), found)
        elif self.found:
            # what was found before is no more: somebody has put the file right
            self.found = []
            self.store.writer.broken = None
            damage_path(self.store.path).unlink(missing_ok=True)

    def _damaged(self, found: list[str]) -> None:
        if found != self.found:
            logger.critical("the data file is damaged; nothing more is written", extra={"found": found})
        self.found = found
        self.store.writer.broken = FaztError(
            "STORAGE_ERROR", "The data file is damaged; nothing more is written.", self._help()
        )

    def _help(self) -> str:
        return f"Put a copy in its place: fazt backup restore {self._last_copy() or 'COPY'} --confirm"


def _noted(path: Path) -> list[str]:
    try:
        said = json.loads(path.read_text())
    except (OSError, ValueError):
        return ["the last check found damage"] if path.exists() else []
    return [str(one) for one in said] if isinstance(said, list) and said else ["the last check found damage"]


def _note(path: Path, found: list[str]) -> None:
    try:
        create_private(path)
        path.write_text(json.dumps(found))
        flush(path)
    except OSError:
        logger.exception("that the data file is damaged cannot be noted")


@syscall("storage.check", role="owner", http="POST /api/storage/check", cli="storage check", js=False, weight=3)
async def storage_check(call: Call) -> Checked:
    """Look through the data file: every page of it, and whether each stored file is what its hash says."""
    return await call.use(Soundness).check()
