"""Which copies of the file stay: the last of each day for some days, the last of each week for some weeks."""

from __future__ import annotations

from collections.abc import Iterable

from kernel.storage.copy_names import DAILY, Kept, moment


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
        last.setdefault(f"{moment(kept.at):{period}}", kept)
    return set(list(last.values())[:most])
