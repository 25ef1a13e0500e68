"""Which requests are answered on the event loop itself, without a thread: those that are known to be over at once.

Handing work to a thread and back costs more than most handlers do. So a route whose last run neither scanned nor
waited nor computed for long is run where the request came in (`here.py`). It is only tried: as soon as the code asks
for something that takes its time, or computes for more than a moment, its instance is dropped and the request begins
anew on a thread. What it was about to write has not been written by then, what it said has not been logged.

Tries that take long keep everybody waiting. They are learned from, and each app and the node may spend only a small
share of the loop's time on them.
"""

from __future__ import annotations

import collections

from kernel.runtime.incoming import Incoming

QUICK_SECONDS = 0.005  # of computing, on the loop
FRESH_SECONDS = 0.01  # the same for an instance that has not served yet: it touches its memory for the first time
QUICK_BEFORE = 0.002  # of computing on the loop: more is not quick
QUICK_ON_THREAD = 0.004  # the same on a thread, where waiting for Python's lock costs time too
APP_SHARE, NODE_SHARE = 0.05, 0.2  # of the loop's time, for tries that were not quick
MOST_SPARED = 0.25  # seconds of its share that wait to be used
QUICK_LOAD = 0.004  # of computing, until a new instance can serve
MOST_ROUTES = 256
FIRST_WAIT, MOST_WAIT = 200, 20_000  # runs of a route on threads before it is looked at again
SLOW_WAIT = 3  # after one that took long: the first of something often does
MOST_WRONG = 8  # tries of an app that failed; they are forgiven slowly
FORGIVEN_EACH = 2000


class Share:
    """A share of the loop's time. What is spent comes back as time goes by."""

    def __init__(self, share: float) -> None:
        self._share, self._left, self._at = share, MOST_SPARED * share, 0.0

    def spend(self, seconds: float, now: float) -> None:
        self._refill(now)
        self._left -= seconds

    def is_left(self, now: float) -> bool:
        if self._left <= 0:
            self._refill(now)
        return self._left > 0

    def _refill(self, now: float) -> None:
        self._left = min(MOST_SPARED * self._share, self._left + max(0.0, now - self._at) * self._share)
        self._at = now


class Routes:
    """What is known of one program's routes."""

    def __init__(self) -> None:
        # so many runs on threads before it may be tried; a route that is not here was never run
        self.wait: dict[str, int] = {}
        self.punished: collections.Counter[str] = collections.Counter()
        self.wrong = self.right = 0
        self.share = Share(APP_SHARE)

    def may_try(self, route: str) -> bool:
        return self.wait.get(route, 1) == 0 and self.wrong < MOST_WRONG

    def learned(self, route: str, waited: bool, slow: bool) -> None:
        """A run on a thread is over."""
        if route not in self.wait and len(self.wait) >= MOST_ROUTES:
            # whoever invents addresses must not end this for those that are asked for
            del self.wait[next(iter(self.wait))]
        left = self.wait.get(route, 0)
        if waited:
            self.wait[route] = max(left, FIRST_WAIT)
        elif slow:
            self.wait[route] = min(FIRST_WAIT, left + SLOW_WAIT)
        else:
            self.wait[route] = max(0, left - 1)

    def failed(self, route: str) -> None:
        self.wrong += 1
        self.punished[route] += 1
        self.wait[route] = min(MOST_WAIT, FIRST_WAIT * 2 ** min(self.punished[route], 10))

    def held(self) -> None:
        self.right += 1
        if self.right >= FORGIVEN_EACH:
            self.right, self.wrong = 0, max(0, self.wrong - 1)
            self.punished.clear()


def route_of(incoming: Incoming) -> str:
    """The method and the first word behind /api: what is likely to be done by the same code."""
    words = incoming.url.partition("?")[0].split("/", 5)
    return f"{incoming.method} {words[4] if len(words) > 4 else ''}"[:100]
