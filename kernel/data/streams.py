"""Sharded collections: much is written, little is read, and what is old goes.

    {"storage": {"collections": {"events": {"sharded": true, "retentionMonths": 12}}}}

The document store calls these functions where `is_sharded` says so. Before anything is read, what still waits in
memory is written: that is why an answer may be a `Later`. Events are never changed; they go by age, or all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Raw

from kernel.base.errors import FaztError
from kernel.data import doc_order, doc_totals, text
from kernel.data.collections import said_of
from kernel.data.doc_order import Ordering
from kernel.data.doc_query import Condition
from kernel.data.doc_values import Document
from kernel.data.quota import room
from kernel.data.stream_buffer import Streams
from kernel.data.stream_tables import COUNT, COUNTS, NEWEST, OLD, OLDEST, SORTED, TOTAL, TOTALS, TRIM, UP_TO
from kernel.syscall.call import Call
from kernel.syscall.plan import Later, Scan, Write

T = TypeVar("T")
Answer = Callable[[list[Raw], int | None], Any]
MEANWHILE = FaztError("CONFLICT", "Somebody else deletes events of this collection at this moment.", "Try again.")


def is_sharded(call: Call, collection: str) -> bool:
    """What somebody has for himself is never sharded."""
    said = said_of(call, collection)
    return said.sharded and said.scope == "app" and not call.store.user


def inserted(call: Call, collection: str, documents: Sequence[Document], answer: T) -> Write[T] | Later[T]:
    """A plan without steps: events are taken when it is carried out, and are in the file some seconds later."""
    streams, app = call.use(Streams), call.app or ""
    room(call, sum(document.size for document in documents))

    def take(_: Any) -> T:
        streams.insert(app, collection, documents, call.now)
        return answer

    if not streams.is_full:
        return Write([], take)

    async def slower() -> T:
        await streams.flush(app, collection)
        return take(None)

    return Later(slower)


def found(
    call: Call,
    collection: str,
    which: Condition,
    ordering: Ordering = doc_order.NEWEST,
    limit: int | None = None,
    offset: int = 0,
    *,
    total: bool = False,
    answer: Answer = lambda items, total: items,
) -> Scan[Any] | Later[Any]:
    """Events in their order. `which` is a condition made without slots."""
    params = {**which.params, "collection": collection, "limit": -1 if limit is None else limit, "offset": offset}
    if ordering.keys:
        sorted_ = doc_order.found(which, ordering, {})
        read, params = SORTED.filled(matching=sorted_.sql), {**params, **sorted_.params}
    else:
        read = (OLDEST if ordering.up else NEWEST).filled(matching=which.sql)
    reads = [(read, params)]
    if total:
        reads.append((COUNT.filled(matching=which.sql), {**which.params, "collection": collection}))

    def answered(results: list[list[Any]]) -> Any:
        items = [Raw(f'{data[:-1]},"_updatedAt":{updated}}}'.encode()) for _, data, _, updated in results[0]]
        return answer(items, int(results[1][0][0]) if total else None)

    return _written(call, collection, call.store.scan(*reads, then=answered))


def counted(call: Call, collection: str, which: Condition) -> Scan[int] | Later[int]:
    """How many events there are of a kind; of all of them it is known."""
    read = TOTAL if which.sql == "1" else COUNT.filled(matching=which.sql)
    scan = call.store.scan((read, {**which.params, "collection": collection}), then=lambda rows: int(rows[0][0][0]))
    return _written(call, collection, scan)


def totals(call: Call, collection: str, spec: Any) -> Scan[Any] | Later[Any]:
    wanted = doc_totals.totals(spec, {}, text.scanned_in(said_of(call, collection).text))
    read = TOTALS.filled(columns=wanted.columns, matching=wanted.matching)
    scan = call.store.scan((read, {**wanted.params, "collection": collection}), then=lambda r: wanted.answer(r[0]))
    return _written(call, collection, scan)


def updated(collection: str) -> FaztError:
    """What is said to who wants to change an event."""
    return _only_added(collection, "changed")


def removed(call: Call, collection: str, query: Any) -> Later[int]:
    """All of them go; one by one they do not."""
    if query != {} or not isinstance(query, dict):
        raise _only_added(collection, "deleted")

    def plan() -> Write[int]:
        everything = _everything(call, collection, call.store.all(COUNTS, collection=collection))
        return everything.giving(lambda rows: sum(row[0] for found in rows for row in found))

    return _closed(call, collection, plan)


def trimmed(call: Call, collection: str, keep: int) -> Later[int]:
    """All but the newest go; how many that were."""

    def plan() -> Write[int]:
        gone = 0
        rows = call.store.all(COUNTS, collection=collection)
        left = too_many = max(0, sum(count for _, _, _, count in rows) - keep)
        for _, month, number, count in rows:
            if count > left:
                where = {"collection": collection, "month": month, "number": number}
                steps = call.store.do(OLD, **where)
                if left:
                    steps = call.store.do(TRIM, gone=left, was=count, **where).expect(1, MEANWHILE) + steps
                return steps.saying(too_many)
            gone, left = gone + count, left - count
        return _everything(call, collection, rows).saying(gone)

    return _closed(call, collection, plan)


def _everything(call: Call, collection: str, rows: Sequence[Any]) -> Write[Any]:
    """All that is in these rows, the oldest first, goes."""
    if not rows:
        return Write([])
    _, month, number, _ = rows[-1]
    return call.store.do(UP_TO, collection=collection, month=month, number=number)


def _written(call: Call, collection: str, scan: Scan[T]) -> Scan[T] | Later[Any]:
    """The scan, when everything is in the file."""
    streams, app = call.use(Streams), call.app or ""
    if not streams.holds(app, collection):
        return scan

    async def work() -> Scan[T]:
        await streams.flush(app, collection)
        return scan

    return Later(work)


def _closed(call: Call, collection: str, plan: Callable[[], Write[int]]) -> Later[Any]:
    """A plan about rows that nobody adds to any more."""

    async def work() -> Write[int]:
        await call.use(Streams).flush(call.app or "", collection, closing=True)
        return plan()

    return Later(work)


def _only_added(collection: str, what: str) -> FaztError:
    return FaztError(
        "INVALID_ARGUMENT",
        f"{collection} is a sharded collection: its events are added, never {what} one by one.",
        "Delete all but the newest with deleteOldest, or all of them with delete and {}.",
        field="collection",
    )
