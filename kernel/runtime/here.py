"""A handler's run on the event loop itself, for requests that are likely to be over at once (see `quick.py`).

Nothing of it can be seen from outside until it has ended: what it logs is held back, and what it writes waits, as one
batch. So it can be given up at any moment, and is as soon as it asks for something that may take time, reads what it
has just written, or computes for more than a moment. Then the request begins anew on a thread, as it does when the
batch fails. The answer goes out after the commit, as everywhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kernel.base.errors import FaztError
from kernel.observe.lines import MOST_PER_INVOCATION
from kernel.runtime.answers import Answer, checked_body
from kernel.runtime.engine.instance import Limits
from kernel.runtime.guest import Elsewhere, Guest, Serving
from kernel.runtime.incoming import Incoming
from kernel.runtime.outcome import Outcome, Pending
from kernel.runtime.program import Program
from kernel.runtime.quick import FRESH_SECONDS, QUICK_LOAD, QUICK_SECONDS
from kernel.storage.scoped import ScopedStore
from kernel.syscall.call import Call
from kernel.syscall.plan import Step, Write

if TYPE_CHECKING:
    from kernel.runtime.runtime import Runtime


class Try(Serving, Pending):
    here = True

    def __init__(self, runtime: Runtime, program: Program, incoming: Incoming, route: str) -> None:
        self.runtime, self.program, self.incoming, self.route = runtime, program, incoming, route
        self.request = incoming.id
        self.done: Outcome | FaztError | None = None
        self.deadline = runtime.services.clock.monotonic() + program.limits.wall
        self.said: list[tuple[str, str]] = []
        self.steps: list[Step] = []
        self._call: Call | None = None
        self._future: asyncio.Future[Outcome] | None = None
        self._anew: Pending | None = None
        self._guest: Guest | None = None
        self._loading = False

    # --- the run

    def run(self) -> Pending | None:
        """None: begin anew on a thread."""
        guests, program = self.runtime.guests, self.program
        guest = guests.take(program)
        if guest is None and program.load_seconds > QUICK_LOAD:
            return None
        try:
            if guest is None:
                guest = Guest(program, self.runtime.services)
                guest.bind(self)
                self._load(guest)
            guest.bind(self)
            self._guest = guest
            quick = QUICK_SECONDS if guest.served > 2 else FRESH_SECONDS
            output = guest.step(self.incoming.start(), Limits(quick, self.deadline))
        except (Elsewhere, Exception):
            # whatever it was, the thread will meet it too, and say so
            if guest is not None:
                guests.drop(guest)
            program.routes.failed(self.route)
            return None
        if output[:1] == b"D" and len(self.said) <= MOST_PER_INVOCATION:
            # nothing is left to do for it, whatever becomes of what it wrote
            guest.release()
            guests.give(guest, fit=True)
            return self._commit(None, output) if self.steps else self._answered(output)
        return self._commit(guest, output) if self.steps else self._goes_on(guest, output)

    def _load(self, guest: Guest) -> None:
        runtime, self._loading = self.runtime, True
        told = self.program.introduction(runtime.services.version, runtime.login, runtime.logout)
        if guest.step(told, Limits(2 * QUICK_LOAD, self.deadline)) != b"G":
            raise Elsewhere
        guest.loaded, self._loading = True, False

    def _answered(self, output: bytes) -> Pending:
        self.program.routes.held()
        for level, text in self.said:
            self.runtime.log(self, level, text)
        said, _, body = output.partition(b"\n")
        try:
            self._settle(Answer(self.runtime.services.heads.read(said[1:]), checked_body(body)))
        except FaztError as error:
            self.runtime.note(self, error)
            self._settle(error)
        return self

    def _goes_on(self, guest: Guest, output: bytes) -> Pending:
        """It waits for something: from now on it is an invocation like others."""
        self.program.routes.held()
        return self.runtime.adopt(self, guest, output)

    def _commit(self, guest: Guest | None, output: bytes) -> Pending | None:
        try:
            writing = self.runtime.services.store.write_soon(self.steps)
        except FaztError:
            # too many wait, or the node stops: on a thread the code hears of it where it writes
            if guest is not None:
                self.runtime.guests.drop(guest)
            return None
        self.runtime.active.add(self)
        writing.add_done_callback(lambda done: self._committed(done.exception(), guest, output))
        return self

    def _committed(self, failed: BaseException | None, guest: Guest | None, output: bytes) -> None:
        self.runtime.ended(self)
        follow: Pending
        if failed is None:
            follow = self._answered(output) if guest is None else self._goes_on(guest, output)
        else:
            # none of it happened
            if guest is not None:
                self.runtime.guests.drop(guest)
            self.program.routes.failed(self.route)
            try:
                follow = self.runtime.on_thread(self.program, self.incoming)
            except FaztError as error:
                self._settle(error)
                return
        if follow is not self:
            self._anew = follow
            follow.outcome.add_done_callback(self._followed)

    def _followed(self, future: asyncio.Future[Outcome]) -> None:
        error = future.exception()
        if error is None:
            self._settle(future.result())
        else:
            self._settle(error if isinstance(error, FaztError) else FaztError("INTERNAL_ERROR", "It broke down."))

    # --- for who asked

    @property
    def outcome(self) -> asyncio.Future[Outcome]:
        if self._future is None:
            self._future = asyncio.get_running_loop().create_future()
            if self.done is not None:
                self._tell(self._future, self.done)
        return self._future

    def _settle(self, done: Outcome | FaztError) -> None:
        self.done = done
        if self._future is not None:
            self._tell(self._future, done)

    @staticmethod
    def _tell(future: asyncio.Future[Outcome], done: Outcome | FaztError) -> None:
        if future.done():
            return
        if isinstance(done, FaztError):
            future.set_exception(done)
        else:
            future.set_result(done)

    def abandon(self) -> None:
        if self._anew is not None:
            self._anew.abandon()

    # --- what its code asks

    def call(self) -> Call:
        if self._call is None:
            self._call = self.runtime.services.call(self.program.app, self.request)
        return self._call

    def hold(self, plan: Write[Any]) -> None:
        """Keep what is to be written until the end."""
        self.steps.extend(plan.steps)
        call = self.call()
        if not isinstance(call.store, Written):
            call.store = Written.over(call.store)

    def body(self) -> bytes:
        if self._loading:
            raise FaztError("NO_REQUEST", "There is no request while a module is loaded.")
        return self.incoming.body

    def part(self, index: int, start: int, length: int) -> bytes:
        raise Elsewhere

    def out(self, chunk: bytes) -> bool:
        if self._guest is None:
            raise FaztError("NO_REQUEST", "There is no request while a module is loaded.")
        self._guest.answer = checked_body((self._guest.answer or b"") + chunk)
        return True

    def log(self, level: str, text: str) -> None:
        if len(self.said) <= MOST_PER_INVOCATION:
            self.said.append((level, text))


class Written(ScopedStore):
    """The rows of somebody who has written something that is not there yet: who looks now would not see it."""

    __slots__ = ()

    @classmethod
    def over(cls, store: Any) -> Written:
        return cls(store._reader, store._limit_of, store.app, store.user, store.now)

    def one(self, read: Any, /, **params: Any) -> Any:
        raise Elsewhere

    def all(self, read: Any, /, **params: Any) -> list[Any]:
        raise Elsewhere

    def scan(self, *reads: Any, then: Any) -> Any:
        raise Elsewhere
