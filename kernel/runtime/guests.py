"""Guests that wait for the next request of their program. Idle ones go after a while, or for want of room."""

from __future__ import annotations

import contextlib

from kernel.base.clock import Clock
from kernel.runtime.guest import Guest
from kernel.runtime.program import Program
from kernel.runtime.seats import Seats

IDLE_SECONDS = 10.0
# together: each costs a few pages of its own, but a fresh one only a millisecond or two
MOST_IDLE = 8
MOST_AT_ONCE = 48  # until the next sweep, so that a burst finds those of the burst before
LOOK_EVERY = 8
MOST_IDLE_BYTES = 128 << 20


class Guests:
    """`take` is called on app threads, at any moment; all else on the loop."""

    def __init__(self, clock: Clock, seats: Seats) -> None:
        self._clock, self._seats = clock, seats
        self._programs: set[Program] = set()  # those with guests that wait
        self._given = 0

    def take(self, program: Program) -> Guest | None:
        """The one that was used last: the others may go."""
        if program.limits.fresh or not program.idle:
            return None
        try:
            guest: Guest = program.idle.pop()
        except IndexError:  # another thread was faster
            return None
        return guest

    def give(self, guest: Guest, *, fit: bool) -> None:
        program = guest.program
        self.weigh(guest)
        if not fit or guest.spent or program.limits.fresh or program.retired or not guest.loaded:
            self.drop(guest)
            return
        guest.idle_since = self._clock.monotonic()
        program.idle.append(guest)
        self._programs.add(program)
        self._given += 1
        crowded = self._given % LOOK_EVERY == 0 and len(self) > MOST_AT_ONCE
        if crowded or len(program.idle) > MOST_AT_ONCE or (guest.weighed and self._seats.held > MOST_IDLE_BYTES):
            self.sweep()

    def weigh(self, guest: Guest) -> None:
        """What it has taken by now counts against the room there is for all."""
        grown = guest.grown
        self._seats.held += grown - guest.weighed
        guest.weighed = grown

    def drop(self, guest: Guest) -> None:
        self._seats.held -= guest.weighed
        guest.weighed = 0
        guest.close()

    def __len__(self) -> int:
        return sum(len(program.idle) for program in self._programs)

    def retire(self, program: Program) -> None:
        """Nobody asks for this code any more."""
        program.retired = True
        self._programs.discard(program)
        while (guest := _oldest(program)) is not None:
            self.drop(guest)

    def sweep(self) -> None:
        """Let go of those that have waited long, the oldest first; of more than that where room is needed."""
        now, count = self._clock.monotonic(), len(self)
        # those at work count elsewhere: what they hold is no reason to let go of these
        held = sum(guest.weighed for program in self._programs for guest in list(program.idle))
        for program in sorted(self._programs, key=_waits_since):
            while program.idle and (
                now - _waits_since(program) >= IDLE_SECONDS or count > MOST_IDLE or held > MOST_IDLE_BYTES
            ):
                if (guest := _oldest(program)) is not None:
                    held -= guest.weighed
                    self.drop(guest)
                count -= 1
            if not program.idle:
                self._programs.discard(program)

    def close(self) -> None:
        for program in list(self._programs):
            self.retire(program)


def _oldest(program: Program) -> Guest | None:
    with contextlib.suppress(IndexError):
        guest: Guest = program.idle.popleft()
        return guest
    return None


def _waits_since(program: Program) -> float:
    with contextlib.suppress(IndexError):
        since: float = program.idle[0].idle_since
        return since
    return 0.0
