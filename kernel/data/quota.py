"""What an app may keep altogether.

How much it keeps is measured now and then, in the background; what is added meanwhile is counted on top. So a write
costs one look and one addition, and what was deleted is noticed when it is measured again. A change of what is there
is counted where it is made, on the writer, as only there is it known by how much it grows.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from typing import Any, cast

from msgspec import Struct

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.settings import Setting, Settings
from kernel.base.tables import Across, Read, Table
from kernel.base.units import format_size
from kernel.storage.store import Store
from kernel.syscall import Call, Scan, syscall

MOST = Setting(
    "limits.storage.maxTotalPerApp",
    "size",
    "5GB",
    "Bytes an app may keep: documents, blobs, keys, vectors and tables together.",
    least=0,
    most=1 << 50,
)

# how long a figure is good, in seconds, and which part of what is left may be added to it
GOOD = 600.0
PART = 20


class Tally:
    """What an app and its people have of one kind: a read of how many rows and bytes, or a table.

    Of a table all columns count, if nothing else is said. `octet_length` looks at the head of a row only: a long value
    is not read for it.
    """

    def __init__(self, kind: str, what: Across | Table, *, bytes: str = "", rows: str = "count(*)") -> None:
        if isinstance(what, Table):
            lengths = " + ".join(f"ifnull(octet_length({column}), 0)" for column in what.columns)
            size = bytes or f"sum({lengths})"
            what = Across(f"select coalesce({rows}, 0), coalesce({size}, 0) from {{{what.name}}} as kept")
        self.kind, self.count = kind, what

    def of(self, app: str) -> tuple[Read, dict[str, str]]:
        return cast(Read, self.count), {"app": app}


class Share(Struct):
    kind: str
    rows: int
    bytes: int


class Usage(Struct):
    bytes: int
    limit: int
    kinds: list[Share]


class Held:
    """What is known of one app."""

    __slots__ = ("added", "at", "bytes", "due")

    def __init__(self) -> None:
        self.bytes = self.added = 0
        self.at, self.due = 0.0, True


class Quotas:
    """What the apps of a node keep, as far as it matters for what they write."""

    def __init__(self, store: Store, settings: Settings, tallies: Iterable[Tally], clock: Clock) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self.tallies = [tally for tally in tallies if {*tally.count.tables} <= {*store.tables}]
        self._held: dict[str, Held] = {}
        # plans are made beside the writer
        self._lock = threading.Lock()

    def take(self, app: str, more: int) -> None:
        """So many bytes more are to be kept, or LIMIT_EXCEEDED."""
        with self._lock:
            self._fitting(app, more).added += more

    def check(self, app: str, more: int) -> None:
        """LIMIT_EXCEEDED where so many bytes more would be too many."""
        with self._lock:
            self._fitting(app, more)

    def _fitting(self, app: str, more: int) -> Held:
        held, most = self._held.setdefault(app, Held()), self._settings[MOST.name]
        if more > 0 and held.bytes + held.added + more > most:
            held.due = True
            raise _full(held.bytes + held.added, most)
        return held

    async def look(self) -> None:
        """Measure those of whom too little is known."""
        now, most = self._clock.monotonic(), self._settings[MOST.name]
        for app, held in list(self._held.items()):
            much = held.added * PART > most - held.bytes
            old = now - held.at > GOOD
            if held.due or (held.added and (much or old)):
                await self.measure(app)
            elif old:
                self._forget(app)

    def _forget(self, app: str) -> None:
        with self._lock:
            if not self._held[app].added:
                del self._held[app]

    async def measure(self, app: str) -> None:
        counted = self._counted(app)
        # what cannot be measured in time keeps the figure it had
        with contextlib.suppress(FaztError):
            size = 0
            for tally in self.tallies:
                size += await self._store.scan(Scan([tally.of(app)], lambda rows: int(rows[0][0][1])))
            self._found(app, size, counted)

    def _counted(self, app: str) -> int:
        with self._lock:
            return self._held.setdefault(app, Held()).added

    def _found(self, app: str, size: int, counted: int) -> None:
        """So much lies there; what was counted before it was looked at is in it."""
        with self._lock:
            held = self._held.setdefault(app, Held())
            held.bytes, held.added = size, max(0, held.added - counted)
            held.at, held.due = self._clock.monotonic(), False

    def usage(self, app: str) -> Scan[Usage]:
        counted = self._counted(app)

        def told(rows: list[list[Any]]) -> Usage:
            kinds = {tally.kind: Share(tally.kind, 0, 0) for tally in self.tallies}
            for tally, ((count, size),) in zip(self.tallies, rows, strict=True):
                kinds[tally.kind].rows += count
                kinds[tally.kind].bytes += size
            shares = sorted(kinds.values(), key=lambda share: share.kind)
            size = sum(share.bytes for share in shares)
            self._found(app, size, counted)
            return Usage(size, self._settings[MOST.name], shares)

        return Scan([tally.of(app) for tally in self.tallies], told)


def _full(used: int, most: int) -> FaztError:
    return FaztError(
        "LIMIT_EXCEEDED",
        f"The app keeps {format_size(used)} of {format_size(most)}.",
        "Delete something (it may take some seconds to be noticed), or give the app more: "
        f"fazt limits set {MOST.name.removeprefix('limits.')} SIZE. `fazt storage usage APP` shows what it keeps.",
        limit=MOST.name,
        most=most,
        used=used,
    )


def room(call: Call, more: int) -> None:
    """Refuse what the app has no room for."""
    if more > 0:
        call.use(Quotas).take(call.store.app, more)


@syscall("storage.usage", http="GET /api/apps/{app}/storage", cli="storage usage <app?>", js=False)
def storage_usage(call: Call) -> Scan[Usage]:
    """What an app keeps, by kind, and how much it may keep."""
    return call.use(Quotas).usage(call.store.app)
