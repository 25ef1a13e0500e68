"""The body of a streaming answer: pushed on one thread, read on the loop."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.runtime.flow import FULL, MOST, Flow


class Told:
    """What was said to the loop, from whatever thread."""

    def __init__(self) -> None:
        self.count = 0
        self._loop = asyncio.get_running_loop()

    def __call__(self, what: Callable[[], None]) -> None:
        self.count += 1
        self._loop.call_soon_threadsafe(what)


async def all_of(flow: Flow) -> bytes:
    return b"".join([chunk async for chunk in flow.read()])


async def steps() -> None:
    """Let everything on the loop come as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def code(error: Any) -> str:
    assert isinstance(error, FaztError)
    return error.code


@pytest.mark.parametrize("seed", range(4))
async def test_all_of_it_comes_in_its_order(seed: int) -> None:
    chance = random.Random(seed)
    flow, room = Flow(Told()), threading.Semaphore(0)
    flow.drained = room.release
    chunks = [chance.randbytes(chance.choice((0, 1, 7, 4096, FULL // 2, FULL + 1))) for _ in range(300)]

    def push() -> None:
        for chunk in chunks:
            while room.acquire(blocking=False):
                pass
            if not flow.push(chunk) and flow.is_full:
                assert room.acquire(timeout=20), "nobody said that there is room again"

    reader = asyncio.ensure_future(all_of(flow))
    await asyncio.to_thread(push)
    flow.end()
    assert await reader == b"".join(chunks)
    assert flow.pushed == sum(map(len, chunks))
    assert not flow.is_full


async def test_the_code_is_asked_to_wait_and_told_when_there_is_room() -> None:
    flow, drained = Flow(Told()), list[bool]()
    flow.drained = lambda: drained.append(flow.is_full)
    assert flow.push(b"x" * (FULL - 1))
    assert not flow.is_full
    assert not flow.push(b"x")
    assert flow.is_full and not drained
    assert not flow.push(b"y"), "one that does not wait is served, for a while"
    async for chunk in flow.read():
        assert len(chunk) == FULL + 1
        break
    assert drained == [False]
    assert flow.push(b"z")


async def test_code_that_does_not_wait_is_stopped_at_last() -> None:
    flow = Flow(Told())
    while flow.pushed <= MOST:
        flow.push(b"x" * FULL)
    with pytest.raises(FaztError, match="not read as quickly") as caught:
        flow.push(b"x")
    assert code(caught.value) == "LIMIT_EXCEEDED"
    assert flow.pushed <= MOST + FULL


async def test_a_reader_that_stops_is_not_read_ahead_of() -> None:
    """Between two chunks nobody takes anything: the code must wait for the one who reads."""
    flow = Flow(Told())
    flow.push(b"first")
    reading = flow.read()
    assert await anext(reading) == b"first"
    while flow.push(b"x" * 1000):
        pass
    await steps()
    assert flow.is_full
    await anext(reading)
    assert not flow.is_full


async def test_many_small_pieces_wake_the_loop_once_and_come_together() -> None:
    told = Told()
    flow = Flow(told)
    for _ in range(10_000):
        flow.push(b"x")
    assert told.count == 1
    flow.end()
    assert [len(chunk) async for chunk in flow.read()] == [10_000]


async def test_what_comes_while_the_reader_waits_wakes_it() -> None:
    flow = Flow(Told())
    reader = asyncio.ensure_future(all_of(flow))
    for chunk in (b"a", b"b", b"c"):
        await steps()
        await asyncio.to_thread(flow.push, chunk)
    await steps()
    assert not reader.done()
    flow.end()
    assert await reader == b"abc"


async def test_an_error_comes_after_what_was_pushed_before_it() -> None:
    flow = Flow(Told())
    flow.push(b"some")
    flow.end(FaztError("TIMEOUT", "The handler took too long."))
    got = list[bytes]()
    with pytest.raises(FaztError) as caught:
        async for chunk in flow.read():
            got.append(chunk)
    assert got == [b"some"] and code(caught.value) == "TIMEOUT"


async def test_what_goes_wrong_after_the_end_does_not_spoil_it() -> None:
    """The answer is whole; what the code still did for itself has failed."""
    flow = Flow(Told())
    flow.push(b"whole")
    flow.end()
    flow.end(FaztError("TIMEOUT", "What was left to do took too long."))
    assert await all_of(flow) == b"whole"


async def test_an_error_stays_one() -> None:
    flow = Flow(Told())
    flow.end(FaztError("TIMEOUT", "The handler took too long."))
    flow.end()
    with pytest.raises(FaztError):
        await all_of(flow)


@pytest.mark.parametrize("how", ["end", "close"])
async def test_nothing_comes_after_the_end(how: str) -> None:
    flow = Flow(Told())
    getattr(flow, how)()
    with pytest.raises(FaztError) as caught:
        flow.push(b"late")
    assert code(caught.value) == "CLOSED"
    assert flow.pushed == 0


async def test_closing_lets_the_code_go_on_and_ends_the_reader() -> None:
    flow, drained = Flow(Told()), list[int]()
    reader = asyncio.ensure_future(all_of(flow))
    await steps()
    flow.drained = lambda: drained.append(1)
    flow.close()
    with pytest.raises(FaztError) as caught:
        await asyncio.wait_for(reader, 20)
    assert code(caught.value) == "CLOSED"
    assert drained == [1]


async def test_closing_forgets_what_nobody_reads() -> None:
    flow = Flow(Told())
    while flow.push(b"x" * 1000):
        pass
    flow.close()
    assert not flow.is_full and not flow._chunks


async def test_pushing_races_with_closing() -> None:
    for _ in range(30):
        flow, begun = Flow(Told()), threading.Event()

        def push(flow: Flow = flow, begun: threading.Event = begun) -> str:
            try:
                while True:
                    flow.push(b"x" * 10)
                    begun.set()
            except FaztError as error:
                return error.code

        pushing = asyncio.ensure_future(asyncio.to_thread(push))
        reader = asyncio.ensure_future(all_of(flow))
        await asyncio.to_thread(begun.wait, 20)
        flow.close()
        assert await asyncio.wait_for(pushing, 20) in ("CLOSED", "LIMIT_EXCEEDED")
        with pytest.raises(FaztError):
            await asyncio.wait_for(reader, 20)
