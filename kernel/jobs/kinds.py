"""What can be queued: kinds of jobs, the lanes they run in, and one job as its function sees it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from kernel.base.json import decode

DEFAULT = "default"
FIRST_PAUSE, LONGEST_PAUSE = 10_000, 3_600_000  # milliseconds
MOST_DOUBLINGS = 20


class Job(NamedTuple):
    """A job that was claimed: a row of the queue."""

    id: str
    kind: str
    lane: str
    app: str
    key: str | None
    order_key: str | None
    text: str
    attempt: int
    most_attempts: int
    due_at: int
    created_at: int
    claimed_by: str

    @property
    def payload(self) -> Any:
        return decode(self.text)


Run = Callable[[Job], Awaitable[object]]


@dataclass(frozen=True)
class Kind:
    """`run` may return a Write: it is made in the batch that ends the job, so it happens exactly once."""

    name: str
    run: Run
    lane: str
    attempts: int
    timeout: float


def pause(attempt: int, chance: random.Random) -> int:
    """Milliseconds until the next try: twice as long each time, and scattered for those that failed together."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE << min(attempt - 1, MOST_DOUBLINGS))
    return round(longest * (0.5 + chance.random() / 2))
