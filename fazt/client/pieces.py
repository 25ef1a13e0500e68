"""Files in pieces of 256 KiB, and pieces in the bodies of requests."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fazt.client.folder import File, unreadable
from fazt.client.hashes import open_file
from kernel.fs.cid import CHUNK
from kernel.fs.frames import FRAME, RAW, ZLIB

LEVEL = 1
# as much as it takes to see whether the rest is worth the work
SAMPLE = 8192
WORTH = 0.9


class Changed(Exception):
    """A file is not what it was when it was hashed."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Piece(NamedTuple):
    sha256: bytes
    size: int
    n: int
    data: bytes

    def framed(self, data: bytes, codec: int) -> bytes:
        return FRAME.pack(self.sha256, self.size, self.n, len(data), codec) + data


def pieces(file: File, sha256: bytes, wanted: Iterable[int]) -> Iterator[Piece]:
    """The wanted pieces of a file. The last of them is given away when the whole file was seen to be what it was:
    a file that changed in between is never complete on the other side."""
    numbers = set(wanted)
    digest, held, rest, n = hashlib.sha256(), None, file.size, 0
    descriptor = _opened(file)
    try:
        while rest or n == 0:
            data = _read(file, descriptor, min(CHUNK, rest))
            digest.update(data)
            rest -= len(data)
            if n in numbers:
                if held:
                    yield held
                held = Piece(sha256, file.size, n, data)
            n += 1
        if _some(file, descriptor, 1) or digest.digest() != sha256:
            raise Changed(file.path)
    finally:
        os.close(descriptor)
    if held:
        yield held


def _opened(file: File) -> int:
    try:
        return open_file(file)
    except FileNotFoundError:
        raise Changed(file.path) from None
    except OSError as error:
        raise unreadable(file.path, error) from None


def _read(file: File, descriptor: int, length: int) -> bytes:
    data = _some(file, descriptor, length)
    while len(data) < length:
        more = _some(file, descriptor, length - len(data))
        if not more:
            raise Changed(file.path)
        data += more
    return data


def _some(file: File, descriptor: int, length: int) -> bytes:
    try:
        return os.read(descriptor, length)
    except OSError as error:
        raise unreadable(file.path, error) from None


def bodies(all_pieces: Iterable[Piece], most: int) -> Iterator[list[Piece]]:
    """Pieces put together, as many as one request may carry."""
    body: list[Piece] = []
    size = 0
    for piece in all_pieces:
        length = FRAME.size + len(piece.data)
        if body and size + length > most:
            yield body
            body, size = [], 0
        body.append(piece)
        size += length
    if body:
        yield body


def encoded(body: Iterable[Piece], compress: bool) -> list[bytes]:
    """A body as blocks that are sent one after another."""
    blocks: list[bytes] = []
    block: list[bytes] = []
    size = 0
    for piece in body:
        data, codec = _smaller(piece.data) if compress else (piece.data, RAW)
        block.append(piece.framed(data, codec))
        size += len(data)
        if size >= CHUNK:
            blocks.append(b"".join(block))
            block, size = [], 0
    return [*blocks, b"".join(block)] if block else blocks


def _smaller(data: bytes) -> tuple[bytes, int]:
    """Compressed, if that is worth it: pictures, fonts and archives are not."""
    sample = data[:SAMPLE]
    if len(zlib.compress(sample, LEVEL)) > WORTH * len(sample):
        return data, RAW
    packed = zlib.compress(data, LEVEL)
    return (packed, ZLIB) if len(packed) < len(data) else (data, RAW)
