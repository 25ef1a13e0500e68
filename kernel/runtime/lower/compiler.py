"""The compiler in a process of its own: started when needed, kept while there is work, killed when it takes too long.

One file at a time. What the process answers is not trusted any more than the code it looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Coroutine
from typing import Any

import msgspec

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.runtime.lower.child import LENGTH
from kernel.runtime.lower.lowered import Style

IDLE_SECONDS = 60
PATIENCE_SECONDS = 10
START_SECONDS = 30
MOST_WAITING = 256
MOST_REPLY = 32 << 20
_BOOT = "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); from kernel.runtime.lower.child import main; main()"


class Trouble(msgspec.Struct):
    line: int
    column: int
    message: str


class Reply(msgspec.Struct):
    """What the process says of one file; `code` is absent when the file runs as it is."""

    style: Style
    is_async: bool = msgspec.field(name="async")
    problems: list[Trouble] = msgspec.field(default_factory=list)
    code: str | None = None
    positions: str = ""
    last: bool = False  # the process is worn out


class Ready(msgspec.Struct):
    ready: bool


class Gone(Exception):
    """The process ended, spoke nonsense or took too long."""


class Compiler:
    def __init__(self, clock: Clock | None = None, command: list[str] | None = None) -> None:
        self._clock, self._command = clock or Clock(), command
        self._process: asyncio.subprocess.Process | None = None
        self._folder = ""
        self._served = 0
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._idle: asyncio.Task[None] | None = None
        self._closed = False
        self.started = 0  # how many processes there were

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def warm(self) -> None:
        """Start the process early: files are about to come."""
        async with self._turn:
            with contextlib.suppress(Gone):
                await self._ready()
            self._rest()

    async def lower(self, path: str, name: str, text: str, tsconfig: str = "", map: str = "") -> Reply:
        """`name` says the kind of the file: `x.ts`, `x.tsx`, `x.js`."""
        if self._waiting >= MOST_WAITING:
            raise FaztError("SERVICE_UNAVAILABLE", "Too much code waits to be compiled.", "Try again.")
        asked = json.dumps({"name": name, "text": text, "tsconfig": tsconfig, "map": map}).encode()
        self._waiting += 1
        try:
            async with self._turn:
                try:
                    return await self._asked(asked)
                except Gone as error:
                    raise FaztError(
                        "LIMIT_EXCEEDED", f"{path} cannot be compiled: {error}.", "Make the file smaller or simpler."
                    ) from None
                finally:
                    self._rest()
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        self._closed = True
        if self._process and self._process.returncode is None:
            # nobody waits for the file it works on
            self._process.kill()
        async with self._turn:
            if self._idle:
                self._idle.cancel()
            await self._end()

    # --- one request

    async def _asked(self, asked: bytes) -> Reply:
        reply = await self._once(asked)
        if reply.last and self._served > 1:
            # perhaps it was the files before this one that left it no memory
            await self._end()
            reply = await self._once(asked)
        if reply.last:
            await self._end()
        return reply

    async def _once(self, asked: bytes) -> Reply:
        process = await self._ready()
        self._served += 1
        reply: Reply = await self._in_time(self._exchange(process, asked, Reply), PATIENCE_SECONDS)
        return reply

    async def _exchange(self, process: asyncio.subprocess.Process, asked: bytes, kind: type[Any]) -> Any:
        assert process.stdin and process.stdout
        try:
            if asked:
                process.stdin.write(LENGTH.pack(len(asked)))
                process.stdin.write(asked)
                await process.stdin.drain()
            size = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))[0]
            if size > MOST_REPLY:
                raise Gone("the compiler spoke nonsense")
            return msgspec.json.decode(await process.stdout.readexactly(size), type=kind)
        except (OSError, asyncio.IncompleteReadError):
            raise Gone("the compiler ended") from None
        except msgspec.MsgspecError:
            raise Gone("the compiler spoke nonsense") from None

    async def _in_time(self, work: Coroutine[Any, Any, Any], seconds: float) -> Any:
        working = asyncio.ensure_future(work)
        alarm = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((working, alarm), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Gone(f"it takes longer than {seconds:g} s")
            return working.result()
        except BaseException:
            # also when whoever asked has left: half of an answer may lie in the pipe
            working.cancel()
            await self._end()
            raise
        finally:
            alarm.cancel()

    # --- the process

    async def _ready(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise Gone("the node stops")
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._end()
        self._folder = tempfile.mkdtemp(prefix="fazt-lower-")
        self._process = process = await asyncio.create_subprocess_exec(
            *(self._command or _command()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=self._folder,
            env={},
            # what is typed at the node's terminal is not meant for it
            start_new_session=True,
        )
        self.started += 1
        self._served = 0
        await self._in_time(self._exchange(process, b"", Ready), START_SECONDS)
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if process.stdin:
                process.stdin.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    def _rest(self) -> None:
        """Nothing to do for the moment: if that stays so, the process ends."""
        if self._idle:
            self._idle.cancel()
        self._idle = None if self._closed else asyncio.ensure_future(self._end_when_idle())

    async def _end_when_idle(self) -> None:
        await self._clock.sleep(IDLE_SECONDS)
        async with self._turn:
            self._idle = None
            await self._end()


def _command() -> list[str]:
    # in the program file, asking where it is unpacks it
    importlib.util.find_spec("dukpy")
    paths = [os.path.abspath(path) for path in sys.path]
    return [sys.executable, "-I", "-S", "-B", "-c", _BOOT, json.dumps(paths)]
