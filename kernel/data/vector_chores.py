"""Removing what large collections of vectors held, in the background and in slices, so that other writes go on.

A collection that is deleted or cleared has its documents no longer at once: they lie under a number that no collection
has. A job that is queued in the same batch removes them.
"""

from __future__ import annotations

from typing import Any

from kernel.base.tables import Read, Remove
from kernel.data.vector_tables import DOCUMENTS, EMBEDDINGS
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.storage.store import Store
from kernel.syscall.call import Call
from kernel.syscall.plan import Write

KIND = LANE = "vectors.empty"
# so many are removed at once
SLICE = 500

_ALL = "collection = :collection"
_FIRST = f"{{vector_documents}} where {_ALL} order by place limit :most"
UNTIL = Read(f"select max(place) from (select place from {_FIRST})")
SOME_EMBEDDINGS = Remove(EMBEDDINGS, where=f"{_ALL} and place <= :until")
SOME_DOCUMENTS = Remove(DOCUMENTS, where=f"{_ALL} and place <= :until")
ALL_EMBEDDINGS = Remove(EMBEDDINGS, where=_ALL)
ALL_DOCUMENTS = Remove(DOCUMENTS, where=_ALL)
FEW = Read(f"select count(*) from (select 1 from {{vector_documents}} where {_ALL} limit :most)")


class VectorChores:
    def __init__(self, jobs: Jobs, store: Store) -> None:
        self._store = store
        jobs.lane(LANE, 1)
        jobs.kind(KIND, self._run, lane=LANE, timeout=3600)

    async def _run(self, job: Job) -> None:
        rows, number = self._store.scoped(job.app), job.payload
        while (until := rows.one(UNTIL, collection=number, most=SLICE)[0]) is not None:
            some = {"collection": number, "until": until}
            plan = rows.do(SOME_EMBEDDINGS, **some) + rows.do(SOME_DOCUMENTS, **some)
            await self._store.write(plan.steps)


def is_large(call: Call, number: int) -> bool:
    return bool(call.store.one(FEW, collection=number, most=SLICE)[0] >= SLICE)


def emptied(call: Call, number: int) -> Write[None]:
    """What lies under a number that no collection has any more."""
    if is_large(call, number):
        jobs, rows = call.use(Jobs), call.use(Store).scoped("")
        plan: Write[Any] = jobs.add(rows, KIND, number, key=str(number), app=call.app or "")
        return Write(plan.steps)
    return call.store.do(ALL_EMBEDDINGS, collection=number) + call.store.do(ALL_DOCUMENTS, collection=number)
