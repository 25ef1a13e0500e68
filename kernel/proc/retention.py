"""Which copies of the file stay: the last of each day for some days, the last of each week for some weeks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

DAILY, MANUAL = "daily", "manual"
_NAME = re.compile(r"data-(\d{8}T\d{6})\.(\d{3})Z-([a-z][a-z-]{0,30}[a-z])\.db")


class Kept(NamedTuple):
    """A copy, by its name: when it was made, and why."""

    name: str
    at: int
    kind: str
    bytes: int


def name_of(at: int, kind: str) -> str:
    return f"data-{_moment(at):%Y%m%dT%H%M%S}.{at % 1000:03}Z-{kind}.db"


def found_in(folder: Path) -> list[Kept]:
    """The copies there, the newest first."""
    found = []
    for path in folder.glob("data-*.db") if folder.is_dir() else ():
        named = _NAME.fullmatch(path.name)
        if named and path.is_file():
            try:
                moment = datetime.strptime(named[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            except ValueError:
                continue
            at = int(moment.timestamp()) * 1000 + int(named[2])
            found.append(Kept(path.name, at, named[3], path.stat().st_size))
    return sorted(found, key=lambda kept: (kept.at, kept.name), reverse=True)


def surplus(copies: Iterable[Kept], days: int, weeks: int, room: int) -> list[Kept]:
    """Of the daily ones (the newest first), those that go; also for want of room, but never the newest."""
    daily = [kept for kept in copies if kept.kind == DAILY]
    staying = _last_of_each(daily, "%Y-%j", days) | _last_of_each(daily, "%G-%V", weeks)
    if daily:
        staying.add(daily[0])
    taken, full = 0, False
    for kept in daily:
        if kept in staying:
            taken += kept.bytes
            full = full or taken > room
            if full and kept is not daily[0]:
                staying.discard(kept)
    return [kept for kept in daily if kept not in staying]


def _last_of_each(newest_first: list[Kept], period: str, most: int) -> set[Kept]:
    last: dict[str, Kept] = {}
    for kept in newest_first:
        last.setdefault(f"{_moment(kept.at):{period}}", kept)
    return set(list(last.values())[:most])


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at // 1000, UTC)
