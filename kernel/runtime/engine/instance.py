"""One instance of the engine: a memory of its own, one step at a time, and its questions to the host."""

from __future__ import annotations

import atexit
import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.base.errors import FaztError
from kernel.runtime.engine import glue
from kernel.runtime.engine.mailbox import MIB, PAGE, Bytes, Code, Corrupt, Host, Mailbox, Reply

if TYPE_CHECKING:
    from kernel.runtime.engine.engine import Engine

__all__ = ["Bytes", "Code", "Host", "Instance", "Limits", "Reply", "Stopped"]

SLOW_AFTER = 0.02


class Limits:
    """How long the steps of one invocation may take: computing in all, and until when."""

    __slots__ = ("cpu", "deadline", "slow", "slow_after", "used")

    def __init__(
        self,
        cpu: float,
        deadline: float,  # of the engine's clock, monotonic
        slow: Callable[[], None] | None = None,  # called once in a step that computes for long
        slow_after: float = SLOW_AFTER,
    ) -> None:
        self.cpu, self.deadline, self.slow, self.slow_after = cpu, deadline, slow, slow_after
        self.used = 0.0


class Stopped(Exception):
    """The instance was stopped and is dead: cpu, timeout, memory, stack or fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_slots = itertools.count(1)
_instances: dict[int, Instance] = {}


class Instance:
    """To be closed when it is done with; one that was stopped has closed itself."""

    def __init__(self, engine: Engine, host: Host, memory: int = 64 * MIB) -> None:
        self._engine, self._host, self._memory, self._clock = engine, host, memory, engine.clock
        native, places = engine.native, engine.places
        if memory < places["pages"] * PAGE + MIB:
            raise FaztError("MEMORY_LIMIT", f"An app needs at least {places['pages'] * PAGE // MIB + 2} MiB of memory.")
        self._slot = next(_slots)
        self._store = engine.store(memory)
        engine.callbacks.watch(self._store, self._slot)
        native.set_epoch_deadline(self._store._context(), 1)
        quickjs, ours = engine.instantiate(self._store, self._slot)
        self._mailbox = Mailbox(native.view(self._store, quickjs["memory"], memory), places, engine.clock)
        self._inbox = places["input"]
        self._step = native.caller(self._store, ours["step"], 3)
        self._allocate = native.caller(self._store, ours["allocate"], 1)
        self._limits: Limits | None = None
        self._began = 0.0
        self._told = self._busy = self._closed = False
        self._reason = ""
        self._failure: BaseException | None = None
        _instances[self._slot] = self

    # --- its life

    @property
    def dead(self) -> bool:
        return self._closed

    @property
    def memory_used(self) -> int:
        """Bytes of guest memory."""
        return self._mailbox.pages * PAGE

    @property
    def grown(self) -> int:
        """Bytes beyond what all instances begin with."""
        return self.memory_used - self._engine.places["pages"] * PAGE

    @property
    def exhausted(self) -> bool:
        """It can hardly grow any more, or was refused memory."""
        return self._mailbox.refused or self.memory_used + MIB > self._memory

    def close(self) -> None:
        if self._busy:
            raise RuntimeError("an instance cannot be closed while it runs")
        if not self._closed:
            self._closed = True
            _instances.pop(self._slot, None)
            self._mailbox.close()
            del self._step, self._allocate
            self._store.close()

    # --- a step

    def step(self, message: bytes, limits: Limits) -> bytes:
        """Hand in a message, run until nothing can run, and give what came out."""
        if self._busy or self._closed:
            raise RuntimeError("an instance takes one step at a time" if self._busy else "the instance is dead")
        self._busy, self._told, self._limits = True, False, limits
        self._began = began = time.thread_time()
        pulse = self._engine.pulse
        pulse.begin(self._slot)
        try:
            return self._run(message)
        except (self._engine.native.Trapped, Corrupt) as trapped:
            self._reason = self._reason or self._why(trapped)
            raise self._stopped() from None
        finally:
            pulse.end(self._slot)
            limits.used += time.thread_time() - began
            self._busy = False
            if self._reason:
                self.close()

    def _run(self, message: bytes) -> bytes:
        mailbox, size = self._mailbox, len(message)
        self._engine.native.set_epoch_deadline(self._store._context(), 1)
        mailbox.set_time()
        at, own = self._inbox, 0
        if size > glue.INPUT_SIZE:
            at, own = self._allocate(size + 1), 1
            mailbox.measure()
            if not at:
                self._reason = "memory"
                raise self._stopped()
        mailbox.write(at, message)
        if self._step(at, size, own) != glue.STEP_DONE:
            self._reason = "memory" if self.exhausted else "fault"
            raise self._stopped()
        return mailbox.output()

    def _why(self, trapped: Exception) -> str:
        """Why a trap came that the host did not ask for."""
        if getattr(trapped, "code", None) in self._engine.native.STACK_TRAPS:
            return "stack"
        return "memory" if self.exhausted else "fault"

    def _stopped(self) -> BaseException:
        failure, self._failure = self._failure, None
        if failure is not None and not isinstance(failure, Exception):
            return failure  # KeyboardInterrupt, SystemExit
        return Stopped(self._reason)

    # --- what WebAssembly calls

    def answer(self) -> None:
        self._mailbox.answer(self._host)

    def hand_over(self) -> None:
        self._mailbox.hand_over()

    def overdue(self) -> str:
        """Why it must not go on, if so; asked some hundred times a second while it computes."""
        limits = self._limits
        if limits is None:
            return ""
        spent = time.thread_time() - self._began
        if limits.slow is not None and not self._told and spent > limits.slow_after:
            self._told = True
            limits.slow()
        if limits.used + spent > limits.cpu:
            return "cpu"
        return "timeout" if self._clock.monotonic() > limits.deadline else ""

    def fail(self, failure: BaseException) -> None:
        self._failure, self._reason = failure, "fault"

    def stop(self, reason: str) -> int:
        self._reason = reason
        error: int = self._engine.native.error()
        return error


@atexit.register
def close_all() -> None:
    """While wasmtime can still be told."""
    for instance in list(_instances.values()):
        if not instance._busy:
            instance.close()


def asked(slot: int) -> int:
    return _guarded(slot, Instance.answer)


def fetched(slot: int) -> int:
    return _guarded(slot, Instance.hand_over)


def _guarded(slot: int, work: Callable[[Instance], None]) -> int:
    """No exception may leave for C; one that is not an error of the call ends the instance."""
    instance = _instances[slot]
    try:
        work(instance)
        return 0
    except BaseException as failure:
        instance.fail(failure)
        trap: int = instance._engine.native.trap()
        return trap


def ticked(slot: int) -> int:
    instance = _instances.get(slot)
    if instance is None:
        return 0
    try:
        reason = instance.overdue()
    except BaseException as failure:
        instance.fail(failure)
        reason = "fault"
    return instance.stop(reason) if reason else 0
