"""Where the list of members of a zip is: the record at its end, the only one that can be meant."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from kernel.base.errors import FaztError

MOST_COMMENT = 4096

_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_OTHER_KINDS = (
    (257, b"ustar", "a tar archive"),
    (0, b"\x1f\x8b", "a gzip file (.gz, .tar.gz)"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"Rar!", "a rar archive"),
)


class Place(NamedTuple):
    members: int
    size: int
    offset: int


def malformed(what: str, hint: str = "Make the zip anew and upload it again.", **details: object) -> FaztError:
    return FaztError("VALIDATION_FAILED", f"file: {what}", hint, field="file", **details)


def _expect_a_zip(file: BinaryIO) -> None:
    file.seek(0)
    head = file.read(512)
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        return
    kind = next((kind for place, magic, kind in _OTHER_KINDS if head.startswith(magic, place)), None)
    raise malformed(
        f"The upload is {kind}, not a zip." if kind else "The upload is not a zip.",
        "Zip the folder of the site and upload the .zip.",
    )


def read_exactly(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise malformed("The zip is cut off.", "Upload it again; the end of it is missing.")
    return data


def find_list(file: BinaryIO) -> Place:
    """Where the list is; it must end right before the end record, and the end record must end the file."""
    _expect_a_zip(file)
    end = file.seek(0, os.SEEK_END)
    tail_start = max(0, end - _END.size - _FULL16)
    tail = read_exactly(file, tail_start, end - tail_start)
    places = [place for place in _found(tail, b"PK\5\6") if _fits(tail, place)]
    if not places:
        raise malformed("The zip is cut off or something follows it.", "Upload it again; its end was not found.")
    if len(places) > 1:
        raise malformed("The zip has more than one end record.")
    _, disk, list_disk, here, count, size, offset, comment = _END.unpack_from(tail, places[0])
    if comment > MOST_COMMENT:
        raise malformed(f"The comment of the zip is longer than {MOST_COMMENT} bytes.", "Zip it without a comment.")
    place = tail_start + places[0]
    if place >= _END64_PLACE.size:
        locator = read_exactly(file, place - _END64_PLACE.size, _END64_PLACE.size)
        if locator[:4] == b"PK\6\7":
            return _end64_of(file, place, locator, (disk, list_disk, here, count, size, offset))
    if disk or list_disk or here != count:
        raise malformed("The zip is one part of several.", "Make one zip of the site, not several parts.")
    if offset + size != place:
        raise malformed("The list of members is not where the zip says.")
    return Place(count, size, offset)


def _found(data: bytes, signature: bytes) -> Iterator[int]:
    place = data.find(signature)
    while place >= 0:
        yield place
        place = data.find(signature, place + 1)


def _fits(tail: bytes, place: int) -> bool:
    return len(tail) - place >= _END.size and place + _END.size + _END.unpack_from(tail, place)[-1] == len(tail)


def _end64_of(file: BinaryIO, place: int, locator: bytes, short: tuple[int, ...]) -> Place:
    _, disk, place64, disks = _END64_PLACE.unpack(locator)
    if disk or disks != 1 or place64 + _END64.size + _END64_PLACE.size != place:
        raise malformed("The zip64 end record is not where the zip says.")
    signature, size_of_it, _, _, *long = _END64.unpack(read_exactly(file, place64, _END64.size))
    if signature != b"PK\6\6" or size_of_it != _END64.size - 12:
        raise malformed("The zip64 end record is not one.")
    for here, there, full in zip(short, long, (_FULL16,) * 4 + (_FULL32,) * 2, strict=True):
        if here not in (full, there):
            raise malformed("The two end records of the zip differ.")
    disk, list_disk, here, count, size, offset = long
    if disk or list_disk or here != count or offset + size != place64:
        raise malformed("The zip64 end record is wrong.")
    return Place(count, size, offset)
