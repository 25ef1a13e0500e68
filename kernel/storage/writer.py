"""The writer: one thread that commits whatever waits as one group.

A batch fails alone (savepoint); its rows are given out only after COMMIT returned; if COMMIT fails, every batch of
the group fails. The writer waits for nobody: it releases a lock per waiting thread and makes one
`call_soon_threadsafe` per group and loop. Between groups it does a part of an errand, if there is one.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import apsw

from kernel.base.errors import FaztError
from kernel.storage.connection import FAILURES, understood
from kernel.storage.hot import Hot
from kernel.storage.inside import Time
from kernel.syscall.plan import Step

MOST_WAITING = 20_000
MOST_IN_GROUP = 512
MOST_STEPS_IN_GROUP = 4096
LONGEST_LOG = 4000  # pages
UNSURE = (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC)
logger = logging.getLogger("fazt.storage")

STOPPING = FaztError("SERVICE_UNAVAILABLE", "The node is stopping.", "Try again in a moment.")

Rows = list[list[Any]]
WAITING, TAKEN, WITHDRAWN = range(3)


class Batch:
    """Steps on their way to the file. Exactly one of `rows` and `error` is set when it is done."""

    __slots__ = (
        "error",
        "future",
        "guarded",
        "lock",
        "loop",
        "rows",
        "several",
        "single",
        "spoilt",
        "state",
        "steps",
        "told",
    )

    def __init__(self, steps: Sequence[Step], loop: asyncio.AbstractEventLoop | None) -> None:
        self.steps, self.state, self.loop = steps, WAITING, loop
        self.rows: Rows = []
        self.told = False
        self.guarded = any(step.guard and not step.light for step in steps)
        self.single = len(steps) == 1 and not steps[0].guard
        self.several = len(steps) > 1 and sum(step.guard is not None for step in steps) > 1
        self.spoilt = False  # it took the whole transaction with it
        self.error: BaseException | None = None
        self.future: asyncio.Future[Rows] | None = loop.create_future() if loop else None
        self.lock = None if loop else threading.Lock()
        if self.lock:
            self.lock.acquire()


class Errand:
    """Work on the writer's connection that is done a little at a time, between groups. Nobody waits for all of it."""

    def __init__(self, part: Callable[[apsw.Connection], bool], ended: Callable[[BaseException | None], None]) -> None:
        self.part, self.ended = part, ended  # `part` says whether there is more


