"""Collections of texts with vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

from kernel.base.errors import FaztError, not_found
from kernel.base.json import decode
from kernel.base.tables import Patch, Read, Remove
from kernel.data import vector_tables as tables
from kernel.data.quota import room
from kernel.data.vector_chores import emptied
from kernel.data.vector_tables import COLLECTIONS
from kernel.data.vector_words import KNOWN, MOST_DIMENSIONS, Collection, CollectionName, Model, metadata_of, refused
from kernel.syscall import Call, Json, Scan, Write, syscall

BY_NAME = Read("select number, dimensions, model from {vector_collections} where name = :name")
_SHOWN = """select c.name, (select count(*) from {vector_documents} d where d.collection = c.number), c.dimensions,
  c.model, c.metadata from {vector_collections} c"""
ONE = Read(f"{_SHOWN} where c.name = :name")
LIST = Read(f"{_SHOWN} order by c.name")
DESCRIBE = Patch(COLLECTIONS, set="metadata = :metadata, updated_at = :now", where="name = :name")
FORGET = Remove(COLLECTIONS, where="number = :collection")
# what lay under the old number is nobody's
BEGIN_ANEW = Patch(COLLECTIONS, set="number = :fresh", where="number = :collection")
COUNT = Read("select count(*) from {vector_documents} where collection = :collection")


class Meant(NamedTuple):
    """The collection a call is about."""

    name: str
    number: int
    dimensions: int | None
    model: str | None


def meant(call: Call, name: str) -> Meant:
    row = call.store.one(BY_NAME, name=name)
    if row is None:
        raise no_collection(name)
    return Meant(name, *row)


def no_collection(name: str) -> FaztError:
    return not_found(
        "collection",
        name,
        "`fazt vector collections create` makes one, `fazt vector collections list` shows those there are.",
    )


@syscall(
    "storage.vector.createCollection",
    needs="storage:vector",
    http="POST /api/apps/{app}/vector/collections -> 201",
    cli="vector collections create <name>",
)
def vectors_create(
    call: Call,
    name: CollectionName,
    *,
    embedding_model: Model | None = None,
    model: Model | None = None,
    dimensions: int | None = None,
    metadata: Json = None,
) -> Write[Collection]:
    """Make a collection for vectors of so many numbers, or of what a model makes; `model` is `embedding_model`."""
    if model and embedding_model and model != embedding_model:
        raise refused("model", "there are two of them")
    model = embedding_model or model
    if dimensions is not None and not 1 <= dimensions <= MOST_DIMENSIONS:
        raise refused("dimensions", f"must be 1 to {MOST_DIMENSIONS}")
    if model is None and dimensions is None:
        raise refused("dimensions", "say dimensions, or an embeddingModel")
    known = dimensions if dimensions is not None else KNOWN.get(model.removesuffix(":latest") if model else "")
    about = _metadata(metadata)
    room(call, len(name) + len(about))
    taken = FaztError("CONFLICT", f"There is a collection called {name} already.")
    plan = call.store.insert(
        COLLECTIONS,
        taken,
        name=name,
        number=tables.places.take(call.now, 1)[0],
        dimensions=known,
        model=model,
        metadata=about,
        updated_at=call.now,
    )
    return plan.saying(Collection(name, 0, known, model, decode(about)))


@syscall("storage.vector.getCollection", needs="storage:vector")
def vectors_get(call: Call, name: CollectionName) -> Scan[Collection | None]:
    """What is known of a collection; null when there is none."""
    return call.store.scan((ONE, {"name": name}), then=lambda rows: _shown(rows[0][0]) if rows[0] else None)


@syscall(
    "storage.vector.info",
    http="GET /api/apps/{app}/vector/collections/{name}",
    cli="vector collections info <name>",
    js=False,
)
def vectors_info(call: Call, name: CollectionName) -> Scan[Collection]:
    """What is known of a collection of vectors."""
    meant(call, name)
    return call.store.scan((ONE, {"name": name}), then=lambda rows: _there(name, rows[0]))


@syscall(
    "storage.vector.listCollections",
    needs="storage:vector",
    http="GET /api/apps/{app}/vector/collections",
    cli="vector collections list",
)
def vectors_list(call: Call) -> Scan[list[Collection]]:
    """The app's collections of vectors by name."""
    return call.store.scan((LIST, {}), then=lambda rows: [_shown(row) for row in rows[0]])


@syscall(
    "storage.vector.updateCollection",
    needs="storage:vector",
    http="PATCH /api/apps/{app}/vector/collections/{name} -> 204",
)
def vectors_update(call: Call, name: CollectionName, *, metadata: Json) -> Write[None]:
    """Say something else of a collection."""
    about = _metadata(metadata)
    room(call, len(about))
    return call.store.do(DESCRIBE, name=name, metadata=about, now=call.now).expect(1, no_collection(name))


@syscall(
    "storage.vector.deleteCollection",
    needs="storage:vector",
    http="DELETE /api/apps/{app}/vector/collections/{name} -> 204",
    cli="vector collections delete <name>",
    confirm="The collection and all of its documents will be gone.",
)
def vectors_delete(call: Call, name: CollectionName) -> Write[None]:
    """Delete a collection with all of its documents."""
    number = meant(call, name).number
    plan = call.store.do(FORGET, collection=number).expect(1, no_collection(name))
    return plan + emptied(call, number)


@syscall(
    "storage.vector.clear",
    needs="storage:vector",
    http="DELETE /api/apps/{app}/vector/collections/{name}/clear -> 204",
    cli="vector clear <name>",
    confirm="All documents of the collection will be gone.",
)
def vectors_clear(call: Call, name: CollectionName) -> Write[None]:
    """Delete all documents of a collection."""
    number = meant(call, name).number
    fresh = tables.places.take(call.now, 1)[0]
    plan = call.store.do(BEGIN_ANEW, collection=number, fresh=fresh).expect(1, no_collection(name))
    return plan + emptied(call, number)


@syscall(
    "storage.vector.count",
    needs="storage:vector",
    http="GET /api/apps/{app}/vector/collections/{name}/count",
    cli="vector count <name>",
)
def vectors_count(call: Call, name: CollectionName) -> Scan[int]:
    """How many documents a collection has."""
    return call.store.scan((COUNT, {"collection": meant(call, name).number}), then=lambda rows: int(rows[0][0][0]))


def _metadata(value: Any) -> str:
    try:
        return metadata_of(value)
    except ValueError as error:
        field, _, why = str(error).partition(": ")
        raise refused(field, why) from None


def _there(name: str, rows: list[Any]) -> Collection:
    if not rows:
        raise no_collection(name)
    return _shown(rows[0])


def _shown(row: Any) -> Collection:
    name, count, dimensions, model, metadata = row
    return Collection(name, count, dimensions, model, decode(metadata))
