"""The caller's rows and nobody else's: what `call.store` is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import apsw

from kernel.base.errors import FaztError
from kernel.base.tables import MINE, PUBLISHING, Patch, Read, Remove, Table, by_name, expand
from kernel.storage.connection import FAILURES, understood
from kernel.syscall.plan import Scan, Step, Write

LimitOf = Callable[[str], int]


class ScopedStore:
    __slots__ = ("_limit_of", "_reader", "app", "now", "user")

    def __init__(self, reader: Callable[[], apsw.Connection], limit_of: LimitOf, app: str, user: str, now: int) -> None:
        self._reader, self._limit_of, self.app, self.user, self.now = reader, limit_of, app, user, now

    def of(self, user: str) -> ScopedStore:
        """The same app's rows of one of its people."""
        return type(self)(self._reader, self._limit_of, self.app, user, self.now)

    # --- reads: one indexed look-up, here and now

    def one(self, read: Read, /, **params: Any) -> Any:
        params["app"], params["user"] = self.app, self.user
        try:
            for row in self._reader().execute(read.sql, params):
                return row
        except FAILURES as error:
            raise understood(error) from error
        return None

    def all(self, read: Read, /, **params: Any) -> list[Any]:
        params["app"], params["user"] = self.app, self.user
        try:
            return self._reader().execute(read.sql, params).fetchall()
        except FAILURES as error:
            raise understood(error) from error

    def scan(self, *reads: tuple[Read, dict[str, Any]], then: Callable[[list[list[Any]]], Any]) -> Scan[Any]:
        mine = {"app": self.app, "user": self.user}
        return Scan([(read, {**params, **mine}) for read, params in reads], then)

    # --- writes: plans

    def insert(self, table: Table, /, conflict: FaztError | None = None, **values: Any) -> Write[None]:
        """A new row; `conflict` is the error when its key is taken."""
        bound = self._bound(table, values)
        return Write([*self._counted(table, bound), Step(insert_sql(table, tuple(values)), bound, conflict)])

    def put(self, table: Table, /, **values: Any) -> Write[None]:
        """A new row, or new values for the row with the same key."""
        bound = self._bound(table, values)
        return Write([*self._counted(table, bound), Step(put_sql(table, tuple(values)), bound)])

    def add(self, table: Table, /, **values: Any) -> Write[None]:
        """Add to the counters of the row with this key; where there is none, they begin with what is added."""
        bound = self._bound(table, values)
        return Write([*self._counted(table, bound), Step(add_sql(table, tuple(values)), bound)])

    def do(self, change: Patch | Remove, /, **params: Any) -> Write[None]:
        params["app"], params["user"] = self.app, self.user
        step = Step(change.sql, params)
        if change.table.counted and isinstance(change, Remove):
            return Write([Step(uncount_sql(change), params), step])
        return Write([step])

    def _bound(self, table: Table, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "app": self.app, "user": self.user, "now": self.now}

    def _counted(self, table: Table, bound: dict[str, Any]) -> list[Step]:
        if not table.counted:
            return []
        most = self._limit_of(table.counted)
        full = FaztError(
            "LIMIT_EXCEEDED",
            f"The app already has {most} rows in {table.name}.",
            f"Delete some, or `fazt limits set {table.counted.removeprefix('limits.')} N`.",
            limit=table.counted,
            most=most,
        )
        return [Step(count_sql(table), {**bound, "most": most}, full)]


# Counting comes before the change itself, so that `changes()` after it is what the change did.


@functools.cache
def count_sql(table: Table) -> str:
    """One more, unless the row is there already. At the limit `rows` becomes null, which its NOT NULL refuses."""
    match = " and ".join(f"{name} = :{name}" for name in table.key)
    return f"""insert into usage (app_id, name, rows, created_at)
select :app, '{table.name}', case when :most > 0 then 1 end, :now
where not exists (select 1 from {table.name} where {MINE} and {match})
on conflict (app_id, name) do update set rows = case when rows < :most then rows + 1 end"""


@functools.cache
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
