"""Background tasks: one that raises is logged, counted and started again; it never takes the node down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from kernel.base.clock import Clock
from kernel.observe import log

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
PATIENCE = 3.0
logger = log.get("fazt.tasks")


@dataclass
class Task:
    """Something done every so often. `last` runs it once more when the node stops."""

    name: str
    every: float
    work: Callable[[], Awaitable[object]]
    last: bool = False
    runs: int = 0
    failures: int = 0
    in_a_row: int = 0
    error: str | None = None


class Supervisor:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.tasks: dict[str, Task] = {}
        self._running: list[asyncio.Task[None]] = []
        self._once: set[asyncio.Task[None]] = set()

    def add(self, task: Task) -> None:
        self.tasks[task.name] = task

    def start(self) -> None:
        self._running = [asyncio.create_task(self._keep(task), name=task.name) for task in self.tasks.values()]

    def later(self, work: Awaitable[object]) -> None:
        """Something done once that nobody waits for; a failure is logged."""

        async def guarded() -> None:
            try:
                await work
            except Exception:
                logger.exception("a background write failed")

        self._kept(guarded())

    def _kept(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        running = asyncio.create_task(work)
        self._once.add(running)
        running.add_done_callback(self._once.discard)
        return running

    async def stop(self) -> None:
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._finish_work()
        for task in self.tasks.values():
            if task.last:
                await self._run(task)

    async def _finish_work(self) -> None:
        """Let work that has begun come to its end; what takes too long is cut off."""
        patience = asyncio.ensure_future(self._clock.sleep(PATIENCE))
        while self._once and not patience.done():
            await asyncio.wait({*self._once, patience}, return_when=asyncio.FIRST_COMPLETED)
        patience.cancel()
        for work in self._once:
            work.cancel()
        await asyncio.gather(*self._once, patience, return_exceptions=True)

    async def _keep(self, task: Task) -> None:
        while True:
            pause = task.every
            if task.in_a_row:
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(task.in_a_row - 1, 10))
            await self._clock.sleep(pause)
            # stopping ends the waiting, never the work
            await asyncio.shield(self._kept(self._run(task)))

    async def _run(self, task: Task) -> None:
        try:
            await task.work()
        except BaseException as error:
            task.failures += 1
            task.in_a_row += 1
            task.error = f"{type(error).__name__}: {error}"
            logger.exception("a task failed and will run again", extra={"task": task.name, "failures": task.failures})
        else:
            task.runs += 1
            task.in_a_row, task.error = 0, None
