"""Documents in collections: insert, find, update, delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Raw, Struct

from kernel.base.settings import Settings
from kernel.base.tables import Read
from kernel.data import doc_functions, doc_reads, doc_writes, streams
from kernel.data.collections import rows_of
from kernel.data.doc_changes import Changes
from kernel.data.doc_order import ordering
from kernel.data.doc_reads import is_bounded, meant, query_of
from kernel.data.doc_tables import MOST_BYTES
from kernel.data.doc_values import Collection, documents, id_text, wrong
from kernel.data.streams import is_sharded
from kernel.syscall import Call, Json, Scan, Write, syscall
from kernel.syscall.plan import Later
from kernel.syscall.words import SAFE, Offset, Query

Order = Literal["asc", "desc"]
Many = Annotated[int, Meta(ge=0, le=SAFE)]

FUNCTIONS = {**doc_functions.FUNCTIONS, **doc_writes.FUNCTIONS}
COLLECTIONS = Read("select name, docs, bytes from {app_collections} where docs > 0 order by name")
COLLECTION = "/api/apps/{app}/storage/ds/{collection}"


class Ids:
    """The id of a new document, or those of several."""

    typescript: ClassVar[str] = "string | string[]"
    overloads: ClassVar[list[tuple[dict[str, str], str]]] = [
        # a list can be gone through, a document cannot
        ({"doc": "Record<string, any> & { [Symbol.iterator]?: never }"}, "string"),
        ({"doc": "readonly Record<string, any>[]"}, "string[]"),
    ]

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}


class Document:
    """A document as it comes back."""

    typescript: ClassVar[str] = "Record<string, any> & { id: string; _createdAt: number; _updatedAt: number }"

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "object"}


class CollectionInfo(Struct):
    name: str
    docs: int
    bytes: int


@syscall("storage.ds.insert", needs="storage:ds", personal=True)
def ds_insert(call: Call, collection: Collection, doc: Json) -> Write[Ids] | Later[Ids]:
    """Store a document; its id. Several in a list are stored all or none; their ids.

    A document may bring its own `id`, a text or a number; otherwise it gets one.
    """
    plan: Write[Ids] = stored(call, collection, doc, lambda ids: ids if isinstance(doc, list) else ids[0])
    return plan


def stored(call: Call, collection: str, doc: Any, answer: Callable[[list[str]], Any]) -> Any:
    """The plan of new documents; what is answered with their ids is known at once."""
    docs = documents(doc, call.use(Settings)[MOST_BYTES.name])
    said = answer([made.id for made in docs])
    if is_sharded(call, collection):
        return streams.inserted(call, collection, docs, said)
    return doc_writes.inserted(call, rows_of(call, collection), collection, docs).saying(said)


@syscall("storage.ds.find", needs="storage:ds", personal=True)
def ds_find(
    call: Call,
    collection: Collection,
    query: Query = None,
    *,
    limit: Many | None = None,
    offset: Offset = 0,
    order: Order = "desc",
    sort: Query = None,
) -> Scan[list[Document]] | Later[list[Document]] | list[Document]:
    """The documents a query means, newest first.

    Each comes with its `id`, `_createdAt` and `_updatedAt`. `sort` is an object of fields, 1 upwards and -1 downwards.
    """
    result: Scan[list[Document]] = found(call, collection, query, order, sort, limit, offset)
    return result


def found(
    call: Call,
    collection: str,
    query: Any,
    order: Any = None,
    sort: Any = None,
    limit: int | None = None,
    offset: int = 0,
    **how: Any,
) -> Any:
    """What a find finds, wherever the collection lies."""
    store, wanted = rows_of(call, collection), ordering(order, sort)
    which = query_of(call, store, collection, query)
    if is_sharded(call, collection):
        return streams.found(call, collection, which, wanted, limit, offset, **how)
    bounded = is_bounded(query, which)
    return doc_reads.found(call, store, collection, which, wanted, limit, offset, bounded=bounded, **how)


@syscall("storage.ds.findOne", needs="storage:ds", personal=True)
def ds_find_one(
    call: Call, collection: Collection, query: Query
) -> Scan[Document | None] | Later[Document | None] | Document | None:
    """The newest document a query means, or the one with an id; null when there is none."""
    if query is None:
        # a name that nobody filled must not find somebody
        raise wrong("query", "say a query or an id; {} means any document")
    id = id_text(query)
    if id is None and isinstance(query, dict) and len(query) == 1 and isinstance(query.get("id"), str):
        id = query["id"]
    plan: Scan[Document | None] = (
        found(call, collection, query, limit=1, answer=_first) if id is None else one(call, collection, id, _itself)
    )
    return plan


@syscall("storage.ds.get", needs="storage:ds", personal=True)
def ds_get(
    call: Call, collection: Collection, id: Json
) -> Scan[Document | None] | Later[Document | None] | Document | None:
    """The document with an id; null when there is none."""
    plan: Scan[Document | None] = one(call, collection, id_of(id), _itself)
    return plan


def one(call: Call, collection: str, id: str, answer: Callable[[Raw | None], Any]) -> Any:
    """What is answered about the document with an id."""
    if is_sharded(call, collection):
        this = doc_reads.only(id)
        return streams.found(call, collection, this, limit=1, answer=lambda items, total: answer(_first(items)))
    return answer(doc_reads.one(rows_of(call, collection), collection, id))


def id_of(given: Any) -> str:
    id = id_text(given)
    if id is None:
        raise wrong("id", "an id is a text or a number")
    return id


@syscall(
    "storage.ds.update",
    needs="storage:ds",
    http=f"POST {COLLECTION}/update",
    cli="ds update <collection> <query> <changes>",
    personal=True,
)
def ds_update(call: Call, collection: Collection, query: Query, changes: Json) -> Write[int]:
    """Change every document that an id or a query means, as one; how many those are.

    Changes are fields to set, and `$set $unset $inc $push $pull $addToSet`, applied in this order.
    """
    if is_sharded(call, collection):
        raise streams.updated(collection)
    store = rows_of(call, collection)
    which = meant(call, store, collection, query)
    return doc_writes.changed(call, store, collection, which, Changes.read(changes, id_text(query)))


@syscall(
    "storage.ds.delete",
    needs="storage:ds",
    http=f"POST {COLLECTION}/delete",
    cli="ds delete <collection> <query>",
    confirm="This deletes every document that the query means.",
    personal=True,
)
def ds_delete(call: Call, collection: Collection, query: Query) -> Write[int] | Later[int]:
    """Delete every document that an id or a query means; how many those were. `{}` means all."""
    store = rows_of(call, collection)
    which = meant(call, store, collection, query)
    if is_sharded(call, collection):
        return streams.removed(call, collection, query)
    return doc_writes.removed(call, store, collection, which)


@syscall(
    "storage.ds.deleteOldest",
    needs="storage:ds",
    http=f"POST {COLLECTION}/trim",
    cli="ds trim <collection> <keep>",
    confirm="This deletes all but the newest documents.",
    personal=True,
)
def ds_delete_oldest(call: Call, collection: Collection, keep: Many) -> Write[int] | Later[int]:
    """Delete all but the newest documents; how many that were."""
    if is_sharded(call, collection):
        return streams.trimmed(call, collection, keep)
    return doc_writes.removed(call, rows_of(call, collection), collection, doc_writes.OLDER, keep=keep)


@syscall(
    "storage.ds.count",
    needs="storage:ds",
    http=f"POST {COLLECTION}/count",
    cli="ds count <collection> <query?>",
    personal=True,
)
def ds_count(call: Call, collection: Collection, query: Query = None) -> Scan[int] | Later[int] | int:
    """How many documents a query means."""
    store = rows_of(call, collection)
    which = query_of(call, store, collection, query)
    if is_sharded(call, collection):
        return streams.counted(call, collection, which)
    return doc_reads.counted(call, store, collection, which)


@syscall(
    "storage.ds.aggregate",
    needs="storage:ds",
    http=f"POST {COLLECTION}/aggregate",
    whole="spec",
    cli="ds aggregate <collection> <spec>",
    personal=True,
)
def ds_aggregate(call: Call, collection: Collection, spec: Query) -> Scan[Json] | Later[Json]:
    """Totals: `{count: true, sum: field, avg: field, min: field, max: field, where: query, groupBy: field}`.

    An object of what was asked for; grouped, a list of them, each with its `_id`.
    """
    store = rows_of(call, collection)
    if is_sharded(call, collection):
        return streams.totals(call, collection, spec)
    return doc_reads.totals(call, store, collection, spec)


@syscall(
    "storage.ds.collections",
    needs="storage:ds",
    http="GET /api/apps/{app}/storage/ds",
    cli="ds collections",
    personal=True,
)
def ds_collections(call: Call) -> Scan[list[CollectionInfo]]:
    """The collections there are, with how many documents and bytes they hold."""
    return call.store.scan((COLLECTIONS, {}), then=lambda rows: [CollectionInfo(*row) for row in rows[0]])


def _itself(document: Raw | None) -> Raw | None:
    return document


def _first(items: list[Raw], total: int | None = None) -> Raw | None:
    return items[0] if items else None
