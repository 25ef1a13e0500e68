"""The writer: what waits is committed as one group, and nobody hears of it before."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.base.errors import FaztError
from kernel.storage import writer as module
from kernel.storage.store import Store
from kernel.syscall.plan import Step, Write, expect

from .support import HOLD, Gate, insert, make, numbers

WRONG = FaztError("CONFLICT", "Not as expected.")
UPDATE = Step("update plain set at = 'x' where n = :n", {"n": 1})


async def settled(*tasks: asyncio.Task[Any]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def held(store: Store, gate: Gate) -> asyncio.Task[Any]:
    """A writer that stands in the middle of a group of its own."""
    task = asyncio.create_task(store.write([HOLD]))
    await asyncio.sleep(0)
    assert await asyncio.to_thread(gate.entered.wait, 30)
    return task


async def together(store: Store, gate: Gate, *batches: list[Step]) -> list[Any]:
    """The outcome of batches that are committed as one group."""
    first = await held(store, gate)
    tasks = [asyncio.create_task(store.write(batch)) for batch in batches]
    await asyncio.sleep(0)
    gate.opened.set()
    await settled(first)
    return await settled(*tasks)


# --- groups -----------------------------------------------------------------------------------------------------------


async def test_what_waits_is_committed_as_one_group(store: Store, gate: Gate) -> None:
    before = store.writer.groups
    await together(store, gate, *([insert(n)] for n in range(100)))
    assert (store.writer.groups - before, numbers(store)) == (2, list(range(100)))


async def test_a_group_is_not_endless(store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IN_GROUP", 10)
    monkeypatch.setattr(module, "MOST_STEPS_IN_GROUP", 12)
    before = store.writer.groups
    await together(store, gate, *([insert(n), insert(n + 1)] for n in range(0, 48, 2)))
    assert (store.writer.groups - before, numbers(store)) == (1 + 4, list(range(48)))


async def test_each_batch_hears_its_own_rows(store: Store, gate: Gate) -> None:
    outcome = await together(
        store,
        gate,
        [Step("select 1 as a", {}), Step("select 2, 3 union select 4, 5", {})],
        [],
        [Step("insert into plain (n) values (7) returning n", {})],
    )
    assert outcome == [[[(1,)], [(2, 3), (4, 5)]], [], [[(7,)]]]


BAD = {
    "a constraint": [insert(50), insert(50)],
    "a check": [insert(50), insert(51, "bad")],
    "no such table": [insert(50), Step("insert into nowhere values (1)", {})],
    "a missing value": [insert(50), Step("insert into plain (n) values (:n)", {})],
    "a value SQLite cannot hold": [insert(50), Step("insert into plain (n) values (:n)", {"n": 2**70})],
    "an expectation": [insert(50), UPDATE, expect(1, WRONG)],
    "alone": [insert(51, "bad")],
}


@pytest.mark.parametrize("bad", list(BAD))
async def test_a_batch_that_fails_does_so_alone_and_leaves_nothing(store: Store, gate: Gate, bad: str) -> None:
    outcome = await together(store, gate, [insert(2)], BAD[bad], [insert(3), insert(4)])
    assert isinstance(outcome[1], Exception)
    assert (outcome[0], outcome[2]) == ([[]], [[], []])
    assert numbers(store) == [2, 3, 4]


async def test_no_answer_is_given_for_what_a_batch_that_ends_the_transaction_undid(store: Store, gate: Gate) -> None:
    outcome = await together(store, gate, [insert(2)], [insert(50), Step("rollback", {}), insert(51)], [insert(3)])
    for batch, answer in zip(([2], [50, 51], [3]), outcome, strict=True):
        there = [n in numbers(store) for n in batch]
        assert all(there) if not isinstance(answer, Exception) else not all(there)
    await store.write([insert(60)])
    assert 60 in numbers(store)


async def test_the_step_that_a_constraint_stopped_says_which_error_is_heard(store: Store) -> None:
    await store.write([insert(1)])
    with pytest.raises(FaztError, match="Not as expected"):
        await store.write([insert(2), insert(1)._replace(error=WRONG)])
    with pytest.raises(apsw.ConstraintError):
        await store.write([insert(2)._replace(error=WRONG), insert(1)])
    assert numbers(store) == [1]


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_expect_fails_the_batch_unless_exactly_so_many_rows_changed(store: Store, count: int) -> None:
    await store.write([insert(n) for n in range(count)])
    change = Step("update plain set at = 'changed' where n >= 0", {})
    for wanted in (0, 1, 2):
        plan = Write([insert(100), Step("delete from plain where n = 100", {}), change]).expect(wanted, WRONG)
        if wanted == count:
            await store.write(plan.steps)
        else:
            with pytest.raises(FaztError, match="Not as expected"):
                await store.write(plan.steps)
    assert store.reader().execute("select count(*) from plain where at = 'changed'").get == count
    assert store.reader().execute("select count(*) from expect").get == 0


async def test_of_many_that_expect_to_be_first_one_is(store: Store, gate: Gate) -> None:
    await store.write([insert(1)])
    take = [Step("update plain set at = 'taken' where n = 1 and at = ''", {}), expect(1, WRONG)]
    outcome = await together(store, gate, *([take] * 20))
    assert sorted(type(one).__name__ for one in outcome) == ["FaztError"] * 19 + ["list"]


# a batch is a list of numbers to insert; -1 is a statement that fails
batches = st.lists(st.lists(st.integers(-1, 12), max_size=4), min_size=1, max_size=8)


@given(batches)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_is_in_a_group_each_batch_happens_whole_or_not_at_all(
    tmp_path: Path, waiting: list[list[int]]
) -> None:
    gate = Gate()
    store = make(tmp_path, gate=gate)
    await store.write([Step("delete from plain", {})])
    try:
        outcome = await together(
            store, gate, *([insert(n, "bad" if n < 0 else "") for n in batch] for batch in waiting)
        )
        expected: list[int] = []
        for batch, answer in zip(waiting, outcome, strict=True):
            succeeds = -1 not in batch and len({*expected, *batch}) == len(expected) + len(batch)
            assert isinstance(answer, Exception) is not succeeds
            expected += batch if succeeds else []
        assert numbers(store) == sorted(expected)
    finally:
        store.close()


# --- who waits --------------------------------------------------------------------------------------------------------


async def test_threads_and_the_loop_write_at_once_and_everybody_is_told(store: Store) -> None:
    def many(first: int) -> None:
        for n in range(first, first + 50):
            assert store.write_blocking([Step("insert into plain (n) values (:n) returning n", {"n": n})]) == [[(n,)]]

    with ThreadPoolExecutor(8) as pool:
        threads = [asyncio.get_running_loop().run_in_executor(pool, many, 1000 * k) for k in range(8)]
        loop = [store.write([insert(100_000 + n)]) for n in range(200)]
        await asyncio.gather(*threads, *loop)
    assert len(numbers(store)) == 8 * 50 + 200


def test_two_loops_are_each_told_of_their_own(store: Store) -> None:
    async def one(n: int) -> Any:
        return await store.write([Step("insert into plain (n) values (:n) returning n", {"n": n})])

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda n: asyncio.run(one(n)), range(20)))
    assert answers == [[[(n,)]] for n in range(20)]


# the loop that was made to lie about being closed complains when it is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("late", [False, True], ids=["before it was told", "while it was told"])
def test_a_loop_that_was_closed_meanwhile_harms_nobody(store: Store, gate: Gate, late: bool) -> None:
    async def leave() -> None:
        asyncio.get_running_loop().create_task(store.write([HOLD]))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(gate.entered.wait, 30)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.close()
    if late:
        # the writer looked a moment before the loop was closed
        loop.is_closed = lambda: False  # type: ignore[method-assign]
    gate.opened.set()
    store.write_blocking([insert(1)], timeout=10)
    vars(loop).pop("is_closed", None)
    assert store.writer.alive
    assert numbers(store) == [1]


def taken_before_waiting(store: Store, gate: Gate) -> Callable[..., Any]:
    """A blocking write that begins to wait only when the writer is already at work on it."""
    submit = store.writer._submit

    def submitted(batch: module.Batch) -> module.Batch:
        submit(batch)
        assert gate.entered.wait(30)
        return batch

    store.writer._submit = submitted  # type: ignore[method-assign]
    return store.write_blocking


def test_a_write_that_timed_out_before_it_was_taken_was_withdrawn(store: Store, gate: Gate) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(store.write_blocking, [HOLD])
        assert gate.entered.wait(30)
        with pytest.raises(FaztError) as refused:
            store.write_blocking([insert(1)], timeout=0)
        gate.opened.set()
        first.result(30)
    assert refused.value.code == "TIMEOUT"
    store.write_blocking([insert(2)])
    assert numbers(store) == [2]


def test_a_write_that_timed_out_after_it_was_taken_is_waited_for(store: Store, gate: Gate) -> None:
    write = taken_before_waiting(store, gate)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(write, [HOLD, insert(1)], timeout=0)
        assert gate.entered.wait(30)
        gate.opened.set()
        assert slow.result(30) == [[(1,)], []]
    assert numbers(store) == [1]


def test_a_write_that_timed_out_was_withdrawn_or_is_waited_for_never_both(store: Store) -> None:
    made: list[int] = []
    for n in range(300):
        try:
            store.write_blocking([insert(n)], timeout=0)
            made.append(n)
        except FaztError as error:
            assert error.code == "TIMEOUT"
    store.write_blocking([insert(1000)])
    assert numbers(store) == [*made, 1000]


async def test_a_write_cancelled_before_it_was_taken_is_withdrawn(store: Store, gate: Gate) -> None:
    first = await held(store, gate)
    task = asyncio.create_task(store.write([insert(1)]))
    await asyncio.sleep(0)
    task.cancel()
    assert isinstance((await settled(task))[0], asyncio.CancelledError)
    gate.opened.set()
    await first
    await store.write([insert(2)])
    assert numbers(store) == [2]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_write_cancelled_after_it_was_taken_is_waited_for(store: Store, gate: Gate, times: int) -> None:
    task = asyncio.create_task(store.write([HOLD, insert(1)]))
    await asyncio.sleep(0)
    assert await asyncio.to_thread(gate.entered.wait, 30)
    for _ in range(times):
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
    knew_too_early = task.done()
    gate.opened.set()
    await settled(task)
    await store.write([insert(2)])
    assert numbers(store) == [1, 2]
    assert not knew_too_early, "the caller heard of a cancellation while the write was on its way into the file"


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_closing_writes_what_waits_and_refuses_what_comes_later(store: Store, gate: Gate) -> None:
    first = await held(store, gate)
    waiting = [asyncio.create_task(store.write([insert(n)])) for n in range(5)]
    await asyncio.sleep(0)
    closing = asyncio.get_running_loop().run_in_executor(None, store.writer.close)
    while not store.writer._stopping:  # noqa: ASYNC110 - nothing else tells when
        await asyncio.sleep(0)
    for late in (store.write([insert(9)]), asyncio.to_thread(store.write_blocking, [insert(9)])):
        with pytest.raises(FaztError) as refused:
            await late
        assert (refused.value.code, refused.value.retryable) == ("SERVICE_UNAVAILABLE", True)
    gate.opened.set()
    await asyncio.gather(first, *waiting, closing)
    assert not store.writer.alive
    assert numbers(store) == [0, 1, 2, 3, 4]


async def test_when_too_much_waits_the_next_write_is_refused_and_the_others_are_made(
    store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    first = await held(store, gate)
    tasks = [asyncio.create_task(store.write([insert(n)])) for n in range(5)]
    await asyncio.sleep(0)
    gate.opened.set()
    await first
    outcome = await settled(*tasks)
    refused = [one for one in outcome if isinstance(one, FaztError)]
    assert [(error.code, error.status) for error in refused] == [("SERVICE_UNAVAILABLE", 503)] * 2
    assert numbers(store) == [0, 1, 2]


async def test_a_withdrawn_write_makes_room_for_another(
    store: Store, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    first = await held(store, gate)
    given_up = [asyncio.create_task(store.write([insert(n)])) for n in range(3)]
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    await settled(*given_up)
    late = asyncio.create_task(store.write([insert(7)]))
    await asyncio.sleep(0)
    gate.opened.set()
    await first
    await late
    assert numbers(store) == [7]


# --- when the disk says no --------------------------------------------------------------------------------------------


async def test_when_commit_fails_the_whole_group_fails_and_the_writer_goes_on(store: Store, gate: Gate) -> None:
    refusing = True
    store.writer.connection.set_commit_hook(lambda: refusing)
    *outcome, doomed = await together(
        store, gate, *([insert(n)] for n in range(5)), [insert(0, "bad")._replace(error=WRONG)]
    )
    assert all(isinstance(one, Exception) for one in outcome)
    assert (doomed, numbers(store)) == (WRONG, [])
    refusing = False
    await store.write([insert(7)])
    assert numbers(store) == [7]


async def test_each_of_a_group_that_failed_hears_an_error_of_its_own(store: Store, gate: Gate) -> None:
    """A shared one would collect the traces of all, and what a door adds to it."""
    refusing = True
    store.writer.connection.set_commit_hook(lambda: refusing)
    one, other = await together(store, gate, [insert(1)], [insert(2)])
    refusing = False
    assert isinstance(one, FaztError)
    assert one is not other
    assert one.public() == other.public()
    assert (one.code, one.retryable) == ("STORAGE_ERROR", True)


def fill(n: int) -> list[Step]:
    return [Step("insert into plain (n, at) values (:n, zeroblob(100000))", {"n": n})]


@pytest.mark.parametrize("more", [[], [insert(500)]], ids=["one statement", "two statements"])
async def test_a_full_disk_is_told_nothing_is_written_and_room_makes_it_go_on(store: Store, more: list[Step]) -> None:
    connection = store.writer.connection
    connection.pragma("max_page_count", connection.pragma("page_count") + 20)
    await store.write(fill(1))
    with pytest.raises(FaztError) as refused:
        await store.write([*more, *fill(2)])
    assert (refused.value.code, refused.value.status) == ("STORAGE_FULL", 507)
    assert numbers(store) == [1]
    connection.pragma("max_page_count", 1 << 30)
    await store.write(fill(2))
    assert numbers(store) == [1, 2]


async def test_on_a_full_disk_nobody_in_the_group_is_told_what_is_not_true(store: Store, gate: Gate) -> None:
    connection = store.writer.connection
    connection.pragma("max_page_count", connection.pragma("page_count") + 15)
    outcome = await together(store, gate, *(fill(n) if n % 3 == 0 else [insert(n)] for n in range(9)))
    assert [n for n, one in enumerate(outcome) if not isinstance(one, Exception)] == numbers(store)
    errors = [one for one in outcome if isinstance(one, Exception)]
    assert errors
    assert {getattr(error, "code", repr(error)) for error in errors} == {"STORAGE_FULL"}
    connection.pragma("max_page_count", 1 << 30)
    await store.write([insert(100)])


def test_the_writer_has_one_thread_that_does_not_keep_the_program_alive(store: Store) -> None:
    threads = [thread for thread in threading.enumerate() if thread.name == "fazt-writer"]
    assert threads
    assert all(thread.daemon for thread in threads)
    assert store.writer.alive
