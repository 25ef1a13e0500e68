"""Adding documents, batch by batch, and who turns texts into vectors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, Protocol

from msgspec import Meta

from kernel.base.errors import FaztError
from kernel.base.tables import Patch, Remove
from kernel.data.quota import room
from kernel.data.vector_search import CHOSEN, check_dimensions
from kernel.data.vector_tables import COLLECTIONS, DOCUMENTS, EMBEDDINGS, places
from kernel.data.vector_words import CollectionName, Document, Vector, refused
from kernel.data.vectors import Meant, meant
from kernel.storage.store import Store
from kernel.syscall import Call, Write, syscall
from kernel.syscall.plan import Step

MOST_AT_ONCE = 10_000
SECONDS = 30.0
AtOnce = Annotated[int, Meta(ge=1, le=50)]
BatchSize = Annotated[int, Meta(ge=1, le=1000)]

# The collection is there still, and its vectors have so many numbers; the first of them say how many.
AGREE = Patch(
    COLLECTIONS,
    set="dimensions = :dimensions, updated_at = :now",
    where="name = :name and number = :number and coalesce(dimensions, :dimensions) = :dimensions",
)
MOVE = Remove(EMBEDDINGS, where=f"collection = :collection and place in ({CHOSEN} id = :id)")


class Embedder(Protocol):
    """Who turns texts into vectors. Filled where such a service is set up."""

    async def embed(self, app: str, model: str, texts: Sequence[str]) -> list[list[float]]: ...


@syscall(
    "storage.vector.addDocuments",
    needs="storage:vector",
    http="POST /api/apps/{app}/vector/collections/{name}/documents -> 201",
)
async def documents_add(
    call: Call, name: CollectionName, documents: list[Document], *, concurrency: AtOnce = 5, batch_size: BatchSize = 100
) -> Write[list[str]]:
    """Store documents, each under its id or a new one; what has the id already is replaced. The answer is the ids.

    Each batch is stored by itself, in the order of the documents.
    """
    return await added(call, name, documents, concurrency, batch_size)


async def added(
    call: Call, name: str, documents: Sequence[Document], concurrency: int = 5, batch_size: int = 100
) -> Write[list[str]]:
    """The last batch as a plan; those before it are stored."""
    into = meant(call, name)
    into = into._replace(dimensions=_agreed(into, documents))
    embed = _embedding(call, into) if any(document.vector is None for document in documents) else None
    batches = [documents[start : start + batch_size] for start in range(0, len(documents), batch_size)]
    last: Write[Any] = Write(())
    for start in range(0, len(batches), concurrency if embed else 1):
        some = batches[start : start + concurrency] if embed else [batches[start]]
        if embed:
            await _together([embed(batch) for batch in some])
            into = into._replace(dimensions=_agreed(into, [document for batch in some for document in batch]))
        for batch in some:
            if last.steps:
                await call.use(Store).write(last.steps)
            last = _stored(call, into, batch)
    return last.saying([document.id for document in documents])


def _agreed(into: Meant, documents: Sequence[Document]) -> int | None:
    """How many numbers the vectors have; INVALID_ARGUMENT where they differ."""
    if len(documents) > MOST_AT_ONCE:
        raise refused("documents", f"at most {MOST_AT_ONCE} at once")
    known = into.dimensions
    for place, document in enumerate(documents):
        if document.vector is not None:
            check_dimensions(known, document.vector, f"documents[{place}].embedding", document.line)
            known = document.vector.dimensions
    return known


def _stored(call: Call, into: Meant, documents: Sequence[Document]) -> Write[None]:
    store = call.store
    steps: list[Step] = []
    room(call, sum(document.size for document in documents))
    changed = FaztError("CONFLICT", f"The collection {into.name} was changed meanwhile.", "Try again.")
    steps += (
        store.do(AGREE, name=into.name, number=into.number, dimensions=into.dimensions, now=call.now)
        .expect(1, changed)
        .steps
    )
    for document, place in zip(documents, places.take(call.now, len(documents)), strict=True):
        assert document.vector
        there = {"collection": into.number, "id": document.id}
        steps += store.do(MOVE, **there).steps
        steps += store.put(
            DOCUMENTS,
            **there,
            place=place,
            data=document.metadata,
            content=document.content,
            updated_at=call.now,
        ).steps
        steps += store.insert(EMBEDDINGS, changed, **there, place=place, embedding=document.vector.data).steps
    return Write(steps)


# --- texts into vectors


def _embedding(call: Call, into: Meant) -> Callable[[Sequence[Document]], Coroutine[Any, Any, None]]:
    """What gives documents without a vector one."""

    async def embed(documents: Sequence[Document]) -> None:
        bare = [document for document in documents if document.vector is None]
        made = await embedded(call, into, [document.content for document in bare])
        for document, vector in zip(bare, made, strict=True):
            document.vector = vector

    if into.model is None:
        raise _no_model(into)
    _embedder(call, into)
    return embed


def _embedder(call: Call, into: Meant) -> tuple[Embedder, str]:
    embedder = call.ports.filled.get(Embedder)
    if embedder is None:
        hint = "Bring the vectors along: `embedding` of a document, `queryEmbedding`."
        raise FaztError("AI_NO_KEY", "No service is set up that turns text into vectors.", hint)
    if into.model is None:
        raise _no_model(into)
    return embedder, into.model


def _no_model(into: Meant) -> FaztError:
    return refused("embedding", f"is missing, and the collection {into.name} has no model that could make it")


async def embedded(call: Call, into: Meant, texts: Sequence[str]) -> list[Vector]:
    if not texts:
        return []
    embedder, model = _embedder(call, into)
    try:
        made = await asyncio.wait_for(embedder.embed(call.app or "", model, texts), SECONDS)
    except TimeoutError:
        raise FaztError("TIMEOUT", f"The model {model} took longer than {SECONDS:.0f} seconds.") from None
    try:
        vectors = [Vector.parse(numbers) for numbers in made]
    except ValueError as error:
        raise FaztError("PROVIDER_ERROR", f"The model {model} gave a vector that is none: it {error}.") from None
    if len(vectors) != len(texts):
        raise FaztError("PROVIDER_ERROR", f"The model {model} gave {len(vectors)} vectors for {len(texts)} texts.")
    return vectors


async def _together(work: list[Coroutine[Any, Any, Any]]) -> None:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
