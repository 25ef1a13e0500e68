"""A store with the queue and one small table for effects, and jobs that are held until the test lets them go."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any, TypeVar

from kernel.base.clock import ManualClock
from kernel.base.tables import Migration, Read, Table
from kernel.jobs import table
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.storage.store import Store, open_store
from kernel.syscall.plan import Write
from tests.support import until

EFFECTS = Table("effects", ("name", "created_at"), key=("name",), scope="node")
NAMES = Read("select name from {effects} order by name")
ROWS = "select id, kind, app_id, key, order_key, behind, state, due_at, attempts, error, n from jobs order by n"
ENDS = "select id, kind, state, attempts, error from job_runs order by n"
MIGRATIONS = (
    *table.MIGRATIONS,
    Migration("effects_0001", "create table effects (name text primary key, created_at integer not null)"),
)
T = TypeVar("T")


class Midway(random.Random):
    """Chance that never surprises: a pause is three quarters of its longest."""

    def random(self) -> float:
        return 0.5


def make_store(path: Path, clock: ManualClock) -> Store:
    return open_store(path / "data.db", tables=(table.JOBS, table.RUNS, EFFECTS), migrations=MIGRATIONS, clock=clock)


def make_jobs(store: Store, **how: Any) -> Jobs:
    return Jobs(store, store.clock, chance=Midway(), **how)


def do(store: Store, plan: Write[T]) -> T | None:
    return plan.result(store.write_blocking(plan.steps))


def rows(store: Store) -> list[dict[str, Any]]:
    names = ("id", "kind", "app", "key", "order_key", "behind", "state", "due_at", "attempts", "error", "n")
    return [dict(zip(names, row, strict=True)) for row in store.reader().execute(ROWS)]


def states(store: Store) -> list[str]:
    return [row["state"] for row in rows(store)]


def ends(store: Store) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in store.reader().execute(ENDS)]


def effects(store: Store) -> list[str]:
    return [name for (name,) in store.rows(NAMES)]


def effect(store: Store, name: str) -> Write[None]:
    return store.scoped("").insert(EFFECTS, name=name)


async def settled(jobs: Jobs, clock: ManualClock) -> None:
    """Until the timer sleeps and nothing runs."""
    await until(lambda: jobs.idle and not jobs.running, "quiet")


class Held:
    """A job's function: each run waits for `let`; what ran is remembered in order."""

    def __init__(self) -> None:
        self.began: list[Job] = []
        self.over: list[str] = []
        self._gates: dict[str, asyncio.Future[object]] = {}

    async def __call__(self, job: Job) -> object:
        self.began.append(job)
        gate = self._gates[job.id] = asyncio.get_running_loop().create_future()
        try:
            return await gate
        finally:
            del self._gates[job.id]
            self.over.append(job.id)

    @property
    def now(self) -> list[Any]:
        """What of those that run was said when they were queued."""
        jobs = {job.id: job for job in self.began}
        return [jobs[id].payload for id in self._gates]

    def let(self, payload: Any, result: object = None) -> None:
        for job in self.began:
            if job.id in self._gates and job.payload == payload:
                gate = self._gates[job.id]
                if isinstance(result, BaseException):
                    gate.set_exception(result)
                else:
                    gate.set_result(result)
                return
        raise AssertionError(f"{payload} does not run")
