"""Why an app's code failed: what its author reads in the log, and what whoever asked is told."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from kernel.base.errors import FaztError
from kernel.runtime.engine.instance import Stopped
from kernel.runtime.positions import Trace
from kernel.runtime.program import Program

LONGEST_MESSAGE = 2000
# what the code's own words may say of themselves; everything else that was thrown is the handler's error
_SAID = frozenset(("INVALID_RESPONSE", "LOCKED", "MODULE_NOT_FOUND", "MODULE_FORBIDDEN", "REQUIRE_DEPTH", "NO_REQUEST"))
_STOPPED = {
    "cpu": ("CPU_LIMIT", "The handler computed longer than it may."),
    "timeout": ("TIMEOUT", "The handler took too long."),
    "memory": ("MEMORY_LIMIT", "The handler took more memory than it may."),
    "stack": ("STACK_LIMIT", "The handler went too deep."),
    "fault": ("HANDLER_ERROR", "The handler broke down."),
}


# frames of what runs the code, which its author did not write
_OURS = re.compile(r"\((?:prelude|web)\.js:\d|\(native\)\s*$|at <eval> \(")


class GuestError(msgspec.Struct):
    """What a guest says of an error. All of it may be invented."""

    name: str
    message: str
    code: str | None = None
    stack: str | None = None
    status: int | None = None
    details: Any = None
    kind: str = "handler"


_error = msgspec.json.Decoder(GuestError)


def stopped(stop: Stopped, full: bool) -> FaztError:
    """`full`: there was hardly any memory left, which makes an engine break down in many ways."""
    reason = "memory" if full and stop.reason == "fault" else stop.reason
    code, message = _STOPPED.get(reason, _STOPPED["fault"])
    return FaztError(code, message)


def error_in(output: bytes) -> bytes | None:
    """What the output of a step says of the first error in it."""
    start = 0
    while start < len(output):
        kind = output[start : start + 1]
        if kind == b"D":
            return None
        end = output.find(b"\n", start)
        if kind == b"E":
            return output[start + 1 : end if end >= 0 else None]
        start = end + 1 if end >= 0 else len(output)
    return None


def traced(output: bytes, program: Program) -> Trace | None:
    """Where it happened that the output of a step is an error; on the app thread, before the event loop hears it."""
    said = error_in(output)
    if said is None:
        return None
    try:
        stack = _error.decode(said).stack
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return program.trace_of(stack) if stack else None


def failed(error: GuestError, program: Program, full: bool, trace: Trace | None = None) -> FaztError:
    """The error of an invocation. Where it happened (`traced`) is for the log only."""
    if trace is None:
        trace = program.trace_of(error.stack or "")
    message = error.message[:LONGEST_MESSAGE] or error.name[:100]
    if (error.name in ("SyntaxError", "FaztError") and error.code == "SYNTAX_ERROR") or _unreadable(error):
        # where it lies is nobody's business but the author's
        found = FaztError("SYNTAX_ERROR", "The app's code cannot be read.")
    elif error.kind == "load" and error.code == "LIMIT_EXCEEDED":
        found = FaztError("LIMIT_EXCEEDED", "The app's code is larger than it may be.")
    elif _out_of_memory(error, full):
        found = FaztError("MEMORY_LIMIT", "The handler took more memory than it may.")
    elif error.code in _SAID:
        found = FaztError(str(error.code), message)
    else:
        found = FaztError("HANDLER_ERROR", message)
    found.__cause__ = GuestFailure(error, trace)
    return found


class GuestFailure(Exception):
    """What the log says of it."""

    def __init__(self, error: GuestError, trace: Trace) -> None:
        super().__init__(error.message)
        self.error, self.trace = error, trace

    @property
    def text(self) -> str:
        said, place = self.error, self.trace.place
        first = f"{said.name}: {said.message}" if said.message else said.name
        at = f"{place.file}:{place.line}:{place.column}" if place else ""
        where = f" ({at})" if at and at not in first else ""
        stack = "\n".join(line for line in self.trace.text.split("\n") if line.strip() and not _OURS.search(line))
        return first + where + (f"\n{stack}" if stack else "")


def _unreadable(error: GuestError) -> bool:
    return error.name == "SyntaxError" and error.kind == "load"


def _out_of_memory(error: GuestError, full: bool) -> bool:
    # an engine without memory cannot even make the error: it throws null
    return (error.name == "InternalError" and error.message == "out of memory") or (full and error.message == "null")
