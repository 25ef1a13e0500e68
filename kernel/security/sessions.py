"""Sessions: a random token in a cookie, its hash here. The role is read anew at every request."""

from __future__ import annotations

from typing import Any

import msgspec

from kernel.base.errors import FaztError, not_found
from kernel.base.tables import Migration, Patch, Read, Remove, Sweep, Table
from kernel.security import users
from kernel.security.tokens import new_token, token_hash
from kernel.syscall import Call, Line, Write, syscall
from kernel.syscall.call import Scoped, Who

HOUR = 3_600_000
SLIDING = 12 * HOUR
REMEMBERED = 7 * 24 * HOUR
TOUCH_AFTER = HOUR // 6
LINK_IS_FRESH = HOUR // 4

SESSIONS = Table(
    "sessions",
    (
        "token_hash",
        "kind",
        "user_id",
        "app_id",
        "host",
        "parent_hash",
        "expires_at",
        "last_seen",
        "lasts",
        "amr",
        "totp_at",
        "ip",
        "ua",
        "created_at",
    ),
    key=("token_hash",),
    scope="node",
)
MIGRATIONS = (
    Migration(
        "sessions_0001",
        """
create table sessions (token_hash blob primary key, kind text not null, user_id text not null, app_id text,
  host text not null, parent_hash blob, expires_at integer not null, last_seen integer not null, lasts integer not null,
  amr text not null default '', totp_at integer, ip text, ua text, created_at integer not null) strict, without rowid;
create index sessions_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);
""",
    ),
)
# the join makes every request see the role of this moment
BY_TOKEN = Read("""select s.user_id, u.username, u.role, s.expires_at, s.last_seen, s.lasts
from {sessions} s join {users} u on u.id = s.user_id
where s.token_hash = :hash and s.kind = :kind and u.disabled = 0 and u.deleted_at is null""")
OF_USER = Read(
    "select token_hash, kind, host, ip, ua, amr, created_at, last_seen, expires_at from {sessions} "
    "where user_id = :user_id and expires_at > :now order by last_seen desc"
)
CREATED = Read("select created_at, amr from {sessions} where token_hash = :hash")
END = Remove(SESSIONS, where="token_hash = :hash")
END_SHOWN = Remove(SESSIONS, where="user_id = :user_id and lower(substr(hex(token_hash), 1, 16)) = :id")
END_OTHERS = Remove(SESSIONS, where="user_id = :user_id and token_hash <> :hash")
TOUCH = Patch(SESSIONS, set="last_seen = :now, expires_at = :now + lasts", where="token_hash = :hash")
SWEEP = Sweep(SESSIONS, due="expires_at")


class SessionShown(msgspec.Struct):
    id: str
    kind: str
    host: str
    ip: str | None
    agent: str | None
    method: str
    created_at: int
    last_seen: int
    expires_at: int
    current: bool


class SessionId(Line):
    least = most = 16
    pattern = "[0-9a-f]+"


def begin(
    store: Scoped,
    *,
    user: str,
    host: str,
    now: int,
    amr: str,
    ip: str,
    agent: str,
    remember: bool,
    replaces: bytes = b"",
) -> tuple[str, Write[None]]:
    """A new token, and the plan that makes it valid. The session it replaces ends in the same batch."""
    token, lasts = new_token(), REMEMBERED if remember else SLIDING
    plan = store.insert(
        SESSIONS,
        token_hash=token_hash(token),
        kind="admin",
        user_id=user,
        host=host,
        amr=amr,
        expires_at=now + lasts,
        last_seen=now,
        lasts=lasts,
        ip=ip,
        ua=agent[:300],
    )
    if replaces:
        plan = plan + store.do(END, hash=replaces)
    return token, plan


def find(store: Scoped, token: str, now: int, address: str, agent: str) -> tuple[Who, int]:
    """Whose session it is; and how long it is to last from now on, when it is time to say so."""
    hashed = token_hash(token)
    row = store.one(BY_TOKEN, hash=hashed, kind="admin")
    if row is None or row[3] <= now:
        raise FaztError("SESSION_EXPIRED", "The session has ended.", "Sign in again.")
    user, name, role, expires_at, last_seen, lasts = row
    who = Who("session", user, name, role, address=address, agent=agent, session=hashed, expires_at=expires_at)
    return who, lasts if now - last_seen > TOUCH_AFTER else 0


def end_others(call: Call, user: str) -> Write[None]:
    return call.store.do(END_OTHERS, user_id=user, hash=call.who.session)


def fresh_from_link(call: Call) -> bool:
    """Did this session begin with a sign-in link a short while ago?"""
    row: Any = call.store.one(CREATED, hash=call.who.session) if call.who.session else None
    return bool(row and row[1] == "link" and call.now - row[0] < LINK_IS_FRESH)


def _user(call: Call) -> str:
    """Whose sessions are meant: your own; who speaks for the owner means the owner's."""
    if call.who.kind == "session" or not call.is_at_least("owner"):
        return call.who.id
    return str(call.store.one(users.OWNER)[0])


@syscall("auth.sessions.list", role="user", http="GET /api/auth/sessions", cli="auth sessions list", js=False)
def sessions_list(call: Call) -> list[SessionShown]:
    """The sessions of who asks, newest first."""
    return [
        SessionShown(bytes(h).hex()[:16], kind, host, ip, ua, amr, created, seen, expires, h == call.who.session)
        for h, kind, host, ip, ua, amr, created, seen, expires in call.store.all(
            OF_USER, user_id=_user(call), now=call.now
        )
    ]


@syscall(
    "auth.sessions.revoke",
    role="user",
    http="DELETE /api/auth/sessions/{id} -> 204",
    cli="auth sessions revoke <id>",
    js=False,
    weight=8,
)
def sessions_revoke(call: Call, id: SessionId) -> Write[None]:
    """End one of your own sessions."""
    return call.store.do(END_SHOWN, user_id=_user(call), id=id).expect(1, not_found("session", id))
