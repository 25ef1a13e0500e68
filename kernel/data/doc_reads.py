"""How documents are found and given out: as the text they are stored as, never taken apart on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw

from kernel.base.errors import FaztError
from kernel.base.tables import Read
from kernel.data import doc_order, doc_query, doc_totals, text, text_index
from kernel.data.collections import said_of
from kernel.data.doc_functions import encoded
from kernel.data.doc_order import Ordering
from kernel.data.doc_query import Condition, compiled
from kernel.data.doc_values import id_text, shown, wrong
from kernel.data.indexes import Indexes
from kernel.data.streams import is_sharded
from kernel.syscall.call import Call, Scoped
from kernel.syscall.plan import Scan

_SHOWN = f"select {doc_order.COLUMNS} from {{app_docs}} where collection = :collection and"
BY_ID = Read(f"{_SHOWN} id = :id")
FIND = Read(f"{_SHOWN} [matching]")
NEWEST = Read(f"{_SHOWN} 1 order by seq desc limit :limit offset :offset")
OLDEST = Read(f"{_SHOWN} 1 order by seq limit :limit offset :offset")
COUNT = Read("select count(*) from {app_docs} where collection = :collection and ([where])")
TOTALS = Read("select [columns] from {app_docs} where collection = :collection and [matching]")
TOTAL = Read("select docs from {app_collections} where name = :collection")

# so many rows of an index are walked on the calling thread
MOST_AT_ONCE = 1000
MOST_RESULT = 16 << 20
EVERY = Condition("1", {}, (), ())
Answer = Callable[[list[Raw], int | None], Any]


def query_of(call: Call, store: Scoped, collection: str, query: Any) -> Condition:
    """What documents a query means; without one, all of them."""
    if not query and (query is None or isinstance(query, dict)):
        return EVERY
    if is_sharded(call, collection):
        return compiled(query, {}, text_of=text.scanned_in(said_of(call, collection).text))
    slots = call.use(Indexes).of(store.app, collection).ready
    return compiled(query, slots, text_of=_text_of(call, store, collection))


def _text_of(call: Call, store: Scoped, collection: str) -> doc_query.TextOf:
    """How `$text` is looked up."""
    return text_index.text_of(call, store, collection, said_of(call, collection).text)


def is_bounded(query: Any, which: Condition) -> bool:
    """Is it one value of one field that an index leads to, and nothing else?"""
    return (
        isinstance(query, dict)
        and len(query) == 1
        and len(which.uses) == 1
        and encoded(query.get(which.uses[0])) is not None
    )


def meant(call: Call, store: Scoped, collection: str, query: Any) -> Condition:
    """What documents a change is about: the one with an id, or those of a query, which has to be there."""
    id = id_text(query)
    if id is not None:
        return only(id)
    if not isinstance(query, dict):
        raise wrong("query", "say which documents are meant: an id, or a query ({} means every one)")
    return query_of(call, store, collection, query)


def only(id: str) -> Condition:
    """The document with this id."""
    return Condition("id = :id", {"id": id}, ("id",), ())


def one(store: Scoped, collection: str, id: str) -> Raw | None:
    row = store.one(BY_ID, collection=collection, id=id)
    return Raw(shown(*row)) if row else None


def found(
    call: Call,
    store: Scoped,
    collection: str,
    which: Condition,
    ordering: Ordering = doc_order.NEWEST,
    limit: int | None = None,
    offset: int = 0,
    *,
    total: bool = False,
    bounded: bool = False,
    answer: Answer = lambda items, total: items,
) -> Any:
    """Documents in their order, with how many there are altogether if that is wanted.

    `bounded`: an index leads to the documents that are meant and to no others.
    """
    span = {"collection": collection, "limit": -1 if limit is None else limit, "offset": offset}
    few = not ordering.keys and limit is not None and limit + offset <= MOST_AT_ONCE
    if few and which is EVERY:
        rows = store.all(OLDEST if ordering.up else NEWEST, **span)
        there = _total(store, collection) if total else None
        return answer(_given(rows), there)
    slots = call.use(Indexes).of(store.app, collection).ready
    wanted = doc_order.found(which, ordering, slots)
    if few and bounded and not total:
        rows = store.all(FIND.filled(matching=wanted.sql), **span, **wanted.params)
        return answer(_given(rows), None)
    reads = [(FIND.filled(matching=wanted.sql), {**span, **wanted.params})]
    all_of_it = not which.uses and which.fields
    if total and which is not EVERY:
        reads.append((COUNT.filled(where=which.sql), {"collection": collection, **which.params}))
    if total or all_of_it:
        reads.append((TOTAL, {"collection": collection}))

    def answered(results: list[list[Any]]) -> Any:
        rows = results[0]
        if all_of_it and (total or len(rows) != limit):
            # it had to look at every document
            call.use(Indexes).scanned(store.app, collection, which.fields, _number(results[-1]))
        return answer(_given(rows), _number(results[1]) if total else None)

    return store.scan(*reads, then=answered)


def counted(call: Call, store: Scoped, collection: str, which: Condition) -> Scan[int] | int:
    if which is EVERY:
        return _total(store, collection)
    reads = ((COUNT.filled(where=which.sql), {"collection": collection, **which.params}),)
    if which.uses or not which.fields:
        return store.scan(*reads, then=lambda results: _number(results[0]))

    def answered(results: list[list[Any]]) -> int:
        call.use(Indexes).scanned(store.app, collection, which.fields, _number(results[1]))
        return _number(results[0])

    return store.scan(*reads, (TOTAL, {"collection": collection}), then=answered)


def totals(call: Call, store: Scoped, collection: str, spec: Any) -> Scan[Any]:
    """What `aggregate` answers."""
    slots = call.use(Indexes).of(store.app, collection).ready
    wanted = doc_totals.totals(spec, slots, _text_of(call, store, collection))
    which = wanted.condition
    read = TOTALS.filled(columns=wanted.columns, matching=wanted.matching)

    def answered(results: list[list[Any]]) -> Any:
        if not which.uses and which.fields:
            call.use(Indexes).scanned(store.app, collection, which.fields, _number(results[1]))
        return wanted.answer(results[0])

    params = {"collection": collection}
    return store.scan((read, {**wanted.params, **params}), (TOTAL, params), then=answered)


def _total(store: Scoped, collection: str) -> int:
    row = store.one(TOTAL, collection=collection)
    return int(row[0]) if row else 0


def _number(rows: list[Any]) -> int:
    return int(rows[0][0]) if rows else 0


def _given(rows: list[Any]) -> list[Raw]:
    items = [Raw(shown(*row)) for row in rows]
    # a character is one byte at least
    if len(items) > 15 and sum(len(row[1]) for row in rows) > MOST_RESULT:
        raise FaztError("LIMIT_EXCEEDED", "The documents found are more than 16 MiB.", "Page through them with limit.")
    return items
