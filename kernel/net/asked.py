"""A request on its way through the node."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, web

from kernel.base.errors import FaztError
from kernel.net.hosts import Place
from kernel.net.proxies import Client
from kernel.syscall.call import ANONYMOUS, Who

SPOKEN = (HttpVersion10, HttpVersion11)
MOST_BODY = 10 * 1024 * 1024
# the site has said which headers its answer has
OF_SITE = web.RequestKey("of_site", bool)


class Request(web.BaseRequest):
    """aiohttp's request with our body limit."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{**named, "client_max_size": MOST_BODY})
        # what the client says it speaks; an answer never claims a version we do not
        self.said = self._version
        if self.said not in SPOKEN:
            self._version = HttpVersion11


@dataclass
class Asked:
    request: Request
    id: str
    place: Place
    local: bool = False  # came over the owner's own socket
    who: Who = ANONYMOUS
    words: dict[str, str] = field(default_factory=dict)
    ended: FaztError | None = None  # why the session that was sent is none
    touch: int = 0  # the session is due for a new end, so many milliseconds from now
    token: str = ""

    @functools.cached_property
    def client(self) -> Client:
        """Who asks; where a trusted proxy speaks, the visitor it speaks for."""
        handler: Any = self.request.protocol
        client: Client = handler.gate.client(handler.peer, self.request.headers)
        return client

    @functools.cached_property
    def query(self) -> str:
        return self.request.raw_path.partition("?")[2].partition("#")[0]

    @property
    def address(self) -> str:
        return self.client.address

    @property
    def scheme(self) -> str:
        """How the visitor came: `https` where a trusted proxy says so."""
        return self.client.scheme

    @property
    def agent(self) -> str:
        return agent_of(self.request.headers.get("User-Agent", ""))

    async def invite(self) -> None:
        """Tell a client that waits to be asked for the body to send it."""
        expected = self.request.headers.get("Expect", "").lower()
        if expected == "100-continue":
            await self.request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.request.writer.output_size = 0
        elif expected:
            raise FaztError("EXPECTATION_FAILED", "Only 100-continue can be expected.")

    async def body(self, most: int = MOST_BODY) -> bytes:
        """The whole body; one that is too large is refused before it is read."""
        self.request._client_max_size = most
        length = self.request.content_length
        if length is not None and length > most:
            raise too_large(most)
        await self.invite()
        try:
            data = await self.request.read()
        except web.HTTPRequestEntityTooLarge:
            raise too_large(most) from None
        if len(data) > most:
            raise too_large(most)
        return data


def agent_of(said: str) -> str:
    """What a program calls itself. What is not UTF-8 arrives as half characters, which nothing can store."""
    return said[:300].encode("utf-8", "replace").decode()


def too_large(most: int) -> FaztError:
    return FaztError("PAYLOAD_TOO_LARGE", f"The body may have {most} bytes.", most=most)
