"""A lane runs so many jobs at a time, and is fair between apps: one that queues thousands delays itself."""

from __future__ import annotations

import collections
import heapq
from collections.abc import Iterable
from typing import NamedTuple

MOST_REMEMBERED = 10_000


class Candidate(NamedTuple):
    id: str
    app: str
    due_at: int
    n: int


class Lane:
    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size
        self.running: collections.Counter[str] = collections.Counter()
        # where the next walk over the apps begins
        self.first = ""
        # app → when it last had a turn, by counting
        self._served: dict[str, int] = {}
        self._turns = 0

    @property
    def free(self) -> int:
        return self.size - self.running.total()

    def began(self, app: str) -> None:
        self.running[app] += 1

    def ended(self, app: str) -> None:
        self.running[app] -= 1
        if not self.running[app]:
            del self.running[app]

    def choose(self, candidates: Iterable[Candidate], most: int) -> list[Candidate]:
        """The next job is of the app that runs least, then of the one whose turn is longest ago, then the oldest."""
        waiting: dict[str, list[Candidate]] = {}
        for candidate in dict.fromkeys(candidates):
            waiting.setdefault(candidate.app, []).append(candidate)
        for jobs in waiting.values():
            jobs.sort(key=lambda job: (job.due_at, job.n), reverse=True)
        running = self.running.copy()
        heads = [self._place(running[app], jobs[-1]) for app, jobs in waiting.items()]
        heapq.heapify(heads)
        chosen: list[Candidate] = []
        while heads and len(chosen) < most:
            app = heapq.heappop(heads)[-1]
            chosen.append(waiting[app].pop())
            running[app] += 1
            self._serve(app)
            if waiting[app]:
                heapq.heappush(heads, self._place(running[app], waiting[app][-1]))
        return chosen

    def _place(self, running: int, job: Candidate) -> tuple[int, int, int, int, str]:
        return running, self._served.get(job.app, 0), job.due_at, job.n, job.app

    def _serve(self, app: str) -> None:
        self._turns += 1
        self._served.pop(app, None)
        self._served[app] = self._turns
        if len(self._served) > MOST_REMEMBERED:
            del self._served[next(iter(self._served))]
