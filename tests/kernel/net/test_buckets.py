"""Token buckets: so many at once, so many a second, for so many addresses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kernel.net.buckets import Buckets


def test_a_burst_and_then_the_rate() -> None:
    buckets = Buckets(rate=10, burst=50)
    bucket = buckets.of("10.0.0.1", 100)
    assert sum(buckets.spend(bucket, 100) for _ in range(200)) == 50
    assert sum(buckets.spend(bucket, 101) for _ in range(200)) == 10
    assert sum(buckets.spend(bucket, 1000) for _ in range(200)) == 50


@given(st.lists(st.floats(0, 2), max_size=300))
def test_never_more_than_the_burst_and_the_rate_allow(pauses: list[float]) -> None:
    buckets = Buckets(rate=3, burst=7)
    bucket, now, given_out = buckets.of("x", 0), 0.0, 0
    for pause in pauses:
        now += pause
        given_out += buckets.spend(bucket, now)
        assert given_out <= 7 + 3 * now + 1e-6
        assert 0 <= bucket.tokens <= 7


def test_what_is_refused_costs_nothing() -> None:
    buckets = Buckets(rate=1, burst=1)
    bucket = buckets.of("10.0.0.1", 0)
    assert buckets.spend(bucket, 0)
    assert not any(buckets.spend(bucket, n / 100) for n in range(99))
    assert buckets.spend(bucket, 1)


def test_how_long_to_wait() -> None:
    buckets = Buckets(rate=1, burst=1)
    bucket = buckets.of("10.0.0.1", 0)
    buckets.spend(bucket, 0)
    assert buckets.wait(bucket) == 1
    assert Buckets(rate=100, burst=1).wait(bucket) == 1


def test_an_ipv6_customer_is_one_address() -> None:
    buckets = Buckets(rate=1, burst=1)
    assert buckets.of("2001:db8::1", 0) is buckets.of("2001:db8::ffff:1", 0)
    assert buckets.of("2001:db8::1", 0) is not buckets.of("2001:db8:0:1::1", 0)
    assert buckets.of("::ffff:10.0.0.1", 0) is buckets.of("10.0.0.1", 0)


def test_who_is_gone_is_forgotten_and_who_owes_is_not() -> None:
    buckets = Buckets(rate=1, burst=10)
    idle, busy, connected = (buckets.of(f"10.0.0.{n}", 0) for n in range(3))
    connected.connections = 1
    for _ in range(9):
        buckets.spend(busy, 0)
    buckets.forget(5)
    assert len(buckets) == 2
    assert buckets.of("10.0.0.1", 5) is busy and buckets.of("10.0.0.2", 5) is connected
    assert buckets.of("10.0.0.0", 5) is not idle
    buckets.forget(20)
    assert len(buckets) == 1


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    buckets = Buckets(rate=1, burst=2, most=100)
    held = buckets.of("192.0.2.1", 0)
    held.connections = 1
    for n in range(5000):
        buckets.spend(buckets.of(f"10.0.{n // 250}.{n % 250}", 0), 0)
    assert len(buckets) <= 100
    assert buckets.of("192.0.2.1", 0) is held
