"""A file of a mounted folder on its way to a visitor: the file itself as it is now, whole or in parts."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from email.utils import formatdate

from aiohttp import web

from kernel.base.errors import FaztError
from kernel.fs.cid import CHUNK
from kernel.fs.mounts import HostFile
from kernel.net import representation
from kernel.net.asked import Asked
from kernel.net.representation import Representation
from kernel.net.streaming import Headers, in_parts, streamed, without_body


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
    slices = functools.partial(_slices, file)
    if status == 200:
        headers["Accept-Ranges"], headers["ETag"] = "bytes", whole.etag
        headers["Last-Modified"] = formatdate(whole.modified, usegmt=True)
        verdict = representation.decide(asked.request.method, asked.request.headers, whole)
        if verdict.status == 206:
            return await in_parts(asked, verdict, whole, headers, slices)
        if verdict.status != 200:
            return without_body(verdict, whole, headers)
    return await streamed(asked, status, headers, whole.size, slices(0, whole.size))


def _slices(file: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        data = os.pread(file, min(CHUNK, end - start), start)
        if not data:
            raise EOFError("the file became shorter while it was sent")
        start += len(data)
        yield data
