"""Durations and sizes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.base.units import LONGEST_MS, format_duration, format_size, parse_duration, parse_size

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("said", "milliseconds"),
    [
        ("250ms", 250),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h", HOUR),
        ("7d", 7 * 24 * HOUR),
        ("1.5h", HOUR * 3 // 2),
        ("0.5s", 500),
        ("36500d", LONGEST_MS),
        (1, 1),
        (1500, 1500),
        (2.4, 2),
        ("1500", 1500),
        ("0.1ms", 1),
        (0.2, 1),
    ],
)
def test_a_duration_becomes_milliseconds(said: object, milliseconds: int) -> None:
    assert parse_duration(said) == milliseconds


@pytest.mark.parametrize(
    "said",
    [
        "", " ", "5 m", "5M", "m", "-5m", "5m5s", "1e3s", "5m ", " 5m", "５m junk", "∞d", "nan", "inf", "0s", "0",
        0, -1, 0.0, True, False, None, [], {}, b"5m", float("nan"), float("inf"), "36501d", LONGEST_MS + 1,
        "9" * 40 + "d", pytest.param("9" * 5000, id="5000 digits of text"), pytest.param(10**400, id="10**400"),
    ],
)  # fmt: skip
def test_what_is_no_duration_is_refused_in_words(said: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_duration(said)


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ("0B", 0),
        ("10B", 10),
        ("512KB", 512 << 10),
        ("32MB", 32 << 20),
        ("32 MB", 32 << 20),
        ("32mb", 32 << 20),
        (" 1GB ", 1 << 30),
        ("1.5GB", 3 << 29),
        ("2TB", 2 << 40),
        (0, 0),
        (1024, 1024),
        ("1024", 1024),
    ],
)
def test_a_size_becomes_bytes(said: object, count: int) -> None:
    assert parse_size(said) == count


@pytest.mark.parametrize(
    "said",
    [
        *["", "MB", "-1MB", "1PB", "1M", "1 K B", "1e3KB", -1, True, None, [], b"1KB", float("nan"), float("-inf")],
        pytest.param(10**400, id="10**400"),
    ],
)
def test_what_is_no_size_is_refused_in_words(said: object) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_size(said)


@given(st.integers(1, LONGEST_MS))
@settings(max_examples=200, deadline=None)
def test_a_shown_duration_can_be_typed_again_and_is_about_the_same(milliseconds: int) -> None:
    again = parse_duration(format_duration(milliseconds))
    assert abs(again - milliseconds) <= milliseconds * 0.001


@given(st.integers(0, 1 << 50))
@settings(max_examples=200, deadline=None)
def test_a_shown_size_can_be_typed_again_and_is_about_the_same(count: int) -> None:
    again = parse_size(format_size(count))
    assert abs(again - count) <= count * 0.001


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(1, "1ms"), (999, "999ms"), (1000, "1s"), (90_000, "1.5m"), (HOUR, "1h")]
)
def test_durations_are_shown_in_their_largest_unit(milliseconds: int, text: str) -> None:
    assert format_duration(milliseconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0B"), (1023, "1023B"), (1024, "1KB"), (1 << 20, "1MB")])
def test_sizes_are_shown_in_their_largest_unit(count: int, text: str) -> None:
    assert format_size(count) == text
