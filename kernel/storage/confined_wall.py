"""A wall around one connection: whatever an app's statement says, SQLite lets it touch the app's tables only.

An authorizer looks at all that a statement names when it is prepared; a budget looks at it while it runs. It knows
nothing of what the statement was made of (`kernel/data/sql_grammar.py`) and must hold without that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import apsw

from kernel.base.errors import FaztError
from kernel.storage import confined_limits as limits
from kernel.storage.confined_errors import too_big, too_heavy
from kernel.storage.confined_words import ALLOWED, CTE, OWN, TABLE_FUNCTIONS, TAKES

memory_used = apsw.memory_used
_PAGES = "select rootpage from sqlite_schema where tbl_name in (select value from json_each(?))"
_OPENS = {"OpenRead", "OpenWrite", "ReopenIdx"}
_CALLS = {"Function", "PureFunc", "AggStep", "AggStep1"}
_READING = {apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE}
_WRITING = {apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE}

Row = dict[str, Any]


class Done(NamedTuple):
    """What a statement did."""

    rows: list[Row]
    changes: int = 0
    last_id: int | None = None
    grew: int = 0


class Wall:
    """Where nobody is confined, it is open: the writer also serves the node."""

    def __init__(self, connection: apsw.Connection, busy: dict[Wall, int] | None = None) -> None:
        self.connection = connection
        # the walls of a file behind which something runs, in the order of their beginning; and the memory in use then
        self._busy = {} if busy is None else busy
        self._tables: frozenset[str] | None = None
        self._writes = False
        self._looks, self._until = 0, 0.0
        self._full = False
        self._weight = 0
        self._usual: dict[int, int] = {}
        for name, function in OWN.items():
            for count in TAKES[name]:
                connection.create_scalar_function(name, self._in_time(function), count, deterministic=True)
        connection.authorizer = self._may

    def narrow(self, writes: bool) -> None:
        """The limits of apps, from now on."""
        for limit, most in (limits.LIMITS_WRITING if writes else limits.LIMITS).items():
            self._usual[limit] = self.connection.limit(limit, most)

    def widen(self) -> None:
        for limit, most in self._usual.items():
            self.connection.limit(limit, most)

    def _in_time(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def in_time(*arguments: Any) -> Any:
            if time.monotonic() > self._until:
                raise apsw.InterruptError("interrupted")
            return function(*arguments)

        return in_time

    def run(
        self, app: str, tables: frozenset[str], sql: str, params: Mapping[str, Any], seconds: float, writes: bool
    ) -> Done:
        """One statement of an app: it reaches these tables only, and has so much time."""
        connection, words = self.connection, limits.words(sql)
        self._weight = limits.MOST_WEIGHT_WRITING if writes else limits.MOST_WEIGHT_READING
        self._looks = limits.MOST_LOOKS
        self._until = time.monotonic() + seconds
        self._tables, self._writes, self._full = tables, writes, False
        self._busy[self] = memory_used()
        # prepared statements are found again by their text: one is remembered for this app alone, whatever it says
        text = f"{sql}\n/*{app}*/"
        try:
            connection.set_progress_handler(self._spent, limits.stride(words.heavy, writes), id=self)
            if words.joins or words.calls:
                self._look_into(text, params, words)
            if not writes:
                return Done(self._rows(text, params))
            # that of another app's statement is nobody's business
            connection.set_last_insert_rowid(0)
            rows = self._rows(text, params)
            return Done(rows, connection.changes(), connection.last_insert_rowid() or None)
        except apsw.InterruptError as error:
            raise apsw.NoMemError(str(error)) if self._full else error from None
        finally:
            connection.set_progress_handler(None, id=self)
            self._tables = None
            del self._busy[self]

    def _rows(self, text: str, params: Mapping[str, Any]) -> list[Row]:
        cursor = self.connection.cursor()
        rows: list[Row] = []
        size = 0
        try:
            for values in cursor.execute(text, params):
                if not rows:
                    names = [column[0] for column in cursor.get_description()]
                for value in values:
                    size += len(value) + 16 if isinstance(value, str | bytes) else 16
                if len(rows) >= limits.MOST_ROWS or size > limits.MOST_BYTES:
                    raise too_big()
                rows.append(dict(zip(names, values, strict=True)))
        finally:
            # one that was left half-way would hold its tables
            cursor.close(True)
        return rows

    def _look_into(self, text: str, params: Mapping[str, Any], words: limits.Words) -> None:
        """What SQLite does not ask for shows in what it made of the statement."""
        looks, weight = self._looks, self._weight
        made = [(row[1], row[3], row[4], row[5]) for row in self.connection.execute(f"explain {text}", params)]
        self._looks = looks
        if words.calls:
            self._look_at_calls([str(what) for opcode, _, _, what in made if opcode in _CALLS], weight)
        if words.joins:
            self._look_at_joins(made)
        self._weight = weight

    @staticmethod
    def _look_at_calls(called: list[str], most: int) -> None:
        """It does not ask for the functions in a row of VALUES behind the first."""
        names = [call.partition("(")[0].lower() for call in called]
        if not ALLOWED.issuperset(names):
            raise apsw.AuthError("not authorized")
        if sum(map(limits.weight, names)) > most:
            raise too_heavy()

    def _look_at_joins(self, made: list[tuple[Any, ...]]) -> None:
        """Nor for the columns that NATURAL and USING compare: see which tables are opened at all."""
        if any(opcode == "VOpen" for opcode, *_ in made):
            raise FaztError("FORBIDDEN_SQL", "NATURAL and USING do not go with json_each.", "Use ON.")
        opened = {(page, database) for opcode, page, database, _ in made if opcode in _OPENS}
        tables, self._tables = self._tables, None
        try:
            own = self.connection.execute(_PAGES, (json.dumps(sorted(tables or ())),)).fetchall()
        finally:
            self._tables = tables
        if not opened <= {(page, 0) for (page,) in own}:
            raise apsw.AuthError("not authorized")

    def _spent(self) -> bool:
        used = memory_used()
        self._full = used > self._busy[self] + limits.MOST_MEMORY and self._answers_for(used)
        return self._full or time.monotonic() > self._until

    def _answers_for(self, used: int) -> bool:
        """Of those who run at once, who began last is the first to go."""
        last, began = list(self._busy.items())[-1]
        return last is self or used > began + limits.MOST_MEMORY + limits.MEMORY_BETWEEN

    def _may(self, action: int, first: str | None, second: str | None, database: str | None, _: str | None) -> int:
        tables = self._tables
        if tables is None:
            return apsw.SQLITE_OK
        self._looks -= 1
        if self._looks < 0 or time.monotonic() > self._until:
            return apsw.SQLITE_DENY
        if action in _READING:
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_FUNCTION:
            name = (second or "").lower()
            self._weight -= limits.weight(name)
            if self._weight < 0:
                raise too_heavy()
            allowed = name in ALLOWED
        elif action == apsw.SQLITE_READ:
            allowed = database in ("main", None) and _readable(first or "", second or "", tables)
        else:
            allowed = action in _WRITING and self._writes and database == "main" and first in tables
        return apsw.SQLITE_OK if allowed else apsw.SQLITE_DENY


def _readable(table: str, column: str, tables: frozenset[str]) -> bool:
    # of what a WITH clause names only that it is named is told; no table is called so
    return table in tables or table in TABLE_FUNCTIONS or (not column and (not table or table.startswith(CTE)))
