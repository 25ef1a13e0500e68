"""Where sharded collections lie: up to a thousand events in a row, as one JSON array."""

from __future__ import annotations

from kernel.base.tables import Migration, Patch, Read, Remove, Sweep, Table

SHARDS = Table(
    "event_shards",
    ("shard_key", "collection", "month", "number", "data", "count", "bytes", "expires_at"),
    key=("shard_key",),
)
MIGRATIONS = (
    Migration(
        "streams_0001",
        """
create table event_shards (app_id text not null, user_id text not null default '', shard_key text not null,
  collection text not null, month integer not null, number integer not null, data text not null,
  count integer not null, bytes integer not null, expires_at integer, created_at integer not null,
  primary key (app_id, user_id, shard_key)) strict;
create index event_shards_order on event_shards (app_id, user_id, collection, month, number, count, bytes);
create index event_shards_expiry on event_shards (expires_at) where expires_at is not null;
""",
    ),
)
SWEEP = Sweep(SHARDS, due="expires_at")

LAST = Read("""select number, count, data from {event_shards} where collection = :collection and month = :month
order by number desc limit 1""")
COUNTS = Read("""select shard_key, month, number, count from {event_shards} where collection = :collection
order by month, number""")
TOTAL = Read("select coalesce(sum(count), 0) from {event_shards} where collection = :collection")

# events as documents: what stands in a query names these columns
_EVENTS = """(select e.value as data, e.value ->> '$.id' as id, e.value ->> '$._createdAt' as created_at,
  e.value ->> '$._createdAt' as updated_at, s.month as month, s.number as number, e.key as place,
  s.month * 100000000000 + s.number * 1000 + e.key as seq
  from {event_shards} s, json_each(s.data) e where s.collection = :collection)"""
NEWEST = Read(f"""select id, data, created_at, updated_at from {_EVENTS} where [matching]
order by month desc, number desc, place desc limit :limit offset :offset""")
OLDEST = Read(f"""select id, data, created_at, updated_at from {_EVENTS} where [matching]
order by month, number, place limit :limit offset :offset""")
SORTED = Read(f"select id, data, created_at, updated_at from {_EVENTS} where [matching]")
COUNT = Read(f"select count(*) from {_EVENTS} where ([matching])")
TOTALS = Read(f"select [columns] from {_EVENTS} where [matching]")

_BEFORE = "collection = :collection and (month, number) < (:month, :number)"
OLD = Remove(SHARDS, where=_BEFORE)
# not what came later: it is in memory as well, and would be written again with what follows it
UP_TO = Remove(SHARDS, where="collection = :collection and (month, number) <= (:month, :number)", returning="count")
OF_OLD_MONTHS = Remove(SHARDS, where="collection = :collection and month < :month")
# the oldest events of one shard go; the others stay as they are
TRIM = Patch(
    SHARDS,
    set="""data = (select json_group_array(json(value)) from (select value from json_each(data) where key >= :gone
  order by key)), count = count - :gone""",
    where="collection = :collection and month = :month and number = :number and count = :was",
)
