"""Work in the middle of a batch, for changes that have to look before they write.

It is done on the writer, where nobody else changes anything meanwhile, and where nobody else can write until it is
done: so it has only so much time. What takes longer is undone alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import apsw

from kernel.base.errors import FaztError
from kernel.base.tables import Patch, Read, Remove
from kernel.syscall.call import Scoped
from kernel.syscall.plan import Step, Write

# of the processor, and by the clock
WORK_SECONDS, SECONDS = 3.0, 10.0
# steps of SQLite's machine between two looks at the time
STRIDE = 2000

TOO_LONG = FaztError(
    "TIMEOUT",
    "The change takes too long and was not made: nobody else could write meanwhile.",
    "Make it in parts, each about fewer rows: say more in the query.",
)

_running = threading.local()


def is_late() -> bool:
    """Has what this thread is in the middle of taken too long? SQLite cannot ask while it calls a function of ours."""
    inside: Inside | None = getattr(_running, "inside", None)
    return inside is not None and inside.is_over()


class Time:
    """How long such work may take, from now on; also all of it that is in one batch."""

    __slots__ = ("_until", "_work_until")

    def __init__(self) -> None:
        self._until, self._work_until = time.monotonic() + SECONDS, time.thread_time() + WORK_SECONDS

    def look(self) -> None:
        """Between two steps: is there time left?"""
        if self.is_over():
            raise TOO_LONG.again()

    def is_over(self) -> bool:
        return time.thread_time() > self._work_until or time.monotonic() > self._until


class Inside(Time):
    """The caller's rows as the writer sees them, and ways to change them at once."""

    __slots__ = ("_connection", "_own")

    def __init__(self, connection: apsw.Connection, store: Scoped) -> None:
        super().__init__()
        self._connection, self._own = connection, {"app": store.app, "user": store.user}

    def all(self, read: Read, /, **params: Any) -> list[Any]:
        return self._connection.execute(read.sql, {**params, **self._own}).fetchall()

    def do(self, change: Patch | Remove, /, **params: Any) -> list[Any]:
        """A change of a table that is not counted; its rows."""
        return self._connection.execute(change.sql, {**params, **self._own}).fetchall()

    def make(self, plan: Write[Any]) -> list[Any]:
        """What a plan says; the rows of its last step."""
        rows: list[Any] = []
        for step in plan.steps:
            rows = self._connection.execute(step.sql, step.params).fetchall()
        return rows


def step(store: Scoped, work: Callable[[Inside], Any], light: bool = False) -> Step:
    """A step whose only row is what the work answers. It may be done twice, if the first time was undone.

    `light`: it is about a few rows that are found by their keys.
    """

    def carried_out(connection: apsw.Connection) -> list[Any]:
        return [work(Inside(connection, store))]

    def in_time(connection: apsw.Connection) -> list[Any]:
        inside = Inside(connection, store)
        connection.set_progress_handler(inside.is_over, STRIDE, id=inside)
        _running.inside = inside
        try:
            return [work(inside)]
        except apsw.InterruptError:
            raise TOO_LONG.again() from None
        finally:
            _running.inside = None
            connection.set_progress_handler(None, id=inside)

    return Step("", {}, touches=(), guard=carried_out if light else in_time, light=light)
