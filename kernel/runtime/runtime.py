"""Runs apps' code: takes a program and a request, gives the answer.

Guests (instances of the code), threads and seats are shared by all apps of the node; an invocation uses them and gives
them back. Everything here belongs to the event loop, but for `tell`.
"""

from __future__ import annotations

import asyncio
import collections
import threading
from collections.abc import Callable

from kernel.base.errors import FaztError
from kernel.observe import log
from kernel.runtime.engine.engine import Engine
from kernel.runtime.failure import GuestFailure
from kernel.runtime.guest import Guest
from kernel.runtime.guests import Guests
from kernel.runtime.here import Try
from kernel.runtime.incoming import Incoming
from kernel.runtime.invocation import Invocation
from kernel.runtime.outcome import Pending, Streaming
from kernel.runtime.program import Program
from kernel.runtime.quick import NODE_SHARE, Share, route_of
from kernel.runtime.seats import Seats
from kernel.runtime.services import Services

logger = log.get("fazt.runtime")


class Runtime:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.seats = Seats(services.settings)
        self.guests = Guests(services.clock, self.seats)
        self.login, self.logout = "/_fazt/login", "/_fazt/logout"
        self.active: set[Pending] = set()
        self.share = Share(NODE_SHARE)
        self.look: Callable[[set[str]], None] = lambda apps: None  # asks which of these apps are still there
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: collections.deque[Callable[[], None]] = collections.deque()
        self._waking = False
        self._guard = threading.Lock()
        self._opening: asyncio.Future[Engine] | None = None

    # --- from outside

    async def open(self) -> None:
        """The engine, made ready aside: the first time on a machine its code is compiled, which takes seconds."""
        if self.services.engine_is_open:
            return
        if self._opening is None:
            self._opening = asyncio.ensure_future(asyncio.to_thread(lambda: self.services.engine))
            self._opening.add_done_callback(lambda _: setattr(self, "_opening", None))
        await asyncio.shield(self._opening)

    def begin(self, program: Program, incoming: Incoming) -> Pending:
        """Start it; the answer is its `outcome`. The engine must be open."""
        self._loop = asyncio.get_running_loop()
        route = route_of(incoming)
        # what is tried may turn out to wait, and needs a seat then
        if program.routes.may_try(route) and self.seats.free(program.app) and self._has_time(program):
            tried = Try(self, program, incoming, route).run()
            if tried is not None:
                return tried
        return self.on_thread(program, incoming)

    def _has_time(self, program: Program) -> bool:
        now = self.services.clock.monotonic()
        return program.routes.share.is_left(now) and self.share.is_left(now)

    def on_thread(self, program: Program, incoming: Incoming) -> Invocation:
        invocation = Invocation(self, program, incoming)
        self.active.add(invocation)
        try:
            invocation.begin()
        except BaseException:
            self.active.discard(invocation)
            raise
        return invocation

    def adopt(self, tried: Try, guest: Guest, output: bytes) -> Invocation:
        """What was tried on the loop waits for something."""
        invocation = Invocation(self, tried.program, tried.incoming)
        self.active.add(invocation)
        for level, text in tried.said:
            invocation.log(level, text)
        invocation.adopt(guest, output)
        return invocation

    def ended(self, pending: Pending) -> None:
        self.active.discard(pending)

    def log(self, pending: Pending, level: str, text: str) -> None:
        program = pending.program
        self.services.lines.add(program.app, level, text, request=pending.request, release=program.release)

    async def sweep(self) -> None:
        self.guests.sweep()
        self.look({pending.program.app for pending in self.active if pending.incoming.by_visitor})

    def forsake(self, app: str) -> None:
        """The app is there no longer, or must not run: what visitors asked of it does not go on."""
        for pending in list(self.active):
            if pending.program.app == app and pending.incoming.by_visitor:
                pending.abandon()

    def part(self) -> None:
        """The node stops: who listens to a stream would hold it up, and comes again."""
        for pending in list(self.active):
            if isinstance(pending.done, Streaming):
                pending.abandon()

    async def stop(self) -> None:
        for invocation in list(self.active):
            invocation.abandon()
        self.services.threads.close()

    def close(self) -> None:
        self.guests.close()

    # --- from app threads

    def tell(self, what: Callable[[], None]) -> None:
        """Run something on the loop, soon; many tellings wake it once."""
        self._told.append(what)
        with self._guard:
            if self._waking or self._loop is None:
                return
            self._waking = True
        try:
            self._loop.call_soon_threadsafe(self._hear)
        except RuntimeError:
            # the loop has ended: nobody waits for this any more
            self._waking = False

    def _hear(self) -> None:
        self._waking = False
        while self._told:
            what = self._told.popleft()
            try:
                what()
            except Exception:
                logger.exception("an invocation broke down")

    # --- what went wrong

    def unexpected(self, error: BaseException) -> FaztError:
        """A fault of ours, not of the app."""
        logger.error("an invocation failed inside Fazt", exc_info=error)
        return FaztError("INTERNAL_ERROR", "Something went wrong inside Fazt.")

    def note(self, pending: Pending, error: FaztError) -> None:
        """Write down for the author why an invocation failed."""
        cause = error.__cause__
        text = f"{error.code}: {error.message}"
        if isinstance(cause, GuestFailure) and error.code != "MEMORY_LIMIT":
            # an engine without memory says nothing of use
            text = cause.text
        self.log(pending, "error", text)
