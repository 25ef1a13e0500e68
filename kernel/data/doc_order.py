"""The order of what is found: newest first, or by fields.

    ds.find("birds", {}, {sort: {seen: -1, name: 1}, order: "asc"})

Of two types the order is: null or missing, numbers, texts, false, true, everything else (which are all alike). Texts
go by code points. What is alike goes by age, in the direction of `order`.

`found(condition, ordering, slots)` is the whole of a find but its columns, for a statement like

    FIND = Read("select id, data, created_at, updated_at from {app_docs} where collection = :collection and [matching]")
    found = doc_order.found(condition, ordering, slots)
    call.store.scan((FIND.filled(matching=found.sql), {**found.params, "collection": …, "limit": …, "offset": …}), …)

with `:limit` (-1 is no limit) and `:offset` as whole numbers. The columns have to be these four. It relies on
`app_collections.docs` being the number of documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from kernel.base.errors import FaztError
from kernel.data import doc_spots
from kernel.data.doc_paths import Path, parse
from kernel.data.doc_query import Condition
from kernel.data.doc_spots import Params, Spot

MOST_FIELDS = 5
COLUMNS = "id, data, created_at, updated_at"
_ALL_OF_THEM = "iif(:limit < 0, -1, :limit + :offset)"


class Key(NamedTuple):
    path: Path
    up: bool


class Ordering(NamedTuple):
    keys: tuple[Key, ...] = ()
    up: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The field that an index would sort by."""
        return (self.keys[0].path.text,) if len(self.keys) == 1 and not self.keys[0].path.column else ()


class Found(NamedTuple):
    sql: str
    params: dict[str, Any]


NEWEST = Ordering()


def ordering(order: Any = None, sort: Any = None) -> Ordering:
    """What the options of a find say."""
    if order not in (None, "asc", "desc"):
        raise _wrong("order", "is asc or desc")
    if sort is None:
        return Ordering((), order == "asc")
    if not isinstance(sort, dict):
        raise _wrong("sort", 'is an object like {"age": -1}')
    if len(sort) > MOST_FIELDS:
        raise FaztError("LIMIT_EXCEEDED", f"sort: at most {MOST_FIELDS} fields.", field="sort", most=MOST_FIELDS)
    return Ordering(tuple(_key(name, direction) for name, direction in sort.items()), order == "asc")


def _key(name: Any, direction: Any) -> Key:
    path = parse(name, "sort")
    if isinstance(direction, bool) or direction not in (1, -1):
        raise _wrong("sort", f"{name} is 1 (upwards) or -1 (downwards)")
    return Key(path, direction == 1)


def found(condition: Condition, ordering: Ordering = NEWEST, slots: Mapping[str, int] | None = None) -> Found:
    """The rows that match, in their order, from `:offset` on and `:limit` of them."""
    bind = Params("s")
    spots = [doc_spots.of(key.path, slots or {}, bind) for key in ordering.keys]
    age = f"seq{_down(ordering.up)}"
    if len(spots) == 1 and spots[0].slot and not condition.uses:
        sql = _by_slot(condition.sql, spots[0], ordering.keys[0].up, age)
    else:
        keys = [_sorted(spot, key, condition) for spot, key in zip(spots, ordering.keys, strict=True)]
        sql = f"{condition.sql} order by {', '.join([*keys, age])}"
    return Found(f"{sql} limit :limit offset :offset", {**condition.params, **bind.bound})


def _sorted(spot: Spot, key: Key, condition: Condition) -> str:
    # an index can give the order only where every row is in it
    plain = spot.slot if spot.name in condition.sure and spot.slot else doc_spots.rank(spot)
    return f"{plain}{_down(key.up)}"


def _by_slot(condition: str, spot: Spot, up: bool, age: str) -> str:
    """In the order of an index. What is not in it stands before and behind; it is looked for only if there is any.

    The parts of a `union all` are run one after the other, and no further than the limit.
    """
    # a limit is found before the first row is looked at, a condition is not
    some = f"""coalesce((select docs from {{app_collections}} where name = :collection) >
(select count(*) from {{app_docs}} where collection = :collection and {spot.slot} is not null), 1)"""
    rest = f"iif({some}, {_ALL_OF_THEM}, 0)"
    parts = [
        _part(f"{condition} and {spot.slot} is null and {spot.value} is null", age, rest),
        _part(f"{condition} and {spot.slot} is not null", f"{spot.slot}{_down(up)}, {age}", _ALL_OF_THEM),
        _part(f"{condition} and {spot.slot} is null and {spot.value} is not null", age, rest),
    ]
    return " union all ".join(["0", *(parts if up else reversed(parts))])


def _part(where: str, order: str, limit: str) -> str:
    return f"""select {COLUMNS} from (select {COLUMNS} from {{app_docs}} where collection = :collection and {where}
order by {order} limit {limit})"""


def _down(up: bool) -> str:
    return "" if up else " desc"


def _wrong(field: str, message: str) -> FaztError:
    return FaztError("INVALID_ARGUMENT", f"{field}: {message}.", field=field)
