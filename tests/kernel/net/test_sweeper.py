"""One timer over all connections."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kernel.base.clock import ManualClock
from kernel.net import sweeper
from kernel.net.gate import NOBODY, Gate
from kernel.net.pace import BODY_SECONDS, DRAIN_SECONDS, LEAST_RATE, Inflow, Outflow
from kernel.net.sweeper import FORGET_SECONDS, Sweeper
from tests.kernel.net.lines import GET, Lines, connect, limit, node
from tests.support import Running

__all__ = ["connect", "node"]


class Connection:
    """One that remembers when it was looked at."""

    def __init__(self, broken: bool = False) -> None:
        self.peer, self.broken = NOBODY, broken
        self.looked: list[float] = []
        self.aborted = False

    def sweep(self, now: float) -> None:
        self.looked.append(now)
        if self.broken:
            raise RuntimeError("broken")

    def abort(self) -> None:
        self.aborted = True


@pytest.fixture
def gate() -> Gate:
    return Gate(clock=ManualClock())


def test_one_that_cannot_be_looked_at_ends_and_the_others_are_looked_at(
    gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    connections: list[Any] = [Connection(broken=n == 1) for n in range(3)]
    gate.connections.update(connections)
    Sweeper(gate).sweep()
    assert [len(connection.looked) for connection in connections] == [1, 1, 1]
    assert [connection.aborted for connection in connections] == [False, True, False]
    assert len(caplog.records) == 1


async def test_it_looks_again_and_again_until_it_is_stopped(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "SECONDS", 0)
    connection: Any = Connection()
    gate.connections.add(connection)
    swept = Sweeper(gate)
    swept.start()
    swept.start()
    async with asyncio.timeout(20):
        while len(connection.looked) < 3:  # noqa: ASYNC110 - what is waited for is not ours to signal
            await asyncio.sleep(0)
    swept.stop()
    count = len(connection.looked)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(connection.looked) == count


def test_addresses_that_are_gone_are_forgotten(gate: Gate) -> None:
    gate.buckets.of("10.0.0.1", gate.now())
    swept = Sweeper(gate)
    swept.sweep()
    assert len(gate.buckets) == 1
    gate.clock.advance(FORGET_SECONDS)  # type: ignore[attr-defined]
    swept.sweep()
    assert len(gate.buckets) == 0


async def test_a_limit_that_is_changed_holds_within_a_sweep(node: Running, connect: Lines) -> None:
    await node.run("config.set", name="limits.net.maxConnections", value=10)
    await node.run("config.set", name="limits.net.requestsPerSecond", value=7)
    await node.run("config.set", name="net.trusted_proxies", value="127.0.0.1, unix")
    await connect.pass_time(1)
    gate = node.server.gate
    assert (gate.most, gate.buckets.rate, gate.proxies.unix) == (10, 7, True)
    assert b"X-RateLimit-Limit: 7\r\n" in gate._too_many[True]


async def test_idle_connections_are_all_looked_at_and_none_is_closed(node: Running, connect: Lines) -> None:
    limit(node, maxConnections=2000)
    lines = [await connect() for _ in range(300)]
    assert [await line.ask(GET + b"\r\n") for line in lines] == [200] * 300
    for _ in range(10):
        await connect.pass_time(7)
    assert len(node.server.gate.connections) == 300
    await connect.pass_time(10)
    await connect.seen(0)


# --- pace


def test_a_body_has_to_come_at_a_rate() -> None:
    flow = Inflow(0, 0)
    assert not flow.slow(BODY_SECONDS - 0.1, 0)
    assert not flow.slow(BODY_SECONDS, int(LEAST_RATE * BODY_SECONDS))
    assert not flow.slow(2 * BODY_SECONDS - 0.1, int(LEAST_RATE * BODY_SECONDS))
    assert flow.slow(2 * BODY_SECONDS, int(LEAST_RATE * BODY_SECONDS * 1.9))


@pytest.mark.parametrize(
    ("sizes", "moved", "stuck"),
    [
        ([100_000, 100_000, 100_000], False, True),
        ([100_000, 200_000, 300_000], False, True),
        ([100_000, 99_000, 98_000], False, True),
        ([100_000, 80_000, 60_000], False, False),
        ([100_000, 60_000, 100_000], False, False),
        ([100_000, 100_000, 100_000], True, False),
    ],
)
def test_a_buffer_has_to_shrink_now_and_then(sizes: list[int], moved: bool, stuck: bool) -> None:
    flow = Outflow(0, sizes[0])
    assert not flow.stuck(DRAIN_SECONDS / 2, sizes[1])
    flow.moved = moved
    assert flow.stuck(DRAIN_SECONDS, sizes[2]) is stuck
    assert not flow.stuck(DRAIN_SECONDS + 1, sizes[2]), "a new window has begun"
