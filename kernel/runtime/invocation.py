"""One run of an app's code: from a request to its answer, step by step.

A step runs on an app thread until the code waits for something or is done. What it waits for happens on the event
loop, which then asks for the next step; meanwhile no thread is held. All of the state below is changed on the loop,
but for what `Serving` is asked for while a step runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.runtime.answers import Answer, checked_body
from kernel.runtime.engine.instance import Limits, Stopped
from kernel.runtime.failure import GuestError, failed, stopped
from kernel.runtime.flow import Flow
from kernel.runtime.guest import Guest, Serving
from kernel.runtime.incoming import Incoming
from kernel.runtime.limits import LOG_LINES, SLOW_SECONDS, STREAM_IDLE_SECONDS, STREAM_SECONDS
from kernel.runtime.outcome import Outcome, Pending, Streaming, Value
from kernel.runtime.program import Program
from kernel.runtime.quick import QUICK_BEFORE, route_of
from kernel.syscall.call import Call

if TYPE_CHECKING:
    from kernel.runtime.runtime import Runtime

MOST_OUTSTANDING = 10_000
MOST_READ = 256 * 1024
PARTING_SECONDS = 1.0  # for what the code does when the client has gone
AFTER_SECONDS = 30.0  # for promises given to `waitUntil`
LONGEST_TIMER = 2**31 - 1
_json = msgspec.json.decode
_error = msgspec.json.Decoder(GuestError)


class Invocation(Serving, Pending):
    def __init__(self, runtime: Runtime, program: Program, incoming: Incoming) -> None:
        self._runtime, self.program, self.incoming = runtime, program, incoming
        self._route = route_of(incoming)
        self.request = incoming.id
        services = runtime.services
        self._services, self._loop = services, asyncio.get_running_loop()
        self._began = services.clock.monotonic()
        self.deadline = self._began + program.limits.wall
        self.limits = Limits(program.limits.cpu, self.deadline, services.threads.demote, SLOW_SECONDS)
        self.done: Outcome | FaztError | None = None
        self._outcome: asyncio.Future[Outcome] | None = None
        self.lines = 0  # of its log
        self._guest: Guest | None = None
        self._call: Call | None = None
        self._cold = False
        self._inbox: list[bytes] = []
        self._outstanding: dict[int, asyncio.Task[None] | asyncio.TimerHandle | None] = {}
        self._stepping = self._loading = self._answered = self._ended = self._gone = False
        self._seated = self._dirty = False
        self._kept = 0  # promises given to waitUntil
        self._flow: Flow | None = None
        self._drains: list[int] = []
        self._alarm: asyncio.TimerHandle | None = None
        self._stop_waiting: Callable[[], bool] = lambda: False

    # --- from outside, on the loop

    def begin(self) -> None:
        self._stop_waiting = self._runtime.seats.ask(self.program.app, self._sit)
        if not self._ended:
            self._watch()

    @property
    def outcome(self) -> asyncio.Future[Outcome]:
        """What comes of it, for who has to wait; `done` for who asks now."""
        if self._outcome is None:
            self._outcome = self._loop.create_future()
            self._tell()
        return self._outcome

    def adopt(self, guest: Guest, output: bytes) -> None:
        """Go on with what was begun on the loop: its first step is over."""
        self._guest, guest.serving = guest, self
        self._runtime.seats.take(self.program.app)
        self._seated = True
        self._stepped(output, None)
        if not self._ended:
            self._watch()

    def abandon(self) -> None:
        """Whoever asked has gone."""
        if self._ended or self._gone:
            return
        self._gone = True
        if self._flow:
            self._flow.close()
        if self._stop_waiting():
            self._end(None)
            return
        self.deadline = min(self.deadline, self._services.clock.monotonic() + PARTING_SECONDS)
        self._send(b"X")
        self._watch()

    # --- steps

    def _sit(self) -> None:
        self._stop_waiting = lambda: False
        self._seated = True
        self._submit(b"")

    def _send(self, message: bytes) -> None:
        self._inbox.append(message)
        if not self._stepping and self._guest is not None:
            self._submit(self._taken())

    def _taken(self) -> bytes:
        messages = b"\n".join(self._inbox)
        self._inbox.clear()
        return messages

    def _submit(self, messages: bytes) -> None:
        self._stepping = True
        self._services.threads.submit(self.program.app, lambda: self._work(messages))

    def _work(self, messages: bytes) -> None:
        """On an app thread."""
        output, error = b"", None
        try:
            output = self._step(messages)
        except Stopped as stop:
            error = stopped(stop, self._guest is not None and self._guest.full)
        except FaztError as known:
            error = known
        except BaseException as unknown:
            # whatever it was, somebody waits for an answer
            error = self._runtime.unexpected(unknown)
        self._runtime.tell(lambda: self._stepped(output, error))

    def _step(self, messages: bytes) -> bytes:
        guest = self._guest
        if guest is None:
            guest = self._guest = self._runtime.guests.take(self.program) or Guest(self.program, self._services)
            guest.bind(self)
            if not guest.loaded:
                self._loading = self._cold = True
                runtime = self._runtime
                messages = self.program.introduction(self._services.version, runtime.login, runtime.logout)
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
        if self._guest is not None:
            self._runtime.guests.weigh(self._guest)
        if self._stepping:
            self._stepping = False
            slow = self.limits.used > QUICK_BEFORE and not self._cold
            self.program.routes.learned(self._route, self.waited, slow)
        if self._ended:
            self._part()
            return
        if error is None:
            try:
                self._hear(output)
            except FaztError as wrong:
                error = wrong
        if error is not None:
            self._end(error)
            return
        if (self._loading and self._guest is not None and self._guest.loaded) or self._inbox:
            self._submit(self._taken())
        elif self._is_over():
            self._end(None)
        elif not self._outstanding:
            self._end(FaztError("NEVER_SETTLED", "The handler waits for something that never comes."))
        else:
            self._watch()

    def _is_over(self) -> bool:
        if not self._answered:
            return self._gone and not self._outstanding
        return not (self._flow and not self._flow.ended) and not self._kept

    # --- what the guest says

    def _hear(self, output: bytes) -> None:
        while output:
            line, _, rest = output.partition(b"\n")
            kind, said = line[:1], line[1:]
            if kind == b"D":
                self._answer(Answer(self._services.heads.read(said), checked_body(rest)))
                return
            output = rest
            hear = _HEARD.get(kind)
            if hear is None:
                raise FaztError("HANDLER_ERROR", "The code said something that is not understood.")
            hear(self, said)

    def _hear_call(self, said: bytes) -> None:
        number, _, rest = said.partition(b" ")
        op, _, argument = rest.partition(b" ")
        if not number.isdigit() or len(number) > 15 or int(number) in self._outstanding:
            raise FaztError("HANDLER_ERROR", "The code said something that is not understood.")
        if len(self._outstanding) >= MOST_OUTSTANDING:
            raise FaztError("LIMIT_EXCEEDED", f"The code waits for more than {MOST_OUTSTANDING} things at once.")
        id = int(number)
        self._outstanding[id] = None
        try:
            self._perform(id, op.decode("ascii", "replace"), argument or b"[]")
        except FaztError as error:
            self._settle(id, b"e", encode(error.public()))

    def _hear_cancel(self, said: bytes) -> None:
        if said.isdigit() and len(said) < 16:
            waiting = self._outstanding.pop(int(said), None)
            if waiting is not None:
                waiting.cancel()

    def _hear_kept(self, said: bytes) -> None:
        self._kept = int(said) if said.isdigit() and len(said) < 9 else 0

    def _hear_loaded(self, said: bytes) -> None:
        if self._guest is not None:
            self._guest.loaded = True

    def _hear_bytes(self, said: bytes) -> None:
        assert self._guest
        body = self._guest.answer or b""
        self._guest.answer = None
        self._answer(Answer(self._services.heads.read(said), checked_body(body)))

    def _hear_stream(self, said: bytes) -> None:
        if self._answered:
            raise FaztError("HANDLER_ERROR", "The code answered twice.")
        head = self._services.heads.read(said)
        self._answered = True
        self._flow = Flow(self._runtime.tell)
        self._flow.drained = self._drained
        if self._gone:
            self._flow.close()
        # what follows may take longer, while something comes
        self.deadline = self._services.clock.monotonic() + STREAM_SECONDS
        self.limits.deadline = self.deadline
        assert self._guest
        if self._guest.answer:
            self._flow.push(self._guest.answer)
            self._guest.answer = None
        self._give(Streaming(head, self._flow))

    def _hear_end(self, said: bytes) -> None:
        if self._flow:
            self._flow.end()

    def _hear_value(self, said: bytes) -> None:
        try:
            value = _json(said) if said else None
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise FaztError("INVALID_RESPONSE", "The value is no JSON.") from None
        self._answered = True
        self._give(Value(value))

    def _hear_error(self, said: bytes) -> None:
        try:
            error = _error.decode(said)
        except (msgspec.DecodeError, ValueError, RecursionError):
            error = GuestError("Error", "The code failed and could not say why.")
        raise failed(error, self.program, self._guest is not None and self._guest.full)

    def _answer(self, answer: Answer) -> None:
        if self._answered:
            raise FaztError("HANDLER_ERROR", "The code answered twice.")
        self._answered = True
        if self._kept or self._outstanding:
            self.deadline = self._services.clock.monotonic() + AFTER_SECONDS
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

    # --- what it waits for

    def _perform(self, id: int, op: str, argument: bytes) -> None:
        if op == "timer":
            (wait,) = _numbers(argument, 1)
            self._outstanding[id] = self._loop.call_later(
                min(max(wait, 0), LONGEST_TIMER) / 1000, self._settle, id, b"v", b""
            )
        elif op == "drain":
            if self._flow and self._flow.is_full and not self._flow.closed:
                self._drains.append(id)
            else:
                self._loop.call_soon(self._settle, id, b"v", b"")
        elif op.partition(":")[0].isdigit():
            number, _, handle = op.partition(":")
            assert self._guest
            data = self._guest.take(int(handle)) if handle.isdigit() and len(handle) < 12 else None
            self._later(id, self._syscall(int(number), argument, data))
        elif op == "body.read":
            self._later(id, self._read_body())
        elif op == "body.form":
            self._later(id, self._read_form())
        elif op == "part.read":
            index, start, length = _numbers(argument, 3)
            self._later(id, self._read_part(int(index), int(start), int(length)))
        else:
            raise FaztError("INVALID_ARGUMENT", f"There is no {op[:40]}.")

    def _later(self, id: int, work: Any) -> None:
        async def settled() -> None:
            try:
                result = await work
            except FaztError as error:
                self._settle(id, b"e", encode(error.public()))
            except asyncio.CancelledError:
                raise
            except Exception as unknown:
                self._settle(id, b"e", encode(self._runtime.unexpected(unknown).public()))
            else:
                if isinstance(result, bytes):
                    try:
                        assert self._guest
                        self._settle(id, b"b", b"%d" % self._guest.keep(result))
                    except FaztError as error:
                        self._settle(id, b"e", encode(error.public()))
                else:
                    self._settle(id, b"v", b"" if result is None else encode(result))

        self._outstanding[id] = self._loop.create_task(settled())

    def _settle(self, id: int, kind: bytes, payload: bytes) -> None:
        if self._ended or self._outstanding.pop(id, self) is self:
            return
        self._send(b"R%d %s" % (id, kind) + (b" " + payload if payload else b""))

    def _drained(self) -> None:
        drains, self._drains = self._drains, []
        for id in drains:
            self._settle(id, b"v", b"")

    async def _syscall(self, number: int, argument: bytes, data: bytes | None) -> Any:
        adapter = self._services.asynchronous(number)
        entry = self._services.registry.entries[number]
        call = self.call()
        result = adapter(call, argument, data)
        return await self._services.driver.settle(entry, call, result, {})

    async def _read_body(self) -> bytes | None:
        stream = self.incoming.stream
        return (await stream.read() or None) if stream else None

    async def _read_form(self) -> Any:
        stream = self.incoming.stream
        if stream is None:
            raise FaztError("INVALID_ARGUMENT", "The request has no form.")
        fields, self.incoming.files = await stream.form()
        parts = [
            {"field": part.field, "name": part.name, "type": part.type, "size": part.size, "index": index}
            for index, (part, _) in enumerate(self.incoming.files)
        ]
        return {"fields": fields, "parts": parts}

    async def _read_part(self, index: int, start: int, length: int) -> bytes:
        file = self._file(index)
        if start < 0 or not 0 <= length <= MOST_READ * 16:
            raise FaztError("INVALID_ARGUMENT", "There is no such part of the file.")
        file.seek(start)
        data: bytes = file.read(length)
        return data

    def _file(self, index: int) -> Any:
        if not 0 <= index < len(self.incoming.files):
            raise FaztError("INVALID_ARGUMENT", "There is no such file.")
        return self.incoming.files[index][1]

    # --- what its code asks while a step runs, on an app thread

    def call(self) -> Call:
        if self._call is None:
            self._call = self._services.call(self.program.app, self.request)
        return self._call

    def body(self) -> bytes:
        self._only_bound()
        return self.incoming.body

    def part(self, index: int, start: int, length: int) -> bytes:
        self._only_bound()
        file = self._file(index)
        file.seek(start)
        data: bytes = file.read(length)
        return data

    def out(self, chunk: bytes) -> bool:
        self._only_bound()
        if self._flow is None:
            assert self._guest
            self._guest.answer = (self._guest.answer or b"") + chunk
            checked_body(self._guest.answer)
            return True
        return self._flow.push(chunk)

    def log(self, level: str, text: str) -> None:
        self.lines += 1
        if self.lines <= LOG_LINES:
            self._services.lines.add(self.program.app, level, text, request=self.request, release=self.program.release)
        elif self.lines == LOG_LINES + 1:
            text = f"More than {LOG_LINES} lines for one request: the rest is left out."
            self._services.lines.add(self.program.app, "warn", text, request=self.request, release=self.program.release)

    def _only_bound(self) -> None:
        if self._loading:
            raise FaztError("NO_REQUEST", "There is no request while a module is loaded.")

    # --- its end

    def _watch(self) -> None:
        """Wake up when nothing may be waited for any longer."""
        if self._alarm is not None:
            self._alarm.cancel()
        left = self.deadline - self._services.clock.monotonic()
        pushed = self._flow.pushed if self._flow else 0
        if self._flow and self._answered:
            left = min(left, STREAM_IDLE_SECONDS)
        self._alarm = self._loop.call_later(max(0.0, left), self._late, pushed)

    def _late(self, pushed: int) -> None:
        self._alarm = None
        if self._ended:
            return
        now = self._services.clock.monotonic()
        if self._flow and self._flow.pushed != pushed and now < self.deadline:
            self._watch()
            return
        if self._stepping:
            # the engine stops it by itself, at its next check
            if not self._answered and not self._gone and now > self.deadline + 2:
                self._end(FaztError("TIMEOUT", "The handler took too long."))
            else:
                self._alarm = self._loop.call_later(0.25, self._late, pushed)
            return
        if self._stop_waiting():
            self._end(FaztError("SERVICE_UNAVAILABLE", "This app is busy.", retry_after=1))
            return
        if self._answered and not self._flow:
            self._end(FaztError("TIMEOUT", "What was left to do took too long."))
        else:
            self._end(FaztError("TIMEOUT", "The handler took too long."))

    def _end(self, error: FaztError | None) -> None:
        if self._ended:
            return
        self._ended = True
        self._close_alarm()
        unsettled = bool(self._outstanding)
        for waiting in self._outstanding.values():
            if waiting is not None:
                waiting.cancel()
        self._outstanding.clear()
        if error is None and not self._answered:
            error = FaztError("CLOSED", "Whoever asked has gone.")
        if error is not None:
            if not self._gone:
                self._runtime.note(self, error)
            if self._flow:
                self._flow.end(error)
            self._give(error)
        elif self._flow and not self._flow.ended:
            self._flow.end()
        self._dirty = error is not None or unsettled or self._loading
        if not self._stepping:
            self._part()

    def _close_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _part(self) -> None:
        """Give the guest and the seat back; not before the last step is over."""
        guest, self._guest = self._guest, None
        for _, file in self.incoming.files:
            file.close()
        if guest is not None:
            guest.release()
            self._runtime.guests.give(guest, fit=not self._dirty)
        if self._seated:
            self._runtime.seats.leave(self.program.app)
        self._runtime.ended(self)


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


def _numbers(argument: bytes, count: int) -> list[float]:
    try:
        found = _json(argument, type=list[float])
    except (msgspec.DecodeError, ValueError, RecursionError):
        found = []
    if len(found) != count or not all(abs(number) < 2**53 for number in found):
        raise FaztError("INVALID_ARGUMENT", "Numbers are expected.")
    return found
