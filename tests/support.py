"""What the tests share: a node in this process, on real sockets, with a clock that the test moves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from fazt.boot import PARTS, Node
from fazt.serve import attach
from kernel.base.clock import ManualClock
from kernel.base.site import Site
from kernel.net import sockets
from kernel.net.server import Server
from kernel.syscall.call import LOCAL


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
        sent = {"Host": f"{host or 'admin.localhost'}:{self.site.port}", **(headers or {})}
        if key:
            sent["Authorization"] = f"Bearer {await self.key(key)}"
        if cookie:
            sent["Cookie"] = cookie
            if method not in ("GET", "HEAD"):
                sent.setdefault("Origin", f"http://{sent['Host']}")
        data = raw if raw is not None else json.dumps(body).encode() if body is not None else None
        url = f"http://127.0.0.1:{self.site.port}"
        import yarl

        async with self.session.request(
            method, yarl.URL(url + path, encoded=True), headers=sent, data=data, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

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
async def running(path: Path, *, parts: Any = PARTS, domain: str = "localhost", **how: Any) -> AsyncIterator[Running]:
    clock = ManualClock()
    node = Node(path, clock=clock, parts=parts, overrides={"net.domain": domain}, **how)
    opened = sockets.open_ports(("127.0.0.1",), 0)
    site = Site(domain, opened[0].getsockname()[1])
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
