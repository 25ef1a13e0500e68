"""Answers of small reads that every request repeats: right as long as nothing was committed since."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")
MOST = 4096


class Memo:
    """For the event loop only. `commits` grows with every commit, before anybody hears of it."""

    def __init__(self, commits: Callable[[], int]) -> None:
        self._commits, self._at = commits, -1
        self._known: dict[Hashable, Any] = {}

    def get(self, key: Hashable, read: Callable[[], T]) -> T:
        """What `read` gives. It is counted from before the read: what was committed meanwhile is looked at again."""
        now = self._commits()
        if now != self._at or len(self._known) > MOST:
            self._known.clear()
            self._at = now
        if key in self._known:
            known: T = self._known[key]
            return known
        found = self._known[key] = read()
        return found
