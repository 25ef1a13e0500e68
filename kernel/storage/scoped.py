"""The caller's rows and nobody else's: what `call.store` is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import apsw

from kernel.base.errors import FaztError
from kernel.base.tables import MINE, Patch, Read, Remove, Table
from kernel.syscall.plan import Scan, Step, Write

LimitOf = Callable[[str], int]


class ScopedStore:
    __slots__ = ("_limit_of", "_reader", "app", "now", "user")

    def __init__(self, reader: Callable[[], apsw.Connection], limit_of: LimitOf, app: str, user: str, now: int) -> None:
        self._reader, self._limit_of, self.app, self.user, self.now = reader, limit_of, app, user, now

    # --- reads: one indexed look-up, here and now

    def one(self, read: Read, /, **params: Any) -> Any:
        params["app"], params["user"] = self.app, self.user
        for row in self._reader().execute(read.sql, params):
            return row
        return None

    def all(self, read: Read, /, **params: Any) -> list[Any]:
        params["app"], params["user"] = self.app, self.user
        return self._reader().execute(read.sql, params).fetchall()

    def scan(self, *reads: tuple[Read, dict[str, Any]], then: Callable[[list[list[Any]]], Any]) -> Scan[Any]:
        mine = {"app": self.app, "user": self.user}
        return Scan([(read, {**params, **mine}) for read, params in reads], then)

    # --- writes: plans

    def insert(self, table: Table, /, conflict: FaztError | None = None, **values: Any) -> Write[None]:
        """A new row; `conflict` is the error when its key is taken."""
        steps = [Step(insert_sql(table, tuple(values)), self._bound(table, values), conflict)]
        return Write([*steps, *self._counted(table)])

    def put(self, table: Table, /, **values: Any) -> Write[None]:
        """A new row, or new values for the row with the same key."""
        bound = self._bound(table, values)
        names = tuple(values)
        if not table.counted:
            return Write([Step(put_sql(table, names), bound)])
        # `changes()` is what the step before did: insert if new, count if inserted, else update
        return Write(
            [
                Step(insert_sql(table, names) + " on conflict do nothing", bound),
                *self._counted(table),
                Step(update_sql(table, names), bound),
            ]
        )

    def do(self, change: Patch | Remove, /, **params: Any) -> Write[None]:
        params["app"], params["user"] = self.app, self.user
        steps = [Step(change.sql, params)]
        if change.table.counted and isinstance(change, Remove):
            steps.append(Step(UNCOUNT, {"app": self.app, "table": change.table.name}))
        return Write(steps)

    def _bound(self, table: Table, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "app": self.app, "user": self.user, "now": self.now}

    def _counted(self, table: Table) -> list[Step]:
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
        return [Step(COUNT, {"app": self.app, "table": table.name, "most": most, "now": self.now}, full)]


# `rows` becomes null at the limit, which its NOT NULL refuses: counting and limiting are one statement
COUNT = """insert into usage (app_id, name, rows, created_at)
select :app, :table, case when :most > 0 then 1 end, :now where changes() = 1
on conflict (app_id, name) do update set rows = case when rows < :most then rows + 1 end"""
UNCOUNT = "update usage set rows = max(0, rows - changes()) where app_id = :app and name = :table"


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
    return f"insert into {table.name} ({', '.join(columns)}) values ({', '.join(columns.values())})"


@functools.cache
def put_sql(table: Table, names: tuple[str, ...]) -> str:
    target = table.key if table.scope == "node" else ("app_id", "user_id", *table.key)
    changed = [name for name in names if name not in table.key]
    update = ", ".join(f"{name} = excluded.{name}" for name in changed)
    return (
        f"{insert_sql(table, names)} on conflict ({', '.join(target)}) "
        f"do {f'update set {update}' if changed else 'nothing'}"
    )


@functools.cache
def update_sql(table: Table, names: tuple[str, ...]) -> str:
    changed = ", ".join(f"{name} = :{name}" for name in names if name not in table.key)
    mine = "" if table.scope == "node" else f"{MINE} and "
    match = " and ".join(f"{name} = :{name}" for name in table.key)
    return f"update {table.name} set {changed} where {mine}{match} and changes() = 0"
