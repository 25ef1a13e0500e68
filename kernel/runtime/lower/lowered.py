"""What becomes of one file of an app before it runs."""

from __future__ import annotations

from typing import Literal

import msgspec

Style = Literal["fetch", "module", "script"]


class Problem(msgspec.Struct, frozen=True):
    """Why a file cannot run, in the author's own lines (both numbers count from 1)."""

    path: str
    line: int
    column: int
    message: str


class Lowered(msgspec.Struct, frozen=True):
    """`code` is the body of a CommonJS function. `style` and `is_async` (it awaits at its top level) mean something for
    the entry file only. `positions` is a packed map (`kernel.runtime.positions`), b"" for code that runs as it was
    written. A file with problems must not run."""

    code: bytes
    style: Style
    is_async: bool = False
    positions: bytes = b""
    problems: list[Problem] = msgspec.field(default_factory=list)
    refused: str = "SYNTAX_ERROR"  # what a file with problems is refused with
