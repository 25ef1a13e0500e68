"""A store with one small table, and a gate in front of its writer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kernel.base.clock import ManualClock
from kernel.base.tables import Migration, Patch, Read, Remove, Table
from kernel.storage.store import Store, open_store
from kernel.syscall.plan import Step

LIMIT = "limits.notes"
NOTES = Table("notes", ("key", "value", "at"), key=("key",))
FEW = Table("few", ("key", "value"), key=("key",), counted=LIMIT)
MEMBERS = Table("members", ("key",), key=("key",), counted=LIMIT)
NODE = Table("node_facts", ("name", "value", "created_at"), key=("name",), scope="node")
TABLES = (NOTES, FEW, MEMBERS, NODE)
SCOPED = "app_id text not null, user_id text not null default '', "
MIGRATIONS = (
    Migration(
        "notes_0001",
        f"""
create table notes ({SCOPED} key text not null, value, at integer, created_at integer not null,
  primary key (app_id, user_id, key));
create table few ({SCOPED} key text not null, value, created_at integer not null, primary key (app_id, user_id, key));
create table members ({SCOPED} key text not null, created_at integer not null, primary key (app_id, user_id, key));
create table node_facts (name text primary key, value text, created_at integer not null);
create table plain (n integer primary key, at text check (at <> 'bad'));
""",
    ),
)
GET = Read("select value from {notes} where key = :key")
ALL = Read("select key, value from {notes} order by key")
COUNT = Read("select count(*) from {notes}")
RENAME = Patch(NOTES, set="value = :value", where="key = :key")
DELETE = Remove(NOTES, where="key = :key")
NOTES_TAKE = Remove(NOTES, where="key = :key", returning="key, value")
FEW_TAKE = Remove(FEW, where="key = :key", returning="key, value")
FEW_ALL = Read("select key, value from {few} order by key")
FEW_PATCH = Patch(FEW, set="value = :value", where="key = :key or :key = '*'")
FEW_DELETE = Remove(FEW, where="key = :key or :key = '*'")
NODE_PATCH = Patch(NODE, set="value = :value", where="name = :name")
FACTS = Read("select name, value from {node_facts} order by name")


class Gate:
    """An SQL function that stops the writer until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> int:
        self.entered.set()
        assert self.opened.wait(30)
        return 1


HOLD = Step("select hold()", {})


def make(path: Path, *, gate: Callable[[], int] | None = None, **how: Any) -> Store:
    return open_store(
        path / "data.db",
        **{
            "tables": TABLES,
            "migrations": MIGRATIONS,
            "clock": ManualClock(),
            "functions": {"hold": gate or (lambda: 1)},
            "limit_of": lambda name: 3,
            **how,
        },
    )


def insert(n: int, at: str = "") -> Step:
    return Step("insert into plain (n, at) values (:n, :at)", {"n": n, "at": at})


def numbers(store: Store) -> list[int]:
    """What is committed, as any other connection sees it."""
    return [n for (n,) in store.reader().execute("select n from plain order by n")]
