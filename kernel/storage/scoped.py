"""The caller's rows and nobody else's: what `call.store` is."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

import apsw
from msgspec import UNSET

from kernel.base.errors import FaztError
from kernel.base.tables import MINE, PUBLISHING, Fill, Patch, Read, Remove, Table, by_name, expand
from kernel.storage.connection import FAILURES, ROWS_AT_ONCE, understood, within
from kernel.storage.hot import Hot
from kernel.syscall.plan import MOST_SCANNED, Scan, Step, Touch, Write

LimitOf = Callable[[str], int]


class ScopedStore:
    __slots__ = ("_hot", "_limit_of", "_reader", "app", "now", "user")

    def __init__(
        self,
        reader: Callable[[], apsw.Connection],
        limit_of: LimitOf,
        app: str,
        user: str,
        now: int,
        hot: Hot | None = None,
    ) -> None:
        self._reader, self._limit_of, self.app, self.user, self.now = reader, limit_of, app, user, now
        self._hot = hot

    def of(self, user: str) -> ScopedStore:
        """The same app's rows of one of its people."""
        return type(self)(self._reader, self._limit_of, self.app, user, self.now, self._hot)

    # --- reads: one indexed look-up, here and now

    def one(self, read: Read, /, **params: Any) -> Any:
        params["app"], params["user"] = self.app, self.user
        return self._first(self._reader(), read.sql, params)

    @staticmethod
    def _first(reader: apsw.Connection, sql: str, params: Any) -> Any:
        try:
            for row in reader.execute(sql, params):
                return row
        except FAILURES as error:
            raise understood(error) from error
        return None

    def all(self, read: Read, /, **params: Any) -> list[Any]:
        params["app"], params["user"] = self.app, self.user
        try:
            cursor = self._reader().execute(read.sql, params)
            some = list(itertools.islice(cursor, ROWS_AT_ONCE))
            if len(some) < ROWS_AT_ONCE:
                return some
            # whoever reads here waits meanwhile: large rows must not fill the memory first
            return some + within(cursor, MOST_SCANNED)[0]
        except FAILURES as error:
            raise understood(error) from error

    def row(self, table: Table, /, *key: Any) -> Any:
        """The columns of the row with this key, or None; of a hot table from memory where it is there."""
        hot = self._hot
        if hot is None or not table.hot:
            return self.one(row_read(table), **dict(zip(table.key, key, strict=True)))
        at = (table.name, self.app, self.user, *key)
        held = hot.held.get(at)
        if held is not None:
            held.asked = True
            return held.row
        turn = hot.turn(at)
        reader = self._reader()
        # who is in the middle of something sees the file as it was when that began
        fresh = reader.txn_state() == 0
        found = self._first(reader, row_sql(table), at[1:])
        if fresh:
            hot.fill(at, turn, found)
        return found

    def scan(self, *reads: tuple[Read, dict[str, Any]], then: Callable[[list[list[Any]]], Any]) -> Scan[Any]:
        mine = {"app": self.app, "user": self.user}
        return Scan([(read, {**params, **mine}) for read, params in reads], then)

    # --- writes: plans

    def insert(self, table: Table, /, conflict: FaztError | None = None, **values: Any) -> Write[None]:
        """A new row; `conflict` is the error when its key is taken."""
        bound = self._bound(table, values)
        return Write(
            [*self._counted(table, bound), self._step(table, insert_sql(table, tuple(values)), bound, conflict)]
        )

    def put(self, table: Table, /, **values: Any) -> Write[None]:
        """A new row, or new values for the row with the same key."""
        bound = self._bound(table, values)
        return Write([*self._counted(table, bound), self._step(table, put_sql(table, tuple(values)), bound)])

    def add(self, table: Table, /, **values: Any) -> Write[None]:
        """Add to the counters of the row with this key; where there is none, they begin with what is added."""
        bound = self._bound(table, values)
        step = Step(add_sql(table, tuple(values)), bound, None, self._touches(table, bound))
        return Write([*self._counted(table, bound), step])

    def fill(self, rows: Fill, /, conflict: FaztError | None = None, **params: Any) -> Write[None]:
        """New rows that are made inside SQL; `conflict` is the error when a constraint stops them."""
        bound = self._bound(rows.table, params)
        step = Step(rows.sql, bound, conflict, self._touches(rows.table, bound, rows.keyed))
        return Write([*self._counted(rows.table, bound), step])

    def do(self, change: Patch | Remove, /, **params: Any) -> Write[None]:
        params["app"], params["user"] = self.app, self.user
        table = change.table
        gone = None if isinstance(change, Remove) and change.where == match_sql(table) else UNSET
        keyed = table.hot and keeps_to_key(change)
        step = Step(change.sql, params, None, self._touches(table, params, keyed, gone))
        if table.counted and isinstance(change, Remove):
            return Write([Step(uncount_sql(change), params, None, ()), step])
        return Write([step])

    def _step(self, table: Table, sql: str, bound: dict[str, Any], conflict: FaztError | None = None) -> Step:
        """A step after which the row is what is bound, if that is all of it."""
        if not table.hot:
            return Step(sql, bound, conflict)
        row = tuple(_stored(bound.get(name, UNSET)) for name in table.columns)
        return Step(sql, bound, conflict, self._touches(table, bound, True, UNSET if UNSET in row else row))

    def _touches(
        self, table: Table, bound: dict[str, Any], keyed: bool = True, row: Any = UNSET
    ) -> tuple[Touch, ...] | None:
        if not table.hot:
            return None
        if keyed:
            return (Touch((table.name, self.app, self.user, *[bound[name] for name in table.key]), row),)
        return (Touch((table.name, self.app)),)

    def _bound(self, table: Table, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "app": self.app, "user": self.user, "now": self.now}

    def _counted(self, table: Table, bound: dict[str, Any]) -> list[Step]:
        if not table.counted:
            return []
        most = self._limit_of(table.counted)
        full = FaztError(
            "LIMIT_EXCEEDED",
            f"The app already has {most} rows of this kind.",
            f"Delete some, or `fazt limits set {table.counted.removeprefix('limits.')} N`.",
            limit=table.counted,
            most=most,
        )
        return [Step(count_sql(table), {**bound, "most": most}, full, ())]


