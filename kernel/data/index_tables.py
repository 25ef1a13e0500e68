"""The definitions of indexes, and the statements that fill and clear slots."""

from __future__ import annotations

from kernel.base.tables import Across, Migration, Patch, Read, Remove, Table
from kernel.data.doc_tables import DOCS, SLOTS

INDEXES = Table("app_indexes", ("collection", "field", "slot", "state", "origin", "since"), key=("collection", "field"))
MIGRATIONS = (
    Migration(
        "indexes_0001",
        """
create table app_indexes (app_id text not null, user_id text not null default '', collection text not null,
  field text not null, slot integer not null, state text not null, origin text not null, since integer not null,
  created_at integer not null, primary key (app_id, user_id, collection, field)) strict, without rowid;
create unique index app_indexes_slot on app_indexes (app_id, user_id, collection, slot);
""",
    ),
)
ALL = Read("select collection, field, slot, state, origin, since from {app_indexes} order by collection, slot")

_ONE = "collection = :collection and field = :field"
BUILT = Patch(INDEXES, set="state = 'ready', since = :at", where=f"{_ONE} and slot = :slot and state = 'building'")
LEAVE = Patch(INDEXES, set="state = 'dropping', since = :at", where=f"{_ONE} and state in ('building', 'ready')")
# its slot was filled all the while, but who changed his mind need not know that
COME_BACK = Patch(
    INDEXES, set="state = 'building', origin = :origin, since = :at", where=f"{_ONE} and state = 'dropping'"
)
BECOME = Patch(INDEXES, set="origin = :origin", where=f"{_ONE} and origin <> :origin")
CLEAR = Patch(INDEXES, set="state = 'clearing', since = :at", where=f"{_ONE} and state = 'dropping'")
GONE = Remove(INDEXES, where=f"{_ONE} and slot = :slot and state = 'clearing'")

# whose documents are in a collection: '' is the app itself
OWNERS = Across("select user_id, docs from {app_collections} where name = :collection order by user_id")

# that the collection is said twice lets SQLite go to each document by its number
_MINE = "collection = :collection and seq in (select seq from {app_docs} where collection = :collection"
_FILLED = f"{_MINE} and NAME is not null limit :most)"
_NEXT = f"{_MINE} and seq > :after order by seq limit :most)"
FILL = {
    n: Patch(DOCS, set=f"{name} = slot_of(:whose, :collection, {n}, data)", where=_NEXT, returning="seq")
    for n, name in enumerate(SLOTS, 1)
}
EMPTY = {
    n: Patch(DOCS, set=f"{name} = null", where=_FILLED.replace("NAME", name), returning="seq")
    for n, name in enumerate(SLOTS, 1)
}
