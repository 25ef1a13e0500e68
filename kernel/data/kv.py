"""Small values by key, with an optional end."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from kernel.base.errors import FaztError, not_found
from kernel.base.json import decode, encode, to_text
from kernel.base.settings import Setting, Settings
from kernel.base.tables import Fill, Migration, Patch, Read, Remove, Sweep, Table
from kernel.data import kv_temp
from kernel.data.kv_temp import LIFE, Temp, is_temporary
from kernel.data.kv_values import number, same_text, sum_of
from kernel.data.quota import room
from kernel.syscall import Call, Duration, Json, Key, Page, Scan, Write, syscall
from kernel.syscall.words import KeyLimit, Number, OrNothing, Prefix

MOST_KEYS = Setting(
    "limits.storage.kv.maxKeysPerApp",
    int,
    100_000,
    "Keys an app may have in its key-value store, and as many in memory.",
    least=0,
    most=10_000_000,
)
MOST_BYTES = Setting(
    "limits.storage.kv.maxValueSize", "size", "1MB", "Bytes of one value, as JSON.", least=0, most=64 << 20
)

KV = Table("app_kv", ("key", "value", "expires_at", "updated_at"), key=("key",), counted=MOST_KEYS.name, hot=True)
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
FUNCTIONS = {"kv_sum": sum_of, "kv_same": same_text}

_ALIVE = "ifnull(expires_at > :now, true)"
MANY = Read(f"""select key, value from {{app_kv}}
where key in (select value from json_each(:keys)) and {_ALIVE}""")
LIST = Read(f"""select key, value, expires_at from {{app_kv}}
where key >= :prefix and key < :end and key > :after and {_ALIVE} order by key limit :limit""")
DELETE = Remove(KV, where="key = :key")
_ROW = {"key": ":key", "value": ":value", "expires_at": ":ends", "updated_at": ":now"}
INCR = Fill(
    KV,
    values=_ROW,
    taken="""value = case when expires_at <= :now then :value else kv_sum(value, :by) end,
  expires_at = case when :ends is not null then :ends when expires_at > :now then expires_at end, updated_at = :now""",
    returning="value",
)
_SET = "value = :value, expires_at = :ends, updated_at = :now"
CAS_NOTHING = Fill(KV, values=_ROW, taken=f"{_SET} where expires_at <= :now or value = 'null'", returning="1")
CAS = Patch(KV, set=_SET, where=f"key = :key and {_ALIVE} and kv_same(value, :expected)", returning="1")
SWEEP = Sweep(KV, due="expires_at")

ANY = Prefix("")
# SQLite sorts bytes behind all text
_BEHIND_ALL = b""
MOST_OF_PAGE = 15 << 20
MOST_AT_ONCE = 1000
BASE = "/api/apps/{app}/storage/kv"


class Saved(Struct):
    key: str


class Entry(Struct, rename="camel", omit_defaults=True):
    key: str
    value: Any
    expires_at: int | None = None


@syscall("storage.kv.get", needs="storage:kv", personal=True)
def kv_get(call: Call, key: Key) -> Json | UnsetType:
    """The value under a key; undefined when there is none or it has expired."""
    found = _found(call, key)
    return UNSET if found is None else _said(call, found[0])


@syscall("storage.kv.getMany", needs="storage:kv", personal=True)
def kv_get_many(call: Call, keys: Annotated[list[Key], Meta(max_length=MOST_AT_ONCE)]) -> Scan[dict[str, Any]]:
    """The values under several keys, those that are there, as an object."""

    def shown(rows: list[list[Any]]) -> dict[str, Any]:
        found = {key: _said(call, text) for key, text in rows[0] if not is_temporary(key)}
        for key in kv_temp.temporary(keys):
            kept = _found(call, key)
            if kept is not None:
                found[str(key)] = _said(call, kept[0])
        return found

    return call.store.scan((MANY, {"keys": to_text(keys), "now": call.now}), then=shown)


@syscall("storage.kv.entry", http=f"GET {BASE}/entry", cli="kv get <key>", js=False, personal=True)
def kv_entry(call: Call, key: Key) -> Entry:
    """One entry: its key, value and end."""
    found = _found(call, key)
    if found is None:
        raise not_found("key", key)
    return Entry(key, decode(found[0]), found[1])


@syscall(
    "storage.kv.set",
    needs="storage:kv",
    http=f"POST {BASE} -> 201",
    cli="kv set <key> <value>",
    quiet=True,
    personal=True,
)
def kv_set(call: Call, key: Key, value: Json, ttl: Duration | None = None) -> Write[Saved]:
    """Store a value; with a ttl it vanishes by itself. Under `temp:` keys it is in memory only, for ten minutes."""
    text = _text(call, value)
    if is_temporary(key):
        temp, place, most = _memory(call, key)
        temp.check(*place, text, most)
        end = call.after(ttl) or call.now + LIFE

        def keep(_: Any) -> Saved:
            temp.set(*place, text, end, most)
            return Saved(key)

        return Write((), keep)
    room(call, len(text))
    plan = call.store.put(KV, key=key, value=text, expires_at=call.after(ttl), updated_at=call.now)
    return plan.saying(Saved(key))


@syscall("storage.kv.delete", needs="storage:kv", http=f"DELETE {BASE} -> 204", cli="kv delete <key>", personal=True)
def kv_delete(call: Call, key: Key) -> Write[None]:
    """Remove a key; one that is not there is fine."""
    if is_temporary(key):
        temp, place, _ = _memory(call, key)
        return Write((), lambda _: temp.delete(*place))
    return call.store.do(DELETE, key=key)


@syscall("storage.kv.incr", needs="storage:kv", http=f"POST {BASE}/incr", cli="kv incr <key> <by?>", personal=True)
def kv_incr(call: Call, key: Key, by: Number = 1, ttl: Duration | None = None) -> Write[Number]:
    """Add to a number and say what it is now; one that is not there is 0. Without a ttl its end stays as it is."""
    first = to_text(number(by))
    if is_temporary(key):
        return _incr_temporary(call, key, by, first, ttl)
    room(call, len(first))
    plan = call.store.fill(INCR, key=key, value=first, by=float(by), ends=call.after(ttl))
    return plan.giving(lambda rows: decode(rows[-1][0][0]))


@syscall(
    "storage.kv.cas", needs="storage:kv", http=f"POST {BASE}/cas", cli="kv cas <key> <expected> <value>", personal=True
)
def kv_cas(call: Call, key: Key, expected: OrNothing, value: Json, ttl: Duration | None = None) -> Write[bool]:
    """Store a value only where another one is now: `expected`, or null for none at all. Whether it was stored."""
    text = _text(call, value)
    if is_temporary(key):
        return _cas_temporary(call, key, expected, text, ttl)
    room(call, len(text))
    how: dict[str, Any] = {"key": key, "value": text, "ends": call.after(ttl)}
    if expected is None:
        plan = call.store.fill(CAS_NOTHING, **how)
    else:
        plan = call.store.do(CAS, **how, expected=to_text(expected), now=call.now)
    return plan.giving(lambda rows: bool(rows[-1]))


@syscall("storage.kv.list", needs="storage:kv", http=f"GET {BASE}", cli="kv list <prefix?>", personal=True)
def kv_list(
    call: Call, prefix: Prefix = ANY, *, limit: KeyLimit | None = None, after: Key | None = None
) -> Scan[Page[Entry]]:
    """Entries by prefix, in key order; meta.next continues where the page ends."""
    most = limit or (1000 if call.via == "js" else 100)
    span = {"prefix": prefix, "end": _end(prefix), "after": after or "", "now": call.now, "limit": most + 1}

    def shown(rows: list[list[Any]]) -> Page[Entry]:
        found, more = _page(rows[0], _kept(call, prefix, after or ""), most)
        items = [Entry(key, _said(call, text), ends) for key, text, ends in found]
        return Page(items, {"limit": most, "next": items[-1].key if more else None})

    reads = call.store.scan((LIST, span), then=shown).reads
    return Scan(reads, shown, MOST_OF_PAGE, short=True)


Listed = tuple[str, str, int | None]


def _page(rows: list[Listed], kept: list[Listed], most: int) -> tuple[list[Listed], bool]:
    """The first entries of both together, and whether there are more."""
    if kept:
        rows = sorted([row for row in rows if not is_temporary(row[0])] + kept, key=lambda row: row[0])
    bytes = 0
    for at, (key, text, _) in enumerate(rows):
        bytes += len(key) + (len(text) if text.isascii() else len(text.encode()))
        if at == most or (at and bytes > MOST_OF_PAGE):
            return rows[:at], True
    return rows, False


def _kept(call: Call, prefix: str, after: str) -> list[Any]:
    """Those in memory."""
    if not kv_temp.overlaps(prefix):
        return []
    return call.use(Temp).list(call.store.app, call.store.user, prefix, after)


def _found(call: Call, key: str) -> tuple[str, int | None] | None:
    """The value as JSON, and its end."""
    if is_temporary(key):
        return call.use(Temp).get(call.store.app, call.store.user, key)
    row = call.store.row(KV, key)
    if row is None:
        return None
    ends = row[2]
    return (row[1], ends) if ends is None or ends > call.now else None


def _said(call: Call, text: str) -> Any:
    """A stored value; what goes on as JSON anyway is not decoded before."""
    return Raw(text) if call.via == "js" else decode(text)


def _text(call: Call, value: Any) -> str:
    data = encode(value)
    most = call.use(Settings)[MOST_BYTES.name]
    if len(data) > most:
        raise FaztError("LIMIT_EXCEEDED", f"value: a value may have {most} bytes as JSON.", field="value", most=most)
    return data.decode()


def _memory(call: Call, key: str) -> tuple[Temp, tuple[str, str, str], int]:
    """Where a temporary key is, and how many an app may have."""
    store = call.store
    return call.use(Temp), (store.app, store.user, str(key)), call.use(Settings)[MOST_KEYS.name]


def _incr_temporary(call: Call, key: str, by: float, first: str, ttl: int | None) -> Write[Number]:
    temp, place, most = _memory(call, key)

    def new(old: tuple[str, int] | None) -> tuple[str, int]:
        ends = call.after(ttl)
        if old is None:
            return first, ends or call.now + LIFE
        return sum_of(old[0], by), ends or old[1]

    temp.check(*place, new(temp.get(*place))[0], most)
    return Write((), lambda _: decode(temp.change(*place, new, most) or first))


def _cas_temporary(call: Call, key: str, expected: Any, text: str, ttl: int | None) -> Write[bool]:
    temp, place, most = _memory(call, key)
    wanted = to_text(expected)

    def new(old: tuple[str, int] | None) -> tuple[str, int] | None:
        there = same_text(old[0] if old else "null", wanted)
        return (text, call.after(ttl) or call.now + LIFE) if there else None

    temp.check(*place, text, most)
    return Write((), lambda _: temp.change(*place, new, most) is not None)


def _end(prefix: str) -> str | bytes:
    """The first text behind all that begin with the prefix."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        return _BEHIND_ALL
    last = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if last == 0xD800 else last)
