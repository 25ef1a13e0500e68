"""The threads of apps' code: permits, turns, and what becomes of work that waits or computes for long."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.runtime import threads as ours
from kernel.runtime.threads import MOST_DEMOTED_OF_APP, Threads
from kernel.storage.store import Store

PATIENCE = 20  # only a failing test waits so long


class Count:
    """How many are inside, and how many there ever were at once."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self.inside = self.most = 0

    def __enter__(self) -> None:
        with self._guard:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self._guard:
            self.inside -= 1


class Held:
    """Work that says when it runs, and goes on when the test says so."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.begun, self.may_end, self.ended = threading.Event(), threading.Event(), threading.Event()
        self._then = then

    def __call__(self) -> None:
        self.begun.set()
        assert self.may_end.wait(PATIENCE)
        self._then()
        self.ended.set()

    def end(self) -> None:
        self.may_end.set()
        assert self.ended.wait(PATIENCE)


@pytest.fixture
def made() -> Iterator[Callable[..., Threads]]:
    known: list[Threads] = []

    def make(permits: int, leave: Callable[[], None] = lambda: None) -> Threads:
        known.append(Threads(permits, leave))
        return known[-1]

    yield make
    for threads in known:
        threads.close()


def soon(true: Callable[[], bool]) -> None:
    """What another thread is about to do."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until


def done(threads: Threads, app: str = "after") -> None:
    """Wait until something new has run."""
    event = threading.Event()
    threads.submit(app, event.set)
    assert event.wait(PATIENCE)


def settled(threads: Threads) -> None:
    """Wait until every permit is back: as many run at once as there are permits."""
    works = [Held() for _ in range(threads.permits)]
    for number, work in enumerate(works):
        threads.submit(f"settled {number}", work)
    for work in works:
        assert work.begun.wait(PATIENCE), "a permit was lost"
    for work in works:
        work.end()


def joined() -> None:
    """All threads of apps have ended."""
    for thread in threading.enumerate():
        if thread.name == "fazt-app":
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("permits", [1, 2, 5])
def test_permits_are_never_exceeded_and_never_lost(made: Any, seed: int, permits: int) -> None:
    chance = random.Random(seed)
    threads, computing, left = made(permits), Count(), threading.Semaphore(0)
    plans = [[chance.choice("cwWnde") for _ in range(chance.randrange(1, 6))] for _ in range(300)]
    ran = [0] * len(plans)

    def work(number: int) -> None:
        ran[number] += 1
        demoted = False
        try:
            for step in plans[number]:
                if step == "d" and not demoted:
                    threads.demote()
                    demoted = True
                elif step == "e":
                    raise random.Random(number).choice((ValueError, SystemExit, KeyboardInterrupt))(str(number))
                elif step in "wWn":
                    with threads.off():
                        if step != "w":
                            with threads.off():
                                threads.demote()  # what waits does not compute
                        left.acquire(blocking=False)
                elif not demoted:
                    with computing:
                        sum(range(200))
        finally:
            left.release()

    rest = threading.Semaphore(0)

    def counted(number: int) -> None:
        try:
            work(number)
        finally:
            rest.release()

    for number in range(len(plans)):
        threads.submit(f"app {chance.randrange(7)}", lambda number=number: counted(number))
    for _ in plans:
        assert rest.acquire(timeout=PATIENCE)
    assert ran == [1] * len(plans)
    assert computing.most <= permits
    settled(threads)
    assert threads.waiting == 0


def test_what_waits_gives_its_permit_back_once_however_deep(made: Any) -> None:
    threads, computing = made(1), Count()
    inside, go = threading.Event(), threading.Event()

    def waits() -> None:
        with threads.off(), threads.off(), threads.off():
            inside.set()
            assert go.wait(PATIENCE)
        with computing:
            pass

    first, second = Held(), Held()
    threads.submit("a", waits)
    assert inside.wait(PATIENCE)
    threads.submit("b", first)
    threads.submit("c", second)
    assert first.begun.wait(PATIENCE)
    assert not second.begun.is_set()
    go.set()
    first.end()
    second.end()
    settled(threads)


def test_who_has_waited_goes_on_before_new_work(made: Any) -> None:
    threads, order = made(1), list[str]()
    inside, go, over = threading.Event(), threading.Event(), threading.Event()

    def waits() -> None:
        with threads.off():
            inside.set()
            assert go.wait(PATIENCE)
        order.append("resumed")

    holds = Held(lambda: order.append("held"))
    threads.submit("a", waits)
    assert inside.wait(PATIENCE)
    threads.submit("b", holds)
    assert holds.begun.wait(PATIENCE)
    for number in range(20):
        threads.submit("c", lambda number=number: order.append(f"new {number}"))
    threads.submit("d", over.set)
    go.set()
    soon(lambda: bool(threads._resuming))
    holds.end()
    assert over.wait(PATIENCE)
    settled(threads)
    assert order[:3] == ["held", "resumed", "new 0"]


def test_an_app_that_floods_delays_another_by_one_turn(made: Any) -> None:
    threads, order = made(1), list[str]()
    holds = Held()
    threads.submit("first", holds)
    assert holds.begun.wait(PATIENCE)
    for _ in range(500):
        threads.submit("flood", lambda: order.append("flood"))
    for name in ("x", "y", "x", "y"):
        threads.submit(name, lambda name=name: order.append(name))
    assert threads.waiting == 504
    holds.end()
    done(threads)
    settled(threads)
    assert order[:6] == ["flood", "x", "y", "flood", "x", "y"]
    assert len(order) == 504


