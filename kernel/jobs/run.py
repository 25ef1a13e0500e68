"""One run of one job: under its time limit, and ended whatever its function does."""

from __future__ import annotations

import asyncio

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.jobs.kinds import Job, Kind
from kernel.observe import log

# seconds a cancelled run may take to end
GRACE = 5.0
logger = log.get("fazt.jobs")


async def carry_out(kind: Kind, job: Job, clock: Clock) -> object:
    """What the job's function returns. Cancelling this cancels the function."""
    working = asyncio.create_task(_guarded(kind, job), name=f"job {job.id}")
    working.add_done_callback(_heard)
    limit = asyncio.create_task(clock.sleep(kind.timeout))
    try:
        await asyncio.wait({working, limit}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise FaztError("TIMEOUT", f"It ran longer than {kind.timeout:g} seconds.")
        if working.cancelled():
            raise FaztError("INTERNAL_ERROR", "The run was cancelled from inside.")
        return working.result()
    finally:
        limit.cancel()
        await _end(working, job, clock)


async def _guarded(kind: Kind, job: Job) -> object:
    # what the job logs can be found by its id
    log.request_id.set(job.id)
    try:
        return await kind.run(job)
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"the job asked the program to end: {error!r}") from error


async def _end(working: asyncio.Task[object], job: Job, clock: Clock) -> None:
    """See it ended; one that goes on all the same is left behind, and said so."""
    if working.done():
        return
    working.cancel()
    grace = asyncio.create_task(clock.sleep(GRACE))
    await asyncio.wait({working, grace}, return_when=asyncio.FIRST_COMPLETED)
    grace.cancel()
    if not working.done():
        logger.error("a job was cancelled and does not end", extra={"job": job.id, "kind": job.kind})


def _heard(working: asyncio.Task[object]) -> None:
    """Its error was taken, even if nobody waits for it any more."""
    if not working.cancelled():
        working.exception()
