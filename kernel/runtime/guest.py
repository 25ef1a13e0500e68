"""One instance of an app's code with the host's side of it: whatever the code asks while it runs, it asks here.

A guest belongs to one program and serves one invocation at a time; between two of them nobody is served, and what
needs somebody is refused. `ask` runs on an app thread, everything else of it too.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
from collections.abc import Callable
from typing import Any

import msgspec

from kernel.apps import apps
from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.runtime.answers import MOST_BODY, too_large
from kernel.runtime.crypto import crypto
from kernel.runtime.engine.instance import Bytes, Code, Instance, Limits, Reply
from kernel.runtime.opened import MOST_EFFORT, MOST_TEXT, Effort
from kernel.runtime.program import FRAME, Program
from kernel.runtime.services import Services
from kernel.syscall.call import Call
from kernel.syscall.plan import Later, Page, Parcel, Scan, Write

MOST_SERVED = 1000
MOST_STASHED = 16
MOST_STASHED_BYTES = 32 << 20
MOST_RANDOM = 65536
QUICK_BYTES = 64 * 1024
MOST_PART = 16 << 20
_strings = msgspec.json.Decoder(list[str])
_ints = msgspec.json.Decoder(list[int])


class Elsewhere(BaseException):
    """What is tried on the event loop needs a thread. It ends the instance, whatever its code would catch."""


class Serving:
    """The invocation a guest works for, as far as its code can reach it."""

    request: str = ""
    deadline: float = 0.0
    here = False  # tried on the event loop: nothing may be waited for
    waited = False  # it waited for the disk, or may have
    loop: asyncio.AbstractEventLoop  # where what waits for others goes on

    def call(self, personal: bool = False) -> Call:
        """In the name of the app; `personal`: for the rows of who is signed in."""
        raise NotImplementedError

    def hold(self, plan: Write[Any]) -> None:
        """Write it later, with all else (`here` only)."""
        raise NotImplementedError

    def body(self) -> bytes:
        raise NotImplementedError

    def part(self, index: int, start: int, length: int) -> bytes:
        """Some of a file of a form."""
        raise NotImplementedError

    def out(self, chunk: bytes) -> bool:
        """A piece of a streaming answer; False: wait before the next."""
        raise NotImplementedError

    def log(self, level: str, text: str) -> None:
        raise NotImplementedError


class Guest:
    def __init__(self, program: Program, services: Services) -> None:
        self.program, self._services = program, services
        self.serving: Serving | None = None
        self.served = 0
        self.idle_since = 0.0
        self.weighed = 0  # bytes that were counted already
        self.loaded = False
        self.answer = bytearray()  # a body of bytes, handed over before its head
        self._stash: dict[int, bytes] = {}
        self._stashed = 0
        self._handles = self._retold = 0
        self._instance = Instance(services.engine, self, memory=program.limits.memory)

    # --- its life

    def step(self, message: bytes, limits: Limits) -> bytes:
        return self._instance.step(message, limits)

    @property
    def spent(self) -> bool:
        """Is it time for a fresh one?"""
        return (
            self._instance.dead
            or self.served >= MOST_SERVED
            or self._instance.exhausted
            or self._instance.memory_used * 4 > self.program.limits.memory * 3
        )

    @property
    def full(self) -> bool:
        """Has it hardly any memory left?"""
        return self._instance.exhausted or self._instance.memory_used * 10 > self.program.limits.memory * 9

    @property
    def grown(self) -> int:
        """Bytes it took beyond those that all instances share."""
        return self._instance.grown

    def bind(self, serving: Serving) -> None:
        self.serving, self.answer, self._retold = serving, bytearray(), 0
        self.served += 1

    def release(self) -> None:
        self.serving = None
        self.answer = bytearray()
        self._stash.clear()
        self._stashed = 0

    def hand_over(self, chunk: bytes) -> None:
        """Bytes of an answer whose head has not come yet."""
        if len(self.answer) + len(chunk) > MOST_BODY:
            raise too_large()
        self.answer += chunk

    def close(self) -> None:
        self._instance.close()

    # --- bytes that go beside the messages

    def keep(self, data: bytes) -> int:
        if len(self._stash) >= MOST_STASHED or self._stashed + len(data) > MOST_STASHED_BYTES:
            raise FaztError("LIMIT_EXCEEDED", "Too many bytes are on their way at once.")
        self._handles += 1
        self._stash[self._handles] = data
        self._stashed += len(data)
        return self._handles

    def take(self, handle: int) -> bytes:
        data = self._stash.pop(handle, None)
        if data is None:
            raise FaztError("INVALID_ARGUMENT", "There are no such bytes.")
        self._stashed -= len(data)
        return data

    # --- what its code asks

    def ask(self, op: str, arg: bytes, data: bytes | memoryview | None) -> Reply:
        if op.isdigit():
            return self._syscall(int(op), arg, data)
        if op[-1:] == "u" and op[:-1].isdigit():
            return self._syscall(int(op[:-1]), arg, data, personal=True)
        answer = OPS.get(op)
        if answer is not None:
            return answer(self, arg, data)
        if op.startswith("crypto."):
            if op != "crypto.digest" or len(data or b"") > QUICK_BYTES:
                self._on_thread()
            return _reply(crypto(op, arg, data))
        if op.startswith("intl."):
            # few apps need it, and its tables are large
            self._on_thread()
            from kernel.runtime.intl import intl

            return _reply(intl(op, arg))
        raise FaztError("INVALID_ARGUMENT", f"There is no {op[:40]}.")

    def _syscall(self, number: int, arg: bytes, data: bytes | memoryview | None, personal: bool = False) -> Reply:
        services = self._services
        adapter = services.adapter(number)
        call = personally(self.needed, services, number) if personal else self.needed.call()
        call.now = call.store.now = services.clock.now()
        result = adapter(call, arg, None if data is None else bytes(data))
        if isinstance(result, Later):
            result = self._waited_for(result)
        if isinstance(result, Write):
            if result.steps and (services.blind(number) or result.known is not msgspec.UNSET):
                # what is written decides nothing of what the code hears
                if self.needed.here:
                    self.needed.hold(result)
                    return None if services.blind(number) else said(result.known, services.quiet(number))
            else:
                self._on_thread()
            rows: list[list[Any]] = []
            if result.steps:
                left = self.needed.deadline - services.clock.monotonic()
                with services.threads.off():
                    steps = [apps.there(self.program.app), *result.steps]
                    rows = services.store.write_blocking(steps, max(0.0, left))[1:]
            result = result.result(rows)
        elif isinstance(result, Scan):
            self._on_thread()
            with services.threads.off():
                result = services.store.scan_blocking(result)
        if isinstance(result, Parcel):
            # the bytes lie ready, under the number that stands beside what is said of them
            return encode(result.about)[:-1] + b',"$bytes":%d}' % self.keep(result.data)
        return said(result, services.quiet(number))

    def _waited_for(self, later: Later[Any]) -> Any:
        """What others say to it, until the deadline; meanwhile somebody else may run."""
        self._on_thread()
        serving, services = self.needed, self._services

        async def work() -> Any:
            return await later.work()

        with services.threads.off():
            waiting = asyncio.run_coroutine_threadsafe(work(), serving.loop)
            try:
                return waiting.result(max(0.0, serving.deadline - services.clock.monotonic()))
            except concurrent.futures.TimeoutError:
                waiting.cancel()
                raise FaztError("TIMEOUT", "It took longer than the request may.", "Try again later.") from None

    def _on_thread(self) -> None:
        """What follows changes something, or takes its time."""
        if self.needed.here:
            raise Elsewhere
        self.needed.waited = True

    @property
    def needed(self) -> Serving:
        if self.serving is None:
            raise FaztError("NO_REQUEST", "Nobody is being served.")
        return self.serving

    def _resolve(self, arg: bytes, data: Any) -> Reply:
        origin, wanted = _two(arg)
        return encode(self.program.resolve(origin, wanted))

    def _module(self, arg: bytes, data: Any) -> Reply:
        code, name = self.program.module(arg.decode("utf-8", "replace"))
        return Code(code, name)

    def _body(self, arg: bytes, data: Any) -> Reply:
        return Bytes(self.needed.body())

    def _part(self, arg: bytes, data: Any) -> Reply:
        self._on_thread()
        index, *span = _numbers(arg)
        start, length = span if len(span) == 2 else (0, MOST_PART)
        return Bytes(self.needed.part(index, start, min(length, MOST_PART)))

    def _out(self, arg: bytes, data: Any) -> Reply:
        if data is None:
            raise FaztError("INVALID_ARGUMENT", "There is nothing to send.")
        return b"1" if self.needed.out(bytes(data)) else b"0"

    def _log(self, arg: bytes, data: Any) -> Reply:
        if self.serving is not None:
            text = bytes((data or b"")[:MOST_TEXT]).decode("utf-8", "replace")
            if FRAME in text and self._retold < MOST_EFFORT:
                # a look at maps, which takes its time
                self._on_thread()
                effort = Effort(self._retold)
                text = self.program.retold(text, effort)
                self._retold = effort.spent
            self.serving.log(arg.decode("ascii", "replace"), text)
        return None

    def _random(self, arg: bytes, data: Any) -> Reply:
        count = int(arg) if arg.isdigit() and len(arg) < 8 else -1
        if not 0 <= count <= MOST_RANDOM:
            raise FaztError("INVALID_ARGUMENT", f"At most {MOST_RANDOM} bytes at once.")
        return Bytes(os.urandom(count))

    def _put(self, arg: bytes, data: Any) -> Reply:
        return str(self.keep(bytes(data or b"")))

    def _take(self, arg: bytes, data: Any) -> Reply:
        return Bytes(self.take(int(arg) if arg.isdigit() and len(arg) < 12 else -1))

    def _private_read(self, arg: bytes, data: Any) -> Reply:
        self._on_thread()
        found = self.program.private(arg.decode("utf-8", "replace"))
        return None if found is None else encode(found.decode("utf-8", "replace"))

    def _private_exists(self, arg: bytes, data: Any) -> Reply:
        self._on_thread()
        return b"true" if self.program.has_private(arg.decode("utf-8", "replace")) else b"false"

    def _private_list(self, arg: bytes, data: Any) -> Reply:
        self._on_thread()
        return encode(self.program.private_paths())


OPS: dict[str, Callable[[Guest, bytes, Any], Reply]] = {
    "resolve": Guest._resolve,
    "module": Guest._module,
    "body": Guest._body,
    "part": Guest._part,
    "out": Guest._out,
    "log": Guest._log,
    "random": Guest._random,
    "stash": Guest._put,
    "take": Guest._take,
    "private.read": Guest._private_read,
    "private.exists": Guest._private_exists,
    "private.list": Guest._private_list,
}


def personally(serving: Serving, services: Services, number: int) -> Call:
    """A call for the rows of who is signed in."""
    services.check_personal(number)
    call = serving.call(personal=True)
    if not call.person:
        raise FaztError("LOGIN_REQUIRED", f"{services.personal_name(number)} requires login", "Sign in first.")
    return call


def said(result: Any, quiet: bool) -> Reply:
    """A capability's answer on its way into JavaScript."""
    if quiet or result is msgspec.UNSET:
        return None
    if isinstance(result, bytes | bytearray | memoryview):
        return Bytes(bytes(result))
    if isinstance(result, Page):
        # an array in JavaScript
        result = result.items
    return encode(result)


def _reply(found: bytes | str | None) -> Reply:
    return Bytes(found) if isinstance(found, bytes) else found


def _two(arg: bytes) -> tuple[str, str]:
    try:
        origin, wanted = _strings.decode(arg)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise FaztError("INVALID_ARGUMENT", "Two texts are expected.") from None
    return origin, wanted


def _numbers(arg: bytes) -> list[int]:
    try:
        found = _ints.decode(arg)
    except (msgspec.DecodeError, ValueError, RecursionError):
        found = []
    if not found or not all(0 <= number < 1 << 53 for number in found):
        raise FaztError("INVALID_ARGUMENT", "Numbers are expected.")
    return found
