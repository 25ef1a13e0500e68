"""Values of documents as SQL compares them: numbers as in JavaScript, objects whatever the order of their keys."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from kernel.base.json import decode
from kernel.data.doc_paths import MISSING, value_at

# up to here every whole number is a double of its own
_WHOLE = 2**53


def number(value: int | float) -> int | float:
    """A number as it is stored and compared: beyond 2^53 the nearest double. ValueError where there is none."""
    if isinstance(value, int) and -_WHOLE <= value <= _WHOLE:
        return value
    try:
        near = float(value)
    except OverflowError:
        near = math.inf
    if not math.isfinite(near):
        raise ValueError("must be a finite number")
    return near


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def encoded(value: Any) -> Any:
    """A JSON value as it lies in a slot; None where it is not indexed."""
    if isinstance(value, bool):
        return b"\x01" if value else b"\x00"
    if isinstance(value, str):
        return value
    return number(value) if is_number(value) else None


def canonical(value: Any) -> str:
    """The same text for equal values, another one for others: true is not 1, but 1.0 is."""
    return json.dumps(_ordinary(value), sort_keys=True, separators=(",", ":"))


def same(one: Any, other: Any) -> bool:
    """Deep equality of two JSON values."""
    return canonical(one) == canonical(other)


def _ordinary(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordinary(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_ordinary(item) for item in value]
    if is_number(value):
        near = number(value)
        return int(near) if float(near).is_integer() and abs(near) <= _WHOLE else near
    return value


# --- as functions of SQL: they never fail


def _read(text: Any) -> Any:
    if not isinstance(text, str):
        return MISSING
    try:
        return decode(text)
    except (msgspec.DecodeError, RecursionError):
        return MISSING


def doc_canonical(text: Any) -> str | None:
    value = _read(text)
    return None if value is MISSING else canonical(value)


def doc_at(text: Any, segments: Any) -> str | None:
    """The JSON of what a path (a JSON list of its parts) leads to; null where there is nothing."""
    path = _read(segments)
    value = value_at(_read(text), tuple(path)) if isinstance(path, list) else MISSING
    return None if value is MISSING else json.dumps(value)


FUNCTIONS = {"doc_canonical": doc_canonical, "doc_at": doc_at}