def test_demoted_work_goes_on_beside_the_others(made: Any) -> None:
    threads = made(1)
    slow = Held()

    def computes() -> None:
        threads.demote()
        threads.demote()  # once is enough
        with threads.off():
            slow()

    threads.submit("a", computes)
    assert slow.begun.wait(PATIENCE)
    settled(threads)
    slow.end()
    settled(threads)


def test_what_waits_is_not_demoted(made: Any) -> None:
    threads = made(1)
    waiting, go = threading.Event(), threading.Event()

    def waits() -> None:
        with threads.off():
            threads.demote()
            waiting.set()
            assert go.wait(PATIENCE)

    first, second = Held(), Held()
    threads.submit("a", waits)
    assert waiting.wait(PATIENCE)
    threads.submit("b", first)
    threads.submit("c", second)
    assert first.begun.wait(PATIENCE)
    assert threads.waiting == 1
    go.set()
    first.end()
    second.end()
    settled(threads)


def test_an_app_with_endless_work_waits_for_it(made: Any) -> None:
    threads = made(2)
    endless = [Held() for _ in range(MOST_DEMOTED_OF_APP)]
    for work in endless:
        threads.submit("endless", lambda work=work: (threads.demote(), work()))
        assert work.begun.wait(PATIENCE)
    next = Held()
    threads.submit("endless", next)
    done(threads)
    settled(threads)
    assert not next.begun.is_set()
    assert threads.waiting == 1
    endless[0].end()
    next.end()
    endless[1].end()
    settled(threads)
    assert not threads._demoted


def test_no_more_than_so_many_are_demoted(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "MOST_DEMOTED", 2)
    threads = made(2)
    works = [Held() for _ in range(4)]
    for number, work in enumerate(works):
        threads.submit(f"app {number}", lambda work=work: (threads.demote(), work()))
        assert work.begun.wait(PATIENCE)
    late = Held()
    threads.submit("late", late)  # the last two keep their permits
    assert not late.begun.is_set() and threads.waiting == 1
    works[2].end()
    late.end()
    for work in (works[0], works[1], works[3]):
        work.end()
    settled(threads)


def test_a_thread_ends_with_the_work_it_was_demoted_for(made: Any) -> None:
    left = list[str]()
    threads = made(1, lambda: left.append(threading.current_thread().name))
    found = list[threading.Thread]()

    def computes() -> None:
        found.append(threading.current_thread())
        threads.demote()

    threads.submit("a", computes)
    done(threads)
    found[0].join(PATIENCE)
    assert not found[0].is_alive()
    assert left == ["fazt-app"]
    settled(threads)
    others = [Held(), Held()]
    threads.submit("a", lambda: found.append(threading.current_thread()))
    for work in others:
        threads.submit("a", work)
        work.end()
    assert found[1].is_alive() and found[1] is not found[0]  # who was not demoted stays


def test_closing_ends_idle_and_busy_threads(made: Any) -> None:
    left = threading.Semaphore(0)
    threads = made(2, left.release)
    before = threading.active_count()
    settled(threads)
    busy, dropped = Held(), list[int]()
    threads.submit("a", busy)
    assert busy.begun.wait(PATIENCE)
    threads.close()
    threads.submit("a", lambda: dropped.append(1))
    busy.end()
    for _ in range(2):
        assert left.acquire(timeout=PATIENCE)
    joined()
    assert threading.active_count() <= before
    assert not dropped
    assert threads._running == threads._threads == 0


def test_closing_drops_what_waits_but_not_what_goes_on(made: Any) -> None:
    """Somebody who waits for a permit while the node closes gets it still."""
    threads = made(1)
    inside, go, resumed = threading.Event(), threading.Event(), threading.Event()

    def waits() -> None:
        with threads.off():
            inside.set()
            assert go.wait(PATIENCE)
        resumed.set()

    busy, dropped = Held(), list[int]()
    threads.submit("a", waits)
    assert inside.wait(PATIENCE)
    threads.submit("b", busy)
    assert busy.begun.wait(PATIENCE)
    threads.submit("c", lambda: dropped.append(1))
    go.set()
    soon(lambda: bool(threads._resuming))
    threads.close()
    busy.end()
    assert resumed.wait(PATIENCE)
    joined()
    assert not dropped and threads.waiting == 0


def test_outside_of_an_app_thread_nothing_is_given_back(made: Any) -> None:
    threads = made(1)
    with threads.off():
        threads.demote()
    settled(threads)


def test_a_system_without_threads_loses_neither_work_nor_permits(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, order = made(2), list[str]()
    real = threading.Thread.start

    def none(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    threads.submit("a", lambda: order.append("a 1"))
    threads.submit("a", lambda: order.append("a 2"))
    assert threads.waiting == 2 and not order
    monkeypatch.setattr(threading.Thread, "start", real)
    done(threads)
    settled(threads)
    assert sorted(order) == ["a 1", "a 2"]


def test_a_thread_that_ends_leaves_no_connection(made: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "data.db")
    try:
        threads = made(1, store.let_go)
        seen = list[Any]()

        def reads() -> None:
            seen.append(store.reader())
            threads.demote()

        for _ in range(3):
            threads.submit("a", reads)
            done(threads)
        settled(threads)
        threads.close()
        joined()
        assert len({id(one) for one in seen}) == 3
        assert store._readers == []
    finally:
        store.close()


def test_a_thread_may_read_again_after_it_let_go(tmp_path: Path) -> None:
    store = Store(tmp_path / "data.db")
    try:
        store.let_go()  # nothing to let go of
        first = store.reader()
        store.let_go()
        store.let_go()
        second = store.reader()
        assert second is not first
        assert second.execute("select 1").fetchall() == [(1,)]
        assert store._readers == [second]
    finally:
        store.close()
    store.let_go()  # the store was faster
