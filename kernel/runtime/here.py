"""A handler's run on the event loop itself, for requests that are likely to be over at once (see `quick.py`).

Nothing of it can be seen from outside until it has ended: what it logs is held back, what it writes waits as one
batch, and its instance serves nobody else before that is committed. So it can be given up at any moment, and is as
soon as it asks for something that may take time, reads what it has just written, or computes for more than a moment.
Then the request begins anew on a thread, as it does when the batch fails. The answer goes out after the commit, as
everywhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kernel.apps import apps
from kernel.base.errors import FaztError
from kernel.observe.lines import MOST_PER_INVOCATION
from kernel.runtime.answers import Answer, checked_body
from kernel.runtime.engine.instance import Limits
from kernel.runtime.failure import error_in
from kernel.runtime.guest import Elsewhere, Guest, Serving
from kernel.runtime.incoming import Incoming
from kernel.runtime.outcome import Outcome, Pending
from kernel.runtime.program import Program
from kernel.runtime.quick import FRESH_SECONDS, QUICK_BEFORE, QUICK_LOAD, QUICK_SECONDS
from kernel.storage.scoped import ScopedStore
from kernel.storage.writer import Batch
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
        self._made: dict[bool, Call] = {}
        self._future: asyncio.Future[Outcome] | None = None
        self._anew: Pending | None = None
        self._guest: Guest | None = None
        self._loading = self._gone = False

    # --- the run

    def run(self) -> Pending | None:
        """None: begin anew on a thread."""
        guests, program = self.runtime.guests, self.program
        guest = guests.take(program)
        if guest is None and program.load_seconds > QUICK_LOAD:
            return None
        limits = Limits(FRESH_SECONDS, self.deadline)
        try:
            if guest is None:
                guest = Guest(program, self.runtime.services)
                guest.bind(self)
                self._load(guest)
            elif guest.served > 2:
                limits.cpu = QUICK_SECONDS
            guest.bind(self)
            self._guest = guest
            output = guest.step(self.incoming.start(), limits)
            if error_in(output) is not None:
                # where it failed is looked up on a thread
                raise Elsewhere
        except (Elsewhere, Exception):
            # whatever it was, the thread will meet it too, and say so
            if guest is not None:
                guests.drop(guest)
            program.routes.failed(self.route)
            self._took(limits.used)
            return None
        if limits.used > QUICK_BEFORE:
            program.routes.learned(self.route, waited=False, slow=True)
            self._took(limits.used)
        return self._commit(guest, output) if self.steps else self._ended(guest, output)

    def _took(self, seconds: float) -> None:
        """Everybody had to wait meanwhile."""
        now = self.runtime.services.clock.monotonic()
        self.program.routes.share.spend(seconds, now)
        self.runtime.share.spend(seconds, now)

    def _load(self, guest: Guest) -> None:
        runtime, self._loading = self.runtime, True
        told = self.program.introduction(runtime.services.version, runtime.login, runtime.logout)
        if guest.step(told, Limits(2 * QUICK_LOAD, self.deadline)) != b"G":
            raise Elsewhere
        guest.loaded, self._loading = True, False

    def _ended(self, guest: Guest, output: bytes) -> Pending:
        self.program.routes.held()
        if output[:1] != b"D" or len(self.said) > MOST_PER_INVOCATION:
            # it waits for something: from now on it is an invocation like others
            return self.runtime.adopt(self, guest, output)
        for level, text in self.said:
            self.runtime.log(self, level, text)
        guest.release()
        self.runtime.guests.give(guest, fit=True)
        said, _, body = output.partition(b"\n")
        try:
            self._settle(Answer(self.runtime.services.heads.read(said[1:]), checked_body(body)))
        except FaztError as error:
            self.runtime.note(self, error)
            self._settle(error)
        return self

    # --- its writes

    def _commit(self, guest: Guest, output: bytes) -> Pending | None:
        runtime = self.runtime
        try:
            batch = runtime.services.store.write_soon([apps.there(self.program.app), *self.steps])
        except FaztError:
            # too many wait, or the node stops: on a thread the code hears of it where it writes
            runtime.guests.drop(guest)
            return None
        assert batch.future
        runtime.active.add(self)
        runtime.seats.take(self.program.app)
        left = max(0.0, self.deadline - runtime.services.clock.monotonic())
        alarm = asyncio.get_running_loop().call_later(left, self._late, batch, guest)
        batch.future.add_done_callback(lambda done: self._committed(done, alarm, guest, output))
        return self

    def _late(self, batch: Batch, guest: Guest) -> None:
        """It waits no longer; what is being committed already is waited for."""
        assert batch.future
        if self.runtime.services.store.withdraw(batch):
            batch.future.set_exception(
                FaztError("TIMEOUT", "The write waited too long and was not made.", "Try again.")
            )

    def _committed(self, writing: asyncio.Future[Any], alarm: asyncio.TimerHandle, guest: Guest, output: bytes) -> None:
        alarm.cancel()
        self.runtime.ended(self)
        self.runtime.seats.leave(self.program.app)
        failed = writing.exception()
        follow: Pending
        if failed is None:
            follow = self._ended(guest, output)
        else:
            # none of it happened
            self.runtime.guests.drop(guest)
            self.program.routes.failed(self.route)
            if self._gone or (isinstance(failed, FaztError) and failed.code == "TIMEOUT"):
                self._settle(failed if isinstance(failed, FaztError) else _gone())
                return
            try:
                follow = self.runtime.on_thread(self.program, self.incoming)
            except FaztError as error:
                self._settle(error)
                return
        if follow is not self:
            self._anew = follow
            follow.outcome.add_done_callback(self._followed)
            if self._gone:
                follow.abandon()

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
        self._gone = True
        if self._anew is not None:
            self._anew.abandon()

    # --- what its code asks

    def call(self, personal: bool = False) -> Call:
        if personal and self._loading:
            raise FaztError("NO_REQUEST", "There is no request while a module is loaded.")
        made = self._made.get(personal)
        if made is None:
            app, release = self.program.app, self.program.release
            made = self.runtime.services.call(app, release, self.request, self.incoming.person, personal)
            if self.steps:
                made.store = Written.over(made.store)
            self._made[personal] = made
        if self.incoming.user is not None:
            # a module is loaded for everybody: in nobody's name
            made.person = "" if self._loading else self.incoming.person
        return made

    def hold(self, plan: Write[Any]) -> None:
        """Keep what is to be written until the end."""
        self.steps.extend(plan.steps)
        for call in self._made.values():
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
        self._guest.hand_over(chunk)
        return True

    def log(self, level: str, text: str) -> None:
        if len(self.said) <= MOST_PER_INVOCATION:
            self.said.append((level, text))


def _gone() -> FaztError:
    return FaztError("CLOSED", "Whoever asked has gone.")


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
