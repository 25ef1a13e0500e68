"""The Store: opens the file, carries out plans, closes it again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import apsw

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.tables import PUBLISHING, Beside, Migration, Read, Table
from kernel.storage import restoring, schema
from kernel.storage.confined import Confined
from kernel.storage.connection import (
    FAILURES,
    Budget,
    in_words,
    make_writer,
    open_file,
    open_reader,
    understood,
    within,
)
from kernel.storage.copy_names import PRE_MIGRATION, found_in, name_of
from kernel.storage.copying import Copying
from kernel.storage.disk import create_private, flush
from kernel.storage.hot import Hot
from kernel.storage.inside import is_late
from kernel.storage.scoped import ScopedStore
from kernel.storage.writer import Batch, Errand, Rows, Writer
from kernel.syscall.plan import Scan, Step

READERS = 3
ASIDE = 2
POINT_STEPS, POINT_SECONDS = 400_000, 0.25  # a read on the calling thread
SCAN_STEPS, SCAN_SECONDS = 400_000_000, 5.0  # a read in the pool
KEEP_PRE_MIGRATION = 5

Functions = Mapping[str, Callable[..., Any]]
Item = TypeVar("Item")


class Store:
    def __init__(
        self,
        path: Path,
        *,
        tables: Iterable[Table] = (),
        migrations: Iterable[Migration] = (),
        clock: Clock | None = None,
        version: str = "0",
        limit_of: Callable[[str], int] | None = None,
        functions: Functions | None = None,
        live: Functions | None = None,
    ) -> None:
        self.path, self.clock = path, clock or Clock()
        self.tables = tuple(tables)
        self.limit_of = limit_of or (lambda name: 1 << 62)
        self._local = threading.local()
        self._readers: list[apsw.Connection] = []
        # `live`: functions whose answer depends on the moment
        self._functions, self._live = dict(functions or {}), dict(live or {})
        # grows with every change of what visitors see, before the change is answered
        self.generation = 0
        self._generations = itertools.count(1)
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="fazt-reader")
        # what takes longer than a scan must not keep the scans waiting
        self._aside = ThreadPoolExecutor(ASIDE, thread_name_prefix="fazt-aside")
        self.hot = Hot(table.name for table in self.tables if table.hot)
        self.writer = Writer(self._prepared(tuple(migrations), version), self.hot)
        self.confined = Confined(path, self._written)

    def _prepared(self, migrations: Sequence[Migration], version: str) -> apsw.Connection:
        new = not self.path.exists()
        # whoever closes it last folds the log in: one that is there was left by a program that was killed
        log = self.path.with_name(self.path.name + "-wal")
        self.left_open = log.exists() and log.stat().st_size > 0
        if new:
            # nobody else on the machine may read what people store
            create_private(self.path)
        try:
            connection = open_file(self.path)
            waiting = schema.pending(connection, (schema.STORAGE, *migrations))
            make_writer(connection)
            if waiting and not new and schema.applied(connection):
                self._copy_before_migrating(connection)
            schema.migrate(connection, waiting, self.clock.now(), version)
            schema.check(connection, self.tables)
        except apsw.Error as error:
            raise _unusable(self.path, error) from error
        self._teach(connection, is_late)
        return connection

    def _teach(self, connection: apsw.Connection, late: Callable[[], bool]) -> None:
        """Our functions. One call may take long, and SQLite looks at the time rarely: so each looks before."""
        for name, function in self._functions.items():
            connection.create_scalar_function(name, _in_time(function, late), deterministic=True)
        for name, function in self._live.items():
            connection.create_scalar_function(name, _in_time(function, late))

    def _copy_before_migrating(self, connection: apsw.Connection) -> None:
        folder = backup_folder(self.path)
        for made in (folder.parent, folder):
            made.mkdir(exist_ok=True, mode=0o700)
        target = folder / name_of(self.clock.now(), PRE_MIGRATION)
        create_private(target)
        copying = Copying(target)
        while copying.part(connection):
            pass
        flush(target)
        for old in [kept for kept in found_in(folder) if kept.kind == PRE_MIGRATION][KEEP_PRE_MIGRATION:]:
            (folder / old.name).unlink()

    # --- reads

    def reader(self) -> apsw.Connection:
        """This thread's own connection, with the budget of a point read renewed."""
        local = self._local
        try:
            connection: apsw.Connection = local.connection
        except AttributeError:
            try:
                connection = open_reader(self.path)
                budget = Budget(connection)
                self._teach(connection, budget.is_late)
            except apsw.Error as error:
                raise understood(error) from error
            local.connection, local.budget = connection, budget
            self._readers.append(connection)
        local.budget.grant(*getattr(local, "allowed", (POINT_STEPS, POINT_SECONDS)))
        return connection

    def let_go(self) -> None:
        """Close this thread's own connection: the thread ends."""
        connection = vars(self._local).pop("connection", None)
        if connection is not None:
            with contextlib.suppress(ValueError):  # the store was closed meanwhile
                self._readers.remove(connection)
            connection.close()

    @property
    def commits(self) -> int:
        """Grows with every commit, before anybody hears of it."""
        return self.writer.groups

    def scan_blocking(self, scan: Scan[Any]) -> Any:
        """Carry out a scan on this thread: all of its reads see one moment of the file."""
        if not scan.reads:
            return scan.then([])
        connection = self.reader()
        self._local.budget.grant(SCAN_STEPS, SCAN_SECONDS)
        try:
            connection.execute("begin")
            try:
                left, rows = scan.most, []
                for read, params in scan.reads:
                    found, left = within(connection.execute(read.sql, params), left, scan.short)
                    rows.append(found)
            finally:
                connection.execute("commit")
        except FAILURES as error:
            raise understood(error) from error
        return scan.then(rows)

    async def scan(self, scan: Scan[Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self.scan_blocking, scan)

    async def aside(self, work: Callable[[], Item]) -> Item:
        """Several reads, and what is made of them, on a thread of their own: each may take as long as a scan."""

        def allowed() -> Item:
            self._local.allowed = (SCAN_STEPS, SCAN_SECONDS)
            try:
                return work()
            finally:
                del self._local.allowed

        return await asyncio.get_running_loop().run_in_executor(self._aside, allowed)

    def rows(self, read: Read, **params: Any) -> list[Any]:
        """A read of node tables outside of a call: start-up, chores."""
        try:
            return self.reader().execute(read.sql, params).fetchall()
        except FAILURES as error:
            raise understood(error) from error

    # --- writes

    async def write(self, steps: Sequence[Step]) -> Rows:
        try:
            return await self.writer.write(steps)
        finally:
            # also for a write that failed: it may have failed after its COMMIT
            self._published(steps)

    def write_soon(self, steps: Sequence[Step]) -> Batch:
        """As `write`, for who has something to do meanwhile: the future of the batch is told."""
        batch = self.writer.write_soon(steps)
        assert batch.future
        # the first to be told: what visitors see has changed before anybody says so
        batch.future.add_done_callback(lambda _: self._published(steps))
        return batch

    def withdraw(self, batch: Batch) -> bool:
        return self.writer.withdraw(batch)

    async def errand(self, part: Callable[[apsw.Connection], bool]) -> None:
        """Work on the writer's connection, a part between two groups, until it says that there is no more."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def ended(error: BaseException | None) -> None:
            if not done.done():
                done.set_exception(understood(error) if isinstance(error, FAILURES) else error) if error else (
                    done.set_result(None)
                )

        def told(error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # nobody is left to tell
                loop.call_soon_threadsafe(ended, error)

        self.writer.send(Errand(part, told))
        await done

    def write_blocking(self, steps: Sequence[Step], timeout: float = -1) -> Rows:
        try:
            return self.writer.write_blocking(steps, timeout)
        finally:
            self._published(steps)

    def _published(self, steps: Sequence[Step]) -> None:
        if not PUBLISHING.isdisjoint([step.sql for step in steps]):
            self.generation = next(self._generations)

    def scoped(self, app: str, user: str = "") -> ScopedStore:
        return ScopedStore(self.reader, self.limit_of, app, user, self.clock.now(), self.hot)

    def _written(self, connection: apsw.Connection, app: str) -> ScopedStore:
        """An app's rows as the writer sees them, in the middle of a batch."""
        return ScopedStore(lambda: connection, self.limit_of, app, "", self.clock.now())

    def purge(self, app: str) -> list[Step]:
        """Steps that remove every row of an app: its tables declare that they belong to apps."""
        names = [table.name for table in self.tables if table.scope == "app" or table.purged]
        return [
            *self._beside("purge", app),
            *[Step(f"delete from {name} where app_id = :app", {"app": app}) for name in (*names, "usage")],
        ]

    def _beside(self, work: str, app: str, *more: str) -> list[Step]:
        """What goes with an app's rows and is no row."""

        def step(beside: Beside) -> Step:
            def carried_out(connection: apsw.Connection) -> list[Any]:
                for sql in getattr(beside, work)(self._written(connection, app), *more):
                    connection.execute(sql)
                return []

            return Step("", {}, touches=(), guard=carried_out)

        return [step(table.beside) for table in self.tables if table.beside]

    def copy(self, app: str, to: str, users: bool, now: int) -> list[Step]:
        """Steps that give a new app the rows of another one; those of its users only if they are wanted."""
        values = {"app": app, "to": to, "users": users, "now": now}
        steps = []
        for table in self.tables:
            if table.scope == "app" and table.copied:
                names = ", ".join(
                    n for n in dict.fromkeys(("user_id", "created_at", *table.columns)) if n != table.serial
                )
                order = f" order by {table.serial}" if table.serial else ""
                steps.append(f"""insert into {table.name} (app_id, {names}) select :to, {names} from {table.name}
where app_id = :app and (user_id = '' or :users){order}""")
                if table.counted:
                    steps.append(f"""insert into usage (app_id, name, rows, created_at)
select :to, '{table.name}', count(*), :now from {table.name} where app_id = :to having count(*) > 0""")
        return [*self._beside("copy", app, to), *[Step(sql, values) for sql in steps]]

    def usage(self, app: str) -> dict[str, int]:
        """How many rows an app has in its counted tables."""
        counted = self.reader().execute("select name, rows from usage where app_id = ?", (app,))
        return {str(name): int(rows) for name, rows in counted}

    def size(self) -> int:
        """Bytes on disk, the log that is not folded in yet included."""
        return sum(
            part.stat().st_size for part in (self.path, self.path.with_name(self.path.name + "-wal")) if part.exists()
        )

    def close(self) -> None:
        self.writer.close()
        self._pool.shutdown()
        self._aside.shutdown()
        self.confined.close()
        while self._readers:
            self._readers.pop().close()


def _in_time(function: Callable[..., Any], late: Callable[[], bool]) -> Callable[..., Any]:
    def in_time(*arguments: Any) -> Any:
        if late():
            raise apsw.InterruptError("interrupted")
        return function(*arguments)

    return in_time


def _unusable(path: Path, error: apsw.Error) -> Exception:
    """Why a file cannot be opened, with its name and what may help."""
    known = understood(error)
    if not isinstance(known, FaztError):
        known = FaztError("STORAGE_ERROR", str(error))
    if known.code != "STORAGE_ERROR":
        return known
    may = f"{backup_folder(path)} and {path.name}.replaced-* may be some"
    hint = f"Put a copy in its place: fazt backup restore COPY --confirm ({may})."
    return FaztError("STORAGE_ERROR", f"{path} cannot be used: {error}.", hint)


def backup_folder(path: Path) -> Path:
    """Where the copies of a data file lie: two files of one folder do not share it."""
    return path.parent / "backups" / path.stem


def open_store(path: Path, **how: Any) -> Store:
    if path.is_dir():
        raise FaztError("STORAGE_ERROR", f"{path} is a directory.", "Name the data file: --db DIR/data.db")
    with in_words(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        restoring.finish(path, (how.get("clock") or Clock()).now())
        return Store(path, **how)
