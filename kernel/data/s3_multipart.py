"""A large file to a bucket, part by part: what is sent is in memory a part at a time, and a part may be sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from kernel.data import s3_xml
from kernel.data.s3_client import S3Client, provider_error

PART = 8 << 20
MOST_PARTS = 10_000


async def send(client: S3Client, bucket: str, name: str, file: Path, part: int = PART) -> None:
    """Put the file there under this name; nothing is there by half."""
    size = (await asyncio.to_thread(file.stat)).st_size
    part = max(part, -(-size // MOST_PARTS))
    begun = await client.ask("POST", bucket, name, query=[("uploads", "")])
    try:
        upload = s3_xml.upload_id(begun.body)
    except ValueError:
        raise provider_error("The storage outside did not say how to go on.") from None
    try:
        tags = []
        for number, start in enumerate(range(0, max(size, 1), part), 1):
            data = await asyncio.to_thread(_read, file, start, part)
            query = [("partNumber", str(number)), ("uploadId", upload)]
            answer = await client.ask("PUT", bucket, name, query=query, body=data)
            tags.append(answer.headers.get("ETag", ""))
        done = await client.ask("POST", bucket, name, query=[("uploadId", upload)], body=_list(tags))
        # it may fail after its head was sent
        if s3_xml.error_code(done.body) or done.status != 200:
            raise provider_error("The storage outside did not put the parts together.", "Try again later.")
    except BaseException:
        await client.ask("DELETE", bucket, name, query=[("uploadId", upload)])
        raise
    there = await client.ask("HEAD", bucket, name)
    if there.status != 200 or there.headers.get("Content-Length") != str(size):
        raise provider_error("The storage outside holds something else than was sent.", "Try again later.")


def _read(file: Path, start: int, length: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read(length)


def _list(tags: Iterable[str]) -> bytes:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{quote(tag, safe='-')}</ETag></Part>"
        for number, tag in enumerate((tag.strip('"') for tag in tags), 1)
    )
    return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
