"""The Store: opens the file, reads, carries plans out, closes."""

from __future__ import annotations

import asyncio
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.base.tables import Read
from kernel.storage import store as module
from kernel.storage.connection import PAGE_SIZE
from kernel.storage.store import Store, open_store
from kernel.syscall.plan import Scan, Step

from .support import ALL, COUNT, FACTS, FEW, MIGRATIONS, NODE, NOTES, TABLES, insert, make, numbers

ENDLESS = Read(
    "with recursive n(i) as (select 1 union all select i + 1 from n) "
    "select count(*) from n where (select count(*) from {notes}) = 0"
)
LONG = Read(
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000) "
    "select count(*) from n where (select count(*) from {notes}) = 0"
)


def first(rows: Any) -> Any:
    return [row[0][0] if row else None for row in rows]


def scan(store: Store, *reads: Read) -> Scan[Any]:
    return store.scoped("app_1").scan(*((read, {}) for read in reads), then=first)


# --- reads ------------------------------------------------------------------------------------------------------------


async def test_a_scan_that_never_ends_is_stopped_and_the_next_one_runs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SCAN_STEPS", 1_000_000)
    for _ in range(module.READERS + 1):
        with pytest.raises(FaztError) as refused:
            await store.scan(scan(store, COUNT, ENDLESS))
        assert (refused.value.code, refused.value.status) == ("TIMEOUT", 504)
    assert await store.scan(scan(store, COUNT)) == [0]


async def test_a_scan_may_take_longer_than_a_read_on_the_way(store: Store) -> None:
    assert await store.scan(scan(store, LONG)) == [300_000]
    with pytest.raises((FaztError, apsw.InterruptError)):
        store.scoped("app_1").one(LONG)


@pytest.mark.parametrize("how", ["one", "all", "rows"])
def test_a_read_on_the_way_that_never_ends_is_stopped_and_told_like_a_scan(store: Store, how: str) -> None:
    scoped = store.scoped("app_1")
    with pytest.raises(FaztError) as refused:
        {"one": scoped.one, "all": scoped.all, "rows": lambda read: store.rows(read, app="", user="")}[how](ENDLESS)
    assert refused.value.code == "TIMEOUT"


