"""The body of a streaming answer on its way from an app thread to whoever reads it."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import AsyncIterator, Callable

from kernel.base.errors import FaztError

FULL = 256 * 1024  # from here on the code is asked to wait
MOST = 4 << 20  # and here it is made to


class Flow:
    """`push` is called on an app thread, all else on the loop. `tell` runs a function on the loop, soon."""

    def __init__(self, tell: Callable[[Callable[[], None]], None]) -> None:
        self._tell = tell
        self._chunks: collections.deque[bytes] = collections.deque()
        self._news = asyncio.Event()
        # two counts, for each side changes one only
        self.pushed = self._taken = 0
        self.ended = self.closed = self._told = False
        self.error: FaztError | None = None
        self.drained: Callable[[], None] = lambda: None  # told when there is room again

    def push(self, chunk: bytes) -> bool:
        """False: wait for `drained` before the next."""
        if self.closed or self.ended:
            raise _gone()
        if self._size > MOST:
            raise FaztError("LIMIT_EXCEEDED", "The answer is not read as quickly as it is written.")
        if chunk:
            self._chunks.append(chunk)
            self.pushed += len(chunk)
            # however many come before the loop looks, it is told once
            if not self._told:
                self._told = True
                self._tell(self._news.set)
        return self._size < FULL

    @property
    def _size(self) -> int:
        return self.pushed - self._taken

    @property
    def is_full(self) -> bool:
        return self._size >= FULL

    def end(self, error: FaztError | None = None) -> None:
        if not self.ended:
            self.ended, self.error = True, error
            self._news.set()

    def close(self) -> None:
        """Nobody reads any more."""
        self.closed = True
        self._chunks.clear()
        self._taken = self.pushed
        self._news.set()
        self.drained()

    async def read(self) -> AsyncIterator[bytes]:
        """What comes, as it comes. An answer that failed on its way raises."""
        while True:
            self._news.clear()
            self._told = False
            while self._chunks:
                # all there is at once: code may push it byte by byte
                data = b"".join([self._chunks.popleft() for _ in range(len(self._chunks))])
                self._taken += len(data)
                if self._size < FULL // 2:
                    self.drained()
                yield data
            if self.closed:
                raise _gone()
            if self.ended and not self._chunks:
                if self.error:
                    raise self.error
                return
            await self._news.wait()


def _gone() -> FaztError:
    return FaztError("CLOSED", "Whoever asked has gone.")
