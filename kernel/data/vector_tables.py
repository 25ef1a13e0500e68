"""The tables of the vector store: collections, their documents, and the vectors by themselves.

A search reads every vector of a collection, so they lie together, without the texts; and all lies in the order it
came, so that pages are full and are read one after the other.
"""

from __future__ import annotations

import itertools
import threading

from kernel.base.settings import Setting
from kernel.base.tables import Migration, Table

MOST_COLLECTIONS = Setting(
    "limits.storage.vector.maxCollectionsPerApp",
    int,
    100,
    "Collections of vectors an app may have.",
    least=0,
    most=100_000,
)
MOST_DOCUMENTS = Setting(
    "limits.storage.vector.maxDocumentsPerApp",
    int,
    1_000_000,
    "Documents with vectors an app may have.",
    least=0,
    most=100_000_000,
)

# `number` stands for the collection in its documents; `dimensions` is null until the first vector comes
COLLECTIONS = Table(
    "vector_collections",
    ("name", "number", "dimensions", "model", "metadata", "updated_at"),
    key=("name",),
    counted=MOST_COLLECTIONS.name,
)
# `place` is where the document and its vector lie, `data` its metadata: conditions call it so
DOCUMENTS = Table(
    "vector_documents",
    ("collection", "id", "place", "data", "content", "updated_at", "created_at"),
    key=("collection", "id"),
    counted=MOST_DOCUMENTS.name,
)
# float32, little end first, of length 1
EMBEDDINGS = Table("vector_embeddings", ("collection", "place", "id", "embedding"), key=("collection", "place"))

MIGRATIONS = (
    Migration(
        "vectors_0001",
        """
create table vector_collections (app_id text not null, user_id text not null default '', name text not null,
  number integer not null, dimensions integer, model text, metadata text not null, updated_at integer not null,
  created_at integer not null, primary key (app_id, user_id, name)) strict, without rowid;
create table vector_documents (app_id text not null, user_id text not null default '', collection integer not null,
  place integer not null, id text not null, updated_at integer not null, created_at integer not null,
  data text not null, content text not null, primary key (app_id, user_id, collection, place)) strict, without rowid;
create unique index vector_documents_id on vector_documents (app_id, user_id, collection, id);
create table vector_embeddings (app_id text not null, user_id text not null default '', collection integer not null,
  place integer not null, id text not null, embedding blob not null, created_at integer not null,
  primary key (app_id, user_id, collection, place)) strict, without rowid;
""",
    ),
)


class Places:
    """Numbers that only grow, over restarts too: what comes later lies behind."""

    def __init__(self) -> None:
        self._last, self._guard = 0, threading.Lock()

    def take(self, now: int, count: int) -> list[int]:
        with self._guard:
            first = max(self._last + 1, now << 20)
            self._last = first + count - 1
        return list(itertools.islice(itertools.count(first), count))


places = Places()
