"""What this room leaves to the queue: collecting once a day, and making small forms of files that are asked for."""

from __future__ import annotations

from kernel.base.units import parse_duration
from kernel.fs import codings, gc
from kernel.fs.blobs import Content
from kernel.fs.variants import Variants
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.storage.store import Store
from kernel.syscall.plan import Write

LANE = "low"
COLLECT, SMALLER = "storage.gc", "files.smaller"
DAY_SECONDS = 24 * 3600
# somebody may ask for a page a few times and never again
SETTLE = parse_duration("30s")


class Chores:
    def __init__(self, jobs: Jobs, store: Store, content: Content, variants: Variants) -> None:
        self._jobs, self._store, self._content, self._variants = jobs, store, content, variants
        jobs.lane(LANE, 1)
        jobs.kind(COLLECT, self._collect, lane=LANE, timeout=3600)
        jobs.every(COLLECT, DAY_SECONDS)
        jobs.kind(SMALLER, self._smaller, lane=LANE, attempts=2)

    async def _collect(self, job: Job) -> None:
        await gc.collect(self._store, self._content, self._store.scoped(""))

    async def _smaller(self, job: Job) -> Write[None] | None:
        id, cid, size, coding = job.payload
        return await self._variants.best(id, cid, size, coding, self._store.clock.now())

    async def ask(self) -> None:
        """Queue what was noted while answers were given; no request writes."""
        wanted, self._variants.wanted = self._variants.wanted, {}
        plan: Write[None] = Write([])
        for (cid, coding), file in wanted.items():
            if coding in codings.KEPT:
                payload = [file.id, cid, file.size, coding]
                plan = plan + self._jobs.add(
                    self._store.scoped(""), SMALLER, payload, key=f"{coding} {cid}", after=SETTLE
                )
        if plan.steps:
            plan.result(await self._store.write(plan.steps))
