"""The process that lowers code: it reads requests from its input and answers on its output.

It is started without environment in an empty folder and looks at code it never runs. Whatever goes wrong here ends
this process only. Messages are JSON behind their length in four bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import struct
import sys
from importlib import import_module
from typing import Any, BinaryIO

from kernel.runtime.lower.bundles import taken, unread

LENGTH = struct.Struct(">I")
MOST_MEMORY = 1 << 30
MOST_SECONDS = 15
TOO_DEEP = "nested too deep to be understood"
TOO_LARGE = "too large to be understood"


def main() -> None:
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # nothing that prints by mistake may disturb the answers
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    compiler = Compiler()
    with contextlib.suppress(OSError):
        # its empty folder: gone already, should the node be killed and tidy up nothing
        os.rmdir(os.getcwd())
    say(outgoing, {"ready": True})
    while (asked := hear(incoming)) is not None:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        most = int(spent.ru_utime + spent.ru_stime) + MOST_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
        say(outgoing, answer(compiler, asked))


class Compiler:
    """TypeScript, loaded once."""

    def __init__(self) -> None:
        dukpy = import_module("dukpy")
        folder = os.path.dirname(str(dukpy.__file__))
        self._failure: type[Exception] = dukpy.JSRuntimeError
        self._inside = dukpy.JSInterpreter()
        # neither the compiler nor what it looks at has anything to ask of Python
        self._inside._funcs.clear()
        with open(os.path.join(folder, "jsmodules", "typescriptServices.js"), encoding="utf-8") as file:
            self._inside.evaljs(file.read() + "\n;globalThis.ts = ts; 0")
        with open(os.path.join(os.path.dirname(__file__), "lower.js"), encoding="utf-8") as file:
            self._inside.evaljs(file.read() + "\n;0")

    def lower(self, name: str, text: str, tsconfig: str) -> dict[str, Any]:
        try:
            made: dict[str, Any] = self._inside.evaljs(
                "lower(dukpy.name, dukpy.text, dukpy.tsconfig)", name=name, text=text, tsconfig=tsconfig
            )
            return made
        except self._failure as error:
            said = str(error)
            if "call stack" in said or "stack overflow" in said:
                return failed(TOO_DEEP)
            if said in ("null", "InternalError: out of memory"):
                # who knows in which state the end of its memory left the compiler
                return {**failed(TOO_LARGE), "last": True}
            return {**failed(f"cannot be understood: {said.splitlines()[0][:200]}"), "last": True}


def failed(message: str) -> dict[str, Any]:
    return {"problems": [{"line": 1, "column": 1, "message": message}], "style": "script", "async": False}


def answer(compiler: Compiler, asked: dict[str, Any]) -> dict[str, Any]:
    name, text = asked["name"], asked["text"]
    is_plain = name == "x.js"
    made = taken(text) if is_plain else None
    made = made or compiler.lower(name, text, asked.get("tsconfig") or "")
    if is_plain and made.get("last") and (as_it_is := unread(text)):
        made = {**as_it_is, "last": True}
    if made["problems"]:
        return made
    positions = mapped(made.pop("map", None), asked.get("map"), name)
    return {**made, "positions": positions.hex()}


def mapped(own: str | None, before: str | None, name: str) -> bytes:
    """The map from what runs to what the author wrote, through the one the file came with."""
    from kernel.runtime.positions import decode

    outer = decode(own, name) if own else None
    try:
        inner = decode(before) if before else None
    except ValueError:
        inner = None
    found = outer.over(inner) if outer and inner else outer or inner
    return found.pack() if found else b""


def hear(incoming: BinaryIO) -> Any:
    head = incoming.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return json.loads(incoming.read(LENGTH.unpack(head)[0]))


def say(outgoing: BinaryIO, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    outgoing.write(LENGTH.pack(len(data)) + data)
    outgoing.flush()
