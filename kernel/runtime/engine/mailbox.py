"""Where guest and host leave words and bytes for each other; `glue.py` has its plan.

Everything the guest leaves is hostile. What it says of its memory is believed only as far as the glue, which is ours,
has just measured that memory.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

import msgspec

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.observe import log
from kernel.runtime.engine import glue

MIB = 1 << 20
PAGE = 65_536
MOST_OP = 64
MOST_ARGUMENT = 16 * MIB
MOST_REPLY = 16 * MIB
logger = log.get("fazt.runtime")

_asked = struct.Struct("<8I").unpack_from
_words = struct.Struct("<2I").unpack_from
_replied = struct.Struct("<3IQ").pack_into
_time = struct.Struct("<Q").pack_into
_PAGES, _KIND, _LENGTHS, _TIME = 24, 28, 32, 40


class Bytes(NamedTuple):
    """A reply that is a Uint8Array in JavaScript."""

    data: bytes | bytearray | memoryview


class Code(NamedTuple):
    """A reply that is the value of a script."""

    code: bytes
    name: bytes


Reply = None | str | bytes | Bytes | Code
Pieces = tuple[bytes | bytearray | memoryview, ...]


class Host(Protocol):
    def ask(self, op: str, arg: bytes, data: bytes | memoryview | None) -> Reply:
        """Answer on the thread of the step. Text comes as bytes, binary data as a view that ends with the call."""
        ...


class Corrupt(Exception):
    """Something points out of the guest's memory: QuickJS itself was subverted."""


class Mailbox:
    def __init__(self, view: memoryview, places: dict[str, int], clock: Clock) -> None:
        self._view, self._clock = view, clock
        self._box, self._buffer = places["mailbox"], places["reply"]
        self._pending: Pieces = ()
        self.pages = places["pages"]
        self.refused = False  # there was no memory for a reply

    def close(self) -> None:
        self._view.release()

    def measure(self) -> None:
        """Take over how much memory there is, right after the glue has noted it."""
        self.pages = min(_words(self._view, self._box + _PAGES)[0], len(self._view) // PAGE)

    def set_time(self) -> None:
        _time(self._view, self._box + _TIME, self._clock.now() * 1_000_000)

    def write(self, at: int, message: bytes) -> None:
        end = at + len(message)
        if end + 1 > self.pages * PAGE:
            raise Corrupt
        self._view[at:end] = message
        self._view[end] = 0

    def output(self) -> bytes:
        self.measure()
        at, size = _words(self._view, self._box)
        if at + size > self.pages * PAGE:
            raise Corrupt
        return bytes(self._view[at : at + size])

    def answer(self, host: Host) -> None:
        """Read what the guest asks, and put down the reply."""
        try:
            kind, pieces = _shaped(self._ask(host))
            if sum(map(len, pieces)) > MOST_REPLY:
                raise _too_large("reply", MOST_REPLY)
        except FaztError as error:
            kind, pieces = glue.TEXT, (_refusal(error),)
        except Corrupt:
            raise
        except Exception:
            logger.exception("a call of an app failed")
            kind, pieces = glue.TEXT, (_INTERNAL,)
        self._put(kind, pieces)

    def _ask(self, host: Host) -> Reply:
        view = self._view
        op_at, op_size, arg_at, arg_size, data_at, data_size, pages, kind = _asked(view, self._box)
        size = pages * PAGE
        if op_at + op_size > size or arg_at + arg_size > size or data_at + data_size > size or size > len(view):
            raise Corrupt
        self.pages = pages
        if op_size > MOST_OP:
            raise FaztError("INVALID_ARGUMENT", "There is no operation with such a name.")
        if arg_size > MOST_ARGUMENT or data_size > MOST_ARGUMENT:
            raise _too_large("argument", MOST_ARGUMENT)
        op = str(view[op_at : op_at + op_size], "ascii", "replace")
        arg = bytes(view[arg_at : arg_at + arg_size])
        if kind == glue.NO_DATA:
            return host.ask(op, arg, None)
        if kind == glue.TEXT_DATA:
            return host.ask(op, arg, bytes(view[data_at : data_at + data_size]))
        with view[data_at : data_at + data_size] as data, data.toreadonly() as readable:
            return host.ask(op, arg, readable)

    def _put(self, kind: int, pieces: Pieces) -> None:
        first = len(pieces[0]) if pieces else 0
        second = len(pieces[1]) if len(pieces) > 1 else 0
        if first + second > glue.REPLY_SIZE:
            self._pending, kind = pieces, kind + glue.FETCH
        elif pieces:
            self._copy(self._buffer, pieces)
        _replied(self._view, self._box + _KIND, kind, first, second, self._clock.now() * 1_000_000)

    def _copy(self, at: int, pieces: Pieces) -> None:
        view = self._view
        for piece in pieces:
            end = at + len(piece)
            view[at:end] = piece
            view[end] = 0
            at = end + 1

    def hand_over(self) -> None:
        """Copy a large reply to where the guest made room for it."""
        pieces, self._pending = self._pending, ()
        at, _ = _words(self._view, self._box)
        kind, _ = _words(self._view, self._box + _KIND)
        first, second = _words(self._view, self._box + _LENGTHS)
        self.measure()
        if not at:
            self.refused = True
            self._put(glue.TEXT, (_NO_MEMORY,))
            return
        if at + sum(map(len, pieces)) + len(pieces) > self.pages * PAGE:
            raise Corrupt
        self._copy(at, pieces)
        _replied(self._view, self._box + _KIND, kind - glue.FETCH, first, second, self._clock.now() * 1_000_000)


def _shaped(reply: Reply) -> tuple[int, Pieces]:
    if reply is None:
        return glue.UNDEFINED, ()
    if isinstance(reply, str):
        return glue.TEXT, (reply.encode("utf-8", "surrogatepass"),)
    if isinstance(reply, bytes):
        return glue.TEXT, (reply,)
    if isinstance(reply, Bytes):
        return glue.BYTES, (memoryview(reply.data).cast("B"),)
    if isinstance(reply, Code):
        return glue.CODE, (reply.code, reply.name)
    raise TypeError(f"{type(reply).__name__} is no reply")


def _too_large(what: str, most: int) -> FaztError:
    return FaztError("LIMIT_EXCEEDED", f"One {what} may have {most >> 20} MiB.", limit=most)


def _refusal(error: FaztError) -> bytes:
    try:
        return b"!" + encode(error.public())
    except (TypeError, ValueError, NotImplementedError, RecursionError, msgspec.MsgspecError):
        return b"!" + encode({"code": str(error.code), "message": str(error.message)})


_INTERNAL = _refusal(FaztError("INTERNAL_ERROR", "Something went wrong inside Fazt."))
_NO_MEMORY = _refusal(FaztError("MEMORY_LIMIT", "There is no memory left for the reply."))
