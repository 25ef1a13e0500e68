"""A file of a mounted folder on its way to a visitor: the file itself as it is now, whole or in parts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from email.utils import formatdate

from aiohttp import web
from multidict import CIMultiDict

from kernel.base.errors import FaztError
from kernel.fs.cid import CHUNK
from kernel.fs.mounts import HostFile
from kernel.net import representation
from kernel.net.asked import Asked
from kernel.net.representation import Multipart, Representation, Verdict

Headers = CIMultiDict[str]


async def send(asked: Asked, file: HostFile, status: int, mime: str, headers: Headers) -> web.StreamResponse:
    """What the request's conditions and ranges ask of the file; of one that stands for an error, all of it."""
    try:
        opened = file.open()
    except OSError:
        raise FaztError("NOT_FOUND", "The file is no longer here.") from None
    try:
        found = os.fstat(opened)
        tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        whole = Representation(tag, found.st_size, int(found.st_mtime), mime)
        return await _answered(asked, opened, status, whole, headers)
    finally:
        os.close(opened)


async def _answered(
    asked: Asked, file: int, status: int, whole: Representation, headers: Headers
) -> web.StreamResponse:
    if status != 200:
        return await _streamed(asked, status, headers, whole.size, _slices(file, 0, whole.size))
    headers["Accept-Ranges"], headers["ETag"] = "bytes", whole.etag
    headers["Last-Modified"] = formatdate(whole.modified, usegmt=True)
    verdict = representation.decide(asked.request.method, asked.request.headers, whole)
    if verdict.status == 200:
        return await _streamed(asked, 200, headers, whole.size, _slices(file, 0, whole.size))
    if verdict.status != 206:
        return _without_body(verdict, whole, headers)
    if len(verdict.ranges) == 1:
        start, end = verdict.ranges[0]
        headers["Content-Range"] = representation.content_range(start, end, whole.size)
        return await _streamed(asked, 206, headers, end - start, _slices(file, start, end))
    parts = Multipart(whole, verdict.ranges, secrets.token_hex(10))
    headers["Content-Type"] = parts.content_type
    return await _streamed(asked, 206, headers, parts.length, _pieces(file, parts))


def _without_body(verdict: Verdict, whole: Representation, headers: Headers) -> web.Response:
    if verdict.status == 400:
        raise FaztError("BAD_REQUEST", "A condition is given twice.")
    if verdict.status == 416:
        headers["Content-Range"] = representation.unsatisfied(whole.size)
    if verdict.status == 304:
        headers.pop("Content-Type", None)
    return web.Response(status=verdict.status, headers=headers)


def _slices(file: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        data = os.pread(file, min(CHUNK, end - start), start)
        if not data:
            raise EOFError("the file became shorter while it was sent")
        start += len(data)
        yield data


def _pieces(file: int, parts: Multipart) -> Iterator[bytes]:
    for before, start, end in parts:
        yield before
        yield from _slices(file, start, end)
    yield parts.closing


async def _streamed(
    asked: Asked, status: int, headers: Headers, length: int, pieces: Iterator[bytes]
) -> web.StreamResponse:
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
