"""Who did what. Two tables behind one query:

- `audit`: weights 7 and up (config, sign-in, security), written in the same batch as the change, ids only, each row
  chained to the one before by its hash, never cleaned
- `activity_log`: the rest, buffered for some seconds, cleanable
"""

from __future__ import annotations

import collections
import hashlib
from typing import Annotated, Any

import msgspec

from kernel.base.clock import Clock
from kernel.base.ids import new_id
from kernel.base.tables import Append, Migration, Read, Remove, Table
from kernel.syscall import Call, Declaration, Duration, Line, Offset, Page, Scan, Step, Write, syscall
from kernel.syscall.call import Scoped, Who
from kernel.syscall.plan import page
from kernel.syscall.words import KeyLimit

AUDITED = 7
MOST_BUFFERED = 10_000
SLICE = 250
NINETY_DAYS = Duration.parse("90d")

ACTIVITY = Table(
    "activity_log",
    (
        "id",
        "at",
        "actor_type",
        "actor_id",
        "actor_ip",
        "actor_ua",
        "action",
        "resource",
        "result",
        "weight",
        "request",
        "created_at",
    ),
    key=("id",),
    scope="node",
)
AUDIT = Table(
    "audit",
    ("seq", "id", "at", "actor_type", "actor_id", "action", "resource", "result", "weight", "hash", "created_at"),
    key=("seq",),
    scope="node",
)
MIGRATIONS = (
    Migration(
        "activity_0001",
        """
create table activity_log (id text primary key, at integer not null, actor_type text not null, actor_id text not null,
  actor_ip text, actor_ua text, action text not null, resource text not null, result text not null,
  weight integer not null, request text, created_at integer not null) strict;
create index activity_log_at on activity_log (at);
create table audit (seq integer primary key, id text not null, at integer not null, actor_type text not null,
  actor_id text not null, action text not null, resource text not null, result text not null, weight integer not null,
  hash text not null, created_at integer not null) strict;
""",
    ),
)
# the chain is made inside SQL, so that a batch that fails leaves no hole in it
CHAIN = Append("""insert into {audit} (id, at, actor_type, actor_id, action, resource, result, weight, hash, created_at)
select :id, :at, :actor_type, :actor_id, :action, :resource, :result, :weight,
  audit_hash(coalesce((select hash from {audit} order by seq desc limit 1), ''),
    :id, :at, :actor_type, :actor_id, :action, :resource, :result, :weight), :at""")

_WHERE = """where weight between :least and :most and at >= :since and (:actor is null or actor_id = :actor)
  and (:action is null or action = :action or substr(action, 1, length(:action) + 1) = :action || '.')
  and (:resource is null or resource = :resource
    or substr(resource, 1, length(:resource) + 1) = :resource || '/')
  and (:result is null or result = :result)"""
_BOTH = f"""(select id, at, actor_type, actor_id, actor_ip, action, resource, result, weight, request, rowid as n
  from {{activity_log}} {_WHERE}
  union all
  select id, at, actor_type, actor_id, null, action, resource, result, weight, null, seq from {{audit}} {_WHERE})"""
LIST = Read(
    f"select id, at, actor_type, actor_id, actor_ip, action, resource, result, weight, request from {_BOTH} "
    "order by at desc, n desc limit :limit offset :offset"
)
COUNT = Read(f"select count(*) from {_BOTH}")
BY_ACTION = Read(f"select action, result, count(*) from {_BOTH} group by 1, 2 order by 3 desc limit 100")
_OLD = "at < :until and weight between :least and :most"
OLD = Read(f"select count(*) from {{activity_log}} where {_OLD}")
CLEAN = Remove(ACTIVITY, where=_OLD)
LEDGER = Read("select id, at, actor_type, actor_id, action, resource, result, weight, hash from {audit} order by seq")

Weight = Annotated[int, msgspec.Meta(ge=0, le=9)]


def audit_hash(previous: str, *fields: object) -> str:
    """SQL function of the writer: one link of the chain."""
    return hashlib.sha256("\x1f".join([previous, *map(str, fields)]).encode()).hexdigest()


FUNCTIONS = {"audit_hash": audit_hash}


class Activity(msgspec.Struct):
    id: str
    at: int
    actor_type: str
    actor_id: str
    actor_ip: str | None
    action: str
    resource: str
    result: str
    weight: int
    request: str | None


