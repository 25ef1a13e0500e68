"""Parts of multipart bodies: short texts, and files that lie on the disk while they are worked on."""

from __future__ import annotations

import tempfile
from typing import BinaryIO, cast

from aiohttp import BodyPartReader

from kernel.net.asked import too_large

MOST_FIELD = 1 << 20


async def text_of(part: BodyPartReader) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(1 << 18):
        data += chunk
        if len(data) > MOST_FIELD:
            raise too_large(MOST_FIELD)
    return bytes(data)


async def file_of(part: BodyPartReader, most: int) -> BinaryIO:
    """An uploaded file: a small one stays in memory, a larger one lies on the disk while it is worked on."""
    # closed with the last reference to it: the call outlives this function
    spooled = tempfile.SpooledTemporaryFile(MOST_FIELD)  # noqa: SIM115
    size = 0
    while chunk := await part.read_chunk(1 << 18):
        size += len(chunk)
        if size > most:
            spooled.close()
            raise too_large(most)
        spooled.write(chunk)
    spooled.seek(0)
    return cast(BinaryIO, spooled)
