"""Values on their way into SQL and out of it.

true, false           1, 0
{"$blob": "base64"}   a blob, in both directions
objects, arrays       their JSON as text (SQLite's json_… read it)
integers above 2^53   come out as text: JavaScript would lose their last digits
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from typing import Any

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.syscall.words import SAFE

BLOB = "$blob"
MOST_PARAMETERS = 10_000


def _wrong(name: str, message: str) -> FaztError:
    return FaztError("INVALID_ARGUMENT", f"params: {name.lstrip('_')} {message}.", field="params")


def bound(params: Any, names: frozenset[str]) -> dict[str, Any]:
    """The parameters by name; a list is for question marks."""
    if params is None:
        params = []
    if isinstance(params, list | tuple):
        given = {f"_{at}": value for at, value in enumerate(params, 1)}
    elif isinstance(params, Mapping):
        given = {str(name): value for name, value in params.items()}
    else:
        hint = 'Write ["wren", 3] or {"name": "wren"}.'
        raise FaztError("INVALID_ARGUMENT", "params: a list for ?, an object for :name.", hint, field="params")
    if len(given) > MOST_PARAMETERS:
        raise FaztError("LIMIT_EXCEEDED", f"params: at most {MOST_PARAMETERS}.", field="params")
    if given.keys() != names:
        raise _mismatch(params, given, names)
    return {name: _in(name, value) for name, value in given.items()}


def _mismatch(params: Any, given: dict[str, Any], names: frozenset[str]) -> FaztError:
    if not isinstance(params, Mapping) and all(name.startswith("_") for name in names):
        said = f"params: {len(names)} wanted, {len(given)} given."
    else:
        missing = sorted(names - given.keys())
        which = ascii((missing or sorted(given.keys() - names))[0])[:60]
        said = f"params: {which} is {'missing' if missing else 'not in the statement'}."
    return FaztError("INVALID_ARGUMENT", said, "A list fills ?, an object fills :name.", field="params")


def _in(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise _wrong(name, "is a larger number than SQLite can hold")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _wrong(name, "is not a finite number")
        return value
    if isinstance(value, Mapping) and value.keys() == {BLOB}:
        try:
            return base64.b64decode(value[BLOB], validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise _wrong(name, "is not base64") from None
    return to_text(value)


def out(row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        if isinstance(value, bytes):
            row[name] = {BLOB: base64.b64encode(value).decode()}
        elif isinstance(value, int) and not -SAFE <= value <= SAFE:
            row[name] = str(value)
        elif isinstance(value, float) and not math.isfinite(value):
            row[name] = None
    return row
