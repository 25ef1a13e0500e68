"""Deleted apps go for good thirty days later: until then they can be restored."""

from __future__ import annotations

from msgspec import Struct

from kernel.apps.apps import APPS, PURGE_ALIASES
from kernel.base.errors import not_found
from kernel.base.tables import Read, Remove
from kernel.base.units import parse_duration
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.storage.store import Store
from kernel.syscall import Call, syscall
from kernel.syscall.plan import Write
from kernel.syscall.words import Duration

KIND = "apps.farewell"
DAY_SECONDS = 24 * 3600
PATIENCE = parse_duration("30d")
_DUE = "deleted_at is not null and deleted_at < :before"
DUE = Read(f"select id from {{apps}} where {_DUE} order by deleted_at limit 1")
GONE = Remove(APPS, where=f"id = :id and {_DUE}")


class Farewell:
    def __init__(self, jobs: Jobs, store: Store) -> None:
        self._store = store
        jobs.kind(KIND, self._run, timeout=3600)
        jobs.every(KIND, DAY_SECONDS)

    async def _run(self, job: Job) -> None:
        await self.clean(PATIENCE)

    async def clean(self, older: int) -> int:
        """Remove those deleted longer ago; one app a batch, so that nobody waits for all of them. How many."""
        before, count = self._store.clock.now() - older, 0
        while rows := self._store.rows(DUE, before=before):
            await self._store.write(self._removed(rows[0][0], before).steps)
            count += 1
        return count

    def _removed(self, id: str, before: int) -> Write[None]:
        scoped = self._store.scoped("")
        # one that was restored meanwhile keeps everything
        plan = scoped.do(GONE, id=id, before=before).expect(1, not_found("app", id))
        return plan + scoped.do(PURGE_ALIASES, id=id) + Write(self._store.purge(id))


class Cleaned(Struct):
    apps: int


@syscall(
    "storage.cleanup",
    http="POST /api/storage/cleanup",
    cli="storage cleanup",
    js=False,
    weight=6,
    confirm="Apps that were deleted before that are gone for good.",
)
async def storage_cleanup(call: Call, *, older_than: Duration = Duration(PATIENCE)) -> Cleaned:
    """Remove for good what was deleted longer ago than that. It happens by itself each day, after thirty days."""
    return Cleaned(await call.use(Farewell).clean(older_than))
