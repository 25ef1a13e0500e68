"""Reading what apps say while they say it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

MOST_QUEUED = 1000


class LineKept(NamedTuple):
    """One line. `seq` names it and orders it; `level` is its place in LEVELS."""

    seq: int
    app: str
    user: str
    at: int
    level: int
    message: str
    request: str
    release: str


Wanted = Callable[[LineKept], bool]


def wanted(app: str = "", least: int = 0, request: str = "", since: int = 0, after: int = 0) -> Wanted:
    """Which lines somebody asks for; what is not said is not asked about."""

    def fits(line: LineKept) -> bool:
        return (
            line.seq > after
            and line.level >= least
            and line.at >= since
            and (not app or line.app == app)
            and (not request or line.request == request)
        )

    return fits


class Follower:
    """One reader. Those who write never wait for it: what it is too slow for is counted and left out.

    `offer` and `take` are called under the lock of the lines.
    """

    def __init__(self, fits: Wanted) -> None:
        self.fits = fits
        self._loop, self._more = asyncio.get_running_loop(), asyncio.Event()
        self._queue: deque[LineKept] = deque()
        self._missed, self._woken = 0, False

    def offer(self, line: LineKept) -> None:
        if not self.fits(line):
            return
        if len(self._queue) >= MOST_QUEUED:
            self._missed += 1
            return
        self._queue.append(line)
        # thousands of lines from other threads are one call on the loop
        if not self._woken and not self._loop.is_closed():
            self._woken = True
            self._loop.call_soon_threadsafe(self._more.set)

    async def wait(self) -> None:
        await self._more.wait()

    def take(self) -> tuple[list[LineKept], int]:
        """What has come, and how many lines were left out after it."""
        lines, missed = list(self._queue), self._missed
        self._queue.clear()
        self._missed, self._woken = 0, False
        self._more.clear()
        return lines, missed
