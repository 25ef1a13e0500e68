"""What counts as kept by an app where the room of a table does not say so itself: numbers at hand, or lengths."""

from __future__ import annotations

from kernel.data import doc_tables, kv, once, stream_tables, vector_tables
from kernel.data.quota import Tally

KEYS = Tally("kv", kv.KV, bytes="sum(octet_length(key) + octet_length(value))")
DOCUMENTS = Tally("ds", doc_tables.COLLECTIONS, rows="sum(docs)", bytes="sum(bytes)")
EVENTS = Tally("ds", stream_tables.SHARDS, rows="sum(count)", bytes="sum(octet_length(data))")
TEXTS = Tally("vector", vector_tables.DOCUMENTS)
# counted instead of read: four bytes for each number of each vector
VECTORS = Tally(
    "vector",
    vector_tables.COLLECTIONS,
    rows="0",
    bytes="""sum(4 * coalesce(dimensions, 0) * (select count(*) from {vector_documents} as one
  where one.collection = kept.number))""",
)
MARKS = Tally("once", once.ONCE)
