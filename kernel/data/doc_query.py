"""Queries of documents, compiled to SQL: `{"age": {"$gte": 18}, "$or": [{"city": "Bern"}, {"tags.0": "x"}]}`

    compiled(query, slots) -> Condition(sql, params, uses, fields, sure, text)

`sql` is a condition on the columns of `app_docs`. It holds where it is true; where it does not hold it may be null, so
who wants the contrary writes `(sql) is not true`. It is made of fixed words and bound parameters only, its shape
depends on the query's shape and not on its values, and it cannot fail while it runs.

Where a field has a slot, the slot is compared and nothing else: a slot holds the field's number, text or boolean, and
tells all of them apart. Everything else is read from the JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.base.text import check_json, nearest
from kernel.data import doc_spots, text
from kernel.data.doc_functions import encoded, is_number, number
from kernel.data.doc_paths import parse
from kernel.data.doc_spots import Params, Spot

__all__ = ["Condition", "compiled", "encoded"]

MOST_BYTES = 256 << 10
MOST_LEVELS, MOST_CONDITIONS, MOST_CHOICES = 20, 200, 1000
OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$exists", "$not")
LOGIC = ("$and", "$or", "$nor")
_BOUNDS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}

TextOf = Callable[[text.Search, Params], str]


class Condition(NamedTuple):
    """`uses`: the fields whose index narrows it. `fields`: those that an index would narrow it by.

    `sure`: the fields whose slot holds a value wherever the condition holds.
    """

    sql: str
    params: dict[str, Any]
    uses: tuple[str, ...]
    fields: tuple[str, ...]
    sure: tuple[str, ...] = ()
    text: text.Search | None = None


_NONE: frozenset[str] = frozenset()


class _Part(NamedTuple):
    sql: str
    uses: frozenset[str] = _NONE
    fields: frozenset[str] = _NONE
    sure: frozenset[str] = _NONE


_NOTHING: Mapping[str, int] = {}


def compiled(
    query: Any, slots: Mapping[str, int] = _NOTHING, prefix: str = "q", text_of: TextOf = text.scanned
) -> Condition:
    """The condition of a query from outside. `text_of` says how `$text` is looked up."""
    if not isinstance(query, dict):
        raise _wrong('a query is an object like {"name": "wren"}')
    query = _checked(query)
    search = text.parse(query.pop("$text")) if "$text" in query else None
    work = _Compiler(slots, prefix)
    part = work.document(query, 0)
    if search is not None:
        part = part._replace(sql=f"{text_of(search, work.params)} and {part.sql}")
    uses, fields, sure = (tuple(sorted(names)) for names in (part.uses, part.fields, part.sure))
    return Condition(part.sql, work.params.bound, uses, fields, sure, search)


class _Compiler:
    def __init__(self, slots: Mapping[str, int], prefix: str) -> None:
        self.slots, self.params, self.left = slots, Params(prefix), MOST_CONDITIONS

    def document(self, query: Any, level: int) -> _Part:
        """What a whole document must be like."""
        if not isinstance(query, dict):
            raise _wrong("$and, $or and $nor take lists of queries")
        if level > MOST_LEVELS:
            raise _too_many("levels of $and, $or, $nor and $not", MOST_LEVELS)
        self._count(not query)
        return _all([self._member(name, wanted, level) for name, wanted in query.items()])

    def _member(self, name: str, wanted: Any, level: int) -> _Part:
        if not name.startswith("$"):
            spot = doc_spots.of(parse(name), self.slots, self.params)
            return self._field(spot, wanted, level)
        if name == "$text":
            raise _wrong("$text may stand at the top of a query only", operator=name)
        if name not in LOGIC:
            raise _unknown(name, (*LOGIC, "$text"))
        if not isinstance(wanted, list):
            raise _wrong(f"{name} takes a list of queries", operator=name)
        self._count(not wanted)
        parts = [self.document(one, level + 1) for one in wanted]
        if name == "$and":
            return _all(parts)
        either = _any(parts)
        return either if name == "$or" else _not(either)

    def _field(self, spot: Spot, wanted: Any, level: int) -> _Part:
        """What one field must be like: a value, or operators."""
        if not isinstance(wanted, dict) or not any(name.startswith("$") for name in wanted):
            return self._one("$eq", spot, wanted, level)
        plain = [name for name in wanted if not name.startswith("$")]
        if plain:
            raise _wrong(f"{spot.name} mixes operators and plain keys ({plain[0]})", path=spot.name)
        bounds = {name: value for name, value in wanted.items() if name in _BOUNDS}
        parts = [self._one(name, spot, value, level) for name, value in wanted.items() if name not in _BOUNDS]
        if bounds:
            self._count(len(bounds))
            parts.append(_indexed(spot, doc_spots.between(spot, [(_BOUNDS[n], v) for n, v in bounds.items()])))
        return _all(parts)

    def _one(self, operator: str, spot: Spot, wanted: Any, level: int) -> _Part:
        if operator not in OPERATORS:
            raise _unknown(operator, OPERATORS, spot.name)
        self._count(1)
        if operator == "$not":
            if not isinstance(wanted, dict) or not wanted or not all(name.startswith("$") for name in wanted):
                raise _wrong(f'$not takes operators, as in {{"$not": {{"$gt": 5}}}} ({spot.name})', path=spot.name)
            if level >= MOST_LEVELS:
                raise _too_many("levels of $and, $or, $nor and $not", MOST_LEVELS)
            return _not(self._field(spot, wanted, level + 1))
        if operator in ("$eq", "$ne"):
            found = doc_spots.equal(spot, wanted)
            part = _indexed(spot, found) if encoded(wanted) is not None else _Part(found)
            return part if operator == "$eq" else _not(part)
        if operator in ("$in", "$nin"):
            part = self._among(operator, spot, wanted)
            return part if operator == "$in" else _not(part)
        if operator == "$exists":
            if not isinstance(wanted, bool):
                raise _wrong(f"$exists takes true or false ({spot.name})", operator=operator, path=spot.name)
            return _Part(f"{spot.kind} is {'not ' if wanted else ''}null")
        return _Part(doc_spots.holds(spot, wanted))

    def _among(self, operator: str, spot: Spot, wanted: Any) -> _Part:
        if not isinstance(wanted, list):
            raise _wrong(f"{operator} takes a list ({spot.name})", operator=operator, path=spot.name)
        if len(wanted) > MOST_CHOICES:
            raise _too_many(f"values in {operator} ({spot.name})", MOST_CHOICES)
        found = doc_spots.among(spot, wanted)
        return _indexed(spot, found) if all(encoded(value) is not None for value in wanted) else _Part(found)

    def _count(self, more: int) -> None:
        self.left -= more
        if self.left < 0:
            raise _too_many("conditions", MOST_CONDITIONS)


def _indexed(spot: Spot, sql: str) -> _Part:
    name = frozenset((spot.name,))
    if spot.column:
        return _Part(sql, name if spot.column == "id" else _NONE)
    return _Part(sql, name, name, name) if spot.slot else _Part(sql, fields=name)


def _all(parts: list[_Part]) -> _Part:
    """All of them. Any one that is narrowed by an index narrows the whole."""
    return _Part(_joined(" and ", parts, "1"), *(_NONE.union(*names) for names in _names(parts)))


def _any(parts: list[_Part]) -> _Part:
    """One of them at least. Indexes help where every one has its own."""
    uses, fields, sure = (names if all(names) else [_NONE] for names in _names(parts))
    common = frozenset.intersection(*sure) if sure else _NONE
    return _Part(_joined(" or ", parts, "0"), _NONE.union(*uses), _NONE.union(*fields), common)


def _names(parts: list[_Part]) -> tuple[list[frozenset[str]], list[frozenset[str]], list[frozenset[str]]]:
    return [part.uses for part in parts], [part.fields for part in parts], [part.sure for part in parts]


def _not(part: _Part) -> _Part:
    return _Part(f"({part.sql}) is not true")


def _joined(word: str, parts: list[_Part], empty: str) -> str:
    if len(parts) < 2:
        return parts[0].sql if parts else empty
    return f"({word.join(part.sql for part in parts)})"


def _checked(value: dict[str, Any]) -> dict[str, Any]:
    """The query with its numbers as they are stored; refused where it is no JSON or too large."""
    try:
        clean: dict[str, Any] = _clean(check_json(value))
        size = len(encode(clean))
    except (ValueError, TypeError, RecursionError) as error:
        raise _wrong(str(error) or "is no JSON") from None
    if size > MOST_BYTES:
        raise FaztError(
            "LIMIT_EXCEEDED", f"query: may have {MOST_BYTES} bytes as JSON.", field="query", most=MOST_BYTES
        )
    return clean


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if is_number(value):
        return number(value)
    if value is None or isinstance(value, bool | str):
        return value
    raise ValueError("must be JSON")


def _wrong(message: str, **details: Any) -> FaztError:
    return FaztError("INVALID_ARGUMENT", f"query: {message}.", **{"field": "query", **details})


def _unknown(operator: str, known: tuple[str, ...], field: str | None = None) -> FaztError:
    close = nearest(operator, known)
    hint = f"Did you mean {close}?" if close else f"There are {', '.join(known)}."
    where = f" ({field})" if field else ""
    shown = operator[:64]
    return FaztError(
        "INVALID_ARGUMENT", f"query: unknown operator {shown}{where}.", hint, field="query", operator=shown
    )


def _too_many(what: str, most: int) -> FaztError:
    return FaztError("LIMIT_EXCEEDED", f"query: at most {most} {what}.", field="query", most=most)
