"""What a hostile program is: the body of a handler, how it may end, and what it must not have achieved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernel.base.errors import CODES

HERE = Path(__file__).resolve().parent
FILES = ("loops", "bombs", "answers", "calls")
# a bomb is stopped by whichever limit it meets first
BOMB = ("CPU_LIMIT", "MEMORY_LIMIT")
# too deep for JavaScript is its RangeError, too deep for what is below ends the instance
DEEP = ("HANDLER_ERROR", "STACK_LIMIT")
_WORDS = {"BOMB": BOMB, "DEEP": DEEP}


@dataclass(frozen=True)
class Hostile:
    """It is in a file as `//// name: how it may end`, some lines of what else is known, and its code.

    An end is the code of an error, or the status where there is none. Several are allowed only where something outside
    of the program decides, and `because` says what.
    """

    name: str
    ends: tuple[str, ...]
    code: str
    classic: bool = False  # of a `module.exports = async (request) => …`, not of a `fetch(request, env, context)`
    method: str = "GET"
    body: str | None = None
    says: str | None = None  # what the answer's body is, where it went well
    without: tuple[str, ...] = ()  # what the head of the answer may not hold
    cut: bool = False  # the body of the answer may end early

    @property
    def source(self) -> str:
        given = "request" if self.classic else "request, env, context"
        return f"module.exports = async ({given}) => {{\n{self.code}\n}};\n"


def programs() -> list[Hostile]:
    found = [program for file in FILES for program in _read(file)]
    assert len({program.name for program in found}) == len(found), "two programs have one name"
    return found


def _read(file: str) -> Iterator[Hostile]:
    _, *written = re.split(r"^//// ", (HERE / f"{file}.js").read_text(), flags=re.MULTILINE)
    for one in written:
        first, *lines = one.strip().split("\n")
        name, ends = first.split(": ")
        words = ends.split()
        told = {}
        while lines and lines[0].startswith("// "):
            key, _, value = lines.pop(0).removeprefix("// ").partition(":")
            told[key] = value.strip()
        assert lines, f"{name} has no code"
        assert words in (["BOMB"], ["DEEP"]) or len(words) == 1 or "because" in told, f"{name}: why several ends?"
        method, _, body = told.get("asked", "GET").partition(" ")
        yield Hostile(
            name,
            tuple(end for word in words for end in _WORDS.get(word, (word,))),
            "\n".join(lines),
            classic=told.get("in") == "a classic handler",
            method=method,
            body="".join(_repeated(part) for part in body.split()) or None,
            says=_plain(told["says"]) if "says" in told else None,
            without=tuple(_plain(part) for part in told["without"].split(", ")) if "without" in told else (),
            cut="its body may end early" in told,
        )


def _repeated(part: str) -> str:
    what, _, times = part.partition("*")
    return what * int(times or 1)


def _plain(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\ufffd", "\ufffd")


def status_of(end: str) -> int:
    # what an app's code does wrong is never the fault of who asks
    return int(end) if end.isdigit() else max(500, CODES[end].status)
