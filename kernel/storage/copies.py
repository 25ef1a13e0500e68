"""What a copy of a data file is: whole or not, of which node, made by which version."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import apsw
from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.tables import Migration
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
    migrations: dict[str, str]  # name -> checksum


def inspect(path: Path) -> Copy:
    """Look through all of it. It is not changed, and nothing is made beside it."""
    size = _size(path)
    connection = apsw.Connection(
        f"file:{quote(os.fspath(path.absolute()))}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    )
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
        return Copy(path, size, str(last), _node(connection), done)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error
    finally:
        connection.close()


def _node(connection: apsw.Connection) -> str:
    if not connection.execute("select 1 from sqlite_schema where name = 'facts'").fetchall():
        return ""
    return str(connection.execute("select value from facts where name = 'node.id'").get or "")


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
