"""Guests that wait for the next request: which one is next, how long they stay, and what they hold."""

from __future__ import annotations

import collections
import random
import threading
from typing import Any

import pytest

from kernel.base.clock import ManualClock
from kernel.runtime.guests import IDLE_SECONDS, MOST_AT_ONCE, MOST_IDLE, MOST_IDLE_BYTES, Guests
from kernel.runtime.limits import RuntimeLimits

MIB = 1 << 20


class Code:
    """What is asked of a program."""

    def __init__(self, fresh: bool = False) -> None:
        self.limits, self.retired = RuntimeLimits(30, 5, 64 * MIB, fresh), False
        self.idle = collections.deque[Any]()


class Made:
    """What is asked of a guest."""

    def __init__(self, program: Code, grown: int = MIB, **said: bool) -> None:
        self.program, self.grown, self.weighed = program, grown, 0
        self.idle_since = 0.0
        self.spent, self.loaded = said.get("spent", False), said.get("loaded", True)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Seating:
    held = 0


def guests() -> tuple[Any, ManualClock, Seating]:
    clock, seats = ManualClock(), Seating()
    unchecked: Any = Guests
    return unchecked(clock, seats), clock, seats


def given(kept: Any, *those: Made) -> None:
    for guest in those:
        kept.give(guest, fit=True)


def closed(those: list[Made]) -> list[int]:
    return [guest.closed for guest in those]


def test_the_one_that_was_used_last_is_next() -> None:
    kept, _, seats = guests()
    program = Code()
    first, second = Made(program), Made(program, 3 * MIB)
    given(kept, first, second)
    assert len(kept) == 2 and seats.held == 4 * MIB
    assert [kept.take(program), kept.take(program), kept.take(program)] == [second, first, None]
    assert len(kept) == 0 and seats.held == 4 * MIB  # they hold it still
    assert kept.take(Code()) is None


@pytest.mark.parametrize(
    ("said", "fit", "fresh"),
    [({}, False, False), ({"spent": True}, True, False), ({"loaded": False}, True, False), ({}, True, True)],
)
def test_what_cannot_serve_again_is_closed(said: Any, fit: bool, fresh: bool) -> None:
    kept, _, seats = guests()
    program = Code(fresh=fresh)
    guest = Made(program, **said)
    kept.give(guest, fit=fit)
    assert guest.closed == 1 and len(kept) == seats.held == 0
    assert kept.take(program) is None


def test_what_a_guest_takes_while_it_works_counts_at_once() -> None:
    kept, _, seats = guests()
    guest = Made(Code(), MIB)
    kept.weigh(guest)
    kept.weigh(guest)
    assert seats.held == MIB
    guest.grown = 5 * MIB
    kept.weigh(guest)
    assert seats.held == 5 * MIB
    given(kept, guest)
    assert seats.held == 5 * MIB
    kept.retire(guest.program)
    assert seats.held == 0 and guest.closed == 1


def test_who_waited_long_goes() -> None:
    kept, clock, seats = guests()
    old, younger = Made(Code()), Made(Code(), 2 * MIB)
    given(kept, old)
    clock.advance(1)
    given(kept, younger)
    clock.advance(IDLE_SECONDS - 1.001)
    kept.sweep()
    assert not old.closed
    clock.advance(0.001)
    kept.sweep()
    assert (old.closed, younger.closed) == (1, 0)
    assert len(kept) == 1 and seats.held == 2 * MIB
    clock.advance(1)
    kept.sweep()
    assert younger.closed == 1 and not kept._programs
    assert len(kept) == seats.held == 0


def test_use_makes_young() -> None:
    kept, clock, _ = guests()
    program = Code()
    old, used = Made(program), Made(program)
    given(kept, old, used)
    clock.advance(IDLE_SECONDS - 1)
    given(kept, kept.take(program))
    clock.advance(1)
    kept.sweep()
    assert (old.closed, used.closed) == (1, 0)


def test_of_too_many_the_oldest_go() -> None:
    kept, clock, seats = guests()
    made = [Made(Code()) for _ in range(MOST_IDLE + 4)]
    for guest in made:
        clock.advance(0.01)
        given(kept, guest)
    assert closed(made) == [0] * len(made), "a burst is served by those of the burst before"
    kept.sweep()
    assert closed(made) == [1] * 4 + [0] * MOST_IDLE
    assert len(kept) == MOST_IDLE and seats.held == MOST_IDLE * MIB


def test_a_burst_of_one_app_has_its_end() -> None:
    kept, _, _ = guests()
    program = Code()
    made = [Made(program, 0) for _ in range(MOST_AT_ONCE + 1)]
    given(kept, *made)
    assert len(kept) == MOST_IDLE and not made[-1].closed


