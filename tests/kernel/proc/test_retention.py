"""Which copies stay: checked against what a person would pick by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.proc.retention import surplus
from kernel.storage.copy_names import DAILY, MANUAL, Kept, found_in, name_of

HOUR, DAY = 3_600_000, 24 * 3_600_000
NOW = int(datetime(2026, 11, 21, 3, tzinfo=UTC).timestamp()) * 1000
PLENTY = 1 << 60


def daily(*hours_ago: float, size: int = 10) -> list[Kept]:
    return [
        Kept(name_of(at, DAILY), at, DAILY, size)
        for at in sorted((NOW - round(h * HOUR) for h in hours_ago), reverse=True)
    ]


def stay(copies: list[Kept], days: int = 7, weeks: int = 4, room: int = PLENTY) -> list[Kept]:
    gone = surplus(copies, days, weeks, room)
    return [kept for kept in copies if kept not in gone]


def test_a_year_of_days_leaves_seven_days_and_four_weeks() -> None:
    copies = daily(*(24 * n for n in range(365)))
    ages = [(NOW - kept.at) // DAY for kept in stay(copies)]
    # the 21st is a Saturday; weeks end on Sundays
    assert ages == [0, 1, 2, 3, 4, 5, 6, 13, 20]


def test_several_of_a_day_leave_the_last() -> None:
    assert [(NOW - kept.at) // HOUR for kept in stay(daily(0, 1, 2, 30, 31))] == [0, 30]


def test_copies_made_by_hand_are_nobodys_business() -> None:
    manual = [Kept(name_of(NOW - n * DAY, MANUAL), NOW - n * DAY, MANUAL, 10) for n in range(50)]
    assert surplus(manual, 1, 0, 0) == []


def test_without_room_the_oldest_go_and_the_newest_stays() -> None:
    copies = daily(*(24 * n for n in range(7)))
    assert stay(copies, room=35) == copies[:3]
    assert stay(copies, room=0) == copies[:1]


@given(
    st.lists(st.integers(0, 400 * 24), max_size=60, unique=True),
    st.integers(1, 20),
    st.integers(0, 20),
    st.integers(0, 800),
)
def test_what_stays(hours: list[int], days: int, weeks: int, room: int) -> None:
    copies = daily(*hours)
    kept = stay(copies, days, weeks, room)
    assert kept == [copy for copy in copies if copy in kept], "in order"
    if copies:
        assert kept[0] == copies[0], "the newest always"
    assert sum(copy.bytes for copy in kept[1:]) <= room or len(kept) == 1
    assert len(kept) <= days + weeks + 1
    # again changes nothing
    assert stay(kept, days, weeks, room) == kept
    if room >= 10 * len(copies):
        of_days = {datetime.fromtimestamp(copy.at // 1000, UTC).date() for copy in copies}
        newest_days = sorted(of_days, reverse=True)[:days]
        for day in newest_days:
            last = next(copy for copy in copies if datetime.fromtimestamp(copy.at // 1000, UTC).date() == day)
            assert last in kept


@pytest.mark.parametrize("kind", ["daily", "manual", "pre-migration"])
@pytest.mark.parametrize("at", [0, 1, NOW, NOW + 999])
def test_a_name_says_when_and_why(tmp_path: Path, kind: str, at: int) -> None:
    (tmp_path / name_of(at, kind)).write_bytes(b"12345")
    assert found_in(tmp_path) == [Kept(name_of(at, kind), at, kind, 5)]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("data-20261121T030000.000Z-daily.db.part", "data-20261399T030000.000Z-daily.db", "data-x.db", "notes"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / name_of(NOW, "daily")).mkdir()
    assert found_in(tmp_path) == []
    assert found_in(tmp_path / "none") == []
