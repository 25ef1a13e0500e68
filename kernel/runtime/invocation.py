"""One run of an app's code: from a request to its answer, step by step.

A step runs on an app thread until the code waits for something or is done. What it waits for happens on the event
loop, which then asks for the next step; meanwhile no thread is held. All of the state below is changed on the loop,
but for what `Serving` is asked for while a step runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from kernel.base.errors import FaztError
from kernel.observe.lines import Quota
from kernel.runtime.answers import Answer, checked_body
from kernel.runtime.calls import Calls
from kernel.runtime.engine.instance import Limits, Stopped
from kernel.runtime.failure import GuestError, failed, stopped, traced
from kernel.runtime.flow import Flow
from kernel.runtime.guest import Guest, Serving
from kernel.runtime.incoming import Incoming
from kernel.runtime.limits import SLOW_SECONDS, STREAM_IDLE_SECONDS, STREAM_SECONDS
from kernel.runtime.outcome import Outcome, Pending, Streaming, Value
from kernel.runtime.positions import Trace
from kernel.runtime.program import Program
from kernel.runtime.quick import QUICK_ON_THREAD, route_of
from kernel.syscall.call import Call

if TYPE_CHECKING:
    from kernel.runtime.runtime import Runtime

MOST_LINES = 25_000  # of what a guest says in one step
MOST_VALUE = 1 << 20
PARTING_SECONDS = 1.0  # for what the code does when the client has gone
AFTER_SECONDS = 30.0  # for promises given to `waitUntil`
_json = msgspec.json.decode
_error = msgspec.json.Decoder(GuestError)


class Invocation(Serving, Pending):
    def __init__(self, runtime: Runtime, program: Program, incoming: Incoming) -> None:
        self.runtime, self.program, self.incoming = runtime, program, incoming
        self._route = route_of(incoming)
        self.request = incoming.id
        services = runtime.services
        self.services, self.loop = services, asyncio.get_running_loop()
        self._began = services.clock.monotonic()
        self.deadline = self._began + program.limits.wall
        self.limits = Limits(program.limits.cpu, self.deadline, services.threads.demote, SLOW_SECONDS)
        self.done: Outcome | FaztError | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self._said = Quota(services.lines, program.app, request=incoming.id, release=program.release)
        self.guest: Guest | None = None
        self._made: dict[bool, Call] = {}
        self._trace: Trace | None = None  # of the error it failed with, in the author's lines
        self._cold = False
        self._inbox: list[bytes] = []
        self._calls = Calls(self)
        self._stepping = self._loading = self._answered = self._ended = self._gone = False
        self._seated = self._dirty = False
        self._kept = 0  # promises given to waitUntil
        self.flow: Flow | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._stop_waiting: Callable[[], bool] = lambda: False

    # --- from outside, on the loop

    def begin(self) -> None:
        self._stop_waiting = self.runtime.seats.ask(self.program.app, self._sit)
        if not self._ended:
            self._watch()

    @property
    def outcome(self) -> asyncio.Future[Outcome]:
        """What comes of it, for who has to wait; `done` for who asks now."""
        if self._outcome is None:
            self._outcome = self.loop.create_future()
            self._tell()
        return self._outcome

    def adopt(self, guest: Guest, output: bytes) -> None:
        """Go on with what was begun on the loop: its first step is over."""
        self.guest, guest.serving = guest, self
        self.runtime.seats.take(self.program.app)
        self._seated = True
        self._stepped(output, None)
        if not self._ended:
            self._watch()

    def abandon(self) -> None:
        """Whoever asked has gone."""
        if self._ended or self._gone:
            return
        self._gone = True
        if self.flow:
            self.flow.close()
        if self._stop_waiting():
            self._end(None)
            return
        self.deadline = min(self.deadline, self.services.clock.monotonic() + PARTING_SECONDS)
        self.send(b"X")
        self._watch()

    # --- steps

    def _sit(self) -> None:
        self._stop_waiting = lambda: False
        self._seated = True
        self._submit(b"")

    def send(self, message: bytes) -> None:
        """Tell the guest something, as soon as it can listen."""
        if self._ended:
            return
        self._inbox.append(message)
        if not self._stepping and self.guest is not None:
            self._submit(self._taken())

    def _taken(self) -> bytes:
        messages = b"\n".join(self._inbox)
        self._inbox.clear()
        return messages

    def _submit(self, messages: bytes) -> None:
        self._stepping = True
        self.services.threads.submit(self.program.app, lambda: self._work(messages))

    def _work(self, messages: bytes) -> None:
        """On an app thread."""
        output, error = b"", None
        try:
            if not self._ended:
                output = self._step(messages)
                # its maps may be large: not on the loop
                self._trace = traced(output, self.program)
        except Stopped as stop:
            error = stopped(stop, self.guest is not None and self.guest.full)
        except FaztError as known:
            error = known
        except BaseException as unknown:
            # whatever it was, somebody waits for an answer
            error = self.runtime.unexpected(unknown)
        self.runtime.tell(lambda: self._stepped(output, error))

    def _step(self, messages: bytes) -> bytes:
        guest = self.guest
        if guest is None:
            guest = self.guest = self.runtime.guests.take(self.program) or Guest(self.program, self.services)
            guest.bind(self)
            if not guest.loaded:
                self._loading = self._cold = True
                runtime = self.runtime
                messages = self.program.introduction(self.services.version, runtime.login, runtime.logout)
        elif guest.loaded and self._loading:
            # what it waited for while it was loaded has come: now it begins
            self._loading = False
            messages = self.incoming.start() + (b"\n" + messages if messages else b"")
        if not self._loading:
            return guest.step(messages or self.incoming.start(), self.limits)
        output = guest.step(messages, self.limits)
        if output != b"G":
            return output
        self.program.load_seconds = self.limits.used
        guest.loaded, self._loading = True, False
        return guest.step(self.incoming.start(), self.limits)

    def _stepped(self, output: bytes, error: FaztError | None) -> None:
        """On the loop: what a step has said."""
        if self.guest is not None:
            self.runtime.guests.weigh(self.guest)
        if self._stepping:
            self._stepping = False
            slow = self.limits.used > QUICK_ON_THREAD and not self._cold
            self.program.routes.learned(self._route, self.waited, slow)
        if self._ended:
            self._part()
            return
        if error is None:
            try:
                self._hear(output)
            except FaztError as wrong:
                error = wrong
            except Exception as unknown:
                error = self.runtime.unexpected(unknown)
        if error is not None:
            self._end(error)
            return
        if (self._loading and self.guest is not None and self.guest.loaded) or self._inbox:
            self._submit(self._taken())
        elif self._is_over():
            self._end(None)
        elif not self._calls:
            self._end(FaztError("NEVER_SETTLED", "The handler waits for something that never comes."))
        else:
            self._watch()

    def _is_over(self) -> bool:
        if not self._answered:
            return self._gone and not self._calls
        return not (self.flow and not self.flow.ended) and not self._kept

    # --- what the guest says

    def _hear(self, output: bytes) -> None:
        at = count = 0
        while at < len(output):
            end = output.find(b"\n", at)
            end = len(output) if end < 0 else end
            kind, said = output[at : at + 1], output[at + 1 : end]
            if kind == b"D":
                self._answer(Answer(self.services.heads.read(said), checked_body(output[end + 1 :])))
                return
            hear, count, at = _HEARD.get(kind), count + 1, end + 1
            if hear is None or count > MOST_LINES:
                raise FaztError("HANDLER_ERROR", "The code said something that is not understood.")
            hear(self, said)

    def _hear_call(self, said: bytes) -> None:
        self._calls.begin(said)

    def _hear_cancel(self, said: bytes) -> None:
        self._calls.cancel(said)

    def _hear_kept(self, said: bytes) -> None:
        self._kept = int(said) if said.isdigit() and len(said) < 9 else 0

    def _hear_loaded(self, said: bytes) -> None:
        if self.guest is not None:
            self.guest.loaded = True

    def _hear_bytes(self, said: bytes) -> None:
        assert self.guest
        body, self.guest.answer = bytes(self.guest.answer), bytearray()
        self._answer(Answer(self.services.heads.read(said), body))

    def _hear_stream(self, said: bytes) -> None:
        if self._answered:
            raise FaztError("HANDLER_ERROR", "The code answered twice.")
        head = self.services.heads.read(said)
        self._answered = True
        self.flow = Flow(self.runtime.tell)
        self.flow.drained = self._calls.drained
        if self._gone:
            self.flow.close()
        # what follows may take longer, while something comes
        self.deadline = self.services.clock.monotonic() + STREAM_SECONDS
        self.limits.deadline = self.deadline
        assert self.guest
        early, self.guest.answer = bytes(self.guest.answer), bytearray()
        self.flow.push(early)
        self._give(Streaming(head, self.flow))

    def _hear_end(self, said: bytes) -> None:
        if self.flow:
            self.flow.end()

    def _hear_value(self, said: bytes) -> None:
        try:
            if len(said) > MOST_VALUE:
                raise ValueError("it is too large")
            value = _json(said) if said else None
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise FaztError("INVALID_RESPONSE", "The value is no JSON, or too much of it.") from None
        self._answered = True
        self._give(Value(value))

    def _hear_error(self, said: bytes) -> None:
        try:
            error = _error.decode(said)
        except (msgspec.DecodeError, ValueError, RecursionError):
            error = GuestError("Error", "The code failed and could not say why.")
        raise failed(error, self.program, self.guest is not None and self.guest.full, self._trace)

    def _answer(self, answer: Answer) -> None:
        if self._answered:
            raise FaztError("HANDLER_ERROR", "The code answered twice.")
        self._answered = True
        if self._kept or self._calls:
            self.deadline = self.services.clock.monotonic() + AFTER_SECONDS
            self.limits.deadline = self.deadline
        self._give(answer)

    def _give(self, outcome: Outcome | FaztError) -> None:
        if self.done is None:
            self.done = outcome
            self._tell()

    def _tell(self) -> None:
        future, done = self._outcome, self.done
        if future is None or done is None or future.done():
            return
        if isinstance(done, FaztError):
            future.set_exception(done)
        else:
            future.set_result(done)

    # --- what its code asks while a step runs, on an app thread

    def call(self, personal: bool = False) -> Call:
        if personal:
            self._only_bound()
        made = self._made.get(personal)
        if made is None:
            app, release = self.program.app, self.program.release
            made = self.services.call(app, release, self.request, self.incoming.person, personal)
            self._made[personal] = made
        if self.incoming.user is not None:
            # a module is loaded for everybody: in nobody's name
            made.person = "" if self._loading else self.incoming.person
        return made

    def body(self) -> bytes:
        self._only_bound()
        return self.incoming.body

    def part(self, index: int, start: int, length: int) -> bytes:
        self._only_bound()
        return self.incoming.part(index, start, length)

    def out(self, chunk: bytes) -> bool:
        self._only_bound()
        if self.flow is None:
            assert self.guest
            self.guest.hand_over(chunk)
            return True
        return self.flow.push(chunk)

    def log(self, level: str, text: str) -> None:
        self._said.add(level, text)

    def _only_bound(self) -> None:
        if self._loading:
            raise FaztError("NO_REQUEST", "There is no request while a module is loaded.")

    # --- its end

    def _watch(self) -> None:
        """Wake up when nothing may be waited for any longer."""
        if self._alarm is not None:
            self._alarm.cancel()
        left = self.deadline - self.services.clock.monotonic()
        pushed = self.flow.pushed if self.flow else 0
        if self.flow and self._answered:
            left = min(left, STREAM_IDLE_SECONDS)
        self._alarm = self.loop.call_later(max(0.0, left), self._late, pushed)

    def _late(self, pushed: int) -> None:
        self._alarm = None
        if self._ended:
            return
        now = self.services.clock.monotonic()
        if self.flow and self.flow.pushed != pushed and now < self.deadline:
            self._watch()
            return
        if self._stepping:
            # the engine stops it by itself, at its next check
            if not self._answered and not self._gone and now > self.deadline + 2:
                self._end(FaztError("TIMEOUT", "The handler took too long."))
            else:
                self._alarm = self.loop.call_later(0.25, self._late, pushed)
            return
        if self._stop_waiting():
            self._end(FaztError("SERVICE_UNAVAILABLE", "This app is busy.", retry_after=1))
            return
        if self._answered and not self.flow:
            self._end(FaztError("TIMEOUT", "What was left to do took too long."))
        else:
            self._end(FaztError("TIMEOUT", "The handler took too long."))

    def _end(self, error: FaztError | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._close_alarm()
        unsettled = bool(self._calls)
        self._calls.clear()
        if error is None and not self._answered:
            error = FaztError("CLOSED", "Whoever asked has gone.")
        if error is not None:
            if not self._gone:
                self.runtime.note(self, error)
            if self.flow:
                self.flow.end(error)
            self._give(error)
        elif self.flow and not self.flow.ended:
            self.flow.end()
        self._dirty = error is not None or unsettled or self._loading
        if not self._stepping:
            self._part()

    def _close_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _part(self) -> None:
        """Give the guest and the seat back; not before the last step is over."""
        guest, self.guest = self.guest, None
        self._said.end()
        for _, file in self.incoming.files:
            file.close()
        if guest is not None:
            guest.release()
            self.runtime.guests.give(guest, fit=not self._dirty)
        if self._seated:
            self.runtime.seats.leave(self.program.app)
        self.runtime.ended(self)


_HEARD: dict[bytes, Callable[[Invocation, bytes], None]] = {
    b"C": Invocation._hear_call,
    b"N": Invocation._hear_cancel,
    b"W": Invocation._hear_kept,
    b"G": Invocation._hear_loaded,
    b"B": Invocation._hear_bytes,
    b"H": Invocation._hear_stream,
    b"Z": Invocation._hear_end,
    b"V": Invocation._hear_value,
    b"E": Invocation._hear_error,
}
