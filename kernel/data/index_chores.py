"""Making and removing indexes, in the background and in slices, so that other writes go on in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernel.base.units import parse_duration
from kernel.data import index_plans
from kernel.data.collections import StorageSaid
from kernel.data.index_slots import BUILDING, CLEARING, DROPPING, Definition
from kernel.data.index_tables import BUILT, CLEAR, EMPTY, FILL, GONE, OWNERS
from kernel.data.indexes import Indexes
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.storage.store import Store
from kernel.syscall.plan import Step, Write

KIND = LANE = "ds.indexes"
# documents in one batch: nobody else can write meanwhile, and larger ones are not done much sooner
SLICE = 250
# a query that was planned with an index may still wait for its turn
GRACE = parse_duration("60s")


class IndexChores:
    def __init__(self, jobs: Jobs, store: Store, indexes: Indexes, said: Callable[[str], StorageSaid]) -> None:
        self._jobs, self._store, self._indexes, self._said = jobs, store, indexes, said
        jobs.lane(LANE, 1)
        jobs.kind(KIND, self._run, lane=LANE, timeout=6 * 3600)

    async def ask(self) -> None:
        """Queue what has to be done since the last time; nobody who reads or writes documents does this himself."""
        indexes = self._indexes
        asked, looked = indexes.take()
        wanted = {app for app, _, _ in asked}
        for app, collection, field in asked:
            indexes.refresh(app)
            await self._make(index_plans.asked(self._store.scoped(app), indexes, collection, field))
        wanted |= {app for app in looked if self._is_unfinished(app)}
        for app in wanted:
            await self._make(queue(self._jobs, self._store, app))
        indexes.settled(asked)

    def _is_unfinished(self, app: str) -> bool:
        states = {index.state for index in self._indexes.definitions(app)}
        return bool(states & {BUILDING, DROPPING, CLEARING}) or bool(self._declared(app).steps)

    def _declared(self, app: str) -> Write[None]:
        return index_plans.declared(self._store.scoped(app), self._indexes, self._said(app).collections)

    async def _make(self, plan: Write[Any]) -> Any:
        return plan.result(await self._store.write(plan.steps)) if plan.steps else None

    # --- the job

    async def _run(self, job: Job) -> Write[Any] | None:
        after = await self.work(job.app)
        return None if after is None else queue(self._jobs, self._store, job.app, after)

    async def work(self, app: str) -> int | None:
        """Everything there is to do now; in how many milliseconds there will be more, if so."""
        indexes = self._indexes
        indexes.refresh(app)
        while True:
            await self._make(self._declared(app))
            # memory says what is committed: what is applied from here on fills the slots of these, or leaves them
            indexes.refresh(app)
            now = self._store.clock.now()
            todo = [index for index in indexes.definitions(app) if _is_due(index, now)]
            if not todo:
                waits = [index.since + GRACE - now for index in indexes.definitions(app) if index.state == DROPPING]
                return min(waits, default=None)
            for index in todo:
                await self._carry_on(app, index)

    async def _carry_on(self, app: str, index: Definition) -> None:
        name = {"collection": index.collection, "field": index.field, "at": self._store.clock.now()}
        mine = self._store.scoped(app)
        if index.state == DROPPING:
            await self._make(mine.do(CLEAR, **name))
            return
        if index.state == BUILDING:
            await self._fill(app, index)
            await self._make(mine.do(BUILT, slot=index.slot, **name))
        else:
            await self._empty(app, index)
            await self._make(mine.do(GONE, slot=index.slot, **name))
        self._indexes.refresh(app)

    async def _fill(self, app: str, index: Definition) -> None:
        key, done = (app, index.collection, index.field), 0
        try:
            owners = await self._owners(app, index.collection)
            docs = sum(docs for _, docs in owners)
            for owner, _ in owners:
                after, more = 0, True
                while more:
                    seqs = await self._slice(FILL[index.slot], app, owner, index, whose=app, after=after)
                    done += len(seqs)
                    self._indexes.progress[key] = (done, docs)
                    after, more = max(seqs, default=0), len(seqs) == SLICE
        finally:
            self._indexes.progress.pop(key, None)

    async def _empty(self, app: str, index: Definition) -> None:
        for owner, _ in await self._owners(app, index.collection):
            while len(await self._slice(EMPTY[index.slot], app, owner, index)) == SLICE:
                pass

    async def _slice(self, change: Any, app: str, owner: str, index: Definition, **where: Any) -> list[int]:
        mine = self._store.scoped(app, owner)
        plan = mine.do(change, collection=index.collection, most=SLICE, **where)
        return [row[0] for row in (await self._store.write(plan.steps))[0]]

    async def _owners(self, app: str, collection: str) -> list[tuple[str, int]]:
        """Asked of the writer: it knows of documents that are not committed yet."""
        rows = await self._store.write([Step(OWNERS.sql, {"app": app, "collection": collection})])
        return [(row[0], row[1]) for row in rows[0]]


def queue(jobs: Jobs, store: Store, app: str, after: int = 0) -> Write[str]:
    return jobs.add(store.scoped(""), KIND, key=app, app=app, after=after)


def _is_due(index: Definition, now: int) -> bool:
    return index.state in (BUILDING, CLEARING) or (index.state == DROPPING and index.since + GRACE <= now)
