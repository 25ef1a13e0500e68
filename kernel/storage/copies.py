"""What a copy of a data file is: whole or not, of which node, made by which version."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.tables import Migration, Read
from kernel.storage import schema
from kernel.storage.connection import APPLICATION_ID

# a larger one is not read index by index: each page and each row is, in a fifth of the time
THOROUGH_BYTES = 256 << 20
HEADER = b"SQLite format 3\0"


class Copy(Struct):
    path: Path
    bytes: int
    version: str  # of the program that changed its shape last
    node: str
    key_id: str  # of the key its secrets are sealed with
    migrations: dict[str, str]  # name -> checksum


class Opened:
    """A copy whose rows are read by declared statements; it is not changed, and nothing is made beside it."""

    def __init__(self, path: Path) -> None:
        self.connection = apsw.Connection(
            f"file:{quote(os.fspath(path.absolute()))}?immutable=1",
            flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI,
        )

    def rows(self, read: Read, **params: Any) -> list[Any]:
        try:
            return self.connection.execute(read.sql, params).fetchall()
        except apsw.SQLError:
            return []  # an older one has no such table

    def close(self) -> None:
        self.connection.close()


def inspect(path: Path, called: Path | None = None) -> Copy:
    """Look through all of it; `called` is what a person knows it as."""
    size, opened = _size(path), Opened(path)
    path, connection = called or path, opened.connection
    try:
        # what somebody else put into it must not run
        connection.pragma("trusted_schema", False)
        connection.pragma("cell_size_check", True)
        mark = connection.pragma("application_id")
        pages = connection.pragma("page_count") * connection.pragma("page_size")
        done = schema.applied(connection)
        if mark != APPLICATION_ID or not done:
            raise FaztError("SCHEMA_MISMATCH", f"{path} is a database of another program.", "Name a copy of Fazt's.")
        if pages > size:
            raise _damaged(path, f"{pages - size} bytes of it are missing")
        thorough = "integrity_check" if size <= THOROUGH_BYTES else "quick_check"
        found = [row[0] for row in connection.execute(f"pragma {thorough}(3)")]
        if found != ["ok"]:
            raise _damaged(path, "; ".join(found)[:500])
        last = connection.execute("select program_version from schema_migrations order by id desc limit 1").get
        return Copy(path, size, str(last), _fact(connection, "node.id"), _fact(connection, "seal.key_id"), done)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    finally:
        opened.close()


def _fact(connection: apsw.Connection, name: str) -> str:
    if not connection.execute("select 1 from sqlite_schema where name = 'facts'").fetchall():
        return ""
    return str(connection.execute("select value from facts where name = ?", (name,)).get or "")


def looks_whole(path: Path) -> bool:
    """At a glance: ours, and as long as it says."""
    try:
        with path.open("rb") as file:
            head, size = file.read(100), os.fstat(file.fileno()).st_size
    except OSError:
        return False
    if len(head) < 100 or not head.startswith(HEADER) or not path.is_file():
        return False
    page = int.from_bytes(head[16:18], "big")
    return (
        int.from_bytes(head[68:72], "big") == APPLICATION_ID
        and (65536 if page == 1 else page) * int.from_bytes(head[28:32], "big") <= size
    )


def compare(copy: Copy, migrations: Iterable[Migration]) -> tuple[list[str], list[str]]:
    """Steps of the schema that it lacks, and those that this program does not know. Refuses one that differs."""
    known = {migration.name: schema.checksum(migration) for migration in (schema.STORAGE, *migrations)}
    for name, checksum in copy.migrations.items():
        if known.get(name, checksum) != checksum:
            raise FaztError(
                "SCHEMA_MISMATCH",
                f"{copy.path}: migration {name} is not the one this program knows.",
                "Use the program that made it.",
                migration=name,
            )
    return sorted(known.keys() - copy.migrations.keys()), sorted(copy.migrations.keys() - known.keys())


def _size(path: Path) -> int:
    if path.exists() and not path.is_file():
        raise FaztError("STORAGE_ERROR", f"{path} is no file.", "Name a copy of a data file.")
    try:
        with path.open("rb") as file:
            header = file.read(len(HEADER))
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise FaztError("NOT_FOUND", f"There is no {path}.", "`fazt backup list` shows the copies of a node.") from None
    except OSError as error:
        raise FaztError("STORAGE_ERROR", f"{path} cannot be read: {error.strerror}.", "Check its owner.") from None
    if header != HEADER:
        why = "It is empty." if not size else "It is something else, encrypted, or its beginning is damaged."
        raise FaztError("SCHEMA_MISMATCH", f"{path} is no database. {why}", "Name a copy of a data file.")
    return size


def _damaged(path: Path, why: str) -> FaztError:
    return FaztError("STORAGE_ERROR", f"{path} is damaged: {why}.", "Take another copy: `fazt backup list`.")
