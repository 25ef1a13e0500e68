"""One field of a document in SQL: its type, its value, and how it is compared. No condition here is ever an error."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kernel.data.doc_functions import canonical, encoded, is_number
from kernel.data.doc_paths import Path
from kernel.data.doc_values import number_text

NUMBERS = "('integer','real')"
# the end of the numbers and of the texts in a slot
_ENDS = {"number": "''", "text": "x''"}


class Params:
    """What is bound, under names of its own. The same path is bound once."""

    def __init__(self, prefix: str = "q") -> None:
        self.prefix = prefix
        self.bound: dict[str, Any] = {}
        self._paths: dict[str, str] = {}

    def __call__(self, value: Any) -> str:
        name = f"{self.prefix}{len(self.bound)}"
        self.bound[name] = value
        return f":{name}"

    def path(self, text: str) -> str:
        if text not in self._paths:
            self._paths[text] = self(text)
        return self._paths[text]


class Spot(NamedTuple):
    """`kind`: its JSON type, null where it is missing. `value`: text for objects and arrays, null for null.

    `column`: it is no field of the document but of its row. `slot`: the column in which it lies once more.
    """

    name: str
    kind: str
    value: str
    json: str
    bind: Params
    column: str = ""
    slot: str = ""


def of(path: Path, slots: Mapping[str, int], bind: Params) -> Spot:
    if path.column:
        kind = "'text'" if path.column == "id" else "'integer'"
        return Spot(path.text, kind, path.column, path.column, bind, path.column)
    data, ways = "data", path.ways
    if not ways:
        data, ways = f"doc_at(data, {bind.path(json.dumps(path.segments))})", ("$",)
    names = [bind.path(way) for way in ways]
    slot = f"i{slots[path.text]}" if path.text in slots else ""
    return Spot(
        path.text,
        _first([f"json_type({data}, {name})" for name in names]),
        _first([f"json_extract({data}, {name})" for name in names]),
        _first([f"{data} -> {name}" for name in names]),
        bind,
        slot=slot,
    )


def rank(spot: Spot) -> str:
    """A value that SQLite sorts as documents are sorted: null, numbers, texts, false, true, the rest (all alike)."""
    if spot.column:
        return spot.column
    ranked = f"""case {spot.kind} when 'false' then x'00' when 'true' then x'01'
when 'object' then x'02' when 'array' then x'02' else {spot.value} end"""
    return f"coalesce({spot.slot}, {ranked})" if spot.slot else ranked


def group(spot: Spot) -> str:
    """The same for equal values, different for others: objects and arrays as bytes of their canonical JSON."""
    if spot.column:
        return spot.column
    grouped = f"""case {spot.kind} when 'false' then x'00' when 'true' then x'01'
