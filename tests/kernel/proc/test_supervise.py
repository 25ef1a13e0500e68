"""Background tasks: one that fails harms nobody and is tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from kernel.base.clock import ManualClock
from kernel.proc.supervise import FIRST_PAUSE, LONGEST_PAUSE, Supervisor, Task


class Work:
    """Something to do that fails when it is told to, and remembers when it was done."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.fails, self.times = clock, False, list[float]()
        self.error: BaseException = RuntimeError("out of order")

    async def __call__(self) -> None:
        self.times.append(self.clock.monotonic())
        if self.fails:
            raise self.error


async def turn() -> None:
    """Let every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def pass_by(clock: ManualClock, seconds: float) -> None:
    clock.advance(seconds)
    await turn()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(now=0)


@pytest.fixture
def work(clock: ManualClock) -> Work:
    return Work(clock)


@pytest.fixture
async def supervisor(clock: ManualClock) -> AsyncIterator[Supervisor]:
    made = Supervisor(clock)
    yield made
    await made.stop()


async def started(supervisor: Supervisor, *tasks: Task) -> None:
    for task in tasks:
        supervisor.add(task)
    supervisor.start()
    await turn()


async def test_a_task_runs_every_so_often_and_not_at_once(
    supervisor: Supervisor, clock: ManualClock, work: Work
) -> None:
    task = Task("work", 10, work)
    await started(supervisor, task)
    for _ in range(35):
        await pass_by(clock, 1)
    assert work.times == [10, 20, 30]
    assert (task.runs, task.failures, task.error) == (3, 0, None)


async def test_a_failing_task_is_tried_again_with_growing_pauses_up_to_the_longest(
    supervisor: Supervisor, clock: ManualClock, work: Work
) -> None:
    work.fails = True
    task = Task("work", 10, work)
    await started(supervisor, task)
    for _ in range(300):
        await pass_by(clock, 1)
    pauses = [after - before for before, after in zip(work.times, work.times[1:], strict=False)]
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    assert pauses[0] == FIRST_PAUSE
    assert (task.failures, task.in_a_row, task.runs) == (len(work.times), len(work.times), 0)
    assert task.error == "RuntimeError: out of order"


async def test_a_task_that_recovers_goes_back_to_its_own_pace(
    supervisor: Supervisor, clock: ManualClock, work: Work
) -> None:
    work.fails = True
    task = Task("work", 10, work)
    await started(supervisor, task)
    await pass_by(clock, 10)
    await pass_by(clock, 1)
    work.fails = False
    await pass_by(clock, 2)
    assert (task.runs, task.failures, task.in_a_row, task.error) == (1, 2, 0, None)
    await pass_by(clock, 9)
    assert task.runs == 1
    await pass_by(clock, 1)
    assert task.runs == 2


async def test_a_task_that_fails_for_days_is_still_tried(
    supervisor: Supervisor, clock: ManualClock, work: Work
) -> None:
    work.fails = True
    task = Task("work", 10, work)
    task.in_a_row = task.failures = 5_000
    await started(supervisor, task)
    await pass_by(clock, LONGEST_PAUSE)
    assert task.failures == 5_001
    work.fails = False
    await pass_by(clock, LONGEST_PAUSE)
    assert task.runs == 1


@pytest.mark.parametrize("error", [RuntimeError("x"), asyncio.CancelledError(), TimeoutError(), AssertionError()])
async def test_whatever_a_task_raises_it_is_counted_and_tried_again(
    supervisor: Supervisor, clock: ManualClock, work: Work, error: BaseException
) -> None:
    work.fails, work.error = True, error
    task = Task("work", 10, work)
    await started(supervisor, task)
    await pass_by(clock, 10)
    assert task.failures == 1
    work.fails = False
    await pass_by(clock, 10)
    assert (task.runs, task.in_a_row) == (1, 0)


async def test_a_failing_task_does_not_slow_the_others(supervisor: Supervisor, clock: ManualClock, work: Work) -> None:
    good = Work(clock)
    work.fails = True
    await started(supervisor, Task("bad", 10, work), Task("good", 10, good))
    for _ in range(50):
        await pass_by(clock, 1)
    assert good.times == [10, 20, 30, 40, 50]
    assert len(work.times) > 1


async def endless() -> None:
    await asyncio.Event().wait()


async def stopped(supervisor: Supervisor, clock: ManualClock, seconds: int) -> bool:
    """Does stopping come to its end within this time? (If not, it is given up.)"""
    stopping = asyncio.create_task(supervisor.stop())
    for _ in range(seconds):
        await turn()
        clock.advance(1)
    await turn()
    ended = stopping.done()
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    return ended


async def test_a_task_that_never_ends_holds_nobody_up(clock: ManualClock, work: Work) -> None:
    supervisor, last = Supervisor(clock), Work(clock)
    await started(supervisor, Task("endless", 1, endless), Task("work", 1, work), Task("last", 99, last, last=True))
    for _ in range(3):
        await pass_by(clock, 1)
    assert work.times == [1, 2, 3]
    assert await stopped(supervisor, clock, 60)
    assert len(last.times) == 1


async def test_work_that_has_begun_is_brought_to_its_end(clock: ManualClock) -> None:
    supervisor, done = Supervisor(clock), list[str]()

    async def slow() -> None:
        await clock.sleep(2)
        done.append("done")

    await started(supervisor, Task("slow", 1, slow))
    await pass_by(clock, 1)
    assert await stopped(supervisor, clock, 5)
    assert done == ["done"]


async def test_a_failure_is_logged_with_its_trace(
    supervisor: Supervisor, clock: ManualClock, work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    work.fails = True
    await started(supervisor, Task("work", 10, work))
    await pass_by(clock, 10)
    (record,) = caplog.records
    assert (record.levelno, record.task, record.failures) == (logging.ERROR, "work", 1)  # type: ignore[attr-defined]
    assert record.exc_info
    assert record.exc_info[0] is RuntimeError


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_at_the_end_nothing_runs_any_more_but_what_must_run_last(clock: ManualClock, work: Work) -> None:
    supervisor, last = Supervisor(clock), Work(clock)
    await started(supervisor, Task("work", 10, work), Task("last", 10, last, last=True))
    await supervisor.stop()
    assert (work.times, last.times) == ([], [0])
    await pass_by(clock, 100)
    assert (work.times, last.times) == ([], [0])


async def test_a_last_task_that_fails_does_not_keep_the_others_from_their_last_run(
    clock: ManualClock, work: Work
) -> None:
    supervisor, other = Supervisor(clock), Work(clock)
    work.fails = True
    await started(supervisor, Task("bad", 10, work, last=True), Task("good", 10, other, last=True))
    await supervisor.stop()
    assert (work.times, other.times) == ([0], [0])


async def test_a_supervisor_that_never_started_runs_what_must_run_last(clock: ManualClock, work: Work) -> None:
    supervisor = Supervisor(clock)
    supervisor.add(Task("last", 10, work, last=True))
    await supervisor.stop()
    assert work.times == [0]


async def test_something_done_once_is_waited_for_at_the_end(clock: ManualClock) -> None:
    supervisor, done = Supervisor(clock), list[str]()

    async def once() -> None:
        await asyncio.sleep(0)
        done.append("done")

    supervisor.later(once())
    await supervisor.stop()
    assert done == ["done"]


async def test_something_done_once_that_fails_is_logged_and_harms_nobody(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = Supervisor(clock)

    async def once() -> None:
        raise RuntimeError("out of order")

    supervisor.later(once())
    await turn()
    await supervisor.stop()
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [RuntimeError]