def test_one_that_another_thread_took_is_not_missed() -> None:
    class Raced(collections.deque[Any]):
        """Somebody takes the last one between the look and the grasp."""

        def pop(self) -> Any:  # type: ignore[override]
            super().pop()
            return super().pop()

    kept, _, _ = guests()
    program = Code()
    program.idle = Raced()
    given(kept, Made(program))
    assert kept.take(program) is None


def test_of_those_that_hold_too_much_the_oldest_go() -> None:
    kept, clock, seats = guests()
    made = [Made(Code(), MOST_IDLE_BYTES // 4) for _ in range(5)]
    for guest in made[:4]:
        clock.advance(0.01)
        given(kept, guest)
    assert seats.held == MOST_IDLE_BYTES and not any(closed(made))
    clock.advance(0.01)
    given(kept, made[4])
    assert closed(made) == [1, 0, 0, 0, 0]
    assert seats.held == MOST_IDLE_BYTES


def test_large_guests_at_work_do_not_drive_out_those_that_wait() -> None:
    """An app that takes much memory must not cost its neighbours their warm guests."""
    kept, _, seats = guests()
    for _ in range(4):
        kept.weigh(Made(Code(), MOST_IDLE_BYTES // 2))
    neighbour = Made(Code())
    given(kept, neighbour)
    kept.sweep()
    assert not neighbour.closed
    assert seats.held == 2 * MOST_IDLE_BYTES + MIB


def test_code_that_changed_serves_nobody_any_more() -> None:
    kept, _, seats = guests()
    program, other = Code(), Code()
    idle, busy, neighbour = Made(program), Made(program), Made(other)
    given(kept, idle, busy, neighbour)
    assert kept.take(program) is busy
    kept.retire(program)
    assert program.retired and (idle.closed, busy.closed, neighbour.closed) == (1, 0, 0)
    given(kept, busy)
    assert busy.closed == 1 and len(kept) == 1 and seats.held == MIB
    kept.retire(Code())


def test_closing_ends_all_that_wait() -> None:
    kept, _, seats = guests()
    made = [Made(Code()), Made(Code())]
    given(kept, *made)
    kept.close()
    kept.close()
    assert closed(made) == [1, 1] and len(kept) == seats.held == 0


@pytest.mark.parametrize("seed", range(10))
def test_no_guest_is_lost_served_twice_or_counted_wrong(seed: int) -> None:
    chance = random.Random(seed)
    kept, clock, seats = guests()
    programs = [Code() for _ in range(4)]
    busy, everybody = list[Made](), list[Made]()
    for _ in range(500):
        program = chance.choice(programs)
        what = chance.random()
        clock.advance(chance.choice((0.0, 0.1, 1.5)))
        if what < 0.5:
            guest = kept.take(program)
            if guest is None:
                everybody.append(guest := Made(program, chance.randrange(20) * MIB))
            assert guest.program is program and not guest.closed and guest not in busy
            busy.append(guest)
        elif what < 0.9 and busy:
            guest = busy.pop(chance.randrange(len(busy)))
            guest.grown += chance.randrange(3) * MIB
            kept.give(guest, fit=chance.random() < 0.9)
        elif what < 0.95:
            kept.sweep()
            assert len(kept) <= MOST_IDLE
        else:
            kept.retire(program)
            programs[programs.index(program)] = Code()
        idle = [guest for guest in everybody if not guest.closed and guest not in busy]
        assert len(kept) == len(idle)
        assert seats.held == sum(guest.weighed for guest in everybody)
        assert sum(guest.grown for guest in idle) <= MOST_IDLE_BYTES
        assert all(guest.closed <= 1 for guest in everybody)
        assert not any(guest.program.retired for guest in idle)
    for guest in busy:
        kept.give(guest, fit=True)
    kept.close()
    assert closed(everybody) == [1] * len(everybody) and seats.held == 0


def test_threads_take_while_the_loop_sweeps() -> None:
    kept, clock, _ = guests()
    program = Code()
    over, wrong = threading.Event(), list[BaseException]()
    found: list[list[Any]] = [[], []]

    def takes(mine: list[Any]) -> None:
        try:
            while not over.is_set():
                if guest := kept.take(program):
                    mine.append(guest)
        except BaseException as error:
            wrong.append(error)

    takers = [threading.Thread(target=takes, args=(mine,)) for mine in found]
    for taker in takers:
        taker.start()
    made = [Made(program) for _ in range(5000)]
    for guest in made:
        given(kept, guest)
        clock.advance(IDLE_SECONDS)
        kept.sweep()
    over.set()
    for taker in takers:
        taker.join()
    assert not wrong
    taken = found[0] + found[1]
    assert len(set(map(id, taken))) == len(taken)
    assert not any(closed(taken))
    assert sum(closed(made)) + len(taken) + len(kept) == len(made)
