"""Events on their way to the file.

They wait in memory and are written many at a time, as one row of up to a thousand. A row that is not full is
written again with what came later; one that is full never changes. A killed program loses what came in the last
seconds. All rows are written from the loop, one write of a collection after the other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.data.collections import StorageSaid
from kernel.data.doc_values import Document
from kernel.data.stream_tables import LAST, OF_OLD_MONTHS, SHARDS
from kernel.storage.store import Store
from kernel.syscall.plan import Step, Write

_EVENTS = msgspec.json.Decoder(list[msgspec.Raw])
MOST_EVENTS, MOST_BYTES = 1000, 2 << 20  # of a shard
# so many bytes may wait altogether; then those who write wait too
MOST_WAITING = 64 << 20
MOST_SHARDS_AT_ONCE = 8


@dataclass(eq=False)
class Shard:
    month: int
    number: int
    lines: list[str] = field(default_factory=list)
    bytes: int = 0
    written: int = 0  # so many of the lines are in the file

    @property
    def is_full(self) -> bool:
        return len(self.lines) >= MOST_EVENTS or self.bytes >= MOST_BYTES


class Name(NamedTuple):
    app: str
    collection: str


class Stream:
    """What is in memory of one collection: full shards on their way to the file, and the open one at the end."""

    def __init__(self, open_: Shard) -> None:
        self.shards = [open_]
        self.waits = False  # is there an event that is not in the file?
        self.writing = asyncio.Lock()
        self.used = True

    def add(self, lines: list[str], month: int) -> int:
        """How many bytes more wait."""
        self.used = self.waits = True
        for line in lines:
            last = self.shards[-1]
            if last.is_full or last.month < month:
                last = Shard(max(month, last.month), last.number + 1 if last.month >= month else 1)
                self.shards.append(last)
            last.lines.append(line)
            last.bytes += len(line)
        return sum(map(len, lines))


class Streams:
    """One for each node. `there`: a step that fails where the app is gone."""

    def __init__(self, store: Store, said: Callable[[str], StorageSaid], there: Callable[[str], Step]) -> None:
        self._store, self._said, self._there = store, said, there
        self._streams: dict[Name, Stream] = {}
        self._guard = threading.Lock()
        self.waiting = 0

    @property
    def is_full(self) -> bool:
        return self.waiting >= MOST_WAITING

    def insert(self, app: str, collection: str, documents: Sequence[Document], now: int) -> None:
        """From any thread. It cannot fail after it has begun: an app's batch is committed already."""
        name, month = Name(app, collection), month_of(now)
        lines = [_line(document, now) for document in documents]
        with self._guard:
            stream = self._streams.get(name) or self._opened(name, month)
            self.waiting += stream.add(lines, month)

    def _opened(self, name: Name, month: int) -> Stream:
        row = self._store.scoped(name.app).one(LAST, collection=name.collection, month=month)
        shard = Shard(month, 1)
        if row is not None:
            lines = [bytes(event).decode() for event in _EVENTS.decode(row[2])]
            shard = Shard(month, row[0], lines, sum(map(len, lines)), len(lines))
        return self._streams.setdefault(name, Stream(shard))

    # --- the loop's side

    async def write_full(self) -> None:
        """Every second: what is full need not wait."""
        await self._flush_all([n for n, s in list(self._streams.items()) if len(s.shards) > 1 or self.is_full])

    async def write_all(self) -> None:
        """Every five seconds, and at the end. What nobody adds to any more is forgotten."""
        streams = list(self._streams.items())
        for name, stream in streams:
            if not stream.waits and not stream.used:
                self._forget(name, stream)
            stream.used = False
        await self._flush_all([name for name, stream in streams if stream.waits])

    async def flush_app(self, app: str) -> None:
        """For who reads or copies all that an app has."""
        await self._flush_all(
            [name for name, stream in list(self._streams.items()) if name.app == app and stream.waits]
        )

    async def _flush_all(self, names: list[Name]) -> None:
        """One that cannot be written does not keep the others waiting."""
        failed: Exception | None = None
        for name in names:
            try:
                await self.flush(*name)
            except Exception as error:
                failed = error
        if failed:
            raise failed

    async def flush(self, app: str, collection: str, *, closing: bool = False) -> None:
        """All events that have come so far are in the file. `closing`: those that follow begin a new row."""
        name = Name(app, collection)
        with self._guard:
            stream = self._streams.get(name)
            if stream is None:
                if not closing:
                    return
                stream = self._opened(name, month_of(self._store.clock.now()))
        async with stream.writing:
            while waiting := self._unwritten(stream, closing):
                try:
                    await self._store.write([self._there(app), *self._steps(name, waiting)])
                except FaztError as error:
                    if error.code != "APP_NOT_FOUND":
                        raise
                    self._drop(name, stream)
                    return
                self._wrote(stream, waiting)

    def _unwritten(self, stream: Stream, closing: bool) -> list[tuple[Shard, int]]:
        """Shards with how many of their lines there are now, the oldest first."""
        with self._guard:
            waiting = [(shard, len(shard.lines)) for shard in stream.shards if shard.written < len(shard.lines)]
            if not waiting:
                stream.waits = False
                # not forgotten before what it was closed for has happened
                stream.used = stream.used or closing
                if closing and stream.shards[-1].lines:
                    last = stream.shards[-1]
                    stream.shards = [Shard(last.month, last.number + 1)]
            return waiting[:MOST_SHARDS_AT_ONCE]

    def _steps(self, name: Name, waiting: list[tuple[Shard, int]]) -> list[Step]:
        store, months = self._store.scoped(name.app), self.months(name.app, name.collection)
        plan: Write[Any] = Write([])
        for shard, count in waiting:
            year, month = divmod(shard.month, 100)
            lines = shard.lines[:count]
            data = f"[{','.join(lines)}]"
            plan = plan + store.put(
                SHARDS,
                shard_key=f"{name.collection}:{year}:{month:02}:{shard.number:03}",
                collection=name.collection,
                month=shard.month,
                number=shard.number,
                data=data,
                count=count,
                bytes=len(data),
                expires_at=None if months is None else begin_of(shard.month, months + 1),
            )
        if months is not None:
            oldest = _month(shard.month, -months)
            plan = plan + store.do(OF_OLD_MONTHS, collection=name.collection, month=oldest)
        return list(plan.steps)

    def months(self, app: str, collection: str) -> int | None:
        said = self._said(app).collections.get(collection)
        return said.retention_months if said else None

    def _wrote(self, stream: Stream, waiting: list[tuple[Shard, int]]) -> None:
        with self._guard:
            for shard, count in waiting:
                self.waiting -= sum(map(len, shard.lines[shard.written : count]))
                shard.written = count
            stream.shards = [s for s in stream.shards[:-1] if s.written < len(s.lines)] + stream.shards[-1:]

    def holds(self, app: str, collection: str) -> bool:
        """Are there events that are not in the file?"""
        stream = self._streams.get(Name(app, collection))
        return stream is not None and stream.waits

    def _forget(self, name: Name, stream: Stream) -> None:
        with self._guard:
            if not stream.waits:
                self._streams.pop(name, None)

    def _drop(self, name: Name, stream: Stream) -> None:
        with self._guard:
            self._streams.pop(name, None)
            self.waiting -= sum(len(line) for shard in stream.shards for line in shard.lines[shard.written :])


def _line(document: Document, now: int) -> str:
    rest = "" if document.text == "{}" else ","
    return f'{{"id":{encode(document.id).decode()},"_createdAt":{now}{rest}{document.text[1:]}'


def month_of(now: int) -> int:
    moment = datetime.fromtimestamp(now / 1000, UTC)
    return moment.year * 100 + moment.month


def _month(month: int, more: int) -> int:
    year, number = divmod(month // 100 * 12 + month % 100 - 1 + more, 12)
    return year * 100 + number + 1


def begin_of(month: int, more: int) -> int:
    """When the month begins that comes so many after this one."""
    later = _month(month, more)
    return round(datetime(later // 100, later % 100, 1, tzinfo=UTC).timestamp() * 1000)
