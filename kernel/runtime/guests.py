"""Guests that wait for the next request of their program. Idle ones go after a while, or for want of room."""

from __future__ import annotations

import collections
from typing import Any

from kernel.base.clock import Clock
from kernel.runtime.guest import Guest
from kernel.runtime.program import Program
from kernel.runtime.seats import Seats

IDLE_SECONDS = 30.0
MOST_IDLE = 128
MOST_IDLE_BYTES = 128 << 20


class Guests:
    """`take` is called on app threads; all else on the loop."""

    def __init__(self, clock: Clock, seats: Seats) -> None:
        self._clock, self._seats = clock, seats
        self._idle: dict[tuple[Any, ...], collections.deque[Guest]] = {}
        self.count = 0

    def take(self, program: Program) -> Guest | None:
        """The one that was used last: the others may go."""
        waiting = self._idle.get(program.key)
        if program.limits.fresh or not waiting:
            return None
        try:
            return waiting.pop()
        except IndexError:
            return None

    def give(self, guest: Guest, *, fit: bool) -> None:
        program = guest.program
        if not fit or guest.spent or program.limits.fresh or program.retired or not guest.loaded:
            guest.close()
            return
        guest.idle_since = self._clock.monotonic()
        self._idle.setdefault(program.key, collections.deque()).append(guest)
        if self._seats.held > MOST_IDLE_BYTES or len(self) > MOST_IDLE:
            self.sweep(most=MOST_IDLE * 3 // 4, most_bytes=MOST_IDLE_BYTES * 3 // 4)

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def retire(self, program: Program) -> None:
        """Nobody asks for this code any more."""
        program.retired = True
        for guest in self._idle.pop(program.key, ()):
            guest.close()

    def sweep(self, most: int = MOST_IDLE, most_bytes: int = MOST_IDLE_BYTES) -> None:
        """Let go of those that have waited long, the oldest first; of more than that where room is needed."""
        now = self._clock.monotonic()
        held = sum(guest.grown for waiting in self._idle.values() for guest in waiting)
        count = len(self)
        for key, waiting in sorted(self._idle.items(), key=lambda one: one[1][0].idle_since if one[1] else 0.0):
            while waiting and (now - waiting[0].idle_since >= IDLE_SECONDS or count > most or held > most_bytes):
                guest = waiting.popleft()
                held -= guest.grown
                count -= 1
                guest.close()
            if not waiting:
                del self._idle[key]
        self._seats.held = max(0, held)

    def close(self) -> None:
        for waiting in self._idle.values():
            for guest in waiting:
                guest.close()
        self._idle.clear()
