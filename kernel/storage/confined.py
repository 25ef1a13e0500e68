"""SQL of apps on the node's file: reading on connections that are confined, writing within a wall around the writer."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from kernel.base.errors import FaztError
from kernel.storage import confined_limits as limits
from kernel.storage.confined_errors import in_words
from kernel.storage.confined_wall import Done, Wall
from kernel.storage.connection import open_reader
from kernel.storage.scoped import ScopedStore
from kernel.syscall.plan import Step


class Growth(NamedTuple):
    """What makes an app's tables grow: SQL of the kernel's own words, what is written down of it, and the answer."""

    statements: Sequence[str]
    steps: Sequence[Step]
    answer: Any


class Confined:
    """What a statement may touch is said with it: the names that the app's tables have in the file."""

    def __init__(self, path: Path, scoped: Callable[[apsw.Connection, str], ScopedStore]) -> None:
        self._path, self._scoped = path, scoped
        self._free: queue.SimpleQueue[Wall] = queue.SimpleQueue()
        self._made = 0
        self._busy: dict[Wall, int] = {}
        self._lock = threading.Lock()
        self._writing: Wall | None = None

    # --- reading

    def select(self, app: str, tables: frozenset[str], sql: str, params: Mapping[str, Any]) -> Done:
        wall = self._taken()
        try:
            with in_words(app):
                return wall.run(app, tables, sql, params, limits.READ_SECONDS, False)
        finally:
            self._free.put(wall)

    def _taken(self) -> Wall:
        try:
            return self._free.get_nowait()
        except queue.Empty:
            with self._lock:
                if self._made < limits.READERS:
                    made = Wall(open_reader(self._path), self._busy)
                    made.narrow(writes=False)
                    self._made += 1
                    return made
        try:
            return self._free.get(timeout=limits.READ_SECONDS)
        except queue.Empty:
            raise FaztError("TIMEOUT", "Too many queries are running.", "Try again in a moment.") from None

    # --- writing: steps of a batch

    def change(
        self,
        app: str,
        tables: frozenset[str],
        sql: str,
        params: Mapping[str, Any],
        after: Callable[[Done], Sequence[Step]] = lambda done: (),
    ) -> Step:
        """A step whose row is what the statement did. `after` may refuse that, or add to it."""

        def carried_out(connection: apsw.Connection) -> list[Any]:
            done = self._changed(connection, app, tables, sql, params)
            for step in after(done):
                connection.execute(step.sql, step.params)
            return [done]

        return Step("", {}, touches=(), guard=carried_out)

    def _changed(
        self, connection: apsw.Connection, app: str, tables: frozenset[str], sql: str, params: Mapping[str, Any]
    ) -> Done:
        wall = self._writing
        if wall is None or wall.connection is not connection:
            wall = self._writing = Wall(connection, self._busy)
        pages, used = connection.pragma("page_count"), _used(connection)
        size = connection.pragma("page_size")
        usual = connection.pragma("max_page_count")
        connection.pragma("max_page_count", pages + limits.MOST_GROWTH // size)
        try:
            wall.narrow(writes=True)
            with in_words(app, self._has_room):
                done = wall.run(app, tables, sql, params, limits.WRITE_SECONDS, True)
            return done._replace(grew=(_used(connection) - used) * size)
        finally:
            wall.widen()
            connection.pragma("max_page_count", usual)

    def _has_room(self) -> bool:
        there = os.statvfs(self._path.parent)
        return there.f_bavail * there.f_frsize > limits.MOST_GROWTH

    def grow(self, app: str, decide: Callable[[ScopedStore], Growth]) -> Step:
        """A step whose row is the answer. It is decided with the app's rows as the writer sees them."""

        def carried_out(connection: apsw.Connection) -> list[Any]:
            until = time.monotonic() + limits.DEFINE_SECONDS
            connection.set_progress_handler(lambda: time.monotonic() > until, limits.STRIDE, id=decide)
            try:
                with in_words(app):
                    growth = decide(self._scoped(connection, app))
                    for sql in growth.statements:
                        connection.execute(sql)
                    for step in growth.steps:
                        connection.execute(step.sql, step.params)
                    return [growth.answer]
            finally:
                connection.set_progress_handler(None, id=decide)

        return Step("", {}, touches=(), guard=carried_out)

    def close(self) -> None:
        while not self._free.empty():
            self._free.get_nowait().connection.close()


def _used(connection: apsw.Connection) -> int:
    pages: int = connection.pragma("page_count") - connection.pragma("freelist_count")
    return pages
