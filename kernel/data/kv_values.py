"""Values as JSON text: sums and equality, as SQL needs them too."""

from __future__ import annotations

import math
from typing import Any

from kernel.base.errors import FaztError
from kernel.base.json import decode, to_text

EXACT = 2**53


def number(value: float) -> int | float:
    """A number as JavaScript has it: whole ones as such while doubles hold each of them."""
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if math.isinf(found):
        raise FaztError("INVALID_ARGUMENT", "The sum is larger than a number can be.", "Nothing was changed.")
    return int(found) if found.is_integer() and abs(found) <= EXACT else found


def sum_of(text: str, by: float) -> str:
    """The number in a JSON text with another one added, as JSON text."""
    value = decode(text)
    if type(value) not in (int, float):
        raise FaztError("INVALID_ARGUMENT", "The value is not a number.", "Only numbers can be counted up.")
    return to_text(number(number(value) + number(by)))


def same(one: Any, other: Any) -> bool:
    """Equality as in JavaScript, but deep: numbers by their value, `true` is not 1, the order of names is nothing."""
    kind = type(one)
    if kind in (int, float):
        return type(other) in (int, float) and (one == other or _double(one) == _double(other))
    if kind is not type(other):
        return False
    if kind is dict:
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if kind is list:
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def same_text(one: str, other: str) -> int:
    return int(one == other or same(decode(one), decode(other)))


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
