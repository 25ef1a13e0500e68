"""Copies of the data file: one each day, more by hand; how many stay, and whether they are as they should be."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from kernel.base.clock import Clock, iso
from kernel.base.errors import FaztError, invalid
from kernel.base.settings import Setting, Settings
from kernel.base.tables import Migration
from kernel.base.units import format_size, parse_duration
from kernel.fs import scrub
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.observe import log
from kernel.proc.retention import surplus
from kernel.proc.state import State
from kernel.proc.status import Running
from kernel.storage import copies, restoring
from kernel.storage.connection import in_words
from kernel.storage.copies import Copy, Opened
from kernel.storage.copy_names import DAILY, MANUAL, Kept, found_in, name_of
from kernel.storage.copying import copy
from kernel.storage.disk import remove_parts
from kernel.storage.store import Store, backup_folder
from kernel.syscall import Call, Line, syscall
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Write

EVERY_DAY = Setting("backup.daily", bool, True, "A copy of the data file is made each day.")
KEEP_DAYS = Setting("backup.keep_daily", int, 7, "Of so many days the last copy stays.", least=1, most=366)
KEEP_WEEKS = Setting("backup.keep_weekly", int, 4, "Of so many weeks the last copy stays.", least=0, most=520)
SHARE = Setting(
    "backup.share",
    int,
    50,
    "Daily copies take at most this share of what is free for them, in percent.",
    least=1,
    most=95,
)
STALE = Setting("backup.stale", "duration", "48h", "Health complains when the last copy is older.", least=3_600_000)

MOST_FOUND = 5
KIND, LANE = "backup.daily", "backups"
LOOK_SECONDS, LONGEST = 3600, 24 * 3600.0
# made each day at about the same time: a look may come a little early
A_DAY = parse_duration("24h") - parse_duration("30m")
logger = log.get("fazt.backups")


class BackupName(Line):
    least, most = 1, 100
    pattern = r"[A-Za-z0-9][A-Za-z0-9.-]*\.db"
    explain = "must be the name of a copy, as `fazt backup list` shows it"


class FilePath(Line):
    """A place on the node's own machine."""

    least, most = 1, 4000


class Backup(Struct):
    name: str
    kind: str
    created_at: int
    bytes: int
    path: str


class Verified(Struct):
    name: str
    bytes: int
    version: str
    node_id: str
    migrations: int
    lacks: list[str]
    unknown: list[str]


class Backups:
    def __init__(
        self, jobs: Jobs, store: Store, settings: Settings, clock: Clock, migrations: Iterable[Migration]
    ) -> None:
        self.store, self._settings, self._clock = store, settings, clock
        self._migrations = tuple(migrations)
        self._since = clock.now()
        self._trouble = ""
        # what else shall happen when one was made: part of the batch that ends it
        self.then: Callable[[], Write[Any] | None] = lambda: None
        jobs.lane(LANE, 1)
        jobs.kind(KIND, self._daily, lane=LANE, attempts=1, timeout=LONGEST)
        jobs.every(KIND, LOOK_SECONDS)

    @property
    def folder(self) -> Path:
        return backup_folder(self.store.path)

    def all(self) -> list[Kept]:
        return found_in(self.folder)

    def newest(self) -> str | None:
        return next((kept.name for kept in self.all()), None)

    def path(self, name: str) -> Path:
        if not any(kept.name == name for kept in self.all()):
            raise FaztError("NOT_FOUND", f"There is no copy called {name}.", "`fazt backup list` shows them.")
        return self.folder / name

    def remove(self, name: str) -> None:
        self._forget(self.path(name))

    @staticmethod
    def _forget(path: Path) -> None:
        path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """What a program that was killed left half-way. Only the one that holds the file may say so."""
        remove_parts(self.folder)

    async def make(self, kind: str) -> Backup:
        now, taken = self._clock.now(), {kept.at for kept in self.all()}
        while now in taken:
            now += 1
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return await self._made(self.folder / name_of(now, kind), kind, now)

    async def make_at(self, target: Path) -> Backup:
        """One for elsewhere, under a name of somebody's choice."""
        with in_words(target):
            return await self._made(target, MANUAL, self._clock.now())

    async def _made(self, target: Path, kind: str, now: int) -> Backup:
        made = await copy(self.store, target)
        try:
            await self.store.aside(lambda: refuse_damaged(target, target))
        except BaseException:
            # what it was made from is damaged: it must not push out those that are not
            self._forget(target)
            raise
        return Backup(target.name, kind, now, made.bytes, str(target))

    def verified(self, path: Path) -> Verified:
        found = copies.inspect(path)
        refuse_damaged(path, path)
        return self._told(found)

    def lay_ready(self, path: Path, force: bool) -> Verified:
        return self._told(restoring.lay_ready(path, self.store.path, acceptance(self._migrations, force)))

    def _told(self, found: Copy) -> Verified:
        lacks, unknown = copies.compare(found, self._migrations)
        count = len(found.migrations)
        return Verified(found.path.name, found.bytes, found.version, found.node, count, lacks, unknown)

    def state(self) -> State:
        """As health shows it."""
        if self._trouble:
            return State("failing", self._trouble)
        newest = next(iter(self.all()), None)
        if not self._settings[EVERY_DAY.name]:
            return State("off")
        if max(newest.at if newest else 0, self._since) < self._clock.now() - self._settings[STALE.name]:
            return State("stale", f"the last copy is of {iso(newest.at)}" if newest else "there is no copy yet")
        return State("ok", f"the last copy is of {iso(newest.at)}" if newest else "the first copy is made within a day")

    # --- each day

    async def _daily(self, job: Job) -> Write[Any] | None:
        if not self._settings[EVERY_DAY.name] or not self._is_due():
            return None
        try:
            self._prune(self.store.size())
            await self.make(DAILY)
            self._prune(0)
        except BaseException as error:
            self._trouble = error.message if isinstance(error, FaztError) else "the copy failed; see the logs"
            raise
        self._trouble = ""
        return self.then()

    def _is_due(self) -> bool:
        last = next((kept.at for kept in self.all() if kept.kind == DAILY), 0)
        # a clock that was put back must not stop them for good
        return not self._clock.now() - A_DAY < last <= self._clock.now()

    def _prune(self, coming: int) -> None:
        """Remove what has been kept long enough, and what there is no room for beside what is coming."""
        there = self.all()
        taken = sum(kept.bytes for kept in there if kept.kind == DAILY)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        room = (shutil.disk_usage(self.folder).free + taken) * self._settings[SHARE.name] // 100
        if coming > room:
            raise FaztError(
                "STORAGE_FULL",
                f"A copy takes {format_size(coming)}, and copies may take {format_size(room)} here.",
                "Free some space, or raise backup.share.",
            )
        for kept in surplus(there, self._settings[KEEP_DAYS.name], self._settings[KEEP_WEEKS.name], room - coming):
            (self.folder / kept.name).unlink(missing_ok=True)
            logger.info("a copy was removed", extra={"copy": kept.name})


