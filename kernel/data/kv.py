"""Small values by key, with an optional end."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from kernel.base.errors import FaztError, not_found
from kernel.base.json import decode, to_text
from kernel.base.settings import Setting, Settings
from kernel.base.tables import Migration, Read, Remove, Sweep, Table
from kernel.syscall import Call, Duration, Json, Key, Page, Scan, Write, syscall
from kernel.syscall.words import KeyLimit, Prefix

MOST_KEYS = Setting(
    "limits.storage.kv.maxKeysPerApp",
    int,
    100_000,
    "Keys an app may have in its key-value store.",
    least=0,
    most=10_000_000,
)
MOST_BYTES = Setting(
    "limits.storage.kv.maxValueSize", "size", "1MB", "Bytes of one value, as JSON.", least=0, most=64 << 20
)

KV = Table("app_kv", ("key", "value", "expires_at", "updated_at"), key=("key",), counted=MOST_KEYS.name)
MIGRATIONS = (
    Migration(
        "kv_0001",
        """
create table app_kv (app_id text not null, user_id text not null default '', key text not null, value text not null,
  expires_at integer, updated_at integer not null, created_at integer not null,
  primary key (app_id, user_id, key)) strict, without rowid;
create index app_kv_expiry on app_kv (expires_at) where expires_at is not null;
""",
    ),
)
_ALIVE = "(expires_at is null or expires_at > :now)"
GET = Read(f"select value from {{app_kv}} where key = :key and {_ALIVE}")
ENTRY = Read(f"select key, value, expires_at from {{app_kv}} where key = :key and {_ALIVE}")
LIST = Read(f"""select key, value, expires_at from {{app_kv}}
where key >= :prefix and key < :end and key > :after and {_ALIVE} order by key limit :limit""")
DELETE = Remove(KV, where="key = :key")
SWEEP = Sweep(KV, due="expires_at")

ANY = Prefix("")
# SQLite sorts bytes behind all text
_BEHIND_ALL = b""


class Saved(Struct):
    key: str


class Entry(Struct, rename="camel", omit_defaults=True):
    key: str
    value: Any
    expires_at: int | None = None


@syscall("storage.kv.get", needs="storage:kv", personal=True)
def kv_get(call: Call, key: Key) -> Json | UnsetType:
    """The value under a key; undefined when there is none or it has expired."""
    row = call.store.one(GET, key=key, now=call.now)
    return decode(row[0]) if row else UNSET


@syscall("storage.kv.entry", http="GET /api/apps/{app}/storage/kv/entry", cli="kv get <key>", js=False)
def kv_entry(call: Call, key: Key) -> Entry:
    """One entry: its key, value and end."""
    row = call.store.one(ENTRY, key=key, now=call.now)
    if row is None:
        raise not_found("key", key)
    return _entry(row)


@syscall(
    "storage.kv.set",
    needs="storage:kv",
    http="POST /api/apps/{app}/storage/kv -> 201",
    cli="kv set <key> <value>",
    quiet=True,
    personal=True,
)
def kv_set(call: Call, key: Key, value: Json, ttl: Duration | None = None) -> Write[Saved]:
    """Store a value; with a ttl it vanishes by itself."""
    text = to_text(value)
    most = call.use(Settings)[MOST_BYTES.name]
    if len(text) > most // 4 and len(text.encode()) > most:
        raise FaztError("LIMIT_EXCEEDED", f"value: a value may have {most} bytes as JSON.", field="value", most=most)
    plan = call.store.put(KV, key=key, value=text, expires_at=call.after(ttl), updated_at=call.now)
    return plan.giving(lambda _: Saved(key))


@syscall(
    "storage.kv.delete", needs="storage:kv", http="DELETE /api/apps/{app}/storage/kv -> 204", cli="kv delete <key>"
)
def kv_delete(call: Call, key: Key) -> Write[None]:
    """Remove a key; one that is not there is fine."""
    return call.store.do(DELETE, key=key)


@syscall("storage.kv.list", needs="storage:kv", http="GET /api/apps/{app}/storage/kv", cli="kv list <prefix?>")
def kv_list(call: Call, prefix: Prefix = ANY, *, limit: KeyLimit = 100, after: Key | None = None) -> Scan[Page[Entry]]:
    """Entries by prefix, in key order; meta.next continues where the page ends."""
    span = {"prefix": prefix, "end": _end(prefix), "after": after or "", "limit": limit + 1, "now": call.now}

    def shown(rows: list[list[Any]]) -> Page[Entry]:
        items = [_entry(row) for row in rows[0][:limit]]
        return Page(items, {"limit": limit, "next": items[-1].key if len(rows[0]) > limit else None})

    return call.store.scan((LIST, span), then=shown)


def _end(prefix: str) -> str | bytes:
    """The first text behind all that begin with the prefix."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return _BEHIND_ALL
    last = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if last == 0xD800 else last)


def _entry(row: tuple[str, str, int | None]) -> Entry:
    return Entry(row[0], decode(row[1]), row[2])
