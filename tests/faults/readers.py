"""Readers on connections that stay open while an app is deployed again and again.

Each page must be wholly one release, never one from before a deploy that was answered when the page was asked for; and
the asset a page names must be there and be of the same release.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import re
from dataclasses import dataclass, field

from tests.kernel.fs.site import body, frames

PATIENCE = 60.0
_NAMED = re.compile(rb"/assets/app-[0-9a-f]{10}\.js")


def site(n: int) -> dict[str, bytes]:
    script = b"release(%d);" % n + b" " * 300
    name = f"assets/app-{hashlib.sha256(script).hexdigest()[:10]}.js"
    page = f'<h1>release {n}</h1><script src="/{name}"></script>{"x" * 2000}'.encode()
    return {"index.html": page, name: script, "same.txt": b"same"}


@dataclass
class Seen:
    pages: int = 0
    assets: int = 0
    deploys: int = 0
    wrong: list[str] = field(default_factory=list)


class Deploys:
    """One after another, over HTTP, in a thread of its own."""

    def __init__(self, port: int, key: str, name: str = "flip") -> None:
        self._port, self._key, self._name = port, key, name
        self.answered = 0  # the last release whose deploy was answered

    def deploy(self, n: int) -> None:
        files = site(n)
        planned = self._post("plan", body(self._name, files))
        for one in frames(files, planned["missing"]):
            self._post("pieces", one)
        self._post("finish", body(self._name, files))
        self.answered = n

    def _post(self, step: str, sent: bytes) -> dict[str, dict[str, list[int]]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        headers = {"Host": f"admin.localhost:{self._port}", "Authorization": f"Bearer {self._key}"}
        connection.request("POST", f"/api/deploy/{step}", sent, headers)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        assert answer.status == 200, said
        found: dict[str, dict[str, list[int]]] = said["data"]
        return found


class Reader:
    def __init__(self, port: int, deploys: Deploys, pages: dict[bytes, int], seen: Seen) -> None:
        self._port, self._deploys, self._pages, self._seen = port, deploys, pages, seen

    async def read(self, done: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            once = True
            while once or not done.is_set():
                once = False
                await self._page(reader, writer)
        finally:
            writer.close()

    async def _page(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered = self._deploys.answered
        status, page = await self._ask(reader, writer, b"/")
        self._seen.pages += 1
        release = self._pages.get(page)
        if status != 200 or release is None:
            self._seen.wrong.append(f"a page of no release: {status} {page[:80]!r}")
        elif release < answered:
            self._seen.wrong.append(f"a stale page: {release} after {answered} was answered")
        else:
            [name] = _NAMED.findall(page)
            status, script = await self._ask(reader, writer, name)
            self._seen.assets += 1
            if (status, script) != (200, site(release)[name.decode()[1:]]):
                self._seen.wrong.append(f"the asset of release {release}: {status}")

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes) -> tuple[int, bytes]:
        writer.write(b"GET %s HTTP/1.1\r\nHost: flip.localhost:%d\r\n\r\n" % (path, self._port))
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            return int(head[9:12]), await reader.readexactly(int(length[1]) if length else 0)


async def flip(port: int, key: str, *, readers: int, deploys: int, first: int = 1) -> Seen:
    """So many deploys under the eyes of so many readers."""
    seen, made = Seen(), Deploys(port, key)
    pages = {site(n)["index.html"]: n for n in range(first, first + deploys + 1)}
    await asyncio.to_thread(made.deploy, first)
    done = asyncio.Event()
    reading = [asyncio.create_task(Reader(port, made, pages, seen).read(done)) for _ in range(readers)]
    for n in range(first + 1, first + deploys + 1):
        await asyncio.to_thread(made.deploy, n)
        seen.deploys += 1
    done.set()
    await asyncio.gather(*reading)
    return seen
