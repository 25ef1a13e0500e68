"""The shape of the file: migrations that only add, each remembered with its checksum.

An older program works on a newer file (unknown migrations are left alone, nothing is selected by `*`); a migration
that was edited after it ran stops the start. `lint` refuses what could break an older program.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from kernel.base.errors import FaztError
from kernel.base.tables import Migration, Table
from kernel.storage.connection import APPLICATION_ID

LEDGER = """create table if not exists schema_migrations (
  id integer primary key, name text not null unique, checksum text not null,
  applied_at integer not null, program_version text not null) strict"""

STORAGE = Migration(
    "storage_0001",
    """
create table expect (ok integer not null check (ok = 1)) strict;
create table usage (app_id text not null, name text not null, rows integer not null, created_at integer not null,
  primary key (app_id, name)) strict, without rowid;
""",
)

_REFUSED = {
    r"\bdrop\b": "DROP loses data an older program needs",
    r"\brename\b": "RENAME hides data from an older program",
    r"\breferences\b": "REFERENCES makes an older program's deletes fail",
    r"\bcurrent_(timestamp|time|date)\b": "times are made in Python",
    r"\b(unixepoch|datetime|julianday|strftime|date|time)\s*\(": "times are made in Python",
    r"\btrigger\b": "triggers hide writes",
    r"\b(random|randomblob)\s*\(": "ids are made in Python",
    r"\b(delete|update|replace)\b": "a migration adds; it does not change rows",
    r"\b(begin|commit|end|rollback|savepoint|release)\b": "a migration runs in a transaction of its own",
    r"\b(pragma|attach|detach|vacuum|reindex)\b": "a migration only adds tables, columns, indexes and rows",
}
_ASIDE = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_ADD_COLUMN = re.compile(r"\badd\s+(?:column\s+)?[^;]*", re.IGNORECASE)


def lint(migration: Migration) -> list[str]:
    """What is wrong with a migration; empty when it only adds."""
    # strings and comments say nothing; one walk, as each may hold what looks like the other
    sql = _ASIDE.sub(lambda found: "''" if found[0][0] == "'" else " ", migration.sql).lower()
    problems = [why for pattern, why in _REFUSED.items() if re.search(pattern, sql)]
    for added in _ADD_COLUMN.findall(sql):
        if "not null" in added and "default" not in added:
            problems.append("a NOT NULL column without a default makes an older program's inserts fail")
    return problems


def checksum(migration: Migration) -> str:
    return hashlib.sha256(" ".join(migration.sql.split()).encode()).hexdigest()


def _has_ledger(connection: apsw.Connection) -> bool:
    """Is there our list of migrations? (Other programs keep tables of that name, with other columns.)"""
    columns = {row[1] for row in connection.execute("pragma table_info(schema_migrations)")}
    return {"name", "checksum", "applied_at", "program_version"} <= columns


def applied(connection: apsw.Connection) -> dict[str, str]:
    if not _has_ledger(connection):
        return {}
    return dict(connection.execute("select name, checksum from schema_migrations"))


def pending(connection: apsw.Connection, migrations: Iterable[Migration]) -> list[Migration]:
    """Migrations still to run. Refuses a foreign file and an edited migration."""
    _refuse_foreign(connection)
    done = applied(connection)
    waiting = []
    for migration in migrations:
        known = done.get(migration.name)
        if known is None:
            waiting.append(migration)
        elif known != checksum(migration):
            raise FaztError(
                "SCHEMA_MISMATCH",
                f"Migration {migration.name} was edited after it ran on this file.",
                "Start the program version that made the file, or restore a backup.",
                migration=migration.name,
            )
    return waiting


def migrate(connection: apsw.Connection, waiting: Sequence[Migration], now: int, version: str) -> None:
    connection.execute(LEDGER)
    for migration in waiting:
        problems = lint(migration)
        if problems:
            raise FaztError("SCHEMA_MISMATCH", f"Migration {migration.name}: {problems[0]}.", migration=migration.name)
        with connection:
            connection.execute(migration.sql)
            connection.execute(
                "insert into schema_migrations (name, checksum, applied_at, program_version) values (?, ?, ?, ?)",
                (migration.name, checksum(migration), now, version),
            )
    connection.pragma("application_id", APPLICATION_ID)


def check(connection: apsw.Connection, tables: Iterable[Table]) -> None:
    """Every declared table is there, with its columns and the columns of its scope."""
    for table in tables:
        columns = {row[1]: row for row in connection.execute(f"pragma table_info({table.name})")}
        wanted = set(table.columns) | ({"app_id", "user_id", "created_at"} if table.scope == "app" else set())
        missing = sorted(wanted - set(columns))
        if missing:
            raise FaztError("SCHEMA_MISMATCH", f"Table {table.name} lacks {', '.join(missing)}.", table=table.name)
        if table.scope == "app":
            _check_scope(connection, table, columns)


def _check_scope(connection: apsw.Connection, table: Table, columns: Mapping[str, Any]) -> None:
    _, _, kind, not_null, default, _ = columns["user_id"]
    if kind.upper() != "TEXT" or not not_null or default != "''":
        raise FaztError("SCHEMA_MISMATCH", f"Table {table.name}: user_id must be TEXT NOT NULL DEFAULT ''.")
    if not columns["app_id"][3]:
        raise FaztError("SCHEMA_MISMATCH", f"Table {table.name}: app_id must be NOT NULL.")
    own = {"app_id", "user_id", *table.key}
    if own not in _unique(connection, table, columns):
        shown = ", ".join(["app_id", "user_id", *table.key])
        raise FaztError("SCHEMA_MISMATCH", f"Table {table.name}: ({shown}) must be unique.", table=table.name)
    shared = [names for names in _unique(connection, table, columns) if not {"app_id", "user_id"} <= names]
    if shared:
        raise FaztError("SCHEMA_MISMATCH", f"Table {table.name}: one app's key would clash with another's.")


def _unique(connection: apsw.Connection, table: Table, columns: Mapping[str, Any]) -> list[set[str]]:
    """The sets of columns that may not repeat; a row number is nobody's key."""
    primary = {name for name, row in columns.items() if row[5]}
    found = [primary] if primary and primary != {"id"} and primary != {"seq"} else []
    for _, index, unique, *_ in connection.execute(f"pragma index_list({table.name})").fetchall():
        if unique:
            found.append({row[2] for row in connection.execute(f"pragma index_info({index})")})
    return found


def _refuse_foreign(connection: apsw.Connection) -> None:
    mark = connection.pragma("application_id")
    empty = not connection.execute("select 1 from sqlite_schema limit 1").fetchall()
    # a first start that was killed half-way has made the ledger and not yet left its mark
    begun = _has_ledger(connection)
    if mark != APPLICATION_ID and not (mark == 0 and (empty or begun)):
        raise FaztError(
            "SCHEMA_MISMATCH", "The file is a database of another program.", "Choose another path with --db."
        )
