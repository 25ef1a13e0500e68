"""The shape of the file: migrations that only add."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from fazt.boot import PARTS, declared, migrations
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.base.tables import TABLES, Migration, Table
from kernel.storage import schema
from kernel.storage.connection import APPLICATION_ID
from kernel.storage.copy_names import name_of
from kernel.storage.schema import STORAGE, check, checksum, lint
from kernel.storage.store import KEEP_PRE_MIGRATION, open_store

from .support import MIGRATIONS, NOTES, SCOPED, insert, make, numbers


def made(sql: str) -> Migration:
    return Migration("x_0001", sql)


GOOD = [
    "create table t (a text not null, b integer) strict",
    "create table t (a text not null default '', b)",
    "create index t_a on t (a)",
    "create unique index t_a on t (a) where a is not null",
    "create virtual table f using fts5 (body)",
    "alter table t add column b text",
    "alter table t add column b text not null default ''",
    "alter table t add b integer not null default 0",
    "insert into t (a) values ('x')",
    "create table dropped (renamed text, updates_at integer, deleted_at integer)",
    "create table t (a text default 'drop table u')",
    "create table t (a) -- we would like to drop table u here",
    "create table t (a) /* drop\ntable u */",
    "create table t (a text default 'it''s -- not a comment')",
]
BAD = [
    ("drop table t", "DROP"),
    ("DROP INDEX t_a", "DROP"),
    ("alter table t drop column a", "DROP"),
    ("alter table t rename to u", "RENAME"),
    ("alter table t rename column a to b", "RENAME"),
    ("create table t (a text references u (a))", "REFERENCES"),
    ("create table t (at integer default current_timestamp)", "times"),
    ("create table t (at text default (Current_Date))", "times"),
    ("create trigger x after insert on t begin select 1; end", "triggers"),
    ("create table t (id text default (hex(randomblob(8))))", "ids"),
    ("insert into t values (random())", "ids"),
    ("delete from t", "does not change rows"),
    ("update t set a = 1", "does not change rows"),
    ("insert into t (a) values (1) on conflict do update set a = 2", "does not change rows"),
    ("insert or replace into t (a) values (1)", ""),
    ("replace into t (a) values (1)", ""),
    ("alter table t add column b text not null", "NOT NULL"),
    ("alter table t add b text not null; create table u (a default 1)", "NOT NULL"),
    ("create table u (a); alter table t add column b text not null check (b <> 'default')", "NOT NULL"),
    ("create table t (a text default '--'); drop table u", "DROP"),
    ("create table t (a text default '/*'); drop table u; create table v (a text default '*/')", "DROP"),
    ("create table t (at integer default (unixepoch()))", "times"),
    ("create table t (at text default (datetime('now')))", "times"),
    ("create table t (a); commit; create table u (a)", ""),
]


@pytest.mark.parametrize("sql", GOOD)
def test_a_migration_that_only_adds_passes(sql: str) -> None:
    assert lint(made(sql)) == []


@pytest.mark.parametrize(("sql", "why"), BAD)
def test_a_migration_that_could_break_an_older_program_is_found(sql: str, why: str) -> None:
    problems = lint(made(sql))
    assert problems
    assert why in " ".join(problems)


@pytest.mark.parametrize("migration", [STORAGE, *migrations()], ids=lambda migration: migration.name)
def test_the_migrations_of_the_node_only_add(migration: Migration) -> None:
    assert lint(migration) == []


def test_the_migrations_of_the_node_have_names_of_their_own() -> None:
    names = [migration.name for migration in (STORAGE, *migrations())]
    assert len(names) == len(set(names))


def test_a_bad_migration_stops_the_start_before_it_ran(tmp_path: Path) -> None:
    make(tmp_path).close()
    with pytest.raises(FaztError, match="x_0001: DROP") as refused:
        make(tmp_path, migrations=(*MIGRATIONS, made("drop table plain")))
    assert refused.value.code == "SCHEMA_MISMATCH"
    store = make(tmp_path)
    assert numbers(store) == []
    store.close()


@pytest.mark.parametrize("broken", ["create table a (x); create table a (x)", "create table a (x); nonsense"])
def test_a_migration_that_fails_leaves_nothing_of_itself_and_keeps_those_before(tmp_path: Path, broken: str) -> None:
    before = Migration("w_0001", "create table before (x)")
    with pytest.raises((FaztError, apsw.Error)):
        make(tmp_path, migrations=(*MIGRATIONS, before, made(broken)))
    store = make(tmp_path)
    known = {name for (name,) in store.reader().execute("select name from schema_migrations")}
    tables = {name for (name,) in store.reader().execute("select name from sqlite_schema where type = 'table'")}
    assert ("w_0001" in known, "x_0001" in known) == (True, False)
    assert ("before" in tables, "a" in tables) == (True, False)
    store.close()


# --- the ledger -------------------------------------------------------------------------------------------------------


def test_every_migration_runs_once_and_is_remembered_with_when_and_by_whom(tmp_path: Path) -> None:
    clock = ManualClock(now=1_000)
    make(tmp_path, clock=clock, version="0.1.0").close()
    clock.advance(60)
    more = Migration("later_0001", "create table later (x)")
    store = make(tmp_path, clock=clock, version="0.2.0", migrations=(*MIGRATIONS, more))
    kept = (
        store.reader()
        .execute("select name, checksum, applied_at, program_version from schema_migrations order by id")
        .fetchall()
    )
    assert kept == [
        (STORAGE.name, checksum(STORAGE), 1_000, "0.1.0"),
        (MIGRATIONS[0].name, checksum(MIGRATIONS[0]), 1_000, "0.1.0"),
        ("later_0001", checksum(more), 61_000, "0.2.0"),
    ]
    assert store.reader().pragma("application_id") == APPLICATION_ID
    store.close()


@pytest.mark.parametrize("edit", [lambda sql: sql + " ;", lambda sql: sql.replace("value", "worth", 1)])
def test_a_migration_that_was_edited_after_it_ran_stops_the_start(tmp_path: Path, edit: Callable[[str], str]) -> None:
    make(tmp_path).close()
    edited = tuple(Migration(m.name, edit(m.sql)) for m in MIGRATIONS)
    with pytest.raises(FaztError) as refused:
        make(tmp_path, migrations=edited, tables=())
    assert (refused.value.code, refused.value.details) == ("SCHEMA_MISMATCH", {"migration": MIGRATIONS[0].name})
    make(tmp_path).close()


def test_an_edited_entry_of_the_ledger_stops_the_start_too(tmp_path: Path) -> None:
    make(tmp_path).close()
    foreign = apsw.Connection(str(tmp_path / "data.db"))
    foreign.execute("update schema_migrations set checksum = 'x' where name = ?", (STORAGE.name,))
    foreign.close()
    with pytest.raises(FaztError, match=STORAGE.name):
        make(tmp_path)


def test_the_same_migration_laid_out_otherwise_is_the_same() -> None:
    assert checksum(made("create  table\n t (a)")) == checksum(made("create table t (a)"))
    assert checksum(made("create table t (a)")) != checksum(made("create table t (b)"))


def test_an_older_program_works_on_a_newer_file(tmp_path: Path) -> None:
    newer = (
        *MIGRATIONS,
        Migration("notes_0002", "alter table notes add column colour text not null default 'red'"),
        Migration("things_0001", "create table things (x)"),
    )
    make(tmp_path, migrations=newer).close()
    store = make(tmp_path)
    store.write_blocking(store.scoped("app_1").put(NOTES, key="a", value=1, at=2).steps)
    assert store.reader().execute("select key, colour from notes").fetchall() == [("a", "red")]
    store.close()
    store = make(tmp_path, migrations=newer)
    assert store.reader().execute("select count(*) from schema_migrations").get == 4
    store.close()


# --- the tables -------------------------------------------------------------------------------------------------------


def table(sql: str, columns: tuple[str, ...] = ("key",), scope: Any = "app") -> tuple[apsw.Connection, list[Table]]:
    connection = apsw.Connection(":memory:")
    connection.execute(sql)
    declared_as = Table("shape", columns, key=("key",), scope=scope)
    del TABLES["shape"]
    return connection, [declared_as]


USER = "user_id text not null default ''"
WELL = f"create table shape (app_id text not null, {USER}, key text, created_at integer not null"


KEY = ", primary key (app_id, user_id, key)"


@pytest.mark.parametrize(
    "sql",
    [
        f"{WELL}{KEY})",
        f"{WELL}, colour text{KEY})",
        f"{WELL}{KEY}) strict, without rowid",
        f"{WELL}, id integer primary key, unique (user_id, key, app_id))",
        f"{WELL}); create unique index shape_key on shape (app_id, user_id, key)",
    ],
)
def test_a_table_with_its_columns_its_scope_and_its_key_is_accepted(sql: str) -> None:
    check(*table(sql))


@pytest.mark.parametrize(
    ("sql", "lacking"),
    [
        ("create table other (x)", "app_id, created_at, key, user_id"),
        (f"create table shape ({USER}, key text, created_at integer)", "app_id"),
        ("create table shape (app_id text, key text, created_at integer)", "user_id"),
        (f"create table shape (app_id text, {USER}, key text)", "created_at"),
        (f"create table shape (app_id text, {USER}, created_at integer)", "key"),
    ],
)
def test_an_app_table_that_lacks_a_column_stops_the_start(sql: str, lacking: str) -> None:
    with pytest.raises(FaztError, match=f"lacks {lacking}") as refused:
        check(*table(sql))
    assert (refused.value.code, refused.value.details) == ("SCHEMA_MISMATCH", {"table": "shape"})


@pytest.mark.parametrize(
    "user",
    [
        "user_id text",
        "user_id text default ''",
        "user_id text not null",
        "user_id text not null default 'x'",
        "user_id integer not null default ''",
    ],
)
def test_an_app_table_whose_user_may_be_missing_stops_the_start(user: str) -> None:
    with pytest.raises(FaztError, match="user_id must be TEXT NOT NULL DEFAULT ''"):
        check(*table(f"create table shape (app_id text not null, {user}, key text, created_at integer)"))


def test_an_app_table_whose_app_may_be_missing_stops_the_start() -> None:
    with pytest.raises(FaztError, match="app_id must be NOT NULL"):
        check(*table(f"create table shape (app_id text, {USER}, key text, created_at integer)"))


@pytest.mark.parametrize(
    "key",
    [
        "",
        ", primary key (key)",
        ", primary key (app_id, key)",
        ", primary key (user_id, key)",
        f"{KEY}, unique (key)",
        f"{KEY}, unique (app_id, key)",
    ],
)
def test_an_app_table_whose_key_is_shared_between_apps_or_users_stops_the_start(key: str) -> None:
    with pytest.raises(FaztError) as refused:
        check(*table(f"{WELL}{key})"))
    assert refused.value.code == "SCHEMA_MISMATCH"


def test_a_node_table_needs_its_columns_and_no_scope() -> None:
    check(*table("create table shape (key text)", scope="node"))
    with pytest.raises(FaztError, match="lacks key"):
        check(*table("create table shape (x text)", scope="node"))


def test_the_node_starts_and_every_declared_table_is_checked(tmp_path: Path) -> None:
    store = open_store(tmp_path / "data.db", tables=list(declared(Table, PARTS)), migrations=migrations())
    assert len(store.tables) >= 10
    store.close()
    assert "app_id text not null" in SCOPED


# --- other programs' files --------------------------------------------------------------------------------------------


def foreign(path: Path, mark: int = 0) -> bytes:
    connection = apsw.Connection(str(path))
    connection.execute("create table places (url); insert into places values ('http://x')")
    connection.pragma("application_id", mark)
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize("mark", [0, 0x12345678])
def test_a_file_of_another_program_is_refused_and_left_as_it_was(tmp_path: Path, mark: int) -> None:
    path = tmp_path / "data.db"
    before = foreign(path, mark)
    with pytest.raises(FaztError, match="another program") as refused:
        make(tmp_path)
    assert refused.value.code == "SCHEMA_MISMATCH"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["data.db"]


@pytest.mark.parametrize(
    "ledger",
    [
        "schema_migrations (version text)",
        "schema_migrations (version integer, dirty integer)",
        "schema_migrations (id integer primary key, name text not null, checksum text)",
    ],
)
def test_a_file_of_another_program_that_keeps_a_ledger_too_is_refused(tmp_path: Path, ledger: str) -> None:
    path = tmp_path / "data.db"
    connection = apsw.Connection(str(path))
    connection.execute(f"create table {ledger}; create table places (url)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(FaztError, match="another program"):
        make(tmp_path)
    assert path.read_bytes() == before


def test_an_empty_file_is_nobodys_and_becomes_ours(tmp_path: Path) -> None:
    (tmp_path / "data.db").touch()
    make(tmp_path).close()
    make(tmp_path).close()


def test_a_start_that_was_cut_short_is_taken_up_again(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "data.db"))
    schema.migrate(connection, [STORAGE], 1, "0")
    connection.pragma("application_id", 0)
    connection.close()
    make(tmp_path).close()


# --- the copy before migrating ----------------------------------------------------------------------------------------


def copies(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "backups" / "data").glob("*")) if (tmp_path / "backups").exists() else []


def later(n: int) -> tuple[Migration, ...]:
    return (*MIGRATIONS, *(Migration(f"later_{k:04}", f"create table later_{k} (x)") for k in range(n)))


def test_before_migrating_a_copy_is_made_that_opens_and_holds_what_was_there(tmp_path: Path) -> None:
    store = make(tmp_path)
    store.write_blocking([insert(1), insert(2)])
    store.close()
    assert copies(tmp_path) == []
    make(tmp_path, migrations=later(1), clock=ManualClock(now=7)).close()
    (copy,) = copies(tmp_path)
    assert copy.name == "data-19700101T000000.007Z-pre-migration.db"
    (tmp_path / "old").mkdir()
    copy.rename(tmp_path / "old" / "data.db")
    old = make(tmp_path / "old")
    assert numbers(old) == [1, 2]
    assert not old.reader().execute("select 1 from sqlite_schema where name = 'later_0'").fetchall()
    old.close()


def test_a_copy_is_made_only_when_something_is_migrated(tmp_path: Path) -> None:
    for _ in range(3):
        make(tmp_path, migrations=later(1)).close()
    assert copies(tmp_path) == []


def test_the_five_newest_copies_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    clock = ManualClock(now=1_000)
    make(tmp_path, clock=clock).close()
    (tmp_path / "backups" / "data").mkdir(parents=True)
    (tmp_path / "backups" / "data" / name_of(1, "daily")).touch()
    for n in range(1, 8):
        clock.advance(1)
        make(tmp_path, migrations=later(n), clock=clock).close()
    assert KEEP_PRE_MIGRATION == 5
    assert [copy.name for copy in copies(tmp_path)] == [
        name_of(1, "daily"),
        *(name_of(1_000 + n * 1_000, "pre-migration") for n in range(3, 8)),
    ]


def test_the_copy_holds_what_was_still_in_the_log(tmp_path: Path) -> None:
    store = make(tmp_path)
    store.write_blocking([insert(1)])
    for name in ("data.db", "data.db-wal"):
        (tmp_path / "crashed").mkdir(exist_ok=True)
        (tmp_path / "crashed" / name).write_bytes((tmp_path / name).read_bytes())
    store.close()
    make(tmp_path / "crashed", migrations=later(1)).close()
    (copy,) = copies(tmp_path / "crashed")
    connection = apsw.Connection(str(copy))
    assert connection.execute("select n from plain").fetchall() == [(1,)]
    connection.close()