when 'object' then cast(doc_canonical({spot.value}) as blob)
when 'array' then cast(doc_canonical({spot.value}) as blob) else {spot.value} end"""
    return f"coalesce({spot.slot}, {grouped})" if spot.slot else grouped


def equal(spot: Spot, wanted: Any) -> str:
    if spot.column:
        wanted = _as_kept(spot, wanted)
        return f"{spot.column} = {spot.bind(wanted)}" if _fits(spot, wanted) else "0"
    value = encoded(wanted)
    if spot.slot and value is not None:
        return f"{spot.slot} = {spot.bind(value)}"
    if wanted is None:
        return f"{spot.value} is null"
    if isinstance(wanted, bool):
        return f"{spot.kind} = '{_word(wanted)}'"
    if isinstance(wanted, dict | list):
        kind = "object" if isinstance(wanted, dict) else "array"
        return f"({spot.kind} = '{kind}' and doc_canonical({spot.value}) = {spot.bind(canonical(wanted))})"
    kinds = f"in {NUMBERS}" if is_number(wanted) else "= 'text'"
    return f"({spot.value} = {spot.bind(wanted)} and {spot.kind} {kinds})"


def among(spot: Spot, wanted: Sequence[Any]) -> str:
    """One of these values."""
    if spot.column:
        fitting = [value for value in map(functools.partial(_as_kept, spot), wanted) if _fits(spot, value)]
        return f"{spot.column} in {_list(spot, fitting)}" if fitting else "0"
    plain = [value for value in wanted if encoded(value) is not None]
    held = [canonical(value) for value in wanted if isinstance(value, dict | list)]
    found = _in_slot(spot, plain) if spot.slot else _in_json(spot, plain)
    if held:
        found.append(f"({spot.kind} in ('object','array') and doc_canonical({spot.value}) in {_list(spot, held)})")
    if any(value is None for value in wanted):
        found.append(f"{spot.value} is null")
    return _either(found)


def between(spot: Spot, bounds: Iterable[tuple[str, Any]]) -> str:
    """Numbers in a range of numbers, texts in a range of texts; nothing is between other values."""
    numbers = [(sign, value) for sign, value in bounds if is_number(value)]
    texts = [(sign, value) for sign, value in bounds if isinstance(value, str)]
    if len(numbers) + len(texts) < len(list(bounds)):
        return "0"
    parts = [_range(spot, "number", numbers), _range(spot, "text", texts)]
    return " and ".join(part for part in parts if part)


def holds(spot: Spot, wanted: Any) -> str:
    """An array that holds the value, or a text that contains it."""
    bind = spot.bind
    inside = f"({spot.kind} = 'text' and instr({spot.value}, {bind(wanted)}) > 0)" if isinstance(wanted, str) else ""
    if spot.column:
        return inside if spot.column == "id" and inside else "0"
    if wanted is None or isinstance(wanted, bool):
        match = f"type = '{_word(wanted)}'"
    elif isinstance(wanted, dict | list):
        kind = "object" if isinstance(wanted, dict) else "array"
        match = f"type = '{kind}' and doc_canonical(value) = {bind(canonical(wanted))}"
    else:
        kinds = f"in {NUMBERS}" if is_number(wanted) else "= 'text'"
        match = f"atom = {bind(wanted)} and type {kinds}"
    held = f"({spot.kind} = 'array' and exists (select 1 from json_each({spot.json}) where {match}))"
    return f"({inside} or {held})" if inside else held


def _range(spot: Spot, kind: str, bounds: list[tuple[str, Any]]) -> str:
    if not bounds:
        return ""
    if spot.column:
        fits = all(_fits(spot, value) for _, value in bounds)
        return " and ".join(f"{spot.column} {sign} {spot.bind(value)}" for sign, value in bounds) if fits else "0"
    if not spot.slot:
        compared = " and ".join(f"{spot.value} {sign} {spot.bind(value)}" for sign, value in bounds)
        kinds = f"in {NUMBERS}" if kind == "number" else "= 'text'"
        return f"({compared} and {spot.kind} {kinds})"
    found = [f"{spot.slot} {sign} {spot.bind(value)}" for sign, value in bounds]
    signs = "".join(sign for sign, _ in bounds)
    # a slot holds numbers, then texts, then the rest; one bound on each side is what an index can use
    if "<" not in signs:
        found.append(f"{spot.slot} < {_ENDS[kind]}")
    if ">" not in signs and kind == "text":
        found.append(f"{spot.slot} >= ''")
    return f"({' and '.join(found)})"


def _in_slot(spot: Spot, plain: list[Any]) -> list[str]:
    """JSON has no bytes, so booleans are compared one by one."""
    listed = [value for value in plain if not isinstance(value, bool)]
    found = [f"{spot.slot} in {_list(spot, listed)}"] if listed else []
    flags = {encoded(value) for value in plain if isinstance(value, bool)}
    return [*found, *(f"{spot.slot} = {spot.bind(flag)}" for flag in sorted(flags))]


def _in_json(spot: Spot, plain: list[Any]) -> list[str]:
    found = [f"{spot.kind} = '{_word(value)}'" for value in (True, False) if any(one is value for one in plain)]
    numbers = [value for value in plain if is_number(value)]
    texts = [value for value in plain if isinstance(value, str)]
    if numbers:
        found.append(f"({spot.value} in {_list(spot, numbers)} and {spot.kind} in {NUMBERS})")
    if texts:
        found.append(f"({spot.value} in {_list(spot, texts)} and {spot.kind} = 'text')")
    return found


def _list(spot: Spot, values: list[Any]) -> str:
    return f"(select value from json_each({spot.bind(json.dumps(values))}))"


def _either(found: list[str]) -> str:
    if not found:
        return "0"
    return found[0] if len(found) == 1 else f"({' or '.join(found)})"


def _as_kept(spot: Spot, wanted: Any) -> Any:
    """Ids are texts; a number stands for its own, as everywhere."""
    return number_text(wanted) if spot.column == "id" and is_number(wanted) else wanted


def _fits(spot: Spot, value: Any) -> bool:
    return isinstance(value, str) if spot.column == "id" else is_number(value)


def _word(value: bool | None) -> str:
    return "null" if value is None else "true" if value else "false"


def _first(found: list[str]) -> str:
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"
