"""Facts of this file that no setting changes: which node it is, which key its secrets are sealed with."""

from __future__ import annotations

from kernel.base.tables import Migration, Read, Table
from kernel.storage.store import Store
from kernel.syscall.plan import Write

FACTS = Table("facts", ("name", "value", "created_at"), key=("name",), scope="node")
MIGRATIONS = (
    Migration(
        "facts_0001",
        """
create table facts (name text primary key, value text not null, created_at integer not null) strict, without rowid""",
    ),
)
VALUE = Read("select value from {facts} where name = :name")


def fact(store: Store, name: str) -> str | None:
    found = store.rows(VALUE, name=name)
    return found[0][0] if found else None


def remember(store: Store, name: str, value: str) -> Write[None]:
    return store.scoped("").put(FACTS, name=name, value=value)
