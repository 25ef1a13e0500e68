"""What the document store means, said a second time: documents in a list, looked through one by one.

Nothing of the program is used here. A wrong argument raises `Wrong` with the code the program shall answer with.
"""

from __future__ import annotations

import copy
import math
import re
from typing import Any

MISSING: Any = object()
SAFE = 2**53
COMPARISONS = {"$gt", "$gte", "$lt", "$lte"}
FIELD_OPERATORS = COMPARISONS | {"$eq", "$ne", "$in", "$nin", "$contains", "$exists", "$not"}
LOGIC = {"$and", "$or", "$nor"}
CHANGES = ("$set", "$unset", "$inc", "$push", "$pull", "$addToSet")
OWN = {"_createdAt", "_updatedAt"}


class Wrong(Exception):
    def __init__(self, code: str, why: str = "") -> None:
        super().__init__(code, why)
        self.code = code


def invalid(why: str) -> Wrong:
    return Wrong("INVALID_ARGUMENT", why)


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def normal(value: Any) -> Any:
    """As it is kept: whole numbers that JavaScript cannot hold are the nearest double."""
    if number(value) and isinstance(value, int) and abs(value) > SAFE:
        return float(value)
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    return value


def same(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if number(a) and number(b):
        return bool(a == b)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return isinstance(a, str) and isinstance(b, str) and a == b


def segments(path: str) -> list[str]:
    if not path or any(not part for part in path.split(".")):
        raise invalid("path")
    return path.split(".")


def position(segment: str) -> int | None:
    return int(segment) if re.fullmatch(r"0|[1-9][0-9]{0,8}", segment, re.ASCII) else None


def at(value: Any, path: str) -> Any:
    for segment in segments(path):
        if isinstance(value, dict):
            value = value.get(segment, MISSING)
        elif isinstance(value, list):
            where = position(segment)
            value = value[where] if where is not None and where < len(value) else MISSING
        else:
            return MISSING
    return value


# --- queries


def matches(document: dict[str, Any], query: Any) -> bool:
    if not isinstance(query, dict):
        raise invalid("query")
    checked(query)
    return _matches(document, query)


def checked(query: Any) -> None:
    """All of it, whether a document gets that far or not."""
    if not isinstance(query, dict):
        raise invalid("a query is an object")
    for name, wanted in query.items():
        if name in LOGIC:
            if not isinstance(wanted, list):
                raise invalid("a list of queries")
            for part in wanted:
                checked(part)
        elif name.startswith("$"):
            raise invalid("operator")
        else:
            segments(name)
            if is_operators(wanted):
                _checked_operators(wanted)


def is_operators(wanted: Any) -> bool:
    if not isinstance(wanted, dict) or not wanted:
        return False
    dollars = [key.startswith("$") for key in wanted]
    if any(dollars) and not all(dollars):
        raise invalid("mixed")
    return all(dollars)


def _checked_operators(wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        if name not in FIELD_OPERATORS:
            raise invalid(name)
        if name in ("$in", "$nin") and not isinstance(value, list):
            raise invalid(name)
        if name in ("$in", "$nin") and len(value) > 1000:
            raise invalid(name)
        if name == "$exists" and not isinstance(value, bool):
            raise invalid(name)
        if name == "$not":
            if not is_operators(value):
                raise invalid(name)
            _checked_operators(value)


def _matches(document: dict[str, Any], query: dict[str, Any]) -> bool:
    for name, wanted in query.items():
        if name == "$and":
            good = all(_matches(document, part) for part in wanted)
        elif name == "$or":
            good = any(_matches(document, part) for part in wanted)
        elif name == "$nor":
            good = not any(_matches(document, part) for part in wanted)
        elif is_operators(wanted):
            good = _fits(at(document, name), _of_ids(wanted) if name == "id" else wanted)
        else:
            good = _equal(at(document, name), as_id(wanted) if name == "id" and number(wanted) else normal(wanted))
        if not good:
            return False
    return True


def _of_ids(operators: dict[str, Any]) -> dict[str, Any]:
    """Ids are text; a number is asked for by its text, but has no place among them."""
    made: dict[str, Any] = {}
    for name, wanted in operators.items():
        if name in ("$eq", "$ne") and number(wanted):
            wanted = as_id(wanted)
        elif name in ("$in", "$nin"):
            wanted = [as_id(one) if number(one) else one for one in wanted]
        elif name == "$not":
            wanted = _of_ids(wanted)
        made[name] = wanted
    return made


def _equal(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return value is None or value is MISSING
    return value is not MISSING and same(value, wanted)


def _fits(value: Any, operators: dict[str, Any]) -> bool:
    return all(_holds(value, name, normal(wanted)) for name, wanted in operators.items())


def _holds(value: Any, name: str, wanted: Any) -> bool:
    if name == "$eq":
        return _equal(value, wanted)
    if name == "$ne":
        return not _equal(value, wanted)
    if name in COMPARISONS:
        return _compares(value, name, wanted)
    if name == "$in":
        return any(_equal(value, one) for one in wanted)
    if name == "$nin":
        return not any(_equal(value, one) for one in wanted)
    if name == "$exists":
        return (value is not MISSING) == wanted
    if name == "$not":
        return not _fits(value, wanted)
    assert name == "$contains"
    if isinstance(value, list):
        return any(same(item, wanted) for item in value)
    return isinstance(value, str) and isinstance(wanted, str) and wanted in value


def _compares(value: Any, name: str, wanted: Any) -> bool:
    if not (number(value) and number(wanted)) and not (isinstance(value, str) and isinstance(wanted, str)):
        return False
    return bool({"$gt": value > wanted, "$gte": value >= wanted, "$lt": value < wanted, "$lte": value <= wanted}[name])


# --- changes


def changed(document: dict[str, Any], changes: Any) -> dict[str, Any]:
    if not isinstance(changes, dict):
        raise invalid("changes")
    made = copy.deepcopy(document)
    probe(changes)
    plain = {key: value for key, value in changes.items() if not key.startswith("$")}
    steps: list[tuple[str, Any]] = [("$set", plain)] if plain else []
    steps += [(name, changes[name]) for name in CHANGES if name in changes]
    for name, fields in steps:
        if name == "$unset" and isinstance(fields, list):
            fields = dict.fromkeys(fields, 1)
        for path, value in fields.items():
            _change(made, name, path, normal(value))
    return made


def _change(document: dict[str, Any], name: str, path: str, value: Any) -> None:
    old = at(document, path)
    if name == "$set":
        _put(document, path, value)
    elif name == "$unset":
        _drop(document, path)
    elif name == "$inc":
        if old is not MISSING and not number(old):
            raise invalid("$inc of what is no number")
        total = normal((0 if old is MISSING else old) + value)
        if math.isinf(total):
            raise invalid("too large")
        _put(document, path, total)
    elif name == "$pull":
        if old is MISSING:
            return
        if not isinstance(old, list):
            raise invalid("$pull")
        _put(document, path, [item for item in old if not same(item, value)])
    else:
        if old is not MISSING and not isinstance(old, list):
            raise invalid(name)
        items = [] if old is MISSING else old
        if name == "$push" or not any(same(item, value) for item in items):
            _put(document, path, [*items, value])
        elif old is MISSING:
            _put(document, path, items)


def _put(document: Any, path: str, value: Any) -> None:
    *way, last = segments(path)
    for segment in way:
        if isinstance(document, dict):
            document = document.setdefault(segment, {})
        elif isinstance(document, list):
            where = position(segment)
            if where is None or where > len(document):
                raise invalid("index")
            if where == len(document):
                document.append({})
            document = document[where]
        else:
            raise invalid("through a value")
    if isinstance(document, dict):
        document[last] = value
    elif isinstance(document, list):
        where = position(last)
        if where is None or where > len(document):
            raise invalid("index")
        document[where : where + 1] = [value]
    else:
        raise invalid("through a value")


def _drop(document: Any, path: str) -> None:
    *way, last = segments(path)
    for segment in way:
        document = at(document, segment) if isinstance(document, dict | list) else MISSING
    if isinstance(document, dict):
        document.pop(last, None)
    elif isinstance(document, list):
        # the others keep their places
        where = position(last)
        if where is not None and where < len(document):
            document[where] = None


# --- sorting


def rank(value: Any) -> tuple[int, Any]:
    if value is MISSING or value is None:
        return 0, 0
    if isinstance(value, bool):
        return 3, int(value)
    if number(value):
        return 1, value
    if isinstance(value, str):
        return 2, value
    return 4, 0


# --- the store


class Collection:
    def __init__(self) -> None:
        self.rows: list[tuple[int, str, dict[str, Any]]] = []  # (seq, id, document), oldest first
        self.last = 0

    def shown(self, row: tuple[int, str, dict[str, Any]]) -> dict[str, Any]:
        return {**row[2], "id": row[1]}

    def wanted(self, query: Any, required: bool = False) -> list[tuple[int, str, dict[str, Any]]]:
        if required and number(query):
            query = as_id(query)
        if required and isinstance(query, str):
            return [row for row in self.rows if row[1] == query]
        if query is None and not required:
            # not said: all of them
            query = {}
        if not isinstance(query, dict):
            raise invalid("query")
        checked(query)
        return [row for row in self.rows if _matches(self.shown(row), query)]

    def insert(self, document: Any) -> str | list[str]:
        if isinstance(document, list):
            made = [self._row(one) for one in document]
            ids = [row[1] for row in made]
            if len(set(ids)) < len(ids) or {row[1] for row in self.rows} & set(ids):
                raise Wrong("CONFLICT")
            self.rows += [(self.last + n + 1, row[1], row[2]) for n, row in enumerate(made)]
            self.last += len(made)
            return ids
        found = self.insert([document])
        return found[0]

    def _row(self, document: Any) -> tuple[int, str, dict[str, Any]]:
        if not isinstance(document, dict):
            raise invalid("document")
        id = document.get("id")
        if number(id):
            id = as_id(id)
        if not isinstance(id, str) or not id:
            raise invalid("id")
        if any(key.startswith("$") for key in document):
            raise invalid("operator")
        return 0, id, {key: normal(value) for key, value in document.items() if key not in ("id", *OWN)}

    def find(self, query: Any, options: dict[str, Any]) -> list[dict[str, Any]]:
        rows = self.wanted(query)
        order = options.get("order", "desc")
        if order not in ("asc", "desc"):
            raise invalid("order")
        rows = sorted(rows, key=lambda row: row[0], reverse=order == "desc")
        for field, way in reversed(list((options.get("sort") or {}).items())):
            if way not in (1, -1) or isinstance(way, bool):
                raise invalid("sort")
            rows = sorted(rows, key=lambda row: rank(at(self.shown(row), field)), reverse=way == -1)
        start = options.get("offset", 0)
        limit = options.get("limit")
        return [self.shown(row) for row in rows[start : None if limit is None else start + limit]]

    def find_one(self, query: Any) -> Any:
        rows = self.wanted(query, required=True)
        return self.shown(rows[-1]) if rows else None

    def update(self, query: Any, changes: Any) -> int:
        rows = self.wanted(query, required=True)
        probe(changes)
        ids = {row[1] for row in rows}
        self.rows = [(row[0], row[1], changed(row[2], changes)) if row[1] in ids else row for row in self.rows]
        return len(rows)

    def delete(self, query: Any) -> int:
        rows = self.wanted(query, required=True)
        ids = {row[1] for row in rows}
        self.rows = [row for row in self.rows if row[1] not in ids]
        return len(rows)

    def delete_oldest(self, keep: int) -> int:
        gone = max(0, len(self.rows) - keep)
        self.rows = self.rows[gone:]
        return gone

    def totals(self, spec: dict[str, Any]) -> dict[str, Any]:
        rows = [self.shown(row) for row in self.wanted(spec.get("where"))]
        if not spec.keys() - {"where"}:
            raise invalid("asks for nothing")
        made: dict[str, Any] = {"count": len(rows)} if spec.get("count") else {}
        for name in ("sum", "avg", "min", "max"):
            if name in spec:
                found = [value for value in (at(row, spec[name]) for row in rows) if number(value)]
                ordered = [value for value in (at(row, spec[name]) for row in rows) if rank(value)[0] in (1, 2)]
                if name == "sum":
                    made[name] = total(found)
                elif name == "avg":
                    made[name] = total(found) / len(found) if found else None
                else:
                    made[name] = (min if name == "min" else max)(ordered, key=rank, default=None)
        return made


def as_id(number: float) -> str:
    """As JavaScript writes it."""
    return str(int(number)) if float(number).is_integer() else str(number)


def total(values: list[Any]) -> float:
    try:
        return math.fsum(values)
    except OverflowError:
        return sum(map(float, values))


def probe(changes: Any) -> None:
    """What is wrong with changes is said whether or not a document matches; what a document does not fit is not."""
    if not isinstance(changes, dict):
        raise invalid("changes")
    if isinstance(changes.get("$set"), dict) and changes["$set"].keys() & changes.keys():
        raise invalid("set twice")
    paths: list[str] = []
    for name, fields in changes.items():
        if not name.startswith("$"):
            fields, name = {name: fields}, "$set"
        if name not in CHANGES:
            raise invalid(name)
        if name == "$unset" and isinstance(fields, list):
            fields = dict.fromkeys(fields, 1)
        if not isinstance(fields, dict):
            raise invalid(name)
        for path, value in fields.items():
            paths.append(path)
            if segments(path)[0] in ("id", *OWN) or (name == "$inc" and not number(value)):
                raise invalid("fixed")
    if any(below.startswith(f"{path}.") for path in paths for below in paths):
        raise invalid("one in the other")
