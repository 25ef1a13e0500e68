"""The queue at work: when jobs run, how often, in which order, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.jobs import plans, table
from kernel.jobs.jobs import ENDED, LONGEST_NAP, PATIENCE, WINDOW, Jobs
from kernel.jobs.kinds import Job, pause
from kernel.jobs.run import GRACE
from kernel.storage.store import Store
from kernel.storage.sweep import sweep

from .conftest import stopped
from .support import Held, Midway, do, effect, effects, ends, make_jobs, rows, settled, states, until


def queue(jobs: Jobs, store: Store, payload: Any = None, kind: str = "work", **how: Any) -> str:
    return str(do(store, jobs.add(store.scoped(""), kind, payload, **how)))


def started(jobs: Jobs, run: Any = None, **how: Any) -> Held:
    held = Held()
    jobs.kind("work", run or held, **how)
    jobs.start()
    return held


# --- when -------------------------------------------------------------------------------------------------------------


async def test_a_job_runs_at_once_or_when_it_is_due(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    held = started(jobs)
    await settled(jobs, clock)
    queue(jobs, store, "later", after=5_000)
    queue(jobs, store, "now")
    await until(lambda: held.now == ["now"], "the first")
    clock.advance(4.999)
    await until(lambda: jobs.idle, "a look")
    assert held.now == ["now"]
    clock.advance(0.001)
    await until(lambda: held.now == ["now", "later"], "the second")
    held.let("now")
    held.let("later")
    await settled(jobs, clock)
    assert rows(store) == []
    assert [how for _, _, how, _, _ in ends(store)] == ["done", "done"]
    assert [(job.attempt, job.most_attempts, job.app) for job in held.began] == [(1, 5, "")] * 2


async def test_a_job_that_nobody_told_of_is_found_by_the_timer_itself(
    jobs: Jobs, store: Store, clock: ManualClock
) -> None:
    held = started(jobs)
    await settled(jobs, clock)
    store.write_blocking(jobs.add(store.scoped(""), "work", "quiet").steps)
    await asyncio.sleep(0)
    assert held.began == []
    clock.advance(LONGEST_NAP)
    await until(lambda: held.now == ["quiet"], "the job")


async def test_the_timer_is_woken_from_another_thread(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    held = started(jobs)
    await settled(jobs, clock)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(queue, jobs, store, "other").result()
    await until(lambda: held.now == ["other"], "the job")


async def test_a_clock_put_back_keeps_nobody_waiting(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    held = started(jobs)
    queue(jobs, store, "soon", after=60_000)
    await settled(jobs, clock)
    clock.advance(-7200)
    jobs.wake()
    await settled(jobs, clock)
    clock.advance(60)
    jobs.wake()
    await until(lambda: held.now == ["soon"], "the job")


async def test_a_clock_put_back_while_the_program_was_off(
    make: Callable[..., Jobs], store: Store, clock: ManualClock
) -> None:
    first = make()
    first.kind("work", Held())
    queue(first, store, "at once")
    clock.advance(-7200)
    held = started(make())
    await until(lambda: held.now == ["at once"], "the job")


async def test_a_clock_put_forward_is_noticed(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    held = started(jobs)
    queue(jobs, store, "tomorrow", after=86_400_000)
    await settled(jobs, clock)
    clock.advance(86_400)
    await until(lambda: held.now == ["tomorrow"], "the job")


class Counting(ManualClock):
    def __init__(self) -> None:
        super().__init__()
        self.naps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        await super().sleep(seconds)


async def test_the_timer_sleeps_as_long_as_it_may(tmp_path: Any) -> None:
    from .support import make_store

    clock = Counting()
    store = make_store(tmp_path, clock)
    jobs = make_jobs(store)
    jobs.lane("one", 1)
    held = Held()
    jobs.kind("work", held, lane="one", timeout=999)
    jobs.start()
    try:
        await settled(jobs, clock)
        await until(lambda: clock.naps == [LONGEST_NAP], "a nap")
        queue(jobs, store, "late", after=12_000)
        await until(lambda: len(clock.naps) == 2 and jobs.idle, "a look")
        assert clock.naps[1] == 12.0
        # the lane is full and more is due: only the end of the job wakes the timer
        for n in range(3):
            queue(jobs, store, n)
        await until(lambda: held.now == [0] and jobs.idle, "the first")
        before = len(clock.naps)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(clock.naps) == before
        assert LONGEST_NAP in clock.naps[2:] and min(clock.naps[2:]) > 1
        held.let(0)
        await until(lambda: held.now == [1] and jobs.idle, "the second")
        assert len(clock.naps) <= before + 4
    finally:
        await stopped(jobs, clock)
        store.close()


# --- failing ----------------------------------------------------------------------------------------------------------


async def test_a_job_that_fails_is_tried_again_with_growing_pauses_until_it_is_dead(
    jobs: Jobs, store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    at: list[float] = []

    async def broken(job: Job) -> None:
        at.append(clock.monotonic())
        raise RuntimeError("out of order")

    started(jobs, broken, attempts=4)
    queue(jobs, store)
    for n in range(1, 5):
        await until(lambda n=n: len(at) == n, f"try {n}")
        await settled(jobs, clock)
        clock.advance(pause(n, Midway()) / 1000)
    assert [after - before for before, after in itertools.pairwise(at)] == [7.5, 15, 30]
    (row,) = rows(store)
    assert (row["state"], row["attempts"], row["error"]) == ("dead", 4, "RuntimeError: out of order")
    clock.advance(1e6)
    await settled(jobs, clock)
    assert len(at) == 4
    failures = [record for record in caplog.records if record.getMessage() == "a job failed"]
    assert [record.attempt for record in failures] == [1, 2, 3, 4]  # type: ignore[attr-defined]
    assert all(record.exc_info for record in failures)
    assert [record.levelno for record in caplog.records if record.getMessage() == "a job is dead"] == [logging.ERROR]


@pytest.mark.parametrize("attempt", [1, 2, 8, 9, 10, 500])
def test_a_pause_doubles_up_to_an_hour_and_is_scattered(attempt: int) -> None:
    class At(Midway):
        def __init__(self, chance: float) -> None:
            super().__init__()
            self.chance = chance

        def random(self) -> float:
            return self.chance

    whole = min(3_600_000, 10_000 * 2 ** (attempt - 1))
    assert (pause(attempt, At(0)), pause(attempt, At(1))) == (whole // 2, whole)


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(1),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        AssertionError(),
        FaztError("LOCKED", "Locked."),
        ValueError("half \ud800 and \0 none" + "x" * 5000),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_job_raises_it_only_fails(
    jobs: Jobs, store: Store, clock: ManualClock, error: BaseException
) -> None:
    async def broken(job: Job) -> None:
        raise error

    started(jobs, broken)
    queue(jobs, store)
    await until(lambda: [row["error"] for row in rows(store)] != [None], "the failure")
    await settled(jobs, clock)
    (row,) = rows(store)
    assert (row["state"], row["attempts"]) == ("waiting", 1)
    assert 0 < len(row["error"]) <= 1000


async def test_a_job_that_runs_too_long_is_cancelled_and_failed(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    held = started(jobs, timeout=30)
    id = queue(jobs, store)
    await until(lambda: held.now == [None], "its run")
    clock.advance(29)
    await settled_timer(jobs)
    assert held.over == []
    clock.advance(1)
    await settled(jobs, clock)
    assert held.over == [id]
    (row,) = rows(store)
    assert (row["state"], row["error"]) == ("waiting", "TIMEOUT: It ran longer than 30 seconds.")


async def settled_timer(jobs: Jobs) -> None:
    await until(lambda: jobs.idle, "the timer's sleep")


async def test_a_job_that_does_not_end_when_it_is_cancelled_is_left_behind(
    jobs: Jobs, store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    released = asyncio.Event()
    began: list[bool] = []
    cancelled: list[bool] = []

    async def stubborn(job: Job) -> None:
        began.append(True)
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                cancelled.append(True)

    started(jobs, stubborn, timeout=30)
    queue(jobs, store)
    try:
        await until(lambda: began and jobs.idle, "its run")
        clock.advance(30)
        await until(lambda: cancelled, "the cancelling")
        clock.advance(GRACE)
        await settled(jobs, clock)
        assert states(store) == ["waiting"]
        assert "a job was cancelled and does not end" in caplog.messages
    finally:
        released.set()


# --- effects ----------------------------------------------------------------------------------------------------------


async def test_what_a_job_returns_is_written_with_its_end(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    told: list[str] = []

    async def work(job: Job) -> object:
        return effect(store, job.payload).giving(lambda _: told.append(job.payload))

    started(jobs, work)
    queue(jobs, store, "mail")
    await until(lambda: rows(store) == [], "the end")
    assert effects(store) == ["mail"]
    await settled(jobs, clock)
    assert told == ["mail"]


async def test_an_effect_that_cannot_be_written_fails_the_job(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    async def work(job: Job) -> object:
        return effect(store, "mail") + effect(store, "taken")

    do(store, effect(store, "taken"))
    started(jobs, work)
    queue(jobs, store)
    await until(lambda: [row["error"] for row in rows(store)] != [None], "the failure")
    await settled(jobs, clock)
    assert effects(store) == ["taken"]
    assert (states(store), ends(store)) == (["waiting"], [])


async def test_a_job_whose_end_was_heard_badly_is_still_done(
    jobs: Jobs, store: Store, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(job: Job) -> object:
        return effect(store, "mail").giving(lambda _: 1 / 0)

    started(jobs, work)
    queue(jobs, store)
    await until(lambda: effects(store) == ["mail"], "the effect")
    await settled(jobs, clock)
    assert rows(store) == []
    assert "a job is done, but what follows from it failed" in caplog.messages


# --- keys -------------------------------------------------------------------------------------------------------------


async def test_of_many_at_once_with_one_key_one_is_queued(jobs: Jobs, store: Store) -> None:
    jobs.kind("work", Held())
    jobs.kind("other", Held())

    async def one(n: int) -> Any:
        plan = jobs.add(store.scoped(""), "work", n, key="k")
        return plan.result(await store.write(plan.steps))

    with ThreadPoolExecutor(8) as pool:
        by_threads = list(pool.map(lambda n: queue(jobs, store, n, key="k"), range(50)))
    ids = {*by_threads, *await asyncio.gather(*(one(n) for n in range(50)))}
    assert len(ids) == len(rows(store)) == 1
    others: list[dict[str, Any]] = [{"kind": "other"}, {"app": "app_a"}, {"key": "l"}, {"key": None}]
    for how in others:
        assert queue(jobs, store, **{"key": "k", **how}) not in ids
    assert len(rows(store)) == 5


async def test_the_same_work_may_come_forward_but_not_back(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    held = started(jobs)
    id = queue(jobs, store, "first", key="k", after=60_000)
    assert queue(jobs, store, "second", key="k", after=90_000) == id
    await settled(jobs, clock)
    assert held.began == []
    assert queue(jobs, store, "third", key="k") == id
    await until(lambda: held.now == ["first"], "the job")


async def test_the_same_work_is_queued_again_while_it_runs_and_waits_for_it(
    jobs: Jobs, store: Store, clock: ManualClock
) -> None:
    held = started(jobs)
    queue(jobs, store, "first", key="k")
    await until(lambda: held.now == ["first"], "the first")
    queue(jobs, store, "second", key="k")
    queue(jobs, store, "third", key="k")
    await settled_timer(jobs)
    assert held.now == ["first"]
    held.let("first")
    await until(lambda: held.now == ["second"], "the second")
    held.let("second")
    await settled(jobs, clock)
    assert len(ends(store)) == 2


async def test_work_that_fails_is_left_to_the_same_work_that_came_meanwhile(
    jobs: Jobs, store: Store, clock: ManualClock
) -> None:
    held = started(jobs)
    first = queue(jobs, store, "first", key="k")
    await until(lambda: held.now == ["first"], "the first")
    second = queue(jobs, store, "second", key="k")
    held.let("first", RuntimeError("no"))
    await settled(jobs, clock)
    (row,) = rows(store)
    assert (row["id"], row["attempts"], row["due_at"]) == (second, 1, clock.now() + 7_500)
    assert ends(store) == [(first, "work", "replaced", 1, "RuntimeError: no")]
    clock.advance(7.5)
    await until(lambda: held.now == ["second"], "the second")
    assert held.began[-1].attempt == 2


# --- order ------------------------------------------------------------------------------------------------------------


async def test_jobs_of_one_order_run_one_after_another(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    held = started(jobs, attempts=2)
    for name in ("a1", "a2", "a3"):
        queue(jobs, store, name, order_key="a")
    queue(jobs, store, "b1", order_key="b")
    queue(jobs, store, "other app", order_key="a", app="app_x")
    await until(lambda: sorted(held.now) == ["a1", "b1", "other app"], "the first of each")
    held.let("a1")
    await until(lambda: "a2" in held.now, "the second")
    # one that is to be tried again keeps its place
    held.let("a2", RuntimeError("no"))
    await until(lambda: "a2" not in held.now and jobs.idle, "its failure")
    assert "a3" not in held.now
    clock.advance(7.5)
    await until(lambda: "a2" in held.now, "the second try")
    # a dead one is passed over
    held.let("a2", RuntimeError("no"))
    await until(lambda: "a3" in held.now, "the third")
    assert [job.payload for job in held.began if job.order_key == "a" and not job.app] == ["a1", "a2", "a2", "a3"]


async def test_one_that_is_due_later_keeps_those_behind_it_waiting(
    jobs: Jobs, store: Store, clock: ManualClock
) -> None:
    held = started(jobs)
    queue(jobs, store, "first", order_key="a", after=60_000)
    queue(jobs, store, "second", order_key="a")
    await settled(jobs, clock)
    assert held.began == []
    clock.advance(60)
    await until(lambda: held.now == ["first"], "the first")
    held.let("first")
    await until(lambda: held.now == ["second"], "the second")


# --- lanes ------------------------------------------------------------------------------------------------------------


async def test_a_lane_runs_so_many_at_a_time_and_does_not_hold_up_another(
    jobs: Jobs, store: Store, clock: ManualClock
) -> None:
    low, high = Held(), Held()
    jobs.lane("low", 2)
    jobs.kind("work", low, lane="low")
    jobs.kind("quick", high)
    jobs.start()
    for n in range(5):
        queue(jobs, store, n)
    queue(jobs, store, "quick", kind="quick")
    await until(lambda: low.now == [0, 1] and high.now == ["quick"], "both lanes")
    low.let(0)
    await until(lambda: low.now == [1, 2], "the third")
    assert len(jobs.running) == 3


@pytest.mark.parametrize(("size", "many"), [(1, 20), (4, 20), (1, WINDOW * 3), (4, WINDOW * 3)])
async def test_an_app_that_queues_much_delays_itself(
    jobs: Jobs, store: Store, clock: ManualClock, size: int, many: int
) -> None:
    ran: list[str] = []

    async def work(job: Job) -> None:
        ran.append(job.app)

    jobs.lane("shared", size)
    jobs.kind("work", work, lane="shared")
    for _ in range(many):
        queue(jobs, store, app="app_greedy")
    clock.advance(1)
    modest = [f"app_{n}" for n in range(5)]
    for app in modest:
        queue(jobs, store, app=app)
    queue(jobs, store)  # the node's own
    jobs.start()
    await until(lambda: rows(store) == [], "the end of all")
    assert len(ran) == many + 6
    assert set(ran[: 2 * size + 7]) == {"app_greedy", "", *modest}


async def test_more_apps_than_one_walk_sees_all_have_their_turn(
    jobs: Jobs, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel.jobs.jobs.MOST_APPS", 3)
    ran: list[str] = []

    async def work(job: Job) -> None:
        ran.append(job.app)

    jobs.lane("shared", 1)
    jobs.kind("work", work, lane="shared")
    for n in range(2 * WINDOW):
        queue(jobs, store, app=f"app_{n % 4}")
    clock.advance(1)
    for n in range(4, 10):
        queue(jobs, store, app=f"app_{n}")
    jobs.start()
    await until(lambda: rows(store) == [], "the end of all")
    assert set(ran[:40]) == {f"app_{n}" for n in range(10)}


# --- the end of the program -------------------------------------------------------------------------------------------


async def test_a_stop_lets_what_runs_come_to_its_end(jobs: Jobs, store: Store, clock: ManualClock) -> None:
    held = started(jobs)
    queue(jobs, store, "last")
    await until(lambda: held.now == ["last"], "its run")
    stopping = asyncio.create_task(jobs.stop())
    queue(jobs, store, "too late")
    await asyncio.sleep(0)
    held.let("last", effect(store, "last"))
    await until(stopping.done, "the end")
    assert (effects(store), states(store)) == (["last"], ["waiting"])
    assert held.now == []


async def test_a_stop_gives_back_what_does_not_end(make: Callable[..., Jobs], store: Store, clock: ManualClock) -> None:
    first = make()
    held = started(first)
    for name in ("a", "b"):
        queue(first, store, name, order_key="o")
    await until(lambda: held.now == ["a"], "its run")
    stopping = asyncio.create_task(first.stop())
    await until(lambda: first.idle is False, "the timer's end")
    for _ in range(10):
        await asyncio.sleep(0)
    clock.advance(PATIENCE)
    await until(stopping.done, "the end")
    assert [(row["state"], row["attempts"], row["error"]) for row in rows(store)] == [("waiting", 0, None)] * 2
    assert len(held.over) == 1
    again = started(make())
    await until(lambda: again.now == ["a"], "its next run")
    assert again.began[0].attempt == 1


async def test_what_ran_when_the_program_ended_is_tried_again_and_the_attempt_counts(
    make: Callable[..., Jobs], store: Store, clock: ManualClock
) -> None:
    dead = make_jobs(store, boot="boot_gone")
    dead.kind("work", Held(), attempts=3)
    ids = [queue(dead, store, n, order_key="o" if n < 2 else None) for n in range(3)]
    assert len(do(store, plans.claim(store.scoped(""), [ids[0], ids[2]], "boot_gone", clock.now())) or []) == 2
    held = started(make(), attempts=3)
    await until(lambda: [row["error"] for row in rows(store)] == [ENDED, None, ENDED], "the recovery")
    assert held.began == []
    clock.advance(7.5)
    await until(lambda: sorted(held.now) == [0, 2], "the second try")
    assert {job.attempt for job in held.began} == {2}
    # what the dead one still thinks it has, it has no more
    lost = Job(ids[0], "work", "default", "", None, "o", "0", 1, 3, 0, 0, "boot_gone")
    with pytest.raises(FaztError):
        do(store, plans.finish(store.scoped(""), lost, clock.now(), effect(store, "twice")))
    assert effects(store) == []


async def test_a_job_that_ends_the_program_each_time_is_dead_in_the_end(
    make: Callable[..., Jobs], store: Store, clock: ManualClock
) -> None:
    poison = queue(_declared(make(), attempts=3), store, "poison", order_key="o")
    after = queue(_declared(make(), attempts=3), store, "after", order_key="o")
    for n in range(3):
        (job,) = do(store, plans.claim(store.scoped(""), [poison, after], f"boot_{n}", clock.now())) or []
        assert (job.id, job.attempt) == (poison, n + 1)
        jobs = _declared(make(), attempts=3)
        await jobs._recover()
    assert [(row["state"], row["error"], row["attempts"]) for row in rows(store)] == [
        ("dead", ENDED, 3),
        ("waiting", None, 0),
    ]
    held = started(make(), attempts=3)
    await until(lambda: held.now == ["after"], "the one behind it")


def _declared(jobs: Jobs, **how: Any) -> Jobs:
    jobs.kind("work", Held(), **how)
    return jobs


async def test_a_job_this_program_does_not_know_is_dead_at_once_and_one_without_a_lane_still_runs(
    make: Callable[..., Jobs], store: Store, clock: ManualClock
) -> None:
    newer = make()
    newer.lane("new", 1)
    newer.kind("gone", Held(), lane="new")
    newer.kind("work", Held(), lane="new")
    queue(newer, store, kind="gone")
    queue(newer, store, "known")
    held = started(make())
    await until(lambda: held.now == ["known"], "the job")
    await until(lambda: "dead" in states(store), "the other")
    assert rows(store)[0]["error"] == "NOT_FOUND: This program knows no job called gone."


# --- a file that cannot be written ------------------------------------------------------------------------------------


class Trouble:
    """The store's `write`, out of order for some calls."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.real, self.times, self.failed = store.write, 0, 0
        monkeypatch.setattr(store, "write", self)

    async def __call__(self, steps: Any) -> Any:
        if self.times:
            self.times -= 1
            self.failed += 1
            raise FaztError("STORAGE_FULL", "The disk is full.")
        return await self.real(steps)


