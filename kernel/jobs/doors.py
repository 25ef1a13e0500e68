"""The queue as people see it: what waits, runs and died, what ran, and what to do about it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from kernel.base.errors import FaztError, not_found
from kernel.base.ids import is_id
from kernel.jobs import plans, table
from kernel.jobs.jobs import Jobs
from kernel.security.keys import AppNames
from kernel.syscall import AppRef, Call, Limit, Line, Offset, Page, Scan, Write, syscall
from kernel.syscall.plan import page


class JobId(Line):
    most = 16
    pattern = "job_[0-9a-z]{12}"
    explain = "must be the id of a job: job_ and 12 characters"


class KindName(Line):
    least, most = 1, 100


class Queued(Struct):
    id: str
    kind: str
    lane: str
    app_id: str
    key: str | None
    order_key: str | None
    state: str
    due_at: int
    attempts: int
    most_attempts: int
    claimed_at: int | None
    error: str | None
    created_at: int


class Ended(Struct):
    id: str
    kind: str
    lane: str
    app_id: str
    key: str | None
    state: str
    attempts: int
    error: str | None
    added_at: int
    started_at: int | None
    ended_at: int


class Again(Struct):
    id: str
    state: str


def _app(call: Call, name: str | None) -> str | None:
    """The app that is meant; jobs of one that was deleted are found by its id."""
    return name if name is None or is_id(name, "app") else call.use(AppNames).id_of(name)


@syscall("jobs.list", http="GET /api/jobs", cli="jobs list", js=False)
def jobs_list(
    call: Call,
    *,
    state: Literal["waiting", "running", "dead"] | None = None,
    kind: KindName | None = None,
    app_: AppRef | None = None,
    offset: Offset = 0,
    limit: Limit = 20,
) -> Scan[Page[Queued]]:
    """Jobs that wait, run or are dead, newest first."""
    wanted = {"state": state, "kind": kind, "app_id": _app(call, app_)}

    def shown(rows: list[list[Any]]) -> Page[Queued]:
        return page([Queued(*row) for row in rows[0]], offset, limit, rows[1][0][0])

    reads = (table.LIST, {**wanted, "limit": limit, "offset": offset}), (table.COUNT, wanted)
    return call.store.scan(*reads, then=shown)


@syscall("jobs.runs", http="GET /api/jobs/runs", cli="jobs runs", js=False)
def jobs_runs(
    call: Call,
    *,
    state: Literal["done", "replaced"] | None = None,
    kind: KindName | None = None,
    app_: AppRef | None = None,
    offset: Offset = 0,
    limit: Limit = 20,
) -> Scan[Page[Ended]]:
    """Jobs that are done, newest first; they are kept for seven days."""
    wanted = {"state": state, "kind": kind, "app_id": _app(call, app_)}

    def shown(rows: list[list[Any]]) -> Page[Ended]:
        return page([Ended(*row) for row in rows[0]], offset, limit, rows[1][0][0])

    reads = (table.LIST_RUNS, {**wanted, "limit": limit, "offset": offset}), (table.COUNT_RUNS, wanted)
    return call.store.scan(*reads, then=shown)


@syscall("jobs.retry", http="POST /api/jobs/{id}/retry", cli="jobs retry <id>", js=False)
def jobs_retry(call: Call, id: JobId) -> Write[Again]:
    """Let a dead job wait again, with all its attempts."""
    state, _, app, _, order_key = _one(call, id)
    refused = FaztError("CONFLICT", f"{id} is not dead.", "Only dead jobs are retried by hand.")
    if state != "dead":
        raise refused
    taken = FaztError("CONFLICT", f"Another job with the key of {id} waits.", f"Delete this one: `jobs delete {id}`.")
    plan = plans.again(call.store, id, app, order_key, call.now, taken, refused)
    return plan.giving(lambda _: Again(id, "waiting")) + _waking(call)


@syscall("jobs.delete", http="DELETE /api/jobs/{id} -> 204", cli="jobs delete <id>", js=False)
def jobs_delete(call: Call, id: JobId) -> Write[None]:
    """Delete a job that waits or is dead."""
    state, kind, app, key, order_key = _one(call, id)
    refused = FaztError("CONFLICT", f"{id} is running.", "Wait until it has ended.")
    if state == "running":
        raise refused
    if state == "waiting" and not app and key == kind and call.use(Jobs).repeats(kind):
        raise FaztError("CONFLICT", f"{id} is a chore of the node, which always waits for its next turn.")
    return plans.delete(call.store, id, app, order_key, refused) + _waking(call)


def _one(call: Call, id: str) -> Any:
    found = call.store.one(table.ONE, id=id)
    if found is None:
        raise not_found("job", id, "`fazt jobs list` shows those that are not done.")
    return found


def _waking(call: Call) -> Write[None]:
    return Write([], lambda _: call.use(Jobs).wake())
