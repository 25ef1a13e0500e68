"""A small client: it deploys a dict of files by plan, pieces and finish, and reads what visitors see."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from collections.abc import Mapping
from email.parser import Parser
from typing import Any

from tests.support import Answer, Running

CHUNK = 262_144
Files = Mapping[str, bytes]
PAGE = b"<!doctype html><title>x</title><p>hello</p>\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def listing(files: Files) -> list[list[Any]]:
    return [[path, sha256(data), len(data)] for path, data in files.items()]


def body(name: str, files: Files, **said: Any) -> bytes:
    return json.dumps({"name": name, "files": listing(files), **said}).encode()


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)] or [b""]


def frame(
    data: bytes,
    n: int = 0,
    *,
    hash: str | None = None,
    size: int | None = None,
    piece: bytes | None = None,
    length: int | None = None,
    codec: int = 0,
) -> bytes:
    """A piece of a file on its way; what is said of it can be made to lie."""
    sent = pieces(data)[n] if piece is None else piece
    head = (
        bytes.fromhex(hash or sha256(data)),
        len(data) if size is None else size,
        n,
        len(sent) if length is None else length,
        codec,
    )
    return struct.pack(">32sQIIB", *head) + sent


def frames(files: Files, missing: Mapping[str, list[int]] | None = None) -> list[bytes]:
    """All pieces, or those that are missing."""
    found = {}
    for data in files.values():
        hash = sha256(data)
        numbers = range(len(pieces(data))) if missing is None else missing.get(hash, [])
        found.update({(hash, n): frame(data, n) for n in numbers})
    return list(found.values())


async def plan(running: Running, name: str, files: Files, key: str = "deploy", **said: Any) -> Answer:
    return await running.ask("POST", "/api/deploy/plan", key=key, raw=body(name, files, **said))


async def send(running: Running, *sent: bytes, key: str = "deploy") -> Answer:
    return await running.ask("POST", "/api/deploy/pieces", key=key, raw=b"".join(sent))


async def finish(running: Running, name: str, files: Files, key: str = "deploy", **said: Any) -> Answer:
    return await running.ask("POST", "/api/deploy/finish", key=key, raw=body(name, files, **said))


async def deploy(running: Running, name: str, files: Files, key: str = "deploy", **said: Any) -> Any:
    """A whole deploy as the command does it; what it answers."""
    planned = await plan(running, name, files, key, **said)
    assert planned.status == 200, planned.body
    missing = frames(files, planned.data["missing"])
    for at in range(0, len(missing), 16):
        assert (await send(running, *missing[at : at + 16], key=key)).status == 200
    done = await finish(running, name, files, key, **said)
    assert done.status == 200, done.body
    # a minute has so many deploys of one key
    running.clock.advance(1)
    return done.data


async def get(running: Running, path: str, host: str = "blog", method: str = "GET", **how: Any) -> Answer:
    """What a visitor of an app's host sees."""
    return await running.ask(method, path, host=f"{host}.{running.site.domain}", **how)


async def nobody_reads(running: Running) -> None:
    """Waits until no large file is on its way any more."""
    async with asyncio.timeout(30):
        while running.node.content.reading:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


class Wire:
    """A connection that stays open, as a browser's does."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def __aenter__(self) -> Wire:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._running.site.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def ask(self, path: str, host: str = "blog", method: str = "GET", **headers: str) -> Answer:
        """Names of headers are written with _ for -; what answers is read as it comes, not decoded."""
        site = self._running.site
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}.{site.domain}:{site.port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        async with asyncio.timeout(30):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, _, rest = head.partition("\r\n")
            said, status = Parser().parsestr(rest), int(line.split()[1])
            size = 0 if method == "HEAD" or status == 304 else int(said["Content-Length"] or 0)
            return Answer(status, said, await self.reader.readexactly(size))


def shown(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """An answer without what may differ from one to the next."""
    varying = ("date", "x-request-id", "keep-alive")
    headers = sorted((name.lower(), value) for name, value in answer.headers.items() if name.lower() not in varying)
    return answer.status, headers, answer.body


async def twice(running: Running, path: str, host: str = "blog", method: str = "GET", **headers: str) -> Answer:
    """The same asked three times over one connection: whoever answers, all answers are the same."""
    async with Wire(running) as wire:
        first, second, third = [await wire.ask(path, host, method, **headers) for _ in range(3)]
    assert shown(first) == shown(second) == shown(third)
    return first
