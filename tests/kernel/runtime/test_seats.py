"""How many invocations there are at once, who waits, and who is next."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.runtime.limits import AT_ONCE, MEMORY, OF_APP, QUEUE
from kernel.runtime.seats import LEAST_AT_ONCE, Seats, machine_memory


def made(at_once: int = 100, of_app: int = 100, queue: int = 1000, memory: int = 64) -> Seats:
    said: Any = {AT_ONCE.name: at_once, OF_APP.name: of_app, QUEUE.name: queue, MEMORY.name: memory}
    seats = Seats(said)
    seats.memory = 1 << 40
    return seats


class Sitting:
    """Those who asked, in the order in which they sat down."""

    def __init__(self, seats: Seats) -> None:
        self.seats, self.order = seats, list[str]()

    def ask(self, app: str, name: str = "") -> Callable[[], bool]:
        return self.seats.ask(app, lambda: self.order.append(name or app))


def test_there_is_a_seat_at_once_while_there_is_room() -> None:
    sitting = Sitting(made(at_once=3))
    give_up = sitting.ask("a")
    assert sitting.order == ["a"] and not give_up()
    assert (sitting.seats.total, sitting.seats.waiting) == (1, 0)
    sitting.seats.leave("a")
    assert (sitting.seats.total, sitting.seats.taken) == (0, {})


def test_an_app_at_its_limit_does_not_stop_another() -> None:
    sitting = Sitting(made(of_app=1))
    for name in ("a1", "a2", "a3"):
        sitting.ask("a", name)
    sitting.ask("b", "b1")
    assert sitting.order == ["a1", "b1"] and sitting.seats.waiting == 2
    sitting.seats.leave("a")
    assert sitting.order == ["a1", "b1", "a2"]


def test_those_who_wait_sit_down_in_turns() -> None:
    sitting = Sitting(made(at_once=1))
    sitting.ask("first")
    for number in range(4):
        sitting.ask("flood", f"f{number}")
    sitting.ask("x", "x0")
    sitting.ask("y", "y0")
    sitting.ask("x", "x1")
    for app in ("first", "flood", "x", "y", "flood", "x", "flood"):
        sitting.seats.leave(app)
    assert sitting.order == ["first", "f0", "x0", "y0", "f1", "x1", "f2", "f3"]


def test_too_many_that_wait_are_refused_and_told_when_to_come_back() -> None:
    sitting = Sitting(made(at_once=1, queue=2))
    for name in ("a", "b", "c"):
        sitting.ask(name)
    with pytest.raises(FaztError) as caught:
        sitting.ask("d")
    assert caught.value.code == "SERVICE_UNAVAILABLE" and caught.value.status == 503
    assert caught.value.details["retry_after"] == 1
    assert sitting.seats.waiting == 2
    sitting.seats.leave("a")
    sitting.ask("e")
    assert sitting.seats.waiting == 2 and sitting.order == ["a", "b"]


def test_who_gives_up_takes_no_seat() -> None:
    sitting = Sitting(made(at_once=1))
    sitting.ask("a")
    give_up = [sitting.ask("b", f"b{number}") for number in range(3)]
    assert give_up[1]() and not give_up[1]()
    assert sitting.seats.waiting == 2
    sitting.seats.leave("a")
    assert not give_up[0](), "it sits already"
    sitting.seats.leave("b")
    assert sitting.order == ["a", "b0", "b2"]
    assert sitting.seats.waiting == 0


def test_the_last_of_an_app_that_gives_up_leaves_the_line() -> None:
    sitting = Sitting(made(at_once=1))
    sitting.ask("a")
    give_up = sitting.ask("b")
    sitting.ask("c")
    assert give_up()
    sitting.seats.leave("a")
    sitting.seats.leave("c")
    assert sitting.order == ["a", "c"]
    assert (sitting.seats.total, sitting.seats.waiting) == (0, 0)


def test_want_of_memory_leaves_a_few_seats() -> None:
    sitting = Sitting(made(memory=64))
    seats = sitting.seats
    seats.memory, seats.held = 1 << 30, (256 - 64 << 20) + 1
    for _ in range(LEAST_AT_ONCE + 2):
        sitting.ask("a")
    assert (seats.total, seats.waiting) == (LEAST_AT_ONCE, 2)
    seats.held -= 1
    sitting.ask("b")
    assert (seats.total, seats.waiting) == (LEAST_AT_ONCE + 3, 0)


def test_what_the_owner_allows_counts_even_with_memory_to_spare() -> None:
    sitting = Sitting(made(at_once=2))
    for _ in range(3):
        sitting.ask("a")
    assert (sitting.seats.total, sitting.seats.waiting) == (2, 1)


def test_a_thousand_that_are_done_at_once_do_not_pile_up() -> None:
    """Who sits down may leave before `sit` returns."""
    seats = made(at_once=1)
    seats.ask("a", lambda: None)
    order = list[int]()

    def sit() -> None:
        order.append(len(order))
        seats.leave("a")

    for _ in range(1000):
        seats.ask("a", sit)
    seats.leave("a")
    assert order == list(range(1000))
    assert (seats.total, seats.waiting) == (0, 0)


def test_a_fault_while_one_sits_down_does_not_stop_the_rest() -> None:
    seats, order = made(at_once=1), list[str]()

    def fails() -> None:
        raise ValueError("broken")

    seats.ask("a", lambda: None)
    seats.ask("b", fails)
    seats.ask("c", lambda: order.append("c"))
    with pytest.raises(ValueError, match="broken"):
        seats.leave("a")
    seats.leave("b")
    assert order == ["c"]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_the_counts_are_right(seed: int) -> None:
    chance = random.Random(seed)
    at_once, of_app, queue = chance.randrange(1, 12), chance.randrange(1, 6), chance.randrange(1, 30)
    seats = made(at_once, of_app, queue)
    seats.memory = 1 << 30
    sitting, waiting = list[str](), dict[int, tuple[str, Callable[[], bool]]]()
    asked = served = gave_up = 0

    def sit(number: int, app: str) -> None:
        waiting.pop(number, None)
        if chance.random() < 0.2:
            nonlocal served
            served += 1
            seats.leave(app)
        else:
            sitting.append(app)

    for number in range(600):
        what = chance.random()
        if what < 0.5:
            app = f"app {chance.randrange(5)}"
            before = seats.waiting
            waiting[number] = (app, lambda: False)
            try:
                give_up = seats.ask(app, functools.partial(sit, number, app))
            except FaztError:
                assert before >= queue
                del waiting[number]
            else:
                asked += 1
                if number in waiting:
                    waiting[number] = (app, give_up)
        elif what < 0.85 and sitting:
            app = sitting.pop(chance.randrange(len(sitting)))
            served += 1
            seats.leave(app)
        elif what < 0.95 and waiting:
            number, (_, give_up) = chance.choice(list(waiting.items()))
            del waiting[number]
            assert give_up()
            gave_up += 1
        else:
            seats.held = chance.choice((0, 1 << 30))
        assert seats.total == len(sitting) == sum(seats.taken.values()) <= at_once
        assert all(0 < count <= of_app for count in seats.taken.values())
        assert seats.waiting == len(waiting) <= queue
        assert sum(map(len, seats._queues.values())) == seats.waiting
        assert sorted(seats._turns) == sorted(seats._queues)
    seats.held = 0
    while sitting:
        served += 1
        seats.leave(sitting.pop())
    assert (seats.total, seats.waiting, dict(seats.taken)) == (0, 0, {})
    assert served + gave_up == asked and not waiting


def test_what_runs_already_counts_whether_there_is_a_seat_or_not() -> None:
    sitting = Sitting(made(at_once=1))
    sitting.ask("a")
    sitting.seats.take("b")
    sitting.ask("c")
    assert (sitting.seats.total, sitting.seats.waiting) == (2, 1)
    sitting.seats.leave("b")
    assert sitting.order == ["a"]
    sitting.seats.leave("a")
    assert sitting.order == ["a", "c"]


def test_the_machine_has_memory() -> None:
    assert machine_memory() > 64 << 20
