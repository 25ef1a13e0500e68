"""The tables of the document store: the documents, and how many there are in each collection."""

from __future__ import annotations

from kernel.base.settings import Setting
from kernel.base.tables import Across, Migration, Table

MOST_DOCS = Setting(
    "limits.storage.ds.maxDocsPerCollection",
    int,
    1_000_000,
    "Documents a collection may have.",
    least=0,
    most=1_000_000_000,
)
MOST_BYTES = Setting(
    "limits.storage.ds.maxDocumentSize", "size", "1MB", "Bytes of one document, as JSON.", least=2, most=16 << 20
)

SLOTS = ("i1", "i2", "i3", "i4", "i5")

# `data` is JSON without what has a column of its own. A slot holds the value of a field that is indexed, or null.
DOCS = Table(
    "app_docs",
    ("seq", "collection", "id", "data", *SLOTS, "created_at", "updated_at"),
    key=("collection", "id"),
    serial="seq",
)
# Kept in the same batch as the documents.
COLLECTIONS = Table("app_collections", ("name", "docs", "bytes"), key=("name",))

MIGRATIONS = (
    Migration(
        "docs_0001",
        """
create table app_docs (seq integer primary key autoincrement, app_id text not null, user_id text not null default '',
  collection text not null, id text not null, data text not null, i1 any, i2 any, i3 any, i4 any, i5 any,
  created_at integer not null, updated_at integer not null) strict;
create unique index app_docs_id on app_docs (app_id, user_id, collection, id);
create index app_docs_newest on app_docs (app_id, user_id, collection);
create index app_docs_i1 on app_docs (app_id, user_id, collection, i1, seq) where i1 is not null;
create index app_docs_i2 on app_docs (app_id, user_id, collection, i2, seq) where i2 is not null;
create index app_docs_i3 on app_docs (app_id, user_id, collection, i3, seq) where i3 is not null;
create index app_docs_i4 on app_docs (app_id, user_id, collection, i4, seq) where i4 is not null;
create index app_docs_i5 on app_docs (app_id, user_id, collection, i5, seq) where i5 is not null;
create table app_collections (app_id text not null, user_id text not null default '', name text not null,
  docs integer not null, bytes integer not null, created_at integer not null,
  primary key (app_id, user_id, name)) strict, without rowid;
""",
    ),
)

# the app's own, and everybody's
DOCS_OF_EACH = Across("select sum(iif(user_id = '', docs, 0)), sum(docs) from {app_collections} where name = :name")
