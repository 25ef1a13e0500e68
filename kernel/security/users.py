"""The owner, and the people there will be beside him."""

from __future__ import annotations

from kernel.base.ids import new_id
from kernel.base.tables import Migration, Patch, Read, Table
from kernel.storage.store import Store
from kernel.syscall import Line

USERS = Table(
    "users",
    (
        "id",
        "username",
        "email",
        "name",
        "picture",
        "role",
        "password_hash",
        "disabled",
        "last_login",
        "created_at",
        "updated_at",
        "deleted_at",
    ),
    key=("id",),
    scope="node",
)
MIGRATIONS = (
    Migration(
        "users_0001",
        """
create table users (id text primary key, username text not null collate nocase unique, email text collate nocase,
  name text, picture text, role text not null, password_hash text, disabled integer not null default 0,
  last_login integer, created_at integer not null, updated_at integer not null,
  deleted_at integer) strict, without rowid;
create unique index users_owner on users (role) where role = 'owner';
create unique index users_email on users (email) where email is not null;
""",
    ),
)
OWNER = Read("select id, username, password_hash from {users} where role = 'owner'")
BY_USERNAME = Read(
    "select id, username, role, password_hash from {users} "
    "where username = :username and disabled = 0 and deleted_at is null"
)
SECRET_OF = Read("select password_hash from {users} where id = :id")
SET_PASSWORD = Patch(USERS, set="password_hash = :password_hash, updated_at = :now", where="id = :id")
SET_USERNAME = Patch(USERS, set="username = :username, updated_at = :now", where="id = :id")
# signing in is refused when the user or the password changed while it was checked
_LIVE = "id = :id and disabled = 0 and deleted_at is null"
SIGNED_IN = Patch(USERS, set="last_login = :now", where=_LIVE)
SIGNED_IN_BY_PASSWORD = Patch(USERS, set="last_login = :now", where=f"{_LIVE} and password_hash is :seen")
FIRST_NAME = "owner"


class Username(Line):
    least, most = 1, 64
    pattern = r"[A-Za-z0-9][A-Za-z0-9._@+-]*"
    explain = "must be letters, digits and . _ @ + -"


def ensure_owner(store: Store, username: str = FIRST_NAME) -> str:
    """The owner's id; makes the owner of a new file."""
    found = store.rows(OWNER)
    if found:
        return str(found[0][0])
    owner = new_id("usr")
    plan = store.scoped("").insert(USERS, id=owner, username=username, role="owner", updated_at=store.clock.now())
    store.write_blocking(plan.steps)
    return owner
