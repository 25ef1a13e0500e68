"""Values that live in memory only, under keys that begin with `temp:`: gone when the node stops, never in the file.

A plan that changes them has no steps: it is carried out where plans are settled, beside statements after their COMMIT.
What there is no room for is refused when the plan is made; where several plans were made for the same room, an app's
values that end soonest leave.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable

from kernel.base.clock import Clock
from kernel.base.errors import FaztError

PREFIX = "temp:"
LIFE = 10 * 60_000
MOST_OF_APP, MOST_OF_NODE = 16 << 20, 64 << 20
# what a value takes beside its text: its key, its places in dictionaries
BESIDE = 300

Kept = tuple[str, int, int]  # value as JSON, end, bytes
Place = tuple[str, str]  # user, key


class Shelf:
    """What one app has here."""

    def __init__(self) -> None:
        self.kept: dict[Place, Kept] = {}
        self.bytes = 0
        self.soonest = 0  # nothing ends before


class Temp:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shelves: dict[str, Shelf] = {}
        self._guard = threading.RLock()
        self.bytes = 0
        self.lasting = True  # the node goes on after this command

    # --- for who reads

    def get(self, app: str, user: str, key: str) -> tuple[str, int] | None:
        """The value as JSON and its end."""
        shelf = self._shelves.get(app)
        kept = shelf.kept.get((user, key)) if shelf else None
        return kept[:2] if kept and kept[1] > self._clock.now() else None

    def list(self, app: str, user: str, prefix: str, after: str) -> list[tuple[str, str, int]]:
        """Key, value and end of what begins with the prefix and comes behind `after`, in the order of keys."""
        with self._guard:
            shelf = self._shelves.get(app)
            kept = list(shelf.kept.items()) if shelf else []
        now = self._clock.now()
        mine = [
            (key, text, end)
            for (owner, key), (text, end, _) in kept
            if end > now and owner == user and key > after and key.startswith(prefix)
        ]
        return sorted(mine)

    # --- for who writes

    def check(self, app: str, user: str, key: str, text: str, most: int) -> None:
        """Refuse what there is no room for, or nobody to keep it."""
        if not self.lasting:
            raise FaztError(
                "SERVICE_UNAVAILABLE",
                f"No node runs, so nobody would keep what is under {PREFIX} keys.",
                "Start the node with `fazt up`, or use another key.",
            )
        with self._guard:
            shelf = self._shelves.get(app) or Shelf()
            there = shelf.kept.get((user, key))
            more = _bytes(key, text) - (there[2] if there else 0)
            if self._fits(shelf, more, there is None, most):
                return
            self._end_of_time(app, shelf)
            there = shelf.kept.get((user, key))
            more = _bytes(key, text) - (there[2] if there else 0)
            if not self._fits(shelf, more, there is None, most):
                raise FaztError(
                    "LIMIT_EXCEEDED",
                    f"There is no room for more values under {PREFIX} keys.",
                    "Delete some, give them a shorter ttl, or keep them under other keys.",
                    most=most,
                    most_bytes=MOST_OF_APP,
                )

    def set(self, app: str, user: str, key: str, text: str, end: int, most: int) -> None:
        with self._guard:
            shelf = self._shelves.setdefault(app, Shelf())
            size = _bytes(key, text)
            self._drop(shelf, (user, key))
            if not self._fits(shelf, size, True, most):
                self._end_of_time(app, shelf)
            if not self._fits(shelf, size, True, most):
                for place in sorted(shelf.kept, key=lambda place: shelf.kept[place][1]):
                    self._drop(shelf, place)
                    if self._fits(shelf, size, True, most):
                        break
            if self._fits(shelf, size, True, most):
                shelf.soonest = min(shelf.soonest, end) if shelf.kept else end
                shelf.kept[user, key] = (text, end, size)
                shelf.bytes += size
                self.bytes += size
                self._shelves[app] = shelf
            else:
                self._put_away(app, shelf)

    def change(
        self, app: str, user: str, key: str, made: Callable[[tuple[str, int] | None], tuple[str, int] | None], most: int
    ) -> str | None:
        """Put another value in the place of one, with nobody in between; None if none was made."""
        with self._guard:
            new = made(self.get(app, user, key))
            if new is not None:
                self.set(app, user, key, *new, most)
            return new[0] if new else None

    def delete(self, app: str, user: str, key: str) -> None:
        with self._guard:
            shelf = self._shelves.get(app)
            if shelf:
                self._drop(shelf, (user, key))
                self._put_away(app, shelf)

    def forget(self, app: str) -> None:
        """The app is there no longer."""
        with self._guard:
            shelf = self._shelves.pop(app, None)
            self.bytes -= shelf.bytes if shelf else 0

    async def sweep(self) -> None:
        for app in list(self._shelves):
            with self._guard:
                shelf = self._shelves.get(app)
                if shelf:
                    self._end_of_time(app, shelf)

    # --- what is kept

    def _fits(self, shelf: Shelf, more: int, new: bool, most: int) -> bool:
        return len(shelf.kept) + new <= most and shelf.bytes + more <= MOST_OF_APP and self.bytes + more <= MOST_OF_NODE

    def _end_of_time(self, app: str, shelf: Shelf) -> None:
        """Let go of what has ended."""
        now = self._clock.now()
        if now < shelf.soonest:
            return
        for place in [place for place, kept in shelf.kept.items() if kept[1] <= now]:
            self._drop(shelf, place)
        shelf.soonest = min((kept[1] for kept in shelf.kept.values()), default=0)
        self._put_away(app, shelf)

    def _drop(self, shelf: Shelf, place: Place) -> None:
        kept = shelf.kept.pop(place, None)
        if kept:
            shelf.bytes -= kept[2]
            self.bytes -= kept[2]

    def _put_away(self, app: str, shelf: Shelf) -> None:
        if not shelf.kept:
            self._shelves.pop(app, None)


def is_temporary(key: str) -> bool:
    return key.startswith(PREFIX)


def overlaps(prefix: str) -> bool:
    """May keys with this prefix be temporary ones?"""
    return prefix.startswith(PREFIX) or PREFIX.startswith(prefix)


def temporary(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key.startswith(PREFIX)]


def _bytes(key: str, text: str) -> int:
    return BESIDE + sys.getsizeof(key) + sys.getsizeof(text)