def _stored(value: Any) -> Any:
    """A bound value as the file gives it back; what a column might turn into something else is not known."""
    kind = type(value)
    if value is None or kind is str or kind is int or kind is bytes:
        return value
    return str(value) if isinstance(value, str) else int(value) if isinstance(value, int) else UNSET


@functools.cache
def match_sql(table: Table) -> str:
    return " and ".join(f"{name} = :{name}" for name in table.key)


@functools.cache
def row_read(table: Table) -> Read:
    return Read(f"select {', '.join(table.columns)} from {{{table.name}}} where {match_sql(table)}")


@functools.cache
def row_sql(table: Table) -> str:
    """The same, for values that are bound by their places."""
    match = " and ".join(f"{name} = ?" for name in ("app_id", "user_id", *table.key))
    return f"select {', '.join(table.columns)} from {table.name} where {match}"


@functools.lru_cache(1024)
def keeps_to_key(change: Patch | Remove) -> bool:
    """Can it change no row but the one whose key is bound? When in doubt: no."""
    match, where = match_sql(change.table), change.where
    if where != match and not where.startswith(match + " and "):
        return False
    body = change.body.lower()
    moved = re.search(r"\bset\s*\(|,\s*\([^()]*\)\s*=", body) or any(
        re.search(rf"\b{name}\W*=", body) for name in change.table.key
    )
    return not moved and re.search(r"\bor\b|--|/\*|\[", where.lower()) is None


# Counting comes before the change itself, so that `changes()` after it is what the change did.


@functools.cache
def count_sql(table: Table) -> str:
    """One more, unless the row is there already. At the limit `rows` becomes null, which its NOT NULL refuses."""
    match = match_sql(table)
    return f"""insert into usage (app_id, name, rows, created_at)
select :app, '{table.name}', case when :most > 0 then 1 end, :now
where not exists (select 1 from {table.name} where {MINE} and {match})
on conflict (app_id, name) do update set rows = case when rows < :most then rows + 1 end"""


@functools.lru_cache(2048)
def uncount_sql(change: Remove) -> str:
    """As many less as the change will remove."""
    table = change.table.name
    gone = expand(f"select count(*) from {table} where {MINE} and ({change.where})", by_name)
    return f"update usage set rows = max(0, rows - ({gone})) where app_id = :app and name = '{table}'"


def _own(table: Table) -> dict[str, str]:
    """Columns the store fills by itself, and the parameters they take."""
    if table.scope == "node":
        return {"created_at": ":now"} if "created_at" in table.columns else {}
    return {"app_id": ":app", "user_id": ":user", "created_at": ":now"}


@functools.cache
def insert_sql(table: Table, names: tuple[str, ...]) -> str:
    unknown = set(names) - set(table.columns)
    if unknown:
        raise TypeError(f"{table.name} has no column {', '.join(sorted(unknown))}")
    columns = {**_own(table), **{name: f":{name}" for name in names}}
    return _publishing(table, f"insert into {table.name} ({', '.join(columns)}) values ({', '.join(columns.values())})")


@functools.cache
def put_sql(table: Table, names: tuple[str, ...]) -> str:
    target = table.key if table.scope == "node" else ("app_id", "user_id", *table.key)
    # a row of nothing but its key is written over itself: a put always changes one row
    changed = [name for name in names if name not in table.key] or [table.key[0]]
    update = ", ".join(f"{name} = excluded.{name}" for name in changed)
    return _publishing(table, f"{insert_sql(table, names)} on conflict ({', '.join(target)}) do update set {update}")


@functools.cache
def add_sql(table: Table, names: tuple[str, ...]) -> str:
    target = table.key if table.scope == "node" else ("app_id", "user_id", *table.key)
    counters = [name for name in names if name not in table.key]
    if not counters or not set(table.key) <= set(names):
        raise TypeError(f"adding to {table.name} takes its whole key ({', '.join(table.key)}) and counters")
    update = ", ".join(f"{name} = {name} + excluded.{name}" for name in counters)
    return _publishing(table, f"{insert_sql(table, names)} on conflict ({', '.join(target)}) do update set {update}")


def _publishing(table: Table, sql: str) -> str:
    if table.published:
        PUBLISHING.add(sql)
    return sql
