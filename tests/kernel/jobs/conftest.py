from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.base.clock import ManualClock
from kernel.jobs.jobs import PATIENCE, Jobs
from kernel.storage.store import Store

from .support import make_jobs, make_store, until


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> Iterator[Store]:
    made = make_store(tmp_path, clock)
    yield made
    made.close()


@pytest.fixture
async def make(store: Store, clock: ManualClock) -> AsyncIterator[Callable[..., Jobs]]:
    """Makes the Jobs of one run of the program; all are stopped at the end."""
    made: list[Jobs] = []

    def one(**how: Any) -> Jobs:
        made.append(make_jobs(store, **how))
        return made[-1]

    yield one
    for jobs in made:
        await stopped(jobs, clock)


@pytest.fixture
def jobs(make: Callable[..., Jobs]) -> Jobs:
    return make()


async def stopped(jobs: Jobs, clock: ManualClock) -> None:
    """Stop, with the time that it may take passing at once."""
    import asyncio

    stopping = asyncio.create_task(jobs.stop())
    with contextlib.suppress(TimeoutError):
        while not stopping.done():
            await asyncio.sleep(0.001)
            clock.advance(PATIENCE)
    await until(stopping.done, "the end")
