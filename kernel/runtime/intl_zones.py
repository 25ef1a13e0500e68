"""Time zones for `Intl`: their names, and how far they are from UTC at a moment."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from kernel.base.errors import FaztError

NAME = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}")
FIRST, LAST = -62_135_510_400, 253_402_214_400  # a day inside of the years 1 to 9999
LONGEST_SPAN = 8 * 86_400  # shorter than any two changes of a zone are apart
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def _names() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def zone_named(name: Any) -> ZoneInfo:
    known = _names().get(name.lower()) if isinstance(name, str) and NAME.fullmatch(name) else None
    if known is None:
        raise FaztError("INVALID_ARGUMENT", f"Invalid time zone specified: {str(name)[:80]}", name="RangeError")
    return ZoneInfo(known)


def moment(told: dict[str, Any], after: int = 0) -> datetime:
    seconds = min(max(int(told["ms"]) // 1000 + after, FIRST), LAST)
    return (EPOCH + timedelta(seconds=seconds)).astimezone(zone_named(told["zone"]))


def _zone(told: dict[str, Any]) -> str:
    key = zone_named(told["zone"]).key
    return "UTC" if key in ("Etc/UTC", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal") else key


def _offset(told: dict[str, Any]) -> int | None:
    """Seconds to add to UTC; nothing if they change within the span that is asked for."""
    offset = _seconds(moment(told))
    span = int(told.get("span") or 0) // 1000
    if 0 < span <= LONGEST_SPAN and _seconds(moment(told, span)) != offset:
        return None
    return offset


def _seconds(when: datetime) -> int:
    distance = when.utcoffset()
    return int(distance.total_seconds()) if distance else 0


OPS: dict[str, Callable[[dict[str, Any]], Any]] = {"intl.zone": _zone, "intl.offset": _offset}
