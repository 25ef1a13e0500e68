"""What may happen at most once: the keys under which it has happened."""

from __future__ import annotations

from kernel.base.errors import FaztError
from kernel.base.tables import Migration, Read, Sweep, Table
from kernel.base.units import parse_duration
from kernel.syscall import Call, Write

KEPT = parse_duration("30d")

ONCE = Table("app_once", ("key", "expires_at"), key=("key",))
MIGRATIONS = (
    Migration(
        "once_0001",
        """
create table app_once (app_id text not null, user_id text not null default '', key text not null,
  expires_at integer not null, created_at integer not null, primary key (app_id, user_id, key)) strict, without rowid;
create index app_once_expiry on app_once (expires_at);
""",
    ),
)
SEEN = Read("select 1 from {app_once} where key = :key")
SWEEP = Sweep(ONCE, due="expires_at")


def once(call: Call, key: str) -> Write[None]:
    """To be put before what shall happen once: where it has happened, none of it happens again."""
    done = FaztError("CONFLICT", "This has happened already under the same key.", once=key)
    # seen early it costs no plan; what happens meanwhile is seen by the row itself
    if call.store.one(SEEN, key=key):
        raise done
    return call.store.insert(ONCE, conflict=done, key=key, expires_at=call.now + KEPT)
