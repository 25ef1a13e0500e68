"""How fast bytes come and go: what is slower than anybody's line is an attack, or nobody."""

from __future__ import annotations

LEAST_RATE = 1024  # bytes a second
BODY_SECONDS = 10.0
DRAIN_SECONDS = 30.0  # a phone in a tunnel comes back within this


class Inflow:
    """A body that is on its way in: bytes since the window began."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, now: float, received: int) -> None:
        self._at, self._bytes = now, received

    def slow(self, now: float, received: int) -> bool:
        elapsed = now - self._at
        if elapsed < BODY_SECONDS:
            return False
        rate = (received - self._bytes) / elapsed
        self._at, self._bytes = now, received
        return rate < LEAST_RATE


class Outflow:
    """A write buffer that is not empty: what went out is seen in how it shrinks, and in `moved`."""

    __slots__ = ("_at", "_gone", "_size", "moved")

    def __init__(self, now: float, size: int) -> None:
        self._at, self._size, self._gone, self.moved = now, size, 0, False

    def stuck(self, now: float, size: int) -> bool:
        self._gone += max(0, self._size - size)
        self._size = size
        elapsed = now - self._at
        if elapsed < DRAIN_SECONDS:
            return False
        stuck = self._gone < LEAST_RATE * elapsed and not self.moved
        self._at, self._gone, self.moved = now, 0, False
        return stuck
