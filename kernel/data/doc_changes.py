"""The language of updates: fields to set, and `$set $unset $inc $push $pull $addToSet`, applied in this order.

Read once, where the call comes in; applied on the writer, where nobody else changes the document meanwhile. What fails
there raises, and nothing of the batch is written.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import msgspec

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.data.doc_functions import canonical, is_number, number
from kernel.data.doc_paths import COLUMNS, parse
from kernel.data.doc_values import as_given, id_text, numbered, written
from kernel.data.doc_values import wrong as wrong_value

MOST_CHANGES = 1000
# as in a query: longer numbers can be keys, never indexes
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)

# one change of the value at a path: what it is called, the parts of the path, what is given with it
Change = tuple[str, tuple[str, ...], Any]
Holder = dict[str, Any] | list[Any]


class Changes(tuple[Change, ...]):
    """What an update does to each document, in order."""

    __slots__ = ()

    @classmethod
    def read(cls, given: Any, id: str | None = None) -> Changes:
        """From outside. `id`: that of the only document it is about, which it may repeat."""
        if not isinstance(given, dict):
            raise _wrong("changes are an object: fields to set, or $set $unset $inc $push $pull $addToSet")
        plain = {field: value for field, value in given.items() if not field.startswith("$")}
        for name, fields in given.items():
            if name.startswith("$"):
                _check_group(name, fields, plain)
        made: list[Change] = []
        for name in ("", *OPERATIONS):
            for field, value in (given.get(name, {}) if name else plain).items():
                made += _change(name or "$set", field, value, id)
        if len(made) > MOST_CHANGES:
            raise _wrong(f"an update may have {MOST_CHANGES} changes, this one has {len(made)}")
        _check_apart({path for _, path, _ in made})
        return cls(made)

    @property
    def text(self) -> str:
        """As it is handed to the writer."""
        return to_text(list(self))


def _check_group(name: str, fields: Any, plain: dict[str, Any]) -> None:
    if name not in OPERATIONS:
        raise _wrong(f"there is no {name}; there are {', '.join(OPERATIONS)}", operator=name)
    if not isinstance(fields, dict):
        raise _wrong(f"{name} takes an object: fields and what to do with them", operator=name)
    twice = [field for field in fields if field in plain]
    if name == "$set" and twice:
        raise _wrong(f"{twice[0]} is set twice, by itself and in $set", operator=name)


def _check_apart(paths: set[tuple[str, ...]]) -> None:
    """None may be below another one: what is set there would be lost."""
    # sorted, what is below a path comes right after it
    for above, path in itertools.pairwise(sorted(paths)):
        if path[: len(above)] == above:
            outer, inner = ".".join(above), ".".join(path)
            raise _wrong(f"{outer} and {inner} are both changed, and one is in the other", path=inner)


def _change(name: str, field: str, value: Any, id: str | None) -> list[Change]:
    path = parse(field, "changes")
    own = path.segments[0]
    if own in COLUMNS:
        # a document is often given back as it was found
        same_id = own == "id" and id is not None and id_text(value) == id
        if name == "$set" and len(path.segments) == 1 and (same_id or own != "id"):
            return []
        raise _wrong(f"{field} cannot be changed", operator=name)
    return [(name, path.segments, _GIVEN[name](name, field, numbered(value, "changes")))]


def changed(document: dict[str, Any], changes: tuple[Change, ...]) -> dict[str, Any]:
    """The document with the changes; what is given may be taken apart for it."""
    for name, path, value in changes:
        if len(path) == 1 and name == "$set":
            document[path[0]] = value
        else:
            OPERATIONS[name](document, path, value)
    return document


# --- what may be given with each


def _anything(name: str, field: str, value: Any) -> Any:
    return value


def _nothing(name: str, field: str, value: Any) -> None:
    return None


def _amount(name: str, field: str, value: Any) -> Any:
    if not is_number(value):
        raise _wrong(f"$inc takes numbers, {field} has none", operator=name)
    return value


def _items(name: str, field: str, value: Any) -> list[Any]:
    """One item, or those below `$each`."""
    if isinstance(value, dict):
        words = [key for key in value if key.startswith("$")]
        if words == ["$each"] and len(value) == 1 and isinstance(value["$each"], list):
            each: list[Any] = value["$each"]
            return each
        if words:
            raise _wrong(f"{name} of {field} takes a value, or $each with a list of them", operator=words[0])
    return [value]


def _item(name: str, field: str, value: Any) -> Any:
    words = [key for key in value if key.startswith("$")] if isinstance(value, dict) else []
    if words:
        raise _wrong(f"$pull of {field} takes a value, not {words[0]}", operator=words[0])
    return value


_GIVEN: dict[str, Callable[[str, str, Any], Any]] = {
    "$set": _anything,
    "$unset": _nothing,
    "$inc": _amount,
    "$push": _items,
    "$pull": _item,
    "$addToSet": _items,
}


# --- what each does


def _set(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    _put(_holder(document, path), path, value)


def _unset(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    holder = _found(document, path[:-1])
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
    elif isinstance(holder, list) and (at := _at(holder, path[-1])) is not None and at < len(holder):
        # the others keep their places
        holder[at] = None


def _inc(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    holder = _holder(document, path)
    before = _get(holder, path, 0)
    if not is_number(before):
        raise _wrong(f"{'.'.join(path)} is no number, $inc cannot add to it", operator="$inc")
    try:
        after = number(before + value)
    except (ValueError, OverflowError):
        raise _wrong(f"{'.'.join(path)} would become infinite", operator="$inc") from None
    whole = isinstance(after, float) and after.is_integer() and 0 < abs(after) <= 2**53
    _put(holder, path, int(after) if whole else after)


def _push(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    _list(document, path, "$push").extend(value)


def _add_to_set(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    items = _list(document, path, "$addToSet")
    # each is looked at once, however many there are: nobody else can write meanwhile
    there = set(map(canonical, items))
    for item in value:
        if (known := canonical(item)) not in there:
            there.add(known)
            items.append(item)


def _pull(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    items = _found(document, path)
    if items is _NOTHING:
        return
    if not isinstance(items, list):
        raise _wrong(f"{'.'.join(path)} is no list, $pull cannot take from it", operator="$pull")
    gone = canonical(value)
    items[:] = [item for item in items if canonical(item) != gone]


OPERATIONS: dict[str, Callable[[dict[str, Any], tuple[str, ...], Any], None]] = {
    "$set": _set,
    "$unset": _unset,
    "$inc": _inc,
    "$push": _push,
    "$pull": _pull,
    "$addToSet": _add_to_set,
}


# --- walking

_NOTHING: Any = object()


def _found(value: Any, path: tuple[str, ...]) -> Any:
    """What a path leads to; what is not there is made by nobody."""
    for part in path:
        value = _get(value, (part,), _NOTHING) if isinstance(value, dict | list) else _NOTHING
    return value


def _holder(document: dict[str, Any], path: tuple[str, ...]) -> Holder:
    """The object or list that holds the last part of the path; objects that are missing on the way are made."""
    holder: Holder = document
    for depth in range(1, len(path)):
        value = _get(holder, path[:depth], _NOTHING)
        if value is _NOTHING:
            value = {}
            _put(holder, path[:depth], value)
        if not isinstance(value, dict | list):
            raise _wrong(f"{'.'.join(path[:depth])} holds a value, {path[depth]} cannot be below it")
        holder = value
    return holder


def _get(holder: Holder, path: tuple[str, ...], missing: Any) -> Any:
    if isinstance(holder, dict):
        return holder.get(path[-1], missing)
    at = _at(holder, path[-1])
    return holder[at] if at is not None and at < len(holder) else missing


def _put(holder: Holder, path: tuple[str, ...], value: Any) -> None:
    if isinstance(holder, dict):
        holder[path[-1]] = value
        return
    at = _at(holder, path[-1])
    if at is None or at > len(holder):
        raise _wrong(f"{'.'.join(path)}: the list has {len(holder)} items; name one of them or the next")
    if at == len(holder):
        holder.append(value)
    else:
        holder[at] = value


def _at(holder: list[Any], part: str) -> int | None:
    return int(part) if _INDEX.fullmatch(part) else None


def _list(document: dict[str, Any], path: tuple[str, ...], name: str) -> list[Any]:
    holder = _holder(document, path)
    items = _get(holder, path, _NOTHING)
    if items is _NOTHING:
        items = []
        _put(holder, path, items)
    if not isinstance(items, list):
        raise _wrong(f"{'.'.join(path)} is no list, {name} cannot add to it", operator=name)
    return items


def _wrong(why: str, **details: Any) -> FaztError:
    error = wrong_value("changes", why)
    error.details.update(details)
    return error


# --- on the writer

_decode = msgspec.json.Decoder(tuple[Change, ...]).decode


def applied(text: str, changes: str, most: int) -> tuple[dict[str, Any], bytes]:
    """A document after the changes, and its text."""
    # what is added to a document must not be the same list again in the next one
    value = changed(as_given(text), _decode(changes))
    return value, written(value, most)
