"""The tables and statements of the index behind `$text`; `text_index` says how they work together."""

from __future__ import annotations

from kernel.base.tables import Append, Migration, Patch, Read, Remove, Table
from kernel.data import doc_tables

assert doc_tables.DOCS  # the macros below name it

# the words of documents, in rows with the documents' numbers
TEXT = Table("doc_text", ("app_id", "words"), key=(), scope="node", purged=True)
# documents that were changed since
DUE = Table(
    "doc_text_due", ("doc", "app_id", "user_id", "collection", "created_at"), key=("doc",), scope="node", purged=True
)
# of each collection that has an index: up to which document it reaches; a fork begins anew
TEXTS = Table("app_texts", ("collection", "done"), key=("collection",), copied=False)

MIGRATIONS = (
    Migration(
        "text_0001",
        """
create virtual table doc_text using fts5 (app_id unindexed, words, content = '', contentless_delete = 1,
  contentless_unindexed = 1, tokenize = 'ascii');
create table doc_text_due (doc integer primary key, app_id text not null, user_id text not null,
  collection text not null, created_at integer not null) strict;
create index doc_text_due_whose on doc_text_due (app_id, user_id, collection);
create table app_texts (app_id text not null, user_id text not null default '', collection text not null,
  done integer not null, created_at integer not null, primary key (app_id, user_id, collection)) strict, without rowid;
""",
    ),
)

REACH = Read("select done from {app_texts} where collection = :collection")
COUNT = Read("select count(*) from (select 1 from {app_docs} where collection = :collection limit :most)")
# how far a batch may go: so many documents, and no more after so many bytes
NEXT = Read("""select max(seq) from (select seq, sum(octet_length(data))
over (order by seq rows between unbounded preceding and 1 preceding) as before
from (select seq, data from {app_docs} where collection = :collection and seq > :after order by seq limit :most))
where before is null or before < :size""")
CHANGED = Read("select distinct app_id, user_id, collection from {doc_text_due} limit 100")

MARK = Append("""insert or ignore into {doc_text_due} (doc, app_id, user_id, collection, created_at)
select seq, :whose, :person, :collection, created_at from {app_docs} where collection = :collection
and seq <= (select done from {app_texts} where collection = :collection) and ([where])""")

_ADD = """insert into {doc_text} (rowid, app_id, words) select seq, :whose, text_words(data, :scope) from {app_docs}
where collection = :collection and"""
FILL = Append(f"{_ADD} seq > :after and seq <= :until")
REACHED = Patch(TEXTS, set="done = :until", where="collection = :collection and done = :after")

_SLICE = """(select doc from {doc_text_due} where app_id = :whose and user_id = :person and collection = :collection
order by doc limit :most)"""
STALE = Remove(TEXT, where=f"rowid in {_SLICE}")
RENEW = Append(f"{_ADD} seq in {_SLICE}")
SETTLED = Remove(DUE, where=f"doc in {_SLICE}", returning="doc")

# what the index finds, and what it does not know of yet
FOUND = """seq in (select rowid from {{doc_text}} where {{doc_text}} match {match}
and not exists (select 1 from {{doc_text_due}} where doc = {{doc_text}}.rowid)
union all select seq from {{app_docs}} where collection = {collection} and {matches}
and seq > (select done from {{app_texts}} where collection = {collection})
union all select seq from {{app_docs}} where collection = {collection} and {matches}
and seq in (select doc from {{doc_text_due}}
where app_id = {whose} and user_id = {person} and collection = {collection}))"""
