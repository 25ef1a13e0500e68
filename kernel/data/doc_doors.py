"""Documents for people and programs outside: pages, single documents, answers that say what was made."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from kernel.base.errors import FaztError
from kernel.data import doc_writes, streams
from kernel.data.collections import rows_of
from kernel.data.doc_changes import Changes
from kernel.data.doc_reads import only
from kernel.data.doc_values import Collection
from kernel.data.docs import COLLECTION, Order, found, id_of, one, stored
from kernel.data.streams import is_sharded
from kernel.syscall import Call, Json, Page, Scan, Write, syscall
from kernel.syscall.plan import Later
from kernel.syscall.words import AsTyped, KeyLimit, Offset, Query


class Inserted(Struct, omit_defaults=True):
    id: str | None = None
    ids: list[str] | None = None


@syscall("storage.ds.list", http=f"GET {COLLECTION}", cli="ds find <collection> <query?>", js=False, personal=True)
def ds_list(
    call: Call,
    collection: Collection,
    query: Query = None,
    *,
    limit: KeyLimit = 100,
    offset: Offset = 0,
    order: Order = "desc",
    sort: Query = None,
    total: bool = True,
) -> Scan[Page[Json]] | Later[Page[Json]] | Page[Json]:
    """One page of the documents a query means. `total=false` leaves out how many there are altogether."""

    def page(items: list[Raw], there: int | None) -> Page[Json]:
        known = {} if there is None else {"total": there}
        return Page(items, {**known, "limit": limit, "offset": offset})

    result: Page[Json] = found(call, collection, query, order, sort, limit, offset, total=total, answer=page)
    return result


@syscall("storage.ds.query", http=f"POST {COLLECTION}/query", js=False, personal=True)
def ds_query(
    call: Call,
    collection: Collection,
    query: Query = None,
    *,
    limit: KeyLimit = 100,
    offset: Offset = 0,
    order: Order = "desc",
    sort: Query = None,
    total: bool = True,
) -> Scan[Page[Json]] | Later[Page[Json]] | Page[Json]:
    """As the list, for queries that are too long for an address."""
    asked = {"limit": limit, "offset": offset, "order": order, "sort": sort, "total": total}
    page: Page[Json] = ds_list(call, collection, query, **asked)
    return page


@syscall(
    "storage.ds.create",
    http=f"POST {COLLECTION} -> 201",
    whole="doc",
    cli="ds insert <collection> <doc>",
    js=False,
    personal=True,
)
def ds_create(call: Call, collection: Collection, doc: Json) -> Write[Inserted] | Later[Inserted]:
    """Store a document, or all of a list of them."""
    several = isinstance(doc, list)
    plan: Write[Inserted] = stored(call, collection, doc, lambda i: Inserted(ids=i) if several else Inserted(i[0]))
    return plan


@syscall("storage.ds.entry", http=f"GET {COLLECTION}/{{id}}", cli="ds get <collection> <id>", js=False, personal=True)
def ds_entry(call: Call, collection: Collection, id: AsTyped) -> Scan[Json] | Later[Json] | Json:
    """One document."""

    def there(document: Raw | None) -> Raw:
        if document is None:
            raise _none(collection, id)
        return document

    return one(call, collection, id_of(id), there)


@syscall("storage.ds.patch", http=f"PATCH {COLLECTION}/{{id}}", whole="changes", js=False, personal=True)
def ds_patch(call: Call, collection: Collection, id: AsTyped, changes: Json) -> Write[Inserted]:
    """Change one document."""
    if is_sharded(call, collection):
        raise streams.updated(collection)
    store, text = rows_of(call, collection), id_of(id)
    read = Changes.read(changes, text)
    return doc_writes.changed(call, store, collection, only(text), read, _none(collection, id)).saying(Inserted(text))


@syscall(
    "storage.ds.remove",
    http=f"DELETE {COLLECTION}/{{id}} -> 204",
    cli="ds remove <collection> <id>",
    js=False,
    personal=True,
)
def ds_remove(call: Call, collection: Collection, id: AsTyped) -> Write[None]:
    """Delete one document."""
    if is_sharded(call, collection):
        raise streams.updated(collection)
    this, none = only(id_of(id)), _none(collection, id)
    return doc_writes.removed(call, rows_of(call, collection), collection, this, none).saying(None)


def _none(collection: str, id: Any) -> FaztError:
    return FaztError("NOT_FOUND", f"There is no document {id} in {collection}.", f"See `fazt ds find {collection}`.")