async def test_a_stopped_read_does_not_shorten_the_next(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POINT_STEPS", 100_000)
    for _ in range(50):
        with pytest.raises((FaztError, apsw.InterruptError)):
            store.scoped("app_1").one(ENDLESS)
        assert store.scoped("app_1").one(COUNT) == (0,)


def poking(store: Store) -> None:
    """Give this thread's reader a function that lets a write happen in the middle of a scan."""
    taken = iter(range(1000))
    store.reader().create_scalar_function("poke", lambda: store.write_blocking([note(next(taken))]) and 1, 0)


def note(n: int) -> Step:
    (step,) = Store.scoped(_STORE[0], "app_1").put(NOTES, key=str(n), value=n).steps
    return step


_STORE: list[Store] = []


def test_all_reads_of_a_scan_see_one_moment_of_the_file(store: Store) -> None:
    _STORE[:] = [store]
    poking(store)
    poke = Read("select poke() from (select 1) where 1 or (select count(*) from {notes})")
    seen = store.scan_blocking(scan(store, COUNT, poke, COUNT, poke, COUNT))
    assert seen == [0, 1, 0, 1, 0]
    assert store.scoped("app_1").one(COUNT) == (2,)


def test_a_read_sees_every_write_that_was_answered(store: Store) -> None:
    _STORE[:] = [store]
    for n in range(50):
        store.write_blocking([note(n)])
        assert store.scoped("app_1").one(COUNT) == (n + 1,)


def test_every_thread_has_its_own_reader_and_all_are_closed_in_the_end(tmp_path: Path) -> None:
    store = make(tmp_path)
    barrier = threading.Barrier(4)

    def own() -> tuple[int, int]:
        barrier.wait(30)
        return id(store.reader()), id(store.reader())

    with ThreadPoolExecutor(4) as pool:
        seen = [future.result(30) for future in [pool.submit(own) for _ in range(4)]]
    assert all(one == other for one, other in seen)
    assert len({one for one, _ in seen}) == 4
    mine = store.reader()
    store.close()
    with pytest.raises(apsw.ConnectionClosedError):
        mine.execute("select 1")


def test_reading_leaves_nothing_open_that_would_keep_the_log_from_being_folded_in(store: Store) -> None:
    _STORE[:] = [store]
    store.write_blocking([note(1), note(2)])
    for read in (COUNT, ALL):
        store.scoped("app_1").one(read)
        assert not store.reader().in_transaction
    assert store.writer.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE) == (0, 0)


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_new_file_and_its_folder_are_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data.db"
    open_store(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_new_file_is_laid_out_as_the_writer_wants_it(store: Store) -> None:
    assert store.reader().pragma("page_size") == PAGE_SIZE
    assert store.reader().pragma("journal_mode") == "wal"


def test_everything_beside_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    make(tmp_path).close()
    newer = (*MIGRATIONS, module.schema.Migration("later_0001", "create table later (x)"))
    store = make(tmp_path, migrations=newer)
    store.write_blocking([insert(1)])
    for path in filter(Path.is_file, tmp_path.rglob("*")):
        reachable = [stat.S_IMODE(part.stat().st_mode) & 0o077 for part in (path, *path.parents) if part != tmp_path]
        hidden = any(mode == 0 for mode in reachable[: len(path.relative_to(tmp_path).parts)])
        assert hidden, f"{path.name} can be read by others"
    store.close()


@pytest.mark.parametrize("what", ["a directory", "text", "a directory that cannot be made"])
def test_what_is_no_data_file_is_refused_in_words_and_left_alone(tmp_path: Path, what: str) -> None:
    path = tmp_path / "data.db"
    if what == "a directory":
        path.mkdir()
    elif what == "text":
        path.write_text("this is a letter\n" * 100)
    else:
        path.write_text("a file")
        path = path / "data.db"
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(FaztError) as refused:
        open_store(path)
    assert refused.value.code in ("STORAGE_ERROR", "SCHEMA_MISMATCH")
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("path", ["/proc/nothing/data.db", "/proc/data.db"])
def test_a_place_where_nothing_can_be_made_is_told(path: str) -> None:
    with pytest.raises(FaztError) as refused:
        open_store(Path(path))
    assert refused.value.code == "STORAGE_ERROR"


def test_what_was_written_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    store = make(tmp_path)
    store.write_blocking([insert(1), insert(2)])
    store.close()
    store = make(tmp_path)
    assert numbers(store) == [1, 2]
    store.close()


def test_the_size_counts_the_log_too(store: Store) -> None:
    before = store.size()
    store.write_blocking([Step("insert into plain (n, at) values (1, zeroblob(500000))", {})])
    assert store.size() >= before + 500_000


def test_a_store_that_could_not_be_opened_leaves_nothing_running(tmp_path: Path) -> None:
    make(tmp_path).close()
    before = {thread.ident for thread in threading.enumerate()}
    edited = tuple(module.schema.Migration(m.name, m.sql + " select 1;") for m in MIGRATIONS)
    with pytest.raises(FaztError):
        make(tmp_path, migrations=edited)
    assert {thread.ident for thread in threading.enumerate()} == before
    make(tmp_path).close()


# --- an app that goes -------------------------------------------------------------------------------------------------


def test_purging_an_app_removes_all_of_its_rows_and_nobody_elses(store: Store) -> None:
    for app in ("app_1", "app_2"):
        for user in ("", "usr_1"):
            scoped = store.scoped(app, user)
            plan = scoped.put(NOTES, key="a", value=1) + scoped.put(FEW, key="a", value=1)
            store.write_blocking(plan.steps)
    store.write_blocking(store.scoped("").put(NODE, name="x", value="1").steps)
    store.write_blocking(store.purge("app_1"))
    left = {
        table: store.reader().execute(f"select app_id, count(*) from {table} group by app_id").fetchall()
        for table in ("notes", "few", "usage")
    }
    assert left == {"notes": [("app_2", 2)], "few": [("app_2", 2)], "usage": [("app_2", 1)]}
    assert store.rows(FACTS) == [("x", "1")]


def test_every_app_table_of_the_node_is_purged() -> None:
    from fazt.boot import PARTS, declared
    from kernel.base.tables import Table

    purged = {table.name for table in declared(Table, PARTS) if table.scope == "app"}
    assert "app_kv" in purged
    assert {"notes", "few", "members"} == {table.name for table in TABLES if table.scope == "app"}


async def test_many_scans_at_once_are_all_answered(store: Store) -> None:
    clock = ManualClock()
    answers = await asyncio.gather(*(store.scan(scan(store, COUNT)) for _ in range(50)))
    assert answers == [[0]] * 50
    assert clock.sleepers == 0
