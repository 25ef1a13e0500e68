"""How often one key may deploy: sixty times a minute, and five refused attempts a minute."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator

from kernel.base.clock import Clock
from kernel.base.errors import FaztError

MINUTE = 60.0
MOST, MOST_REFUSED = 120, 5
REMEMBERED = 1000
# what the node cannot help is not held against who asks
_BLAMED = ("VALIDATION_FAILED", "PAYLOAD_TOO_LARGE", "LIMIT_EXCEEDED", "BAD_REQUEST")


class Pace:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: collections.OrderedDict[str, list[float]] = collections.OrderedDict()
        self._refused: collections.OrderedDict[str, list[float]] = collections.OrderedDict()

    @contextlib.contextmanager
    def of(self, who: str) -> Iterator[None]:
        """Around one step of a deploy; a plan and its finish are two."""
        self._check(self._refused, who, MOST_REFUSED, "too many refused deploys")
        self._check(self._asked, who, MOST, "too many deploys")
        self._note(self._asked, who)
        try:
            yield
        except FaztError as error:
            if error.code in _BLAMED:
                self._note(self._refused, who)
            raise

    def _recent(self, times: dict[str, list[float]], who: str) -> list[float]:
        since = self._clock.monotonic() - MINUTE
        return [at for at in times.get(who, ()) if at > since]

    def _check(self, times: dict[str, list[float]], who: str, most: int, what: str) -> None:
        recent = self._recent(times, who)
        if len(recent) >= most:
            wait = max(1, round(recent[0] + MINUTE - self._clock.monotonic()))
            raise FaztError("RATE_LIMIT_EXCEEDED", f"There were {what}.", f"Wait {wait} s.", retry_after=wait)

    def _note(self, times: collections.OrderedDict[str, list[float]], who: str) -> None:
        times[who] = [*self._recent(times, who), self._clock.monotonic()]
        times.move_to_end(who)
        while len(times) > REMEMBERED:
            times.popitem(last=False)
