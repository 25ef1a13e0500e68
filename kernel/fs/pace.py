"""How often one key may deploy: sixty times a minute (a plan and its finish are two steps), five refused steps, and
how many bytes it may send in an hour. The owner on this machine is not held up: whoever mends a file tries often."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterator

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.syscall import Call

MINUTE, HOUR = 60.0, 3600.0
MOST_BYTES = 4 << 30
MOST, MOST_REFUSED = 120, 5
REMEMBERED = 1000
# what the node cannot help is not held against who asks
_BLAMED = ("VALIDATION_FAILED", "PAYLOAD_TOO_LARGE", "LIMIT_EXCEEDED", "BAD_REQUEST")


def payer(call: Call) -> str:
    """Whom it counts for; nobody for the owner on this machine."""
    return "" if call.who.kind == "local" else call.who.id or call.who.kind


class Pace:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: collections.OrderedDict[str, list[float]] = collections.OrderedDict()
        self._sent: collections.OrderedDict[str, list[tuple[float, int]]] = collections.OrderedDict()
        self._refused: collections.OrderedDict[str, list[float]] = collections.OrderedDict()

    @contextlib.contextmanager
    def of(self, who: str) -> Iterator[None]:
        """Around one step of a deploy; a plan and its finish are two."""
        if not who:
            yield
            return
        self._check(self._refused, who, MOST_REFUSED, "too many refused deploys")
        self._check(self._asked, who, MOST, "too many deploys")
        self._note(self._asked, who)
        try:
            yield
        except FaztError as error:
            # whoever sent it under that hash before is to blame, and is not known any more
            if error.code in _BLAMED and "sha256" not in error.details:
                self._note(self._refused, who)
            raise

    def send(self, who: str, count: int) -> None:
        """So many bytes are on their way; what nothing refers to is only collected a day later."""
        if not who:
            return
        since = self._clock.monotonic() - HOUR
        recent = [(at, size) for at, size in self._sent.get(who, ()) if at > since]
        if sum(size for _, size in recent) + count > MOST_BYTES:
            raise FaztError(
                "RATE_LIMIT_EXCEEDED", "This key has sent too much within an hour.", "Wait a while.", retry_after=600
            )
        last, size = recent[-1] if recent else (0.0, 0)
        # one sum per minute is enough to know
        if recent and self._clock.monotonic() - last < MINUTE:
            recent[-1] = (last, size + count)
        else:
            recent.append((self._clock.monotonic(), count))
        self._sent[who] = recent
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

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
