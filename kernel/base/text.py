"""What text from outside may hold."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import msgspec

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
MAX_DEPTH = 100


def check_line(value: object, most: int, least: int = 0) -> str:
    """One line of text: no control characters, no direction tricks, no half characters."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    if not least <= len(value) <= most:
        raise ValueError(f"must have {least} to {most} characters, has {len(value)}")
    # the common case in one C call; everything else is looked at closely
    if not (value.isascii() and value.isprintable()):
        found = _FORBIDDEN.search(value)
        if found:
            raise ValueError(f"must not contain the control character U+{ord(found[0]):04X}")
    return value


def check_json(value: Any, depth: int = 0) -> Any:
    """A JSON value that can be stored and given back unchanged."""
    if depth == 0 and _is_fine(value):
        return value
    if isinstance(value, str):
        found = None if value.isascii() else _SURROGATE.search(value)
        if found:
            raise ValueError(f"must not contain U+{ord(found[0]):04X}, half of a surrogate pair")
    elif isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            for key, item in value.items():
                check_json(key, depth)
                check_json(item, depth + 1)
        else:
            for item in value:
                check_json(item, depth + 1)
    elif isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise ValueError("must not contain NaN or Infinity")
    return value


def _is_fine(value: Any) -> bool:
    """A quick look that says yes to nearly everything. No: look closely."""
    try:
        # it refuses half of a surrogate pair, and writes what is no number as null
        text = msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):
        return False
    if text.count(b"{") + text.count(b"[") <= MAX_DEPTH and b"null" not in text:
        return True
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                below += item.values()
            elif kind is list:
                below += item
            elif kind is float and item - item != 0:
                return False
        if not below:
            return True
        level = below
    return False


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word somebody probably meant."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None
