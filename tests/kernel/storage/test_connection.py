"""Connections to the file, and SQLite's errors in our words."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from kernel.base.errors import FaztError
from kernel.storage.connection import PAGE_SIZE, STRIDE, Budget, open_file, open_reader, open_writer, understood

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data.db"
    writer = open_writer(path)
    writer.execute("create table t (x)")
    writer.close()
    return path


def test_the_writer_makes_every_commit_durable(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "data.db")
    assert writer.pragma("journal_mode") == "wal"
    assert writer.pragma("synchronous") == 2
    assert writer.pragma("page_size") == PAGE_SIZE
    writer.close()


@pytest.mark.parametrize(
    "sql",
    ["insert into t values (1)", "delete from t", "create table u (x)", "drop table t", "create temp table v (x)"],
)
def test_a_reader_cannot_write(path: Path, sql: str) -> None:
    reader = open_reader(path)
    with pytest.raises((apsw.ReadOnlyError, apsw.AuthError)):
        reader.execute(sql)
    reader.close()


@pytest.mark.parametrize("open_", [open_reader, open_writer])
def test_no_connection_takes_a_misspelled_name_for_text(path: Path, open_: object) -> None:
    connection = open_(path)  # type: ignore[operator]
    with pytest.raises(apsw.SQLError, match="no such column"):
        connection.execute('select * from t where x = "colour"')
    connection.close()


@pytest.mark.parametrize("open_", [open_reader, open_writer])
def test_no_connection_lets_the_schema_be_written_by_hand(path: Path, open_: object) -> None:
    connection = open_(path)  # type: ignore[operator]
    connection.pragma("writable_schema", True)
    with pytest.raises(apsw.Error):
        connection.execute("update sqlite_schema set sql = '' where name = 't'")
    connection.close()


def test_opening_a_file_changes_nothing_until_it_is_known_to_be_ours(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = apsw.Connection(str(path))
    other.execute("create table t (x)")
    other.close()
    before = path.read_bytes()
    connection = open_file(path)
    assert connection.execute("select count(*) from t").get == 0
    connection.close()
    assert path.read_bytes() == before


def test_a_reader_does_not_make_a_file(tmp_path: Path) -> None:
    with pytest.raises(apsw.CantOpenError):
        open_reader(tmp_path / "nothing.db")
    assert list(tmp_path.iterdir()) == []


def test_a_budget_stops_a_read_that_never_ends_and_is_new_for_the_next(path: Path) -> None:
    reader = open_reader(path)
    budget = Budget(reader)
    budget.grant(100 * STRIDE, 1e9)
    with pytest.raises(apsw.InterruptError):
        reader.execute(ENDLESS)
    budget.grant(100 * STRIDE, 1e9)
    assert reader.execute("select count(*) from t").get == 0
    reader.close()


def test_a_budget_of_time_stops_it_too(path: Path) -> None:
    reader = open_reader(path)
    Budget(reader).grant(1 << 62, -1)
    with pytest.raises(apsw.InterruptError):
        reader.execute(ENDLESS)
    reader.close()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (apsw.FullError("x"), "STORAGE_FULL"),
        (apsw.InterruptError("x"), "TIMEOUT"),
        (apsw.ReadOnlyError("x"), "STORAGE_ERROR"),
        (apsw.IOError("x"), "STORAGE_ERROR"),
        (apsw.CantOpenError("x"), "STORAGE_ERROR"),
        (apsw.CorruptError("x"), "STORAGE_ERROR"),
        (apsw.NotADBError("x"), "STORAGE_ERROR"),
        (UnicodeDecodeError("utf-8", b"\x92", 0, 1, "x"), "STORAGE_ERROR"),
        (apsw.BusyError("x"), "SERVICE_UNAVAILABLE"),
        (apsw.LockedError("x"), "SERVICE_UNAVAILABLE"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_machine_did_is_told_in_our_words(error: apsw.Error | UnicodeDecodeError, code: str) -> None:
    told = understood(error)
    assert isinstance(told, FaztError)
    assert (told.code, bool(told.hint)) == (code, True)


@pytest.mark.parametrize("error", [apsw.SQLError("x"), apsw.ConstraintError("x"), apsw.MisuseError("x")])
def test_a_bug_of_ours_stays_a_bug(error: apsw.Error) -> None:
    assert understood(error) is error
