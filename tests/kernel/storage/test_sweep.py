"""Deleting what is due, in slices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.base.tables import Migration, Sweep, Table
from kernel.storage import sweep as module
from kernel.storage.store import Store
from kernel.storage.sweep import sweep
from kernel.syscall.plan import Step

from .support import MIGRATIONS, SCOPED, make

DUE = Table("swept", ("key", "at"), key=("key",), counted="limits.swept")
NODE = Table("swept_node", ("key", "at"), key=("key",), scope="node")
SHAPES = Migration(
    "swept_0001",
    f"create table swept ({SCOPED} key text not null, at integer, created_at integer, "
    "primary key (app_id, user_id, key)); create table swept_node (key text primary key, at integer)",
)
OLD, OLD_NODE = Sweep(DUE, due="at"), Sweep(NODE, due="at")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(module, "SLICE", 10)
    made = make(tmp_path, migrations=(*MIGRATIONS, SHAPES), tables=(DUE, NODE), limit_of=lambda name: 1000)
    yield made
    made.close()


def put(store: Store, app: str, key: str, at: int | None, user: str = "") -> None:
    store.write_blocking(store.scoped(app, user).put(DUE, key=key, at=at).steps)


def left(store: Store) -> dict[str, list[str]]:
    rows = store.reader().execute("select app_id, key from swept order by app_id, key").fetchall()
    return {app: [key for owner, key in rows if owner == app] for app, _ in rows}


def usage(store: Store) -> dict[str, int]:
    return dict(store.reader().execute("select app_id, rows from usage where name = 'swept'"))


async def test_what_is_due_goes_and_what_is_not_stays_and_every_count_stays_right(store: Store) -> None:
    for app in ("a", "b"):
        for n in range(5):
            put(store, app, f"old{n}", 100 + n)
            put(store, app, f"new{n}", 1_000 + n, user="u")
        put(store, app, "never", None)
    put(store, "c", "new", 1_000)
    await sweep(store, OLD, 999)
    new = [f"new{n}" for n in range(5)]
    assert left(store) == {"a": ["never", *new] if "never" < "new0" else [*new], "b": ["never", *new], "c": ["new"]}
    assert usage(store) == {"a": 6, "b": 6, "c": 1}


@pytest.mark.parametrize(("until", "gone"), [(99, False), (100, True), (101, True)])
async def test_a_row_is_due_from_its_moment_on(store: Store, until: int, gone: bool) -> None:
    put(store, "a", "k", 100)
    await sweep(store, OLD, until)
    assert (left(store) == {}) is gone


@pytest.mark.parametrize(("rows", "slices"), [(0, 0), (1, 1), (10, 1), (11, 2), (35, 4)])
async def test_it_goes_in_slices(store: Store, rows: int, slices: int) -> None:
    for n in range(rows):
        put(store, "a", f"{n}", n)
    assert await sweep(store, OLD, 999) == slices
    assert (left(store), usage(store).get("a", 0)) == ({}, 0)


async def test_rows_of_one_moment_go_together_however_many(store: Store) -> None:
    for n in range(25):
        put(store, "a", f"{n}", 7)
    assert await sweep(store, OLD, 999) == 1
    assert left(store) == {}


async def test_a_row_that_was_given_more_time_meanwhile_stays_and_stays_counted(store: Store) -> None:
    for n in range(15):
        put(store, "a", f"{n:02}", n)
    read = store.reader

    def late() -> object:
        connection = read()
        store.reader = read  # type: ignore[method-assign]
        found = type("Found", (), {"execute": lambda self, *a: connection.execute(*a).fetchall() and self})()
        (end,) = connection.execute("select 9").fetchall()[0]
        found.get = end
        put(store, "a", "03", 5_000)
        return found

    store.reader = late  # type: ignore[method-assign,assignment]
    await sweep(store, OLD, 999)
    assert (left(store), usage(store)) == ({"a": ["03"]}, {"a": 1})


async def test_a_count_that_was_wrong_never_becomes_negative(store: Store) -> None:
    put(store, "a", "k", 1)
    store.write_blocking([Step("update usage set rows = 0", {})])
    await sweep(store, OLD, 999)
    assert usage(store) == {"a": 0}


async def test_a_node_table_is_swept_without_a_count(store: Store) -> None:
    for n in range(25):
        store.write_blocking(store.scoped("").put(NODE, key=str(n), at=n).steps)
    await sweep(store, OLD_NODE, 19)
    assert store.reader().execute("select count(*) from swept_node").get == 5
    assert usage(store) == {}
