"""Guessing is slowed down, nobody is locked out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.net.asked import Asked
from kernel.security import throttle as module
from kernel.security.throttle import Throttle, network_of
from tests import support
from tests.support import Running

HOUR = 3600


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def throttle(clock: ManualClock) -> Throttle:
    return Throttle(clock)


def fail(throttle: Throttle, count: int, account: str = "owner", address: str = "203.0.113.1") -> None:
    for _ in range(count):
        throttle.failed(account, address)


@pytest.mark.parametrize(
    ("failures", "delay"),
    [(0, 0), (4, 0), (5, 0.5), (6, 1), (7, 2), (8, 4), (9, 8), (10, 16), (11, 30), (12, 30), (200, 30), (1000, 30)],
)
def test_the_delay_doubles_to_half_a_minute(throttle: Throttle, failures: int, delay: float) -> None:
    fail(throttle, failures)
    assert throttle.delay("owner", "203.0.113.1") == delay


def test_failures_are_forgotten_one_by_one(throttle: Throttle, clock: ManualClock) -> None:
    for _ in range(7):
        fail(throttle, 1)
        clock.advance(60)
    assert throttle.delay("owner", "203.0.113.1") == 2
    clock.advance(HOUR - 7 * 60)
    assert throttle.delay("owner", "203.0.113.1") == 1
    clock.advance(HOUR)
    assert throttle.delay("owner", "203.0.113.1") == 0


def test_success_forgets_the_failures_of_the_pair(throttle: Throttle) -> None:
    fail(throttle, 10)
    fail(throttle, 10, address="203.0.113.2")
    throttle.succeeded("owner", "203.0.113.1")
    assert throttle.delay("owner", "203.0.113.1") == 0
    assert throttle.delay("owner", "203.0.113.2") > 0


def test_other_accounts_and_addresses_do_not_wait(throttle: Throttle) -> None:
    fail(throttle, 20)
    assert throttle.delay("anna", "203.0.113.1") == 0
    assert throttle.delay("owner", "203.0.113.2") == 0


def test_many_addresses_on_one_account_wait_but_not_who_was_there_before(throttle: Throttle) -> None:
    throttle.succeeded("owner", "198.51.100.7")
    delays = []
    for number in range(120):
        fail(throttle, 1, address=f"203.0.113.{number}")
        delays.append(throttle.delay("owner", "192.0.2.99"))
    assert delays[:49] == [0] * 49
    assert delays[49] == 0.5 and delays[-1] > delays[49]
    assert delays == sorted(delays) and max(delays) <= 30
    assert throttle.delay("owner", "198.51.100.7") == 0
    assert throttle.delay("anna", "192.0.2.99") == 0
    # even a known address waits for its own failures
    fail(throttle, 5, address="198.51.100.7")
    assert throttle.delay("owner", "198.51.100.7") == 0.5


async def test_an_address_is_sent_away_after_fifty(throttle: Throttle, clock: ManualClock) -> None:
    for number in range(50):
        fail(throttle, 1, account=f"user{number}")
    with pytest.raises(FaztError) as raised:
        async with throttle.attempt("owner", "203.0.113.1"):
            pass
    assert (raised.value.code, raised.value.details) == ("RATE_LIMIT_EXCEEDED", {"retry_after": HOUR})
    async with throttle.attempt("owner", "203.0.113.2"):
        pass
    clock.advance(HOUR)
    async with throttle.attempt("owner", "203.0.113.1"):
        pass


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8:0:0:ffff::", "2001:db8::1", True),
        ("2001:db8:0:1::1", "2001:db8::1", False),
        ("::ffff:203.0.113.1", "203.0.113.1", True),
        ("203.0.113.1", "203.0.113.2", False),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("", "", True),
        ("nonsense", "nonsense", True),
    ],
)
def test_a_network_counts_as_one(throttle: Throttle, one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same
    fail(throttle, 10, address=one)
    assert (throttle.delay("owner", other) > 0) is same


async def test_attempts_of_a_pair_come_one_by_one(throttle: Throttle) -> None:
    inside, most, gates = 0, 0, [asyncio.Event() for _ in range(5)]

    async def attempt(gate: asyncio.Event) -> None:
        nonlocal inside, most
        async with throttle.attempt("owner", "203.0.113.1"):
            inside += 1
            most = max(most, inside)
            await gate.wait()
            inside -= 1

    tasks = [asyncio.ensure_future(attempt(gate)) for gate in gates]
    for gate in gates:
        await asyncio.sleep(0)
        gate.set()
    await asyncio.gather(*tasks)
    assert most == 1


async def test_ten_may_wait_for_a_pair(throttle: Throttle) -> None:
    gate = asyncio.Event()

    async def attempt() -> None:
        async with throttle.attempt("owner", "203.0.113.1"):
            await gate.wait()

    tasks = [asyncio.ensure_future(attempt()) for _ in range(10)]
    await asyncio.sleep(0)
    with pytest.raises(FaztError) as raised:
        await attempt()
    assert raised.value.code == "RATE_LIMIT_EXCEEDED"
    async with throttle.attempt("owner", "203.0.113.2"):
        pass
    for task in tasks[:5]:
        task.cancel()
    await asyncio.gather(*tasks[:5], return_exceptions=True)
    gate.set()
    await asyncio.gather(*tasks[5:])
    await attempt()
    assert throttle._queues == {}


def test_what_is_remembered_is_bounded(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REMEMBERED", 100)
    for number in range(1000):
        fail(throttle, 1, account=f"user{number}", address=f"10.0.{number // 250}.{number % 250}")
        throttle.succeeded(f"user{number}", "203.0.113.1")
    assert len(throttle._failures._at) <= 100
    assert len(throttle._trusted) <= 100


# --- over HTTP, from many addresses


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        await made.run("user.credentials", password="correct horse battery")
        yield made


async def test_a_brute_force_from_everywhere_does_not_delay_the_owner_at_home(
    node: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """#77: the account is guessed at from a hundred addresses; who signed in from home before goes on doing so."""
    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    node.clock.sleep = nap  # type: ignore[method-assign]
    here = ["192.0.2.1"]
    monkeypatch.setattr(Asked, "address", property(lambda asked: here[0]))

    async def login(address: str, password: str) -> int:
        here[0] = address
        return (await node.ask("POST", "/api/login", body={"username": "owner", "password": password})).status

    assert await login("192.0.2.1", "correct horse battery") == 200
    for number in range(100):
        assert await login(f"203.0.113.{number}", "wrong horse battery") == 401
    assert naps, "guessing from everywhere is not slowed down"
    naps.clear()
    assert await login("192.0.2.1", "correct horse battery") == 200
    assert naps == []
    # a new address waits, and then may
    assert await login("198.51.100.1", "correct horse battery") == 200
    assert naps and max(naps) <= 30
