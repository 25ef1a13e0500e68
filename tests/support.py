"""What the tests share: a node in this process, on real sockets, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email.parser import Parser
from pathlib import Path
from typing import Any

import aiohttp
import apsw

from fazt.boot import PARTS, Node
from fazt.serve import attach
from kernel.base.clock import ManualClock
from kernel.base.site import Site
from kernel.net import sockets
from kernel.net.server import Server
from kernel.security.passwords import Passwords
from kernel.syscall.call import LOCAL

# what a refused request may leave behind: that it was refused
TRACES = ("activity_log", "audit")


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


@dataclass
class Running:
    """A node that answers on a port of this machine."""

    node: Node
    server: Server
    site: Site
    clock: ManualClock
    session: aiohttp.ClientSession
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def admin(self) -> str:
        return f"admin.{self.site.domain}"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        host: str | None = None,
        key: str | None = None,
        cookie: str | None = None,
        headers: dict[str, str] | None = None,
        body: Any = None,
        raw: bytes | None = None,
    ) -> Answer:
        """One request to the admin host (or `host`); `key` names a scope of a key made for the test."""
        sent = {"Host": f"{host or self.admin}:{self.site.port}", **(headers or {})}
        if key:
            sent["Authorization"] = f"Bearer {await self.key(key)}"
        if cookie:
            sent["Cookie"] = cookie
            if method not in ("GET", "HEAD"):
                sent.setdefault("Origin", f"{self.site.scheme}://{sent['Host']}")
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        url = f"http://127.0.0.1:{self.site.port}"
        import yarl

        async with self.session.request(
            method, yarl.URL(url + path, encoded=True), headers=sent, data=data, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def raw(self, sent: bytes, *, over: Path | None = None) -> Answer:
        """Bytes as they are, on a connection of their own (`over`: the owner's socket). The answer's body is what its
        Content-Length says; a server that closes without an answer gives status 0."""
        # the time limit is for a server that never answers: it would stop the whole run
        async with asyncio.timeout(20):
            if over:
                reader, writer = await asyncio.open_unix_connection(over)
            else:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.site.port)
            try:
                with contextlib.suppress(ConnectionError):
                    writer.write(sent.replace(b"{port}", str(self.site.port).encode()))
                    await writer.drain()
                try:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                except (asyncio.IncompleteReadError, ConnectionError):
                    return Answer(0, {}, b"")
                line, _, rest = head.partition("\r\n")
                headers = Parser().parsestr(rest)
                body = await reader.readexactly(int(headers["Content-Length"] or 0))
                return Answer(int(line.split()[1]), headers, body)
            finally:
                writer.close()

    def content(self) -> dict[str, list[Any]]:
        """Every row of the file and every setting, but for what a refused request may leave behind."""
        file = apsw.Connection(str(self.node.path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            found: dict[str, list[Any]] = {}
            for (name,) in file.execute("select name from sqlite_schema where type = 'table'").fetchall():
                table = str(name)
                if table in TRACES or table.startswith("sqlite_"):
                    continue
                columns = [row[1] for row in file.execute(f"pragma table_info({table})")]
                kept = [name for name in columns if name not in ("last_seen", "last_used_at")]
                found[table] = sorted(file.execute(f"select {', '.join(kept)} from {table}").fetchall(), key=repr)
        finally:
            file.close()
        found["settings"] = [(name, self.node.settings[name]) for name in sorted(self.node.settings.declared)]
        return found

    async def key(self, scope: str) -> str:
        """The secret of a key with this scope; made at first use."""
        if scope not in self.keys:
            made = await self.run("keys.create", name=f"test {scope}", scopes=[scope])
            self.keys[scope] = made.key
        return self.keys[scope]

    async def run(self, name: str, /, *, app: str | None = None, **values: Any) -> Any:
        """A capability, as the owner on this machine."""
        entry = self.node.registry[name]
        call = self.node.caller.call(entry, LOCAL, "cli", app)
        return await self.node.driver.invoke(entry, call, values)

    async def sign_in(self) -> str:
        """A session of the owner, by a sign-in link; its cookie."""
        link = await self.run("signin.link")
        answer = await self.ask("POST", "/signin/" + link.url.rpartition("/")[2])
        assert answer.status == 303
        return str(answer.headers["Set-Cookie"].partition(";")[0])


@contextlib.asynccontextmanager
async def running(
    path: Path, *, parts: Any = PARTS, domain: str = "localhost", https: bool = False, **how: Any
) -> AsyncIterator[Running]:
    """`https`: as behind TLS, for what depends on the scheme; the test still speaks plain HTTP to it."""
    clock = ManualClock()
    node = Node(path, clock=clock, parts=parts, overrides={"net.domain": domain}, **how)
    _hash_cheaply(node)
    opened = sockets.open_ports(("127.0.0.1",), 0)
    site = Site(domain, opened[0].getsockname()[1], https)
    server = attach(node, site)
    await server.listen(opened)
    # one test is many requests: none may wait for a connection another one left open
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True), auto_decompress=True)
    try:
        yield Running(node, server, site, clock, session)
    finally:
        await session.close()
        await server.drain(5, breath=0)
        await node.stop()
        node.close()


def _hash_cheaply(node: Node) -> None:
    """Argon2 at its lowest price: tests count hashes, they do not wait for them."""
    node.passwords.close()
    node.passwords = Passwords(memory_kib=8, rounds=1)
    node.ports.fill(node.passwords)


async def until(look: Callable[[], Any], what: str) -> None:
    """Let everything run until it is so; the limit is for `what` never comes."""
    for _ in range(10):  # what is on its way goes first
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - the writer is a thread, and anything may be looked at
            await asyncio.sleep(0.001)
    for _ in range(5):  # who is about to sleep does so
        await asyncio.sleep(0)
