"""The list of members of a zip, read with distrust: what two programs could read differently is refused.

Nothing is inflated here. The number of members and the size of the list are bounded before the list is read; every
member's own header must say the same as the list; no two members share a byte of the file.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, NamedTuple
from unicodedata import normalize

from kernel.base.errors import FaztError
from kernel.fs.paths import shown
from kernel.fs.zip_end import find_list, malformed, read_exactly

STORED, DEFLATED = 0, 8
MOST_EXTRA = 4096
# room for a member in the list: 46 bytes, its name, its extras
LIST_BYTES_EACH = 512

_LISTED = struct.Struct("<4s6H3L5H2L")
_HEADER = struct.Struct("<4s5H3L2H")
_FULL32 = 0xFFFFFFFF
_ENCRYPTED, _SIZES_FOLLOW, _PATCHED = 0x0001 | 0x0040 | 0x2000, 0x0008, 0x0020
_ZIP64, _PKWARE_UNIX, _ASI_UNIX = 0x0001, 0x000D, 0x756E


class Member(NamedTuple):
    name: str
    is_folder: bool
    method: int
    crc: int
    packed: int
    size: int
    start: int  # where its bytes begin


class _Listed(NamedTuple):
    raw: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int


def read_members(file: BinaryIO, most: int) -> list[Member]:
    """All members in the order of the list, or the error that says what is wrong with the zip."""
    count, size, offset = find_list(file)
    if count > most or size > most * LIST_BYTES_EACH:
        raise FaztError(
            "LIMIT_EXCEEDED",
            f"file: The zip lists more than {most} members, or their names are too long.",
            "Leave out what the site does not need (node_modules, caches) and zip it again.",
            field="file",
            limit=most,
        )
    listed = list(_listed(read_exactly(file, offset, size), count))
    members = [_member(file, one, offset) for one in listed]
    _expect_no_overlap(listed, members, offset)
    return members


def _listed(data: bytes, count: int) -> Iterator[_Listed]:
    place = 0
    for _ in range(count):
        if len(data) - place < _LISTED.size:
            raise malformed("The list of members is shorter than the zip says.")
        signature, _, _, flags, method, _, _, crc, packed, size, *rest = _LISTED.unpack_from(data, place)
        name_size, extra_size, comment_size, disk, _, attributes, header = rest
        place += _LISTED.size
        following = place + name_size + extra_size + comment_size
        if signature != b"PK\1\2" or following > len(data):
            raise malformed("The list of members is damaged.")
        raw, extra = data[place : place + name_size], data[place + name_size : place + name_size + extra_size]
        name = _name(raw)
        if max(extra_size, comment_size) > MOST_EXTRA or disk:
            raise _bad(name, "carries extras longer than any zip needs, or lies in another part.")
        extras = _extras(name, extra)
        size, packed, header = _wide(name, (size, packed, header), extras.get(_ZIP64, b""))
        _expect_a_file(name, attributes >> 16, extras)
        _expect_readable(name, flags, method)
        yield _Listed(raw, name, flags, method, crc, packed, size, header)
        place = following
    if place != len(data):
        raise malformed("The list of members is longer than the zip says.")


def _name(raw: bytes) -> str:
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        readable = shown(raw.decode(errors="backslashreplace"))
        raise malformed(
            f'The name "{readable}" is not UTF-8.', "Zip it with a tool that writes UTF-8 names, or rename the file."
        ) from None
    # a Mac writes é as e and an accent; in addresses it is one character
    return name if name.isascii() else normalize("NFC", name)


def _bad(name: str, what: str, hint: str = "Make the zip anew and upload it again.") -> FaztError:
    return malformed(f'"{shown(name)}" {what}', hint, path=shown(name))


def _extras(name: str, extra: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    place = 0
    while len(extra) - place >= 4:
        kind, size = struct.unpack_from("<2H", extra, place)
        place += 4
        if place + size > len(extra) or (kind == _ZIP64 and kind in found):
            raise _bad(name, "has damaged extras.")
        found[kind] = extra[place : place + size]
        place += size
    return found


def _wide(name: str, short: tuple[int, ...], extra: bytes) -> tuple[int, ...]:
    """The numbers that did not fit into 32 bits come from the zip64 extra, in their order, and nothing else does."""
    missing = sum(number == _FULL32 for number in short)
    if len(extra) != 8 * missing:
        raise _bad(name, "has a zip64 extra that does not fit its header.")
    long = iter(struct.unpack(f"<{missing}Q", extra))
    return tuple(next(long) if number == _FULL32 else number for number in short)


def _expect_a_file(name: str, mode: int, extras: dict[int, bytes]) -> None:
    links = len(extras.get(_PKWARE_UNIX, b"")) > 12 or len(extras.get(_ASI_UNIX, b"")) > 14
    asi = extras.get(_ASI_UNIX, b"")[4:6]
    kinds = {stat.S_IFMT(mode), stat.S_IFMT(int.from_bytes(asi, "little"))} - {0}
    if links or stat.S_IFLNK in kinds:
        raise _bad(name, "is a link.", "Put the file itself into the zip: zip without -y / --symlinks.")
    if kinds - {stat.S_IFREG, stat.S_IFDIR}:
        raise _bad(name, "is a device, a pipe or a socket.", "Only files and folders can be deployed: leave it out.")
    if stat.S_IFDIR in kinds and not name.endswith("/"):
        raise _bad(name, "is a folder by its kind and a file by its name.")


def _expect_readable(name: str, flags: int, method: int) -> None:
    if flags & _ENCRYPTED:
        raise _bad(name, "is encrypted.", "Zip the site without a password.")
    if method not in (STORED, DEFLATED) or flags & _PATCHED:
        raise _bad(name, "is packed in a way that is not read here.", "Use the ordinary method of zip: deflate.")


def _member(file: BinaryIO, listed: _Listed, end: int) -> Member:
    """The member whose own header says the same as the list."""
    name = listed.name
    # the list may claim a place no file can have
    file.seek(min(listed.header, end))
    head = file.read(_HEADER.size)
    if len(head) != _HEADER.size or head[:4] != b"PK\3\4":
        raise _bad(name, "is not where the list says.")
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _HEADER.unpack(head)
    rest = file.read(name_size + extra_size)
    if extra_size > MOST_EXTRA:
        raise _bad(name, "carries extras longer than any zip needs.")
    if rest[:name_size] != listed.raw or method != listed.method or flags & _ENCRYPTED != listed.flags & _ENCRYPTED:
        raise _bad(name, "differs between the list and its own header.")
    if not flags & _SIZES_FOLLOW:
        if _FULL32 in (size, packed):
            size, packed = _wide(name, (size, packed), _extras(name, rest[name_size:]).get(_ZIP64, b""))
        if (crc, packed, size) != (listed.crc, listed.packed, listed.size):
            raise _bad(name, "has other sizes in the list than in its own header.")
    is_folder = name.endswith("/")
    if (is_folder and listed.size) or (method == STORED and listed.packed != listed.size):
        raise _bad(name, "lies about its size.")
    start = listed.header + _HEADER.size + name_size + extra_size
    return Member(name.removesuffix("/"), is_folder, method, listed.crc, listed.packed, listed.size, start)


def _expect_no_overlap(listed: list[_Listed], members: list[Member], offset: int) -> None:
    spans = sorted(
        (one.header, member.start + member.packed, member.name) for one, member in zip(listed, members, strict=True)
    )
    for (_, end, name), (header, _, _) in pairwise([*spans, (offset, offset, "")]):
        if end > header:
            raise _bad(name, "shares bytes with another part of the zip.")
