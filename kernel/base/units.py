"""Durations (`250ms 30s 5m 1h 7d`) and sizes (`32MB` = 32·1024²), as people write them."""

from __future__ import annotations

import math
import re
from typing import TypeGuard

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|[smhd])")
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?) ?([KMGT]?B)", re.IGNORECASE)
LONGEST_MS = 100 * 365 * _MILLISECONDS["d"]


def _is_number(value: object) -> TypeGuard[float]:
    # a whole number beyond every float is no number of anything
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 1 << 63
    return isinstance(value, float) and math.isfinite(value)


def parse_duration(value: object) -> int:
    """Milliseconds of a duration: text with a unit, or a bare number of milliseconds."""
    if isinstance(value, str):
        matched = _DURATION.fullmatch(value)
        if matched:
            value = float(matched[1]) * _MILLISECONDS[matched[2]]
        elif re.fullmatch(r"\d{1,15}", value):
            value = int(value)
    if not _is_number(value):
        raise ValueError('must be a number of milliseconds or text like "250ms", "30s", "5m", "1h", "7d"')
    if not 0 < value <= LONGEST_MS:
        raise ValueError("must be longer than nothing and shorter than a hundred years")
    return max(1, round(value))


def parse_size(value: object) -> int:
    """Bytes of a size: text with a unit, or a bare number of bytes."""
    bare = not isinstance(value, str)
    if isinstance(value, str):
        matched = _SIZE.fullmatch(value.strip())
        if matched:
            value = float(matched[1]) * _BYTES[matched[2].upper()]
        elif re.fullmatch(r"\d{1,18}", value):
            value = int(value)
    if not _is_number(value) or value < 0 or value >= 1 << 53 or (bare and value != int(value)):
        raise ValueError('must be a number of bytes or text like "512KB", "32MB", "1GB"')
    return round(value)


def format_duration(milliseconds: int) -> str:
    for unit in ("d", "h", "m", "s"):
        if milliseconds >= _MILLISECONDS[unit]:
            return _short(milliseconds / _MILLISECONDS[unit]) + unit
    return f"{milliseconds}ms"


def format_size(count: int) -> str:
    for unit in ("TB", "GB", "MB", "KB"):
        if count >= _BYTES[unit]:
            return _short(count / _BYTES[unit]) + unit
    return f"{count}B"


def _short(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")
