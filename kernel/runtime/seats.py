"""How many invocations there are at once: of one app, and of all. Those that find no seat wait, the apps in turn."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable

from kernel.base.errors import FaztError
from kernel.base.settings import Settings
from kernel.runtime.limits import AT_ONCE, MEMORY, OF_APP, QUEUE

LEAST_AT_ONCE = 8
Sit = Callable[[], None]


class Seats:
    """Used on the event loop only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.taken: collections.Counter[str] = collections.Counter()
        self.total = self.waiting = 0
        self._queues: dict[str, collections.deque[Sit]] = {}
        self._turns: collections.deque[str] = collections.deque()
        self._filling = False
        self.memory = machine_memory()
        self.held = 0  # bytes of the guests that wait for a request

    @property
    def room(self) -> bool:
        """Together guests may take a quarter of the machine's memory; a few always find room."""
        if self.total >= self._settings[AT_ONCE.name]:
            return False
        return self.total < LEAST_AT_ONCE or self.held + (self._settings[MEMORY.name] << 20) <= self.memory // 4

    def ask(self, app: str, sit: Sit) -> Callable[[], bool]:
        """`sit` is called at once, or when there is a seat. What is returned gives up waiting: True if it still was."""
        if self.free(app):
            self._sit(app, sit)
            return lambda: False
        if self.waiting >= self._settings[QUEUE.name]:
            raise FaztError("SERVICE_UNAVAILABLE", "Too many requests wait for this node's apps.", retry_after=1)
        queue = self._queues.get(app)
        if queue is None:
            queue = self._queues[app] = collections.deque()
            self._turns.append(app)
        queue.append(sit)
        self.waiting += 1
        self._fill()
        return lambda: self._give_up(app, sit)

    def free(self, app: str) -> bool:
        """Would somebody who asks now sit at once?"""
        return not self.waiting and self._free(app)

    def take(self, app: str) -> None:
        """A seat for what runs already, whether there is one or not."""
        self.total += 1
        self.taken[app] += 1

    def leave(self, app: str) -> None:
        self.total -= 1
        self.taken[app] -= 1
        if not self.taken[app]:
            del self.taken[app]
        if self.waiting:
            self._fill()

    def _free(self, app: str) -> bool:
        return self.room and self.taken[app] < self._settings[OF_APP.name]

    def _sit(self, app: str, sit: Sit) -> None:
        self.take(app)
        sit()

    def _fill(self) -> None:
        # who sits may be done at once, and leave within: that does not begin it anew, which would go ever deeper
        if self._filling:
            return
        self._filling = True
        try:
            self._fill_seats()
        finally:
            self._filling = False

    def _fill_seats(self) -> None:
        passed = 0
        while self._turns and passed < len(self._turns) and self.room:
            app = self._turns[0]
            self._turns.rotate(-1)
            if not self._free(app):
                passed += 1
                continue
            passed = 0
            queue = self._queues[app]
            sit = queue.popleft()
            self.waiting -= 1
            if not queue:
                self._forget(app)
            self._sit(app, sit)

    def _give_up(self, app: str, sit: Sit) -> bool:
        queue = self._queues.get(app)
        if queue is None or sit not in queue:
            return False
        queue.remove(sit)
        self.waiting -= 1
        if not queue:
            self._forget(app)
        return True

    def _forget(self, app: str) -> None:
        del self._queues[app]
        self._turns.remove(app)


def machine_memory() -> int:
    """What this process may use: the machine's memory, or less where a control group says so."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            with open(name) as file:
                said = file.read().strip()
        except OSError:
            continue
        if said.isdigit():
            most = min(most, int(said))
    return most
