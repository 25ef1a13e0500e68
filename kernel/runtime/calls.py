"""What an invocation's code waits for: timers, capabilities that take their time, the body of the request.

Each has a number that the guest gave it. It is settled at most once, by a message to the guest; what is cancelled, or
belongs to an invocation that has ended, is never settled.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.runtime.guest import personally

if TYPE_CHECKING:
    from kernel.runtime.invocation import Invocation

MOST = 1000  # each costs the loop some time, and the host some memory
MOST_READ = 4 << 20
LONGEST_TIMER = 2**31 - 1
_numbers = msgspec.json.Decoder(list[float])


class Calls:
    """Used on the event loop only."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation, self._loop = invocation, asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Task[None] | asyncio.TimerHandle | None] = {}
        self._drains: list[int] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, said: bytes) -> None:
        """`<number> <operation> <JSON>`, as the guest says it."""
        number, _, rest = said.partition(b" ")
        op, _, argument = rest.partition(b" ")
        if not number.isdigit() or len(number) > 15 or int(number) in self._waiting:
            raise FaztError("HANDLER_ERROR", "The code said something that is not understood.")
        if len(self._waiting) >= MOST:
            raise FaztError("LIMIT_EXCEEDED", f"The code waits for more than {MOST} things at once.")
        id = int(number)
        self._waiting[id] = None
        try:
            self._perform(id, op.decode("ascii", "replace"), argument or b"[]")
        except FaztError as error:
            self._fail(id, error)

    def cancel(self, said: bytes) -> None:
        waiting = self._waiting.pop(int(said), None) if said.isdigit() and len(said) < 16 else None
        if waiting is not None:
            waiting.cancel()

    def clear(self) -> None:
        for waiting in self._waiting.values():
            if waiting is not None:
                waiting.cancel()
        self._waiting.clear()

    def drained(self) -> None:
        """There is room again in the stream of the answer."""
        drains, self._drains = self._drains, []
        for id in drains:
            self._settle(id, b"v", b"")

    def _perform(self, id: int, op: str, argument: bytes) -> None:
        flow = self._invocation.flow
        if op == "timer":
            (wait,) = _counted(argument, 1)
            seconds = min(max(wait, 0), LONGEST_TIMER) / 1000
            self._waiting[id] = self._loop.call_later(seconds, self._settle, id, b"v", b"")
        elif op == "drain":
            if flow and flow.is_full and not flow.closed:
                self._drains.append(id)
            else:
                self._loop.call_soon(self._settle, id, b"v", b"")
        elif op.partition(":")[0].rstrip("u").isdigit():
            number, _, handle = op.partition(":")
            guest = self._invocation.guest
            assert guest
            data = guest.take(int(handle)) if handle.isdigit() and len(handle) < 12 else None
            self._later(id, self._syscall(int(number.rstrip("u")), argument, data, number.endswith("u")))
        elif op == "body.read":
            self._later(id, self._read_body())
        elif op == "body.form":
            self._later(id, self._read_form())
        elif op == "part.read":
            index, start, length = _counted(argument, 3)
            if start < 0 or not 0 <= length <= MOST_READ:
                raise FaztError("INVALID_ARGUMENT", "There is no such part of the file.")
            self._settle_with(id, self._invocation.incoming.part(int(index), int(start), int(length)))
        else:
            raise FaztError("INVALID_ARGUMENT", f"There is no {op[:40]}.")

    # --- what takes its time

    async def _syscall(self, number: int, argument: bytes, data: bytes | None, personal: bool) -> Any:
        services, serving = self._invocation.services, self._invocation
        call = personally(serving, services, number) if personal else serving.call()
        result = services.asynchronous(number)(call, argument, data)
        return await services.driver.settle(services.registry.entries[number], call, result, {})

    async def _read_body(self) -> bytes | None:
        stream = self._invocation.incoming.stream
        return (await stream.read() or None) if stream else None

    async def _read_form(self) -> Any:
        incoming = self._invocation.incoming
        if incoming.stream is None:
            raise FaztError("INVALID_ARGUMENT", "The request has no form.")
        fields, incoming.files = await incoming.stream.form()
        parts = [msgspec.to_builtins(part) | {"index": index} for index, (part, _) in enumerate(incoming.files)]
        return {"fields": fields, "parts": parts}

    def _later(self, id: int, work: Any) -> None:
        async def settled() -> None:
            try:
                self._settle_with(id, await work)
            except FaztError as error:
                self._fail(id, error)
            except Exception as unknown:
                self._fail(id, self._invocation.runtime.unexpected(unknown))

        self._waiting[id] = self._loop.create_task(settled())

    # --- settling

    def _settle_with(self, id: int, result: Any) -> None:
        if isinstance(result, bytes):
            guest = self._invocation.guest
            if guest is not None and id in self._waiting:
                self._settle(id, b"b", b"%d" % guest.keep(result))
        else:
            self._settle(id, b"v", b"" if result is None else encode(result))

    def _fail(self, id: int, error: FaztError) -> None:
        self._settle(id, b"e", encode(error.public()))

    def _settle(self, id: int, kind: bytes, payload: bytes) -> None:
        if id in self._waiting:
            del self._waiting[id]
            self._invocation.send(b"R%d %s" % (id, kind) + (b" " + payload if payload else b""))


def _counted(argument: bytes, count: int) -> list[float]:
    try:
        found = _numbers.decode(argument)
    except (msgspec.DecodeError, ValueError, RecursionError):
        found = []
    if len(found) != count or not all(abs(number) < 2**53 for number in found):
        raise FaztError("INVALID_ARGUMENT", "Numbers are expected.")
    return found