class ActivityJournal:
    """The journal of the driver."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buffer: collections.deque[dict[str, Any]] = collections.deque()
        self.dropped = 0

    def steps(self, call: Call, declared: Declaration, resource: str) -> list[Step]:
        if declared.weight < AUDITED or call.via == "js":
            return []
        return [self.audit(call.who, declared.name, resource, "ok", declared.weight)]

    def note(self, call: Call, declared: Declaration, resource: str, result: str) -> None:
        if call.via != "js" and (0 < declared.weight < AUDITED or result != "ok"):
            self.remember(call.who, declared.name, resource, result, declared.weight, call.trace)

    def audit(self, who: Who, action: str, resource: str, result: str, weight: int) -> Step:
        return Step(
            CHAIN.sql,
            {
                "id": new_id("aud"),
                "at": self._clock.now(),
                "actor_type": who.kind,
                "actor_id": who.id,
                "action": action,
                "resource": resource,
                "result": result,
                "weight": weight,
            },
        )

    def remember(self, who: Who, action: str, resource: str, result: str, weight: int, request: str = "") -> None:
        if len(self._buffer) >= MOST_BUFFERED:
            self._buffer.popleft()
            self.dropped += 1
        self._buffer.append(
            {
                "id": new_id("act"),
                "at": self._clock.now(),
                "actor_type": who.kind,
                "actor_id": who.id,
                "actor_ip": who.address,
                "actor_ua": who.agent[:200],
                "action": action,
                "resource": resource,
                "result": result,
                "weight": weight,
                "request": request,
            }
        )

    def flush(self, store: Scoped) -> list[Step]:
        """Some of what waits, as steps of one batch: a long one would keep other writers waiting."""
        waiting = [self._buffer.popleft() for _ in range(min(SLICE, len(self._buffer)))]
        return [step for row in waiting for step in store.put(ACTIVITY, **row).steps]

    def take_back(self, steps: list[Step]) -> None:
        """A flush that failed: keep its rows for the next one."""
        rows = [dict(step.params) for step in steps if "at" in step.params]
        for row in rows:
            for name in ("app", "user", "now"):
                row.pop(name, None)
        room = MOST_BUFFERED - len(self._buffer)
        self.dropped += max(0, len(rows) - room)
        self._buffer.extendleft(reversed(rows[max(0, len(rows) - room) :] if room > 0 else []))


class Word(Line):
    most = 200


def _filter(
    call: Call,
    least: int,
    most: int,
    since: int | None,
    actor: str | None,
    action: str | None,
    resource: str | None,
    result: str | None,
) -> dict[str, Any]:
    return {
        "least": least,
        "most": most,
        "since": 0 if since is None else call.now - since,
        "actor": actor,
        "action": action,
        "resource": resource,
        "result": result,
    }


@syscall("activity.list", http="GET /api/system/logs", cli="activity list", js=False)
def activity_list(
    call: Call,
    *,
    min_weight: Weight = 0,
    max_weight: Weight = 9,
    since: Duration | None = None,
    actor: Word | None = None,
    action: Word | None = None,
    resource: Word | None = None,
    result: Word | None = None,
    offset: Offset = 0,
    limit: KeyLimit = 50,
) -> Scan[Page[Activity]]:
    """What people and keys did, newest first."""
    wanted = _filter(call, min_weight, max_weight, since, actor, action, resource, result)

    def shown(rows: list[list[Any]]) -> Page[Activity]:
        return page([Activity(*row) for row in rows[0]], offset, limit, rows[1][0][0])

    return call.store.scan((LIST, {**wanted, "limit": limit, "offset": offset}), (COUNT, wanted), then=shown)


@syscall("activity.stats", http="GET /api/system/logs/stats", cli="activity stats", js=False)
def activity_stats(call: Call, *, since: Duration | None = None) -> Scan[list[dict[str, Any]]]:
    """How often each action happened."""
    wanted = _filter(call, 0, 9, since, None, None, None, None)
    return call.store.scan(
        (BY_ACTION, wanted),
        then=lambda rows: [{"action": action, "result": result, "count": count} for action, result, count in rows[0]],
    )


class Cleaned(msgspec.Struct):
    matched: int
    deleted: int


@syscall(
    "activity.cleanup", role="owner", http="POST /api/system/logs/cleanup", cli="activity cleanup", js=False, weight=7
)
def activity_cleanup(
    call: Call,
    *,
    older_than: Duration = NINETY_DAYS,
    min_weight: Weight = 0,
    max_weight: Weight = 6,
    force: bool = False,
) -> Write[Cleaned]:
    """Delete old activity; tells what it would delete unless --force. The audit ledger is never cleaned."""
    wanted = {"until": call.now - older_than, "least": min_weight, "most": max_weight}
    matched = call.store.one(OLD, **wanted)[0]
    if not force:
        return Write((), lambda _: Cleaned(matched, 0))
    return call.store.do(CLEAN, **wanted).giving(lambda _: Cleaned(matched, matched))


class Verified(msgspec.Struct):
    entries: int
    intact: bool
    broken_at: str | None = None


@syscall("audit.verify", role="owner", http="GET /api/audit/verify", cli="audit verify", js=False)
def audit_verify(call: Call) -> Scan[Verified]:
    """Follow the hash chain of the audit ledger from its beginning."""
    return call.store.scan((LEDGER, {}), then=lambda rows: _follow(rows[0]))


@syscall("audit.list", role="owner", http="GET /api/audit", cli="audit list", js=False)
def audit_list(call: Call, *, offset: Offset = 0, limit: KeyLimit = 50) -> Scan[Page[Activity]]:
    """The audit ledger, newest first."""
    wanted = _filter(call, AUDITED, 9, None, None, None, None, None)
    return call.store.scan(
        (LIST, {**wanted, "limit": limit, "offset": offset}),
        (COUNT, wanted),
        then=lambda rows: page([Activity(*row) for row in rows[0]], offset, limit, rows[1][0][0]),
    )


def _follow(ledger: list[Any]) -> Verified:
    previous = ""
    for *fields, kept in ledger:
        previous = audit_hash(previous, *fields)
        if previous != kept:
            return Verified(len(ledger), False, str(fields[0]))
    return Verified(len(ledger), True)