def refuse_damaged(path: Path, at: Path) -> None:
    """Stored files that are no longer what their hashes say; pages alone do not tell."""
    opened = Opened(at)
    try:
        found = list(itertools.islice(scrub.damaged(opened, lambda: True), MOST_FOUND))
    finally:
        opened.close()
    if found:
        raise FaztError(
            "STORAGE_ERROR", f"{path} is damaged: {'; '.join(found)}.", "Take another copy: `fazt backup list`."
        )


def acceptance(migrations: Iterable[Migration], force: bool) -> Callable[[Copy, Path], None]:
    """Whether a copy may take the place of the file."""

    def accept(found: Copy, at: Path) -> None:
        refuse_strange(found.path, *copies.compare(found, migrations), force)
        refuse_damaged(found.path, at)

    return accept


def refuse_strange(path: Path, lacks: list[str], unknown: list[str], force: bool) -> None:
    """A copy of another shape: it can be used, but nobody should be surprised by it."""
    if force or not (lacks or unknown):
        return
    if unknown:
        why, hint = (
            f"newer than this program ({len(unknown)} steps)",
            "Upgrade first, or add --force: the rest of it works.",
        )
    else:
        why, hint = f"older than this program ({len(lacks)} steps)", "Add --force: the start brings it up to date."
    raise FaztError("SCHEMA_MISMATCH", f"{path}: the shape of this copy is {why}.", hint, lacks=lacks, unknown=unknown)


def _shown(backups: Backups, kept: Kept) -> Backup:
    return Backup(kept.name, kept.kind, kept.at, kept.bytes, str(backups.folder / kept.name))


def _here(call: Call, path: FilePath | None) -> Path | None:
    if path is None:
        return None
    if call.who != LOCAL:
        raise FaztError("FORBIDDEN", "A path counts on the node's own machine only.", "Leave it out.")
    target = Path(path)
    if not target.is_absolute():
        raise invalid("output", "must begin at the root of the file system")
    return target / name_of(call.now, MANUAL) if target.is_dir() else target


@syscall("backup.list", role="owner", http="GET /api/backups", cli="backup list", js=False)
def backup_list(call: Call) -> list[Backup]:
    """The copies of the data file that lie beside it, the newest first."""
    backups = call.use(Backups)
    return [_shown(backups, kept) for kept in backups.all()]


@syscall("backup.create", role="owner", http="POST /api/backups -> 201", cli="backup create", js=False, weight=6)
async def backup_create(call: Call, *, output: FilePath | None = None) -> Backup:
    """Make a copy of the data file now, while it is in use. It is looked through before it counts.

    It lies beside the file, or where `output` says; that only who is on the node's machine may say.
    """
    backups, target = call.use(Backups), _here(call, output)
    return await (backups.make_at(target) if target else backups.make(MANUAL))


@syscall("backup.verify", role="owner", http="POST /api/backups/{name}/verify", cli="backup verify <name>", js=False)
async def backup_verify(call: Call, name: BackupName) -> Verified:
    """Look through a copy: every page of it, and whether it fits this program."""
    backups = call.use(Backups)
    path = backups.path(name)
    return await backups.store.aside(lambda: backups.verified(path))


@syscall(
    "backup.delete",
    role="owner",
    http="DELETE /api/backups/{name} -> 204",
    cli="backup delete <name>",
    js=False,
    weight=6,
)
async def backup_delete(call: Call, name: BackupName) -> None:
    """Remove a copy."""
    call.use(Backups).remove(name)


@syscall(
    "backup.restore",
    role="owner",
    http="POST /api/backups/{name}/restore -> 202",
    cli="backup restore <name>",
    js=False,
    weight=6,
    confirm="A copy takes the place of the data file; what was written since is in the file beside it only.",
)
async def backup_restore(call: Call, name: BackupName, *, force: bool = False) -> Verified:
    """Put a copy in the place of the data file: the node starts again with it. The file as it was stays beside it."""
    backups, running = call.use(Backups), call.use(Running)
    path = backups.path(name)
    laid = await backups.store.aside(lambda: backups.lay_ready(path, force))
    if running.restart:
        running.restart()
    return laid
