"""Deleting what is due, in slices, so that the writer never works long for a chore."""

from __future__ import annotations

from kernel.base.tables import Sweep
from kernel.storage.store import Store
from kernel.syscall.plan import Step

SLICE = 500


async def sweep(store: Store, what: Sweep, until: int) -> int:
    """Delete the rows whose time has come; how many slices it took."""
    table, due = what.table.name, what.due
    # the end of a slice is a moment, and rows of one moment go together
    slice_end = f"select max({due}) from (select {due} from {table} where {due} <= :until order by {due} limit {SLICE})"
    slices = 0
    while (end := store.reader().execute(slice_end, {"until": until}).get) is not None:
        await store.write([*_uncount(what, end), Step(what.sql, {"until": end})])
        slices += 1
    return slices


def _uncount(what: Sweep, end: int) -> list[Step]:
    """Take the rows of a counted table from each app's count."""
    table, due = what.table.name, f"{what.due} <= :until"
    if not what.table.counted:
        return []
    gone = f"(select count(*) from {table} where {table}.app_id = usage.app_id and {due})"
    apps = f"select app_id from {table} where {due}"
    return [
        Step(
            f"update usage set rows = max(0, rows - {gone}) where name = :table and app_id in ({apps})",
            {"until": end, "table": table},
        )
    ]