async def test_the_end_of_a_job_is_written_when_the_disk_has_room_again(
    jobs: Jobs, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble(store, monkeypatch)
    held = started(jobs)
    queue(jobs, store)
    await until(lambda: held.now == [None], "its run")
    trouble.times = 4
    held.let(None, effect(store, "mail"))
    for failed in (2, 3, 4):  # its end and its failure at once, then with pauses
        await until(lambda failed=failed: trouble.failed == failed, "a try")
        assert states(store) == ["running"]
        clock.advance(2.0 ** (failed - 1))
    # the pause of the job has long passed by now
    await until(lambda: held.now == [None], "its second run")
    (row,) = rows(store)
    assert (row["state"], row["attempts"], row["error"]) == ("running", 2, "STORAGE_FULL: The disk is full.")
    assert effects(store) == []


async def test_a_timer_that_cannot_write_tries_again(
    jobs: Jobs, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble = Trouble(store, monkeypatch)
    held = started(jobs)
    await settled(jobs, clock)
    trouble.times = 2
    queue(jobs, store)
    await until(lambda: trouble.failed == 1 and jobs.idle, "the first failure")
    clock.advance(2)
    await until(lambda: trouble.failed == 2 and jobs.idle, "the second failure")
    assert states(store) == ["waiting"]
    clock.advance(4)
    await until(lambda: held.now == [None], "the job")
    assert held.began[0].attempt == 1


# --- chores -----------------------------------------------------------------------------------------------------------


async def test_a_chore_comes_back_as_long_as_the_program_has_it(
    make: Callable[..., Jobs], store: Store, clock: ManualClock
) -> None:
    async def sweep_up(job: Job) -> object:
        return effect(store, str(clock.now()))

    def chores() -> Jobs:
        jobs = make()
        jobs.kind("gc", sweep_up)
        jobs.every("gc", 3600)
        jobs.start()
        return jobs

    jobs = chores()
    await settled(jobs, clock)
    assert (states(store), effects(store)) == (["waiting"], [])
    for n in range(1, 4):
        clock.advance(3600)
        await until(lambda n=n: len(effects(store)) == n, "its run")
        await settled(jobs, clock)
        assert [row["due_at"] for row in rows(store)] == [clock.now() + 3_600_000]
    await jobs.stop()
    clock.advance(1800)
    jobs = chores()
    await settled(jobs, clock)
    assert [row["due_at"] for row in rows(store)] == [clock.now() + 1_800_000]


async def test_a_chore_that_always_fails_comes_back_and_leaves_one_dead(
    jobs: Jobs, store: Store, clock: ManualClock
) -> None:
    tries: list[int] = []

    async def broken(job: Job) -> None:
        tries.append(job.attempt)
        raise RuntimeError("no")

    jobs.kind("gc", broken, attempts=2)
    jobs.every("gc", 3600)
    jobs.start()
    await settled(jobs, clock)
    for n in range(1, 4):
        clock.advance(3600)
        await until(lambda n=n: len(tries) == 2 * n - 1, "a try")
        await settled(jobs, clock)
        clock.advance(7.5)
        await until(lambda n=n: len(tries) == 2 * n, "another")
        await settled(jobs, clock)
        assert sorted(states(store)) == ["dead", "waiting"]
    assert tries == [1, 2] * 3


# --- what is kept -----------------------------------------------------------------------------------------------------


async def test_what_is_done_is_kept_for_a_week_and_only_so_many(
    jobs: Jobs, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "MOST_RUNS", 3)

    async def work(job: Job) -> None:
        """Done at once."""

    started(jobs, work)
    ids = []
    for _ in range(5):
        ids.append(queue(jobs, store))
        await until(lambda: rows(store) == [], "its end")
    assert [id for id, *_ in ends(store)] == ids[2:]
    await sweep(store, table.OLD_RUNS, clock.now() + 7 * 86_400_000 - 1)
    assert len(ends(store)) == 3
    await sweep(store, table.OLD_RUNS, clock.now() + 7 * 86_400_000)
    assert ends(store) == []


@pytest.mark.parametrize(
    "how",
    [{"payload": "x" * (1 << 20)}, {"payload": "é" * (1 << 19)}, {"key": ""}, {"key": "x" * 513}, {"order_key": ""}],
    ids=["big", "big in bytes", "empty key", "long key", "empty order"],
)
def test_what_is_too_big_is_refused(store: Store, how: dict[str, Any]) -> None:
    jobs = _declared(make_jobs(store))
    with pytest.raises(FaztError) as refused:
        jobs.add(store.scoped(""), "work", **how)
    assert refused.value.code in ("LIMIT_EXCEEDED", "INVALID_ARGUMENT")


def test_what_was_not_declared_is_a_mistake_of_the_program(store: Store) -> None:
    jobs = _declared(make_jobs(store))
    for wrong in (
        lambda: jobs.add(store.scoped(""), "unknown"),
        lambda: jobs.every("unknown", 1),
        lambda: jobs.kind("work", Held()),
        lambda: jobs.kind("new", Held(), lane="unknown"),
    ):
        with pytest.raises(TypeError):
            wrong()


# --- what it costs ----------------------------------------------------------------------------------------------------

HOT = {
    name: value
    for name, value in vars(table).items()
    if name.isupper() and hasattr(value, "sql") and name not in ("LANES", "ADOPT", "REBASE")
}
PEOPLE = ("LIST", "COUNT", "LIST_RUNS", "COUNT_RUNS")


@pytest.mark.parametrize("name", sorted(set(HOT) - set(PEOPLE)))
def test_nothing_on_the_way_of_a_job_walks_over_the_table(store: Store, name: str) -> None:
    sql = HOT[name].sql.replace(":until", "1")
    plan = [row[3] for row in store.writer.connection.execute("explain query plan " + sql, Everything())]
    whole = [line for line in plan if line.startswith(("SCAN jobs", "SCAN job_runs", "SCAN j"))]
    # what runs is few rows, and an index of its own
    assert [line for line in whole if not line.endswith("USING INDEX jobs_running")] == [], plan


class Everything(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "x"
