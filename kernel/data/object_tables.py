"""Where objects are written down: a row for each, and where the objects of an app lie.

A row's `seq` grows with every put, so whoever copies objects sees what came after a look. The content lies by its hash
among the blobs of the node (`kernel/data/object_content.py`).
"""

from __future__ import annotations

from kernel.base.tables import Across, Fill, Migration, Patch, Read, Remove, Table
from kernel.data.quota import Tally

OBJECTS = Table("app_objects", ("seq", "key", "blob", "cid", "size", "mime", "updated_at"), key=("key",), serial="seq")
# the same rows whosever they are: for moving an app's objects with those of its users
EVERYBODYS = Table("objects_of_everybody", ("app_id", "user_id", "seq", "key", "size"), key=("seq",), scope="node")
# a fork has objects of its own, which begin inside: a place elsewhere is not shared
PLACES = Table(
    "app_places",
    ("store", "place", "target", "source", "clean", "done", "total", "bytes", "updated_at"),
    key=("store",),
    copied=False,
)
MIGRATIONS = (
    Migration(
        "objects_0001",
        """
create table app_objects (seq integer primary key autoincrement, app_id text not null,
  user_id text not null default '', key text not null, blob blob not null, cid text not null, size integer not null,
  mime text not null, updated_at integer not null, created_at integer not null,
  unique (app_id, user_id, key)) strict;
create index app_objects_blob on app_objects (blob);
create index app_objects_seq on app_objects (app_id, seq);
create view objects_of_everybody as select app_id, user_id, seq, key, size from app_objects;
create table app_places (app_id text not null, user_id text not null default '', store text not null,
  place text not null, target text, source text, clean integer not null default 0, done integer not null default 0,
  total integer not null default 0, bytes integer not null default 0, updated_at integer not null,
  created_at integer not null, primary key (app_id, user_id, store)) strict, without rowid;
""",
    ),
)
_COLUMNS = "key, mime, size, updated_at, cid, lower(hex(blob))"
ONE = Read(f"select {_COLUMNS} from {{app_objects}} where key = :key")
LIST = Read(f"select {_COLUMNS} from {{app_objects}} where key >= :start and key < :end order by key limit :limit")
_CUT = "instr(substr(walk.key, :prefix_length + 1), :delimiter)"
_FOLDER = f"substr(walk.key, 1, :prefix_length + {_CUT} - 1)"
# each step is the first key behind the last one, or behind all that share its beginning up to the delimiter
WALK = Read(f"""with recursive walk(key) as (
  select (select key from {{app_objects}} where key >= :start and key < :end order by key limit 1)
  union all
  select (select o.key from {{app_objects}} o where o.key < :end and o.key >= case when {_CUT} > 0
      then {_FOLDER} || :delimiter_end else walk.key || char(0) end order by o.key limit 1)
    from walk where walk.key is not null)
select iif({_CUT} > 0, {_FOLDER} || :delimiter, walk.key), {_CUT} > 0, o.mime, o.size, o.updated_at, o.cid,
  lower(hex(o.blob))
from walk join {{app_objects}} o on o.key = walk.key limit :limit""")
FORGET = Remove(OBJECTS, where="key = :key")
TALLY = Tally("s3", Across("select count(*), coalesce(sum(size), 0) from {app_objects}"))
ANY = Read("select 1 from {objects_of_everybody} where app_id = :whose limit 1")

PLACE = Read("select place, target, source, clean, done, total, bytes from {app_places} where store = 's3'")
# where the first object went; what is remembered already stays
PIN = Fill(PLACES, values={"store": "'s3'", "place": ":place", "updated_at": ":at"}, taken="store = excluded.store")
# changes a row where the objects lie elsewhere: for `expect` to find
ELSEWHERE = Patch(PLACES, set="store = store", where="store = 's3' and place <> :place")

# --- for moving them

BEGUN = Patch(PLACES, set="store = store", where="store = 's3' and target is not null")
TOTALS = Across("select count(*), coalesce(max(seq), 0), coalesce(sum(size), 0) from {app_objects}")
CHANGED = Across("select user_id, key, size, seq from {app_objects} where seq > :after order by seq limit :limit")
NOTE = Patch(PLACES, set="done = :done, total = :total, bytes = :bytes", where="store = 's3' and target is not null")
_SETTLED = "place = target, updated_at = :at"
SETTLE = Patch(PLACES, set=_SETTLED, where="store = 's3' and target = :target")
# only if nothing was put or deleted since it was looked at
SETTLE_STILL = Patch(
    PLACES,
    set=_SETTLED,
    where="""store = 's3' and target = :target and :seen = (select count(*) || ' ' || coalesce(max(seq), 0)
    from {objects_of_everybody} where app_id = :whose)""",
)
END = Patch(PLACES, set="target = null, source = null, clean = 0, updated_at = :at", where="store = 's3'")
