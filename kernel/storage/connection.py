"""Connections to the file, all set up alike, and SQLite's errors in our words."""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib.util
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from kernel.base.errors import FaztError

APPLICATION_ID = 0x46415A54  # "FAZT"
PAGE_SIZE = 8192
BUSY_MS = 5000
# the virtual machine's steps between two looks at a running read
STRIDE = 20_000
ROWS_AT_ONCE = 16


def open_file(path: Path) -> apsw.Connection:
    """A connection that has changed nothing yet: the file may be somebody else's."""
    connection = apsw.Connection(str(path))
    _common(connection)
    return connection


def make_writer(connection: apsw.Connection) -> None:
    connection.execute(f"pragma page_size = {PAGE_SIZE}")
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", 4000)


def open_writer(path: Path) -> apsw.Connection:
    connection = open_file(path)
    make_writer(connection)
    return connection


def fold(path: Path) -> None:
    """Bring the log of a file that nobody has open into it."""
    connection = open_file(path)
    try:
        # only who has read knows of a log
        connection.execute("select count(*) from sqlite_schema").fetchall()
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.Error as error:
        raise FaztError("STORAGE_ERROR", f"{path} is damaged: {error}.", "Take another copy.") from error
    finally:
        connection.close()


def open_reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    _common(connection)
    connection.pragma("query_only", True)
    connection.pragma("cache_size", -4000)
    learn_distances(connection)
    return connection


def learn_distances(connection: apsw.Connection) -> None:
    """The functions of sqlite-vec. The first time in a process costs 80 µs and 400 KiB, the next ones 10 µs."""
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1)
    connection.load_extension(_vectors(), "sqlite3_vec_init")
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0)


@functools.cache
def _vectors() -> str:
    """Where the extension lies. Importing its package would bring Python's own SQLite along."""
    found = importlib.util.find_spec("sqlite_vec")
    assert found and found.submodule_search_locations
    return f"{found.submodule_search_locations[0]}/vec0"


def _common(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MS)
    connection.pragma("trusted_schema", False)
    connection.pragma("temp_store", 2)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)


class Budget:
    """Stops a read that runs too long: `steps` of SQLite's machine, or `seconds`, whichever comes first."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.left, self.until = 0, 0.0
        connection.set_progress_handler(self._spent, STRIDE)

    def grant(self, steps: int, seconds: float) -> None:
        self.left, self.until = steps // STRIDE, time.monotonic() + seconds

    def is_late(self) -> bool:
        return time.monotonic() > self.until

    def _spent(self) -> bool:
        self.left -= 1
        return self.left < 0 or self.is_late()


@contextlib.contextmanager
def in_words(path: Path) -> Iterator[None]:
    """What the system says of a file or its folder, as one of our errors."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise FaztError("STORAGE_FULL", f"The disk of {path} is full.", "Free some space and try again.") from error
        hint = "Check the path, its folder and its owner."
        raise FaztError("STORAGE_ERROR", f"{path} cannot be used: {error.strerror}.", hint) from error


def within(cursor: apsw.Cursor, most: int, short: bool = False) -> tuple[list[Any], int]:
    """The rows, as long as they have no more bytes than that; and how many bytes are left.

    `short`: where they have more, they just end.
    """
    rows: list[Any] = []
    while some := list(itertools.islice(cursor, ROWS_AT_ONCE)):
        most -= sum(len(cell) for row in some for cell in row if type(cell) is str or type(cell) is bytes)
        if most < 0:
            # one that was left half-way would hold this moment of the file for whoever reads here next
            cursor.close(True)
            if short:
                return [*rows, *some], 0
            raise FaztError("LIMIT_EXCEEDED", "The result is too large.", "Ask for less at once: use a smaller limit.")
        rows.extend(some)
    return rows, most


UNUSABLE = apsw.ReadOnlyError | apsw.IOError | apsw.CantOpenError | apsw.CorruptError | apsw.NotADBError
# how reading and writing fail; text in a damaged page need not be UTF-8
FAILURES = (apsw.Error, UnicodeDecodeError)


def understood(error: apsw.Error | UnicodeDecodeError) -> Exception:
    """SQLite's error as one of ours where the cause is outside the program; a bug stays as it is."""
    if isinstance(error, apsw.FullError):
        return FaztError(
            "STORAGE_FULL", "The disk is full; nothing was written.", "Free some space; the node goes on by itself."
        )
    if isinstance(error, apsw.InterruptError):
        return FaztError("TIMEOUT", "The query reads too much.", "Narrow it, or page through it.")
    if isinstance(error, UnicodeDecodeError | UNUSABLE):
        why = "a text in it is damaged" if isinstance(error, UnicodeDecodeError) else error
        return FaztError(
            "STORAGE_ERROR", f"The data file cannot be used: {why}.", "See `fazt proc status` and the logs."
        )
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return FaztError("SERVICE_UNAVAILABLE", "Another program holds the data file.", "Close it and try again.")
    return error
