"""Totals of a collection: `ds.aggregate("sales", {count: true, sum: "price", where: {paid: true}, groupBy: "city"})`

`sum` and `avg` take numbers and nothing else; they are added as doubles with compensation (SQLite's `total()`), so
that whole sums up to 2^53 are exact. `min` and `max` take numbers and texts, and any text is behind all numbers. Where
there is nothing to take, the sum is 0 and the others are null; so is what is beyond all doubles.

A name gives one value, a list of names an object: `{sum: ["price", "tax"]}` is answered by
`{sum: {price: 5, tax: 1}}`. Grouped by one field, `_id` is its value (null where it is missing); by a list of fields,
an object of them.

    TOTALS = Read("select [columns] from {app_docs} where collection = :collection and [matching]")
    totals = doc_totals.totals(spec, slots)
    read = TOTALS.filled(columns=totals.columns, matching=totals.matching)
    call.store.scan((read, {**totals.params, "collection": …}), then=lambda rows: totals.answer(rows[0]))
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from kernel.base.errors import FaztError
from kernel.base.json import decode
from kernel.base.text import nearest
from kernel.data import doc_spots, text
from kernel.data.doc_paths import parse
from kernel.data.doc_query import Condition, TextOf, compiled
from kernel.data.doc_spots import NUMBERS, Params, Spot

MOST_GROUPS, MOST_FIELDS = 10_000, 20
TAKEN = {"sum": "total", "avg": "avg", "min": "min", "max": "max"}
WORDS = ("count", *TAKEN, "where", "groupBy")


class Asked(NamedTuple):
    """One key of the answer. `fields`: None for a value without name, otherwise the names of its object."""

    name: str
    fields: tuple[str, ...] | None
    width: int


class Totals(NamedTuple):
    columns: str
    matching: str
    params: dict[str, Any]
    condition: Condition
    asked: tuple[Asked, ...]
    grouped: bool

    def answer(self, rows: list[Any]) -> Any:
        """What the rows say."""
        if not self.grouped:
            return self._one(rows[0])
        if len(rows) > MOST_GROUPS:
            hint = "Narrow it with where, or group by a field with fewer values."
            raise FaztError("LIMIT_EXCEEDED", f"groupBy: more than {MOST_GROUPS} groups.", hint, most=MOST_GROUPS)
        return [self._one(row) for row in rows]

    def _one(self, row: Any) -> dict[str, Any]:
        made, at = {}, 0
        for name, fields, width in self.asked:
            values = [_shown(value) for value in row[at : at + width]]
            made[name] = values[0] if fields is None else dict(zip(fields, values, strict=True))
            at += width
        return made


def totals(spec: Any, slots: Mapping[str, int] | None = None, text_of: TextOf = text.scanned) -> Totals:
    """The statement of a specification from outside."""
    if not isinstance(spec, dict):
        raise _wrong('takes an object like {"count": true, "sum": "price"}')
    for name in spec:
        if name not in WORDS:
            close = nearest(str(name), WORDS)
            hint = f"Did you mean {close}?" if close else f"There are {', '.join(WORDS)}."
            raise FaztError("INVALID_ARGUMENT", f"aggregate: unknown key {str(name)[:64]!a}.", hint, field="aggregate")
    slots = slots or {}
    bind = Params("t")
    asked: list[Asked] = []
    columns: list[str] = []
    groups = _named("groupBy", spec)
    for name in ("groupBy", "count", *TAKEN):
        fields = _named(name, spec)
        if name == "count" and _count(spec):
            asked.append(Asked("count", None, 1))
            columns.append("count(*)")
        elif name != "count" and fields:
            asked.append(
                Asked(
                    "_id" if name == "groupBy" else name, None if isinstance(spec[name], str) else fields, len(fields)
                )
            )
            columns += [_column(name, doc_spots.of(parse(field, name), slots, bind)) for field in fields]
    if not asked:
        raise _wrong("asks for nothing: say count, sum, avg, min, max or groupBy")
    if len(columns) > MOST_FIELDS:
        raise FaztError(
            "LIMIT_EXCEEDED", f"aggregate: at most {MOST_FIELDS} fields.", field="aggregate", most=MOST_FIELDS
        )
    condition = compiled({} if spec.get("where") is None else spec["where"], slots, "q", text_of)
    by = ", ".join(str(number + 1) for number in range(len(groups)))
    tail = f" group by {by} order by {by} limit {MOST_GROUPS + 1}" if groups else ""
    params = {**condition.params, **bind.bound}
    return Totals(", ".join(columns), condition.sql + tail, params, condition, tuple(asked), bool(groups))


def _count(spec: dict[str, Any]) -> bool:
    wanted = spec.get("count")
    if wanted is not None and not isinstance(wanted, bool):
        raise _wrong("count is true or false")
    return bool(wanted)


def _named(name: str, spec: dict[str, Any]) -> tuple[str, ...]:
    """The fields under a key: a name, or a list of names."""
    wanted = spec.get(name)
    if name == "count" or wanted is None:
        return ()
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list) or not names or len(names) > MOST_FIELDS:
        raise _wrong(f"{name} is the name of a field, or a list of 1 to {MOST_FIELDS} names")
    return tuple(dict.fromkeys(parse(one, name).text for one in names))


def _column(name: str, spot: Spot) -> str:
    if name == "groupBy":
        return doc_spots.group(spot)
    kinds = NUMBERS if name in ("sum", "avg") else "('integer','real','text')"
    value, kind = (spot.slot, f"typeof({spot.slot})") if spot.slot else (spot.value, spot.kind)
    return f"{TAKEN[name]}({value}) filter (where {kind} in {kinds})"


def _shown(value: Any) -> Any:
    """A value out of SQL as JSON: whole doubles as whole numbers, and what `doc_spots.group` wrapped."""
    if isinstance(value, bytes):
        return value == b"\x01" if len(value) == 1 else decode(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) <= 2**53 else value
    return value


def _wrong(message: str) -> FaztError:
    return FaztError("INVALID_ARGUMENT", f"aggregate: {message}.", field="aggregate")
