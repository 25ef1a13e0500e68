"""Rows that are asked for by their key, in memory; the file stays the truth.

Nobody who asks after a write was acknowledged sees what was there before, and nobody sees what is not committed:

- Before COMMIT the writer forgets what the group touches and lets nobody fill it in; after COMMIT, before anybody is
  told, it opens again. So while it is unsettled which row is true, whoever asks reads the file.
- Who fills in a row has looked at the turns of its key before he read. When they have changed since, or are in the
  middle of a change, his row may be an older one and is not kept.
- What a group touched and memory held is replaced by what was written, where that is known.

A hit takes no lock: it is one look-up in a dictionary.
"""

from __future__ import annotations

import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import UNSET

from kernel.syscall.plan import Step

MOST_ROWS, MOST_BYTES, MOST_IN_ROW = 10_000, 16 << 20, 64 << 10
# what a row takes beside its values: its key, its place in the dictionary
BESIDE = 400
# keys share turns, so that these need no room for each
SLOTS = 4096
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_SELECT = re.compile(r"\s*select\b", re.IGNORECASE)

Key = tuple[Any, ...]  # table, app, user, values of the table's key


class Held:
    """A row in memory. `asked`: since it was last considered for leaving."""

    __slots__ = ("asked", "row", "size")

    def __init__(self, row: Any, size: int) -> None:
        self.row, self.size, self.asked = row, size, False


class Blocked(NamedTuple):
    """What may not be filled in until a group has ended."""

    slots: set[int]
    rows: dict[Key, Any]  # of what memory held
    flushes: bool


class Hot:
    def __init__(self, tables: Iterable[str] = (), most: int = MOST_ROWS, most_bytes: int = MOST_BYTES) -> None:
        self.held: OrderedDict[Key, Held] = OrderedDict()
        self.bytes = 0
        self._most, self._most_bytes = most, most_bytes
        self._guard = threading.Lock()
        # odd: in the middle of a change
        self._turns = [0] * SLOTS
        self._flushes = 0
        names = "|".join(map(re.escape, tables))
        self._named = re.compile(rf"\b(?:{names})\b", re.IGNORECASE) if names else None
        self._mentions = lru_cache(2048)(self._looked_through)

    # --- for who asks

    def turn(self, key: Key) -> tuple[int, int]:
        """To be taken before the row is read that is then filled in."""
        return self._turns[hash(key) % SLOTS], self._flushes

    def fill(self, key: Key, turn: tuple[int, int], row: Any) -> None:
        """Keep what was read, unless it may be older than what is committed. `row` is None where there is none."""
        if (turn[0] | turn[1]) & 1:
            return
        size = _size(row)
        if size > MOST_IN_ROW:
            return
        with self._guard:
            if turn == self.turn(key):
                self._keep(key, row, size)

    # --- for the writer

    def block(self, batches: Iterable[Sequence[Step]]) -> Blocked | None:
        """Forget what a group is about to change. What it returns is for `open`, whatever becomes of the group."""
        if self._named is None:
            return None
        touched, wide, everything = self._touched(batches)
        if not (touched or wide or everything):
            return None
        blocked = Blocked({hash(key) % SLOTS for key in touched}, {}, bool(wide or everything))
        with self._guard:
            for slot in blocked.slots:
                self._turns[slot] += 1
            for key, row in touched.items():
                if self._forget(key) and not blocked.flushes:
                    blocked.rows[key] = row
            if blocked.flushes:
                self._flushes += 1
                gone = [key for key in self.held if everything or key[:2] in wide]
                for key in gone:
                    self._forget(key)
        return blocked

    def open(self, blocked: Blocked, committed: bool) -> None:
        with self._guard:
            if committed:
                for key, row in blocked.rows.items():
                    if row is not UNSET and (size := _size(row)) <= MOST_IN_ROW:
                        self._keep(key, row, size)
            for slot in blocked.slots:
                self._turns[slot] += 1
            self._flushes += blocked.flushes

    def _touched(self, batches: Iterable[Sequence[Step]]) -> tuple[dict[Key, Any], set[Key], bool]:
        """Rows by their key with what is there afterwards, apps whose rows may all change, whether everything may."""
        touched: dict[Key, Any] = {}
        wide: set[Key] = set()
        everything = False
        for steps in batches:
            for step in steps:
                if step.touches is None:
                    everything = everything or self._mentions(step.sql)
                    continue
                for key, row in step.touches:
                    if len(key) == 2:
                        wide.add(key)
                    else:
                        touched[key] = row
        return touched, wide, everything

    def _looked_through(self, sql: str) -> bool:
        assert self._named
        return not _SELECT.match(sql) and self._named.search(_QUOTED.sub("''", sql)) is not None

    # --- what is kept

    def _keep(self, key: Key, row: Any, size: int) -> None:
        self._forget(key)
        self.held[key] = Held(row, size)
        self.bytes += size
        while len(self.held) > self._most or self.bytes > self._most_bytes:
            oldest, held = self.held.popitem(last=False)
            if held.asked:
                # once more round
                held.asked = False
                self.held[oldest] = held
            else:
                self.bytes -= held.size

    def _forget(self, key: Key) -> bool:
        held = self.held.pop(key, None)
        if held is not None:
            self.bytes -= held.size
        return held is not None


def _size(row: Any) -> int:
    return BESIDE + sum(map(sys.getsizeof, row)) if row else BESIDE
