"""Server-sent events: what a capability streams, for as long as the client listens, it may, and the node runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from aiohttp import web

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.net.asked import Asked

# between two signs of life: proxies cut off what is quiet for a minute, some for half of one
HEARTBEAT_SECONDS = 15
HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Streams:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends: set[asyncio.Future[None]] = set()
        self._closed = False

    def close(self) -> None:
        """Ends all of them: the node stops, and clients come back to the next one."""
        self._closed = True
        for end in self._ends:
            if not end.done():
                end.set_result(None)

    async def answer(
        self, asked: Asked, items: AsyncGenerator[Any, None], allowed: Callable[[], None]
    ) -> web.StreamResponse:
        """`allowed` raises when whoever listens may no longer. An error on the way is the last event."""
        response = web.StreamResponse(headers={**HEADERS, "Server": "fazt", "X-Request-ID": asked.id})
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ends.add(end)
        if self._closed:
            end.set_result(None)
        item = asyncio.ensure_future(anext(items))
        try:
            # what is wrong with the request itself is seen at once, and still has a status of its own
            await asyncio.wait((item,), timeout=0)
            if item.done() and isinstance(item.exception(), FaztError):
                item.result()
            await response.prepare(asked.request)
            if asked.request.method != "HEAD":
                await self._told(response, items, item, end, allowed)
        except ConnectionError:
            # the client has gone: nobody is left to answer
            return response
        finally:
            self._ends.discard(end)
            item.cancel()
            await asyncio.gather(item, return_exceptions=True)
            await items.aclose()
        return response

    async def _told(
        self,
        response: web.StreamResponse,
        items: AsyncGenerator[Any, None],
        item: asyncio.Future[Any],
        end: asyncio.Future[None],
        allowed: Callable[[], None],
    ) -> None:
        try:
            await self._pass_on(response, items, item, end, allowed)
        except FaztError as error:
            await response.write(b"event: error\ndata: " + encode(error.public()) + b"\n\n")

    async def _pass_on(
        self,
        response: web.StreamResponse,
        items: AsyncGenerator[Any, None],
        item: asyncio.Future[Any],
        end: asyncio.Future[None],
        allowed: Callable[[], None],
    ) -> None:
        beat = asyncio.ensure_future(self._clock.sleep(HEARTBEAT_SECONDS))
        try:
            while True:
                await asyncio.wait((item, beat, end), return_when=asyncio.FIRST_COMPLETED)
                if end.done():
                    return
                if beat.done():
                    allowed()
                    await response.write(b":\n\n")
                    beat = asyncio.ensure_future(self._clock.sleep(HEARTBEAT_SECONDS))
                if item.done():
                    try:
                        line = item.result()
                    except StopAsyncIteration:
                        return
                    await response.write(b"data: " + encode(line) + b"\n\n")
                    item = asyncio.ensure_future(anext(items))
        finally:
            for waiting in (item, beat):
                waiting.cancel()
            await asyncio.gather(item, beat, return_exceptions=True)
