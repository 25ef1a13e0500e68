"""Sending many rows to a node: so many at a time, each time all or none, and what is refused by its line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from fazt.client.http import Link
from fazt.client.tables import Row, bad
from kernel.base.clock import Clock
from kernel.base.errors import FaztError

MOST_ROWS, MOST_BYTES = 1000, 1 << 20

Operation = list[Any]


@dataclass
class Counts:
    """What has happened so far."""

    imported: int = 0
    skipped: int = 0


class Kind(Protocol):
    """What rows become. `most`: how many of them at a time."""

    most: int

    def operations(self, row: Row) -> list[Operation]:
        """What is done for a row; nothing where it is left out."""
        ...

    def missing(self, link: Link, rows: list[Row]) -> list[Row]:
        """Those of the rows that are not there yet."""
        ...

    def insert(self, link: Link, rows: list[Row]) -> FaztError | None:
        """A shorter way to the same: nothing when that is done, or what came in between, whosever fault it is."""
        ...


OFFERED_NONE = FaztError("NOT_SUPPORTED", "There is no shorter way.")


class Import:
    def __init__(self, link: Link, app: str, kind: Kind, *, skip: bool = False) -> None:
        self._link, self._batch, self._kind, self._skip = link, f"{app}/storage/batch", kind, skip
        self.counts = Counts()

    def run(self, rows: Iterable[Row], watch: Callable[[Counts], None] = lambda counts: None) -> Counts:
        for chunk in _chunks(rows, self._kind.most):
            self._send(chunk)
            watch(self.counts)
        return self.counts

    def _send(self, rows: list[Row]) -> None:
        """All of them or none; those that are there already may be left out."""
        while rows:
            error = self._kind.insert(self._link, rows)
            if error is None:
                break
            there = rows
            if self._skip and error.code == "CONFLICT":
                rows = self._kind.missing(self._link, rows)
            if len(rows) == len(there):
                refused = self._one_by_one(rows)
                if refused is None:
                    return
                error, place = refused
                if not self._skip or error.code != "CONFLICT":
                    raise error
                rows = self._kind.missing(self._link, rows[:place] + rows[place + 1 :])
            self.counts.skipped += len(there) - len(rows)
        self.counts.imported += len(rows)

    def _one_by_one(self, rows: list[Row]) -> tuple[FaztError, int] | None:
        """As one batch, but of an operation for each row: so it is known which of them is wrong, and why."""
        operations: list[Operation] = []
        owners: list[int] = []
        for at, row in enumerate(rows):
            made = self._kind.operations(row)
            operations += made
            owners += [at] * len(made)
        try:
            self._link.ask("POST", self._batch, msgspec.json.encode({"operations": operations}))
        except FaztError as error:
            place = error.details.get("operation")
            if not isinstance(place, int) or not 0 <= place < len(owners):
                raise
            return _by_line(error, place, rows[owners[place]].line), owners[place]
        done = len(set(owners))
        self.counts.imported += done
        self.counts.skipped += len(rows) - done
        return None


def _by_line(error: FaztError, place: int, line: int) -> FaztError:
    message = error.message.removeprefix(f"operations[{place}]: ")
    details = {name: value for name, value in error.details.items() if name != "operation"}
    return FaztError(error.code, f"Line {line}: {message}", error.hint, **{**details, "line": line})


def _chunks(rows: Iterable[Row], most: int) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        more = len(msgspec.json.encode(row.value))
        if chunk and (len(chunk) >= most or size + more > MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += more
    if chunk:
        yield chunk


class Documents:
    """Rows as documents of a collection. `id`: the field that says what a document is called."""

    def __init__(
        self, app: str, collection: str, *, id: str | None = None, replace: bool = False, user: str = ""
    ) -> None:
        self._place = f"{app}/storage/ds/{quote(collection, safe='')}"
        self._collection, self._id, self._replace = collection, id, replace
        self._options = [{"user": user}] if user else []
        self._words = f"?user={quote(user, safe='')}" if user else ""
        self._user = {"user": user} if user else {}
        self.most = MOST_ROWS // 2 if replace else MOST_ROWS

    def operations(self, row: Row) -> list[Operation]:
        document = self._document(row)
        insert = ["ds.insert", self._collection, document, *self._options]
        if self._replace and document.get("id") is not None:
            return [["ds.delete", self._collection, document["id"], *self._options], insert]
        return [insert]

    def insert(self, link: Link, rows: list[Row]) -> FaztError | None:
        if self._replace:
            return OFFERED_NONE
        documents = [self._document(row) for row in rows]
        try:
            link.ask("POST", self._place + self._words, msgspec.json.encode(documents))
        except FaztError as error:
            if error.status not in (400, 409) or error.code == "LIMIT_EXCEEDED":
                raise
            return error
        return None

    def missing(self, link: Link, rows: list[Row]) -> list[Row]:
        """Also without those whose id another one of them has."""
        named: dict[Any, Row] = {}
        for row in rows:
            id = self._document(row).get("id")
            named.setdefault(_text(id) if id is not None else object(), row)
        ids = [id for id in named if isinstance(id, str)]
        asked = {"query": {"id": {"$in": ids}}, "limit": MOST_ROWS, "total": False, **self._user}
        found = link.ask("POST", f"{self._place}/query", msgspec.json.encode(asked)) if ids else []
        there = {document["id"] for document in found}
        return [row for id, row in named.items() if id not in there]

    def _document(self, row: Row) -> dict[str, Any]:
        if self._id is None or self._id == "id":
            return row.value
        document = dict(row.value)
        if document.get(self._id) is None:
            raise bad(row.line, f"has no {self._id[:100]}")
        document["id"] = document.pop(self._id)
        return document


def _text(id: Any) -> str:
    return id if isinstance(id, str) else msgspec.json.encode(id).decode()


class Values:
    """Rows as entries of the key-value store: `key`, `value`, `expiresAt`."""

    most = MOST_ROWS
    _fields = frozenset({"key", "value", "expiresAt"})

    def __init__(self, *, user: str = "", clock: Clock | None = None) -> None:
        self._clock, self._options = clock or Clock(), [{"user": user}] if user else []

    def operations(self, row: Row) -> list[Operation]:
        entry = row.value
        if entry.keys() - self._fields or not {"key", "value"} <= entry.keys():
            raise bad(row.line, "is no entry: it has key, value and perhaps expiresAt")
        ends = entry.get("expiresAt")
        if ends is None:
            return [["kv.set", entry["key"], entry["value"], None, *self._options]]
        if not isinstance(ends, int) or isinstance(ends, bool):
            raise bad(row.line, "has an expiresAt that is no time in milliseconds")
        left = ends - self._clock.now()
        # what has ended meanwhile is left out
        return [["kv.set", entry["key"], entry["value"], left, *self._options]] if left > 0 else []

    def insert(self, link: Link, rows: list[Row]) -> FaztError | None:
        return OFFERED_NONE

    def missing(self, link: Link, rows: list[Row]) -> list[Row]:
        return rows
