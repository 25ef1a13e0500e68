"""Time that a test moves."""

from __future__ import annotations

import asyncio
import time

import pytest

from kernel.base.clock import Clock, ManualClock, iso


async def test_a_sleeper_wakes_when_the_clock_passes_its_time_and_not_before() -> None:
    clock = ManualClock(now=1_000)
    task = asyncio.create_task(clock.sleep(5))
    await asyncio.sleep(0)
    clock.advance(4.999)
    await asyncio.sleep(0)
    assert not task.done()
    clock.advance(0.001)
    await task
    assert (clock.now(), clock.sleepers) == (6_000, 0)


async def test_sleepers_of_different_lengths_wake_one_by_one() -> None:
    clock, woken = ManualClock(), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleep(seconds)) for seconds in (3, 1, 2)]
    await asyncio.sleep(0)
    assert clock.sleepers == 3
    for _ in range(3):
        clock.advance(1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert woken == [1, 2, 3]


async def test_a_sleeper_that_was_cancelled_harms_nobody() -> None:
    clock = ManualClock()
    first, second = asyncio.create_task(clock.sleep(1)), asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    clock.advance(1)
    await second
    assert first.cancelled()


def test_the_manual_clock_moves_only_by_hand() -> None:
    clock = ManualClock(now=2_000)
    assert (clock.now(), clock.now(), clock.monotonic()) == (2_000, 2_000, 2.0)
    clock.advance(0.25)
    assert (clock.now(), clock.monotonic()) == (2_250, 2.25)


def test_a_pause_on_the_manual_clock_moves_it_and_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seconds: float) -> None:
        raise AssertionError(f"really slept {seconds} s")

    monkeypatch.setattr(time, "sleep", refuse)
    clock = ManualClock(now=1_000)
    clock.pause(2.5)
    assert clock.now() == 3_500


def test_the_machines_clock_speaks_milliseconds_and_never_runs_back() -> None:
    clock = Clock()
    before, now, after = time.time_ns() // 1_000_000, clock.now(), time.time_ns() // 1_000_000
    assert isinstance(now, int)
    assert before <= now <= after
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000_000, "2027-01-15T08:00:00.000Z"),
        (1_800_000_000_007, "2027-01-15T08:00:00.007Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
    ],
)
def test_a_moment_is_written_in_utc_with_its_milliseconds(milliseconds: int, text: str) -> None:
    assert iso(milliseconds) == text