class Writer:
    def __init__(self, connection: apsw.Connection, hot: Hot | None = None) -> None:
        self.connection, self.hot = connection, hot or Hot()
        self.groups = self.batches = 0
        # why nothing is written any more: what the disk did not confirm may be lost, and nobody can tell
        self.broken: FaztError | None = None
        # why the log is not folded into the file; it grows meanwhile, and it is tried again
        self.trouble = ""
        self._logged = 0
        connection.set_wal_hook(self._note_log)
        self._errands: collections.deque[Errand] = collections.deque()
        self._waiting: collections.deque[Batch] = collections.deque()
        self._guard = threading.Lock()  # a batch is taken or withdrawn, submitted or refused: never both
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="fazt-writer", daemon=True)
        self._thread.start()

    # --- the callers' side

    async def write(self, steps: Sequence[Step]) -> Rows:
        batch = self._submit(Batch(steps, asyncio.get_running_loop()))
        assert batch.future
        try:
            return await batch.future
        except asyncio.CancelledError:
            # as for threads: either it never happens, or we hear how it went before anybody goes on
            withdrawn = self.withdraw(batch)
            while not withdrawn and not batch.told:
                batch.future = asyncio.get_running_loop().create_future()
                with contextlib.suppress(Exception, asyncio.CancelledError):
                    await batch.future
            raise

    def write_soon(self, steps: Sequence[Step]) -> Batch:
        """For the loop, without a coroutine: its `future` is told."""
        return self._submit(Batch(steps, asyncio.get_running_loop()))

    def write_blocking(self, steps: Sequence[Step], timeout: float = -1) -> Rows:
        """For threads. A write that times out was either withdrawn before it was taken, or is waited for."""
        batch = self._submit(Batch(steps, None))
        assert batch.lock
        if not batch.lock.acquire(timeout=timeout):
            if self.withdraw(batch):
                raise FaztError("TIMEOUT", "The write waited too long and was not made.", "Try again.")
            batch.lock.acquire()
        if batch.error:
            raise batch.error
        return batch.rows

    def _submit(self, batch: Batch) -> Batch:
        with self._guard:
            if self._stopping or self.broken:
                raise (self.broken or STOPPING).again()
            if len(self._waiting) >= MOST_WAITING:
                raise FaztError("SERVICE_UNAVAILABLE", "Too many writes are waiting.", "Try again in a moment.")
            self._waiting.append(batch)
        self._wake.set()
        return batch

    def send(self, errand: Errand) -> None:
        with self._guard:
            if self._stopping or self.broken:
                raise (self.broken or STOPPING).again()
            self._errands.append(errand)
        self._wake.set()

    def withdraw(self, batch: Batch) -> bool:
        """Whether it never happens: it had not been taken yet."""
        with self._guard:
            if batch.state == WAITING:
                batch.state = WITHDRAWN
                self._waiting.remove(batch)
            return batch.state == WITHDRAWN

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._guard:
            self._stopping = True
        self._wake.set()
        self._thread.join()
        self.connection.close()

    # --- the thread

    def _run(self) -> None:
        while True:
            if not self._errands:
                self._wake.wait()
            self._wake.clear()
            while group := self._take():
                try:
                    self._commit(group)
                except BaseException as error:
                    # whatever happens here, somebody waits for an answer and the thread must go on
                    for batch in group:
                        batch.error = batch.error or _own(error)
                self._tell(group)
                # a big result must not stay alive until the next write
                del group
                self._fold_log()
                self._run_errand()
            if self._stopping and not self._waiting:
                while self._errands:
                    self._errands.popleft().ended(STOPPING.again())
                return
            self._run_errand()

    def _note_log(self, _: apsw.Connection, __: str, pages: int) -> int:
        self._logged = pages
        return apsw.SQLITE_OK

    def _fold_log(self) -> None:
        """Bring what is in the log into the file: ours to do, as SQLite would keep quiet about what goes wrong."""
        if self._logged < LONGEST_LOG or self.broken:
            return
        try:
            self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            self.trouble = ""
        except apsw.Error as error:
            self._look_at(error)
            self.trouble = str(error)
        self._logged = 0

    def _look_at(self, error: BaseException) -> None:
        """After a sync that failed the system forgets what it had not written: nothing more may build on it."""
        if not self.broken and any(getattr(one, "extendedresult", 0) in UNSURE for one in _all(error)):
            self.broken = FaztError(
                "STORAGE_ERROR",
                "The disk did not confirm what was written; nothing more is written.",
                "Look after the disk, then start the node again: fazt proc restart",
            )
            logger.critical("the disk did not confirm what was written; nothing more is written", exc_info=error)

    def _run_errand(self) -> None:
        if not self._errands:
            return
        errand, more, failure = self._errands[0], False, None
        try:
            more = errand.part(self.connection)
        except BaseException as error:
            failure = error
        if not more:
            self._errands.popleft()
            errand.ended(failure)

    def _take(self) -> list[Batch]:
        group: list[Batch] = []
        steps = 0
        with self._guard:
            while self._waiting and len(group) < MOST_IN_GROUP and steps < MOST_STEPS_IN_GROUP:
                batch = self._waiting.popleft()
                batch.state = TAKEN
                group.append(batch)
                steps += len(batch.steps)
        return group

    def _commit(self, group: list[Batch]) -> None:
        execute, hot = self.connection.execute, self.hot
        blocked, committed, apart = None, False, False
        try:
            if self.broken:
                raise self.broken
            execute("begin immediate")
            if not self._fits(group, execute):
                self._apply_each(group, execute)
            blocked = hot.block([batch.steps for batch in group if batch.error is None])
            execute("commit")
            committed = True
            # before anything else can go wrong: who remembers answers goes by it
            self.groups += 1
        except Exception as error:
            self._look_at(error)
            known = self.broken or _refused(error)
            if self.connection.in_transaction:
                execute("rollback")
            apart = len(group) > 1 and any(batch.guarded for batch in group)
            for batch in group:
                batch.error = batch.error or _own(known)
        finally:
            if blocked:
                hot.open(blocked, committed)
        if apart:
            self._commit_apart(group)
            return
        self.batches += len(group)

    def _commit_apart(self, group: list[Batch]) -> None:
        """The group is undone and a guarded statement may be the cause: all but it go again, those like it alone."""
        again = [batch for batch in group if not batch.spoilt]
        for batch in again:
            batch.rows, batch.error = [], None
        plain = [batch for batch in again if not batch.guarded]
        for part in ([plain] if plain else []) + [[batch] for batch in again if batch.guarded]:
            self._commit(part)

    def _fits(self, group: list[Batch], execute: Callable[..., Any]) -> bool:
        """Apply all of them without savepoints, as nearly always all fit: half the work for small batches.

        False: one does not fit, and none is applied.
        """
        if all(batch.single for batch in group) or any(batch.guarded for batch in group):
            return False
        try:
            for batch in group:
                left = Time() if batch.several else None
                batch.rows = [self._made(step, execute, left) for step in batch.steps]
                if not self.connection.in_transaction:
                    raise FaztError("STORAGE_ERROR", "The data file refused the transaction.")
            return True
        except Exception:
            # whose fault it is shows when each is looked at by itself
            for batch in group:
                batch.rows = []
            if self.connection.in_transaction:
                execute("rollback")
            execute("begin immediate")
            return False

    def _apply_each(self, group: list[Batch], execute: Callable[..., Any]) -> None:
        """Apply them one by one; what does not fit is rolled back alone."""
        for batch in group:
            self._apply(batch, execute)
            if not self.connection.in_transaction:
                # SQLite gave up the whole transaction (full disk, I/O error): nothing of the group happened
                batch.spoilt = True
                raise batch.error or FaztError("STORAGE_ERROR", "The data file refused the transaction.")

    def _apply(self, batch: Batch, execute: Callable[..., Any]) -> None:
        step: Step | None = None
        try:
            if not batch.single:
                execute("savepoint batch")
            left = Time() if batch.several else None
            for step in batch.steps:
                batch.rows.append(self._made(step, execute, left))
            if not batch.single:
                execute("release batch")
        except Exception as error:
            batch.error = _explained(error, step)
            if not batch.single and self.connection.in_transaction:
                execute("rollback to batch")
                execute("release batch")

    def _made(self, step: Step, execute: Callable[..., Any], left: Time | None) -> list[Any]:
        if not step.guard:
            return execute(step.sql, step.params).fetchall()  # type: ignore[no-any-return]
        if left:
            # each of them is in time by itself, and nobody else can write before all are done
            left.look()
        return step.guard(self.connection)

    @staticmethod
    def _tell(group: list[Batch]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Batch]] = {}
        for batch in group:
            if batch.lock:
                batch.lock.release()
            elif batch.loop:
                by_loop.setdefault(batch.loop, []).append(batch)
        for loop, batches in by_loop.items():
            # a loop that was closed meanwhile has nobody left to tell
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, batches)


def _resolve(batches: list[Batch]) -> None:
    for batch in batches:
        future, batch.told = batch.future, True
        if future and not future.done():
            if batch.error:
                future.set_exception(batch.error)
            else:
                future.set_result(batch.rows)


def _own(error: BaseException) -> BaseException:
    """Each of a group raises its own: a shared one would collect the traces of all."""
    return error.again() if isinstance(error, FaztError) else error


def _all(error: BaseException | None) -> Iterator[BaseException]:
    """It, and what had gone wrong before it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refused(error: Exception) -> Exception:
    """Why a group failed as a whole."""
    if isinstance(error, apsw.ConstraintError):
        return FaztError("STORAGE_ERROR", "The data file refused the transaction.", "See the logs.")
    return understood(error) if isinstance(error, FAILURES) else error


def _explained(error: Exception, step: Step | None) -> Exception:
    if isinstance(error, apsw.ConstraintError) and step and step.error:
        error = step.error
    if isinstance(error, FaztError):
        return step.told(error) if step and step.told else error
    return understood(error) if isinstance(error, FAILURES) else error
