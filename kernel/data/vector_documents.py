"""Documents with vectors: reading, removing and finding them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kernel.base.errors import not_found
from kernel.base.json import decode, to_text
from kernel.base.tables import Read, Remove
from kernel.data import vector_search
from kernel.data.vector_adding import MOST_AT_ONCE, embedded
from kernel.data.vector_search import CHOSEN, check_dimensions, condition
from kernel.data.vector_tables import DOCUMENTS, EMBEDDINGS
from kernel.data.vector_words import (
    CollectionName,
    Found,
    Stored,
    Vector,
    WhereContent,
    Whole,
    floats,
    refused,
)
from kernel.data.vectors import COUNT, meant
from kernel.storage.inside import step
from kernel.syscall import Call, Key, Page, Scan, Write, syscall
from kernel.syscall.plan import Later, page
from kernel.syscall.words import KeyLimit, Offset, Query

_AMONG = "id in (select value from json_each(:ids))"
TAKE = Remove(EMBEDDINGS, where=f"collection = :collection and place in ({CHOSEN} {_AMONG})")
DELETE = Remove(DOCUMENTS, where=f"collection = :collection and {_AMONG}", returning="id")
TAKE_CHOSEN = Remove(EMBEDDINGS, where=f"collection = :collection and place in ({CHOSEN} [chosen])")
DELETE_CHOSEN = Remove(DOCUMENTS, where="collection = :collection and [chosen]", returning="id")

GET = Read("""select d.id, d.content, d.data, e.embedding from {vector_documents} d
join {vector_embeddings} e on e.collection = d.collection and e.place = d.place
where d.collection = :collection and d.id = :id""")
LIST = Read("""select id, content, data from {vector_documents} where collection = :collection
order by id limit :limit offset :offset""")
IDS = Read("select id from {vector_documents} where collection = :collection order by id")
BY_METADATA = Read("""select id, content, data from {vector_documents}
where collection = :collection and [chosen] order by id""")


# --- reading


@syscall("storage.vector.get", needs="storage:vector")
def documents_get(call: Call, name: CollectionName, id: Key) -> Whole | None:
    """One document with its vector; null when there is none."""
    row = call.store.one(GET, collection=meant(call, name).number, id=id)
    return Whole(row[0], row[1], decode(row[2]), floats(row[3]).tolist()) if row else None


@syscall(
    "storage.vector.document",
    http="GET /api/apps/{app}/vector/collections/{name}/documents/{id}",
    cli="vector get <name> <id>",
    js=False,
)
def documents_one(call: Call, name: CollectionName, id: Key) -> Whole:
    """One document with its vector."""
    found: Whole | None = documents_get(call, name, id)
    if found is None:
        raise not_found("document", id)
    return found


@syscall(
    "storage.vector.list",
    needs="storage:vector",
    http="GET /api/apps/{app}/vector/collections/{name}/documents",
    cli="vector list <name>",
)
def documents_list(
    call: Call, name: CollectionName, *, limit: KeyLimit = 100, offset: Offset = 0
) -> Scan[Page[Stored]]:
    """Documents by id, without their vectors."""
    collection = meant(call, name).number
    span = {"collection": collection, "limit": limit, "offset": offset}
    return call.store.scan(
        (LIST, span),
        (COUNT, {"collection": collection}),
        then=lambda rows: page([_shown(row) for row in rows[0]], offset, limit, rows[1][0][0]),
    )


@syscall("storage.vector.listIds", needs="storage:vector")
def documents_ids(call: Call, name: CollectionName) -> Scan[list[str]]:
    """The ids of all documents of a collection."""
    return call.store.scan((IDS, {"collection": meant(call, name).number}), then=lambda rows: [id for (id,) in rows[0]])


@syscall("storage.vector.getByMetadata", needs="storage:vector")
def documents_by_metadata(call: Call, name: CollectionName, where: Query) -> Scan[list[Stored]]:
    """The documents whose metadata are so, by id, without their vectors."""
    sql, params = condition(where)
    read, collection = BY_METADATA.filled(chosen=sql or "true"), meant(call, name).number
    return call.store.scan((read, {**params, "collection": collection}), then=lambda rows: list(map(_shown, rows[0])))


# --- removing


@syscall("storage.vector.delete", needs="storage:vector")
def documents_delete(call: Call, name: CollectionName, id: Key) -> Write[int]:
    """Delete a document; the answer is how many there were."""
    return _deleted(call, name, [id])


@syscall(
    "storage.vector.remove",
    http="DELETE /api/apps/{app}/vector/collections/{name}/documents/{id} -> 204",
    cli="vector delete <name> <id>",
    js=False,
)
def documents_remove(call: Call, name: CollectionName, id: Key) -> Write[None]:
    """Delete a document."""
    return _deleted(call, name, [id]).expect(1, not_found("document", id)).giving(lambda _: None)


@syscall("storage.vector.deleteMany", needs="storage:vector")
def documents_delete_many(call: Call, name: CollectionName, ids: list[Key]) -> Write[int]:
    """Delete documents; the answer is how many there were."""
    if len(ids) > MOST_AT_ONCE:
        raise refused("ids", f"at most {MOST_AT_ONCE} at once")
    return _deleted(call, name, ids)


@syscall("storage.vector.deleteByMetadata", needs="storage:vector")
def documents_delete_by_metadata(call: Call, name: CollectionName, where: Query) -> Write[int]:
    """Delete the documents whose metadata are so; the answer is how many there were. `{}` means all of them."""
    sql, params = condition(_said(where))
    params["collection"] = meant(call, name).number
    chosen = {"chosen": sql or "true"}
    plan = _counted(call, TAKE_CHOSEN.filled(**chosen), DELETE_CHOSEN.filled(**chosen), params)
    # they may be very many
    return Write([step(call.store, lambda inside: len(inside.make(plan)))], lambda rows: int(rows[0][0]))


def _said(where: Any) -> Any:
    """What was forgotten must not mean everything."""
    if not isinstance(where, dict):
        raise refused("where", 'must be a query like {"lang": "en"}')
    return where


def _deleted(call: Call, name: str, ids: Sequence[str]) -> Write[int]:
    return _counted(call, TAKE, DELETE, {"collection": meant(call, name).number, "ids": to_text(list(ids))})


def _counted(call: Call, take: Remove, delete: Remove, params: dict[str, Any]) -> Write[int]:
    plan = call.store.do(take, **params) + call.store.do(delete, **params)
    return plan.giving(lambda rows: len(rows[-1]))


# --- finding


@syscall("storage.vector.queryEmbedding", needs="storage:vector")
def documents_near(
    call: Call,
    name: CollectionName,
    vector: Vector,
    *,
    limit: KeyLimit = 10,
    where: Query = None,
    where_content: WhereContent | None = None,
    threshold: float | None = None,
) -> Scan[list[Found]]:
    """The documents nearest to a vector, with the cosine as their score, best first; ties by id.

    Only documents whose metadata (`where`) and text (`where_content`) are so count, and scores from `threshold` on.
    """
    into = meant(call, name)
    check_dimensions(into.dimensions, vector, "vector")
    return vector_search.nearest(call, into.number, vector, limit, where, where_content, threshold)


@syscall("storage.vector.query", needs="storage:vector", weight=0)
async def documents_query(
    call: Call,
    name: CollectionName,
    text: str,
    *,
    limit: KeyLimit = 10,
    where: Query = None,
    where_content: WhereContent | None = None,
    threshold: float | None = None,
) -> Scan[list[Found]]:
    """The documents nearest to a text, with the cosine as their score, best first; ties by id."""
    into = meant(call, name)
    (vector,) = await embedded(call, into, [text])
    check_dimensions(into.dimensions, vector, "vector")
    return vector_search.nearest(call, into.number, vector, limit, where, where_content, threshold)


@syscall(
    "storage.vector.search",
    http="POST /api/apps/{app}/vector/collections/{name}/query",
    cli="vector query <name> <text?>",
    js=False,
)
def documents_search(
    call: Call,
    name: CollectionName,
    text: str | None = None,
    *,
    embedding: Vector | None = None,
    limit: KeyLimit = 10,
    where: Query = None,
    where_content: WhereContent | None = None,
    threshold: float | None = None,
) -> Scan[list[Found]] | Later[list[Found]]:
    """The documents nearest to a text or to a vector, with the cosine as their score, best first."""
    if (text is None) == (embedding is None):
        raise refused("embedding", "say either a text or an embedding")
    if text is not None:
        # no coroutine by itself: those count as writing, and this only reads
        return Later(
            lambda: documents_query(
                call, name, text, limit=limit, where=where, where_content=where_content, threshold=threshold
            )
        )
    assert embedding is not None
    into = meant(call, name)
    check_dimensions(into.dimensions, embedding)
    return vector_search.nearest(call, into.number, embedding, limit, where, where_content, threshold)


def _shown(row: Any) -> Stored:
    return Stored(row[0], row[1], decode(row[2]))
