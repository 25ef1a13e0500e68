"""A body that is sent piece by piece, whole or in the ranges that were asked for, whatever its bytes come from."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator

from aiohttp import web
from multidict import CIMultiDict

from kernel.base.errors import FaztError
from kernel.net import representation
from kernel.net.asked import Asked
from kernel.net.representation import Multipart, Representation, Verdict

Headers = CIMultiDict[str]
# the bytes from the first place to before the second
Slices = Callable[[int, int], Iterator[bytes]]


def without_body(verdict: Verdict, whole: Representation, headers: Headers) -> web.Response:
    """The answer to a condition that does not hold, or to ranges the file does not have."""
    if verdict.status == 400:
        raise FaztError("BAD_REQUEST", "A condition is given twice.")
    if verdict.status == 416:
        headers["Content-Range"] = representation.unsatisfied(whole.size)
    if verdict.status == 304:
        headers.pop("Content-Type", None)
    return web.Response(status=verdict.status, headers=headers)


async def in_parts(
    asked: Asked, verdict: Verdict, whole: Representation, headers: Headers, slices: Slices
) -> web.StreamResponse:
    """The ranges of a 206: one as it is, several in a multipart body."""
    if len(verdict.ranges) == 1:
        start, end = verdict.ranges[0]
        headers["Content-Range"] = representation.content_range(start, end, whole.size)
        return await streamed(asked, 206, headers, end - start, slices(start, end))
    parts = Multipart(whole, verdict.ranges, secrets.token_hex(10))
    headers["Content-Type"] = parts.content_type
    return await streamed(asked, 206, headers, parts.length, _multipart(parts, slices))


def _multipart(parts: Multipart, slices: Slices) -> Iterator[bytes]:
    for before, start, end in parts:
        yield before
        yield from slices(start, end)
    yield parts.closing


async def streamed(
    asked: Asked, status: int, headers: Headers, length: int, pieces: Iterable[bytes]
) -> web.StreamResponse:
    """Piece by piece: whoever reads slowly holds one piece of memory."""
    headers["Content-Length"] = str(length)
    headers["Server"], headers["X-Request-ID"] = "fazt", asked.id
    response = web.StreamResponse(status=status, headers=headers)
    if asked.request.method == "HEAD":
        return response
    try:
        await response.prepare(asked.request)
        for piece in pieces:
            await response.write(piece)
        await response.write_eof()
    except Exception:
        # the answer has begun: it is cut off, before another one is written into its middle
        if asked.request.transport is not None:
            asked.request.transport.abort()
        raise
    return response
