"""API keys: 32 random bytes shown once. Kept as a hash with the first eight characters to find it by."""

from __future__ import annotations

import hmac
from typing import Annotated, NamedTuple

import msgspec

from kernel.base.errors import FaztError, not_found
from kernel.base.ids import new_id
from kernel.base.tables import Migration, Patch, Read, Remove, Table
from kernel.security.tokens import new_token, token_hash
from kernel.storage.memo import Memo
from kernel.syscall import Call, Line, Write, syscall
from kernel.syscall.call import Scoped, Who
from kernel.syscall.plan import Step

MARK = "fzt_"
SHOWN = 8
WHOLE = len(MARK) + 43

API_KEYS = Table(
    "api_keys", ("id", "name", "prefix", "hash", "scopes", "created_at", "last_used_at"), key=("id",), scope="node"
)
MIGRATIONS = (
    Migration(
        "api_keys_0001",
        """
create table api_keys (id text primary key, name text not null, prefix text not null, hash blob not null,
  scopes text not null, created_at integer not null, last_used_at integer) strict, without rowid;
create index api_keys_prefix on api_keys (prefix);
""",
    ),
)
ALL = Read("select id, name, prefix, scopes, created_at, last_used_at from {api_keys} order by created_at desc, id")
BY_PREFIX = Read("select id, name, hash, scopes from {api_keys} where prefix = :prefix")
REVOKE = Remove(API_KEYS, where="id = :id")
USED = Patch(API_KEYS, set="last_used_at = :at", where="id = :id")

# what a person holding the key may be, by its strongest scope
ROLE_OF = {"*": "owner", "admin": "admin", "read": "admin", "deploy": "admin"}


class KeyName(Line):
    least, most = 1, 100


class KeyId(Line):
    most = 16
    pattern = "key_[0-9a-z]{12}"
    explain = "must be the id of a key: key_ and 12 characters"


class ScopeName(Line):
    most = 80
    pattern = r"\*|read|admin|deploy|deploy:[a-z0-9][a-z0-9_-]{0,62}"
    explain = "must be one of *, admin, read, deploy, deploy:<app>"


Scopes = Annotated[list[ScopeName], msgspec.Meta(min_length=1, max_length=20)]
EVERYTHING = [ScopeName("*")]


class ApiKey(msgspec.Struct):
    id: str
    name: str
    scopes: list[str]
    prefix: str
    created_at: int
    last_used_at: int | None = None


class AppNames:
    """What knows which app a name means. A port: apps live in a room below this one."""

    def id_of(self, name: str) -> str:
        raise NotImplementedError


class NewKey(msgspec.Struct):
    id: str
    key: str
    name: str
    scopes: list[str]


def find(store: Scoped, token: str, address: str, agent: str, memo: Memo | None = None) -> Who:
    """Who holds the key. Unknown, revoked and malformed look the same."""
    held = None
    if token.startswith(MARK) and len(token) == WHOLE and token.isascii():
        hashed = token_hash(token)

        def read() -> Held | None:
            return _held(store, token[len(MARK) : len(MARK) + SHOWN], hashed)

        held = memo.get(hashed, read) if memo else read()
    if held is None:
        raise FaztError("INVALID_API_KEY", "The key is unknown or was revoked.", "Make a new one: `fazt keys create`.")
    return Who("key", held.id, held.name, held.role, held.scopes, address, agent)


class Held(NamedTuple):
    """A key somebody has shown."""

    id: str
    name: str
    role: str
    scopes: frozenset[str]


def _held(store: Scoped, prefix: str, hashed: bytes) -> Held | None:
    for id, name, kept, scopes in store.all(BY_PREFIX, prefix=prefix):
        if hmac.compare_digest(hashed, kept):
            held = frozenset(scopes.split())
            role = next((ROLE_OF[scope] for scope in ROLE_OF if scope in held), "admin")
            return Held(id, name, role, held)
    return None


class KeyUses:
    """When keys were last used: noted in memory, written now and then. No request writes."""

    def __init__(self) -> None:
        self._at: dict[str, int] = {}

    def note(self, key: str, now: int) -> None:
        self._at[key] = now

    def steps(self, store: Scoped) -> list[Step]:
        noted, self._at = self._at, {}
        return [step for id, at in noted.items() for step in store.do(USED, id=id, at=at).steps]


@syscall("keys.list", role="owner", http="GET /api/keys", cli="keys list", js=False)
def keys_list(call: Call) -> list[ApiKey]:
    """The API keys, without their secrets."""
    return [
        ApiKey(id, name, scopes.split(), MARK + prefix, created, used)
        for id, name, prefix, scopes, created, used in call.store.all(ALL)
    ]


@syscall("keys.create", role="owner", http="POST /api/keys -> 201", cli="keys create", js=False, weight=9)
def keys_create(call: Call, *, name: KeyName, scopes: Scopes = EVERYTHING) -> Write[NewKey]:
    """Make an API key; it is shown this once. Scopes: * (everything), admin, read, deploy, deploy:<app>."""
    held = sorted({_scope(call, scope) for scope in scopes})
    token, id = MARK + new_token(), new_id("key")
    prefix = token[len(MARK) : len(MARK) + SHOWN]
    plan = call.store.insert(API_KEYS, id=id, name=name, prefix=prefix, hash=token_hash(token), scopes=" ".join(held))
    return plan.giving(lambda _: NewKey(id, token, name, held))


def _scope(call: Call, scope: str) -> str:
    """A scope for an app follows the app, not its name."""
    kind, colon, app = scope.partition(":")
    return kind + colon + (call.use(AppNames).id_of(app) if app else "")


@syscall("keys.revoke", role="owner", http="DELETE /api/keys/{id} -> 204", cli="keys revoke <id>", js=False, weight=9)
def keys_revoke(call: Call, id: KeyId) -> Write[None]:
    """Revoke an API key at once."""
    return call.store.do(REVOKE, id=id).expect(1, not_found("key", id))
