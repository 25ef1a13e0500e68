"""Source maps that are open: opening a large one is work of tens of milliseconds that nothing can interrupt.

So each is opened once and kept for a while, on app threads only; and what one invocation may have opened and looked up
is counted. What is kept is bounded for the whole node, as many apps may fail at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from kernel.runtime.positions import Positions

MOST_OPENED = 64 << 20  # bytes of maps that are kept open
LEAST_ENTRY = 4 << 10  # what even an empty map counts
BYTES_PER_EFFORT = 8 << 10  # opening that many takes about as long as telling one line of a stack
MOST_EFFORT = 6000  # of one invocation: two maps of the largest size, and a good many lines
MOST_TEXT = 1 << 20  # bytes of one log call: far more than is shown, so that a secret across its end is still seen


class TooMuch(Exception):
    """This is left as the engine said it."""


class Effort:
    """What was done for one invocation to tell its stacks; one is about a line."""

    def __init__(self, spent: int = 0) -> None:
        self.spent = spent

    def spend(self, cost: int) -> None:
        """TooMuch: it may not be done."""
        if self.spent + cost > MOST_EFFORT:
            # what is asked for again and again is refused sooner
            self.spent += 1
            raise TooMuch
        self.spent += cost


class Opened:
    """The maps used last. `owner` stands for a program; one is never mistaken for another's."""

    def __init__(self, most: int = MOST_OPENED) -> None:
        self._most, self._size = most, 0
        self._maps: OrderedDict[tuple[object, str], tuple[Positions | None, int]] = OrderedDict()
        self._lock, self._opening = threading.Lock(), threading.Lock()

    def of(self, owner: object, path: str, packed: bytes, effort: Effort) -> Positions | None:
        """None: what runs is what was written, or its map cannot be read. TooMuch: it may not be opened."""
        if not packed:
            return None
        key = owner, path
        found = self._known(key)
        if found is None:
            size = Positions.size_of(packed)
            effort.spend(-(-size // BYTES_PER_EFFORT))
            # what several threads want at once is opened once
            with self._opening:
                found = self._known(key) or self._keep(key, (_opened(packed), max(size, LEAST_ENTRY)))
        return found[0]

    def _known(self, key: tuple[object, str]) -> tuple[Positions | None, int] | None:
        with self._lock:
            found = self._maps.get(key)
            if found is not None:
                self._maps.move_to_end(key)
            return found

    def _keep(self, key: tuple[object, str], made: tuple[Positions | None, int]) -> tuple[Positions | None, int]:
        with self._lock:
            self._maps[key] = made
            self._size += made[1]
            while self._size > self._most:
                _, (_, size) = self._maps.popitem(last=False)
                self._size -= size
        return made


OPENED = Opened()


def _opened(packed: bytes) -> Positions | None:
    try:
        return Positions.unpack(packed)
    except ValueError:
        return None
