"""An uploaded zip, read as hostile: named errors, bounded memory, nothing written anywhere.

    VALIDATION_FAILED  field=file: not a zip, damaged, encrypted, links, lies; field=files: paths no site may have
    PAYLOAD_TOO_LARGE  a file, all files together, or far more bytes than were uploaded
    LIMIT_EXCEEDED     too many members

Opening the archive checks everything that can be known without inflating. Inflating a member stops as soon as more
comes out than its header promised, and the promises are within the limits: so the limits hold for the bytes that
really come out. What was read counts only when `read` came to its end without an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from kernel.base.errors import FaztError
from kernel.fs.paths import check_paths, never_sent, shown
from kernel.fs.zip_end import malformed
from kernel.fs.zip_members import STORED, Member, read_members

MIB = 1 << 20
PIECE = 256 << 10
# small sites of very repetitive files are no bombs
RATIO_FLOOR = 16 * MIB
# a folder whose name says how its files are served is part of the site
_MEANING = ("api", "private")


class ArchiveLimits(NamedTuple):
    most_entries: int = 20_000
    most_file: int = 100 * MIB
    most_total: int = 500 * MIB
    most_ratio: int = 100


class Archive:
    """The files of a zip that passed every check, to be read one after the other."""

    def __init__(self, file: BinaryIO, limits: ArchiveLimits = ArchiveLimits()) -> None:
        self._file = file
        members = read_members(file, limits.most_entries)
        files = [member for member in members if not member.is_folder]
        check_paths((member.name for member in files), (member.name for member in members if member.is_folder))
        _expect_within(files, limits)
        self._files = {member.name: member for member in files}

    @property
    def names(self) -> list[str]:
        """The files, in the order of the zip; folders are not named."""
        return list(self._files)

    def size(self, name: str) -> int:
        """How many bytes `read` gives."""
        return self._files[name].size

    def strip_root(self) -> str:
        """Leave off the one folder everything lies in, and say its name; "" when there is none.

        A zip of a folder holds `my-site/index.html`; what is meant is `index.html`. Files that are never sent
        (`__MACOSX/…`, `.DS_Store`) do not count. One folder only, once; and never `api`, `private` or a name that
        begins with `.` or `_`: left off, they would change what the files are.
        """
        roots = {name.partition("/")[::2] for name in self._files if never_sent(name) is None}
        folders = {folder for folder, _ in roots}
        if len(folders) != 1 or any(not below for _, below in roots):
            return ""
        [root] = folders
        if root.lower() in _MEANING or root[0] in "._":
            return ""
        stripped = {name.removeprefix(f"{root}/"): member for name, member in self._files.items()}
        check_paths(stripped)
        self._files = stripped
        return root

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in pieces of at most 256 KiB."""
        member = self._files[name]
        crc, left = 0, member.size
        for piece in self._stored(member) if member.method == STORED else self._inflated(member):
            left -= len(piece)
            if left < 0:
                raise _wrong(member, "holds more than its header says.")
            crc = zlib.crc32(piece, crc)
            yield piece
        if left:
            raise _wrong(member, "holds less than its header says.")
        if crc != member.crc:
            raise _wrong(member, "does not have the check sum the zip says.")

    def _stored(self, member: Member) -> Iterator[bytes]:
        place, end = member.start, member.start + member.packed
        while place < end:
            # found again each time: several files may be read by turns
            self._file.seek(place)
            piece = self._file.read(min(PIECE, end - place))
            if not piece:
                raise _wrong(member, "is cut off.")
            place += len(piece)
            yield piece

    def _inflated(self, member: Member) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._stored(member):
                piece = inflate.decompress(packed, PIECE)
                while piece:
                    yield piece
                    piece = inflate.decompress(inflate.unconsumed_tail, PIECE)
                if inflate.unused_data:
                    raise _wrong(member, "has bytes after its end.")
        except zlib.error:
            raise _wrong(member, "cannot be unpacked.") from None
        if not inflate.eof:
            raise _wrong(member, "is cut off.")


def _wrong(member: Member, what: str) -> FaztError:
    return malformed(f'"{shown(member.name)}" {what}', path=shown(member.name))


def _expect_within(files: list[Member], limits: ArchiveLimits) -> None:
    for member in files:
        if member.size > limits.most_file:
            raise _too_large(f'"{shown(member.name)}" is larger than {_mib(limits.most_file)}.', limits.most_file)
    total, packed = sum(member.size for member in files), sum(member.packed for member in files)
    if total > limits.most_total:
        raise _too_large(f"The files are larger than {_mib(limits.most_total)} together.", limits.most_total)
    if total > max(RATIO_FLOOR, packed * limits.most_ratio):
        raise FaztError(
            "PAYLOAD_TOO_LARGE",
            f"file: The zip unpacks to more than {limits.most_ratio} times its size.",
            "A site does not; if yours does, deploy the folder instead of a zip.",
            field="file",
            limit=limits.most_ratio,
        )


def _too_large(what: str, limit: int) -> FaztError:
    return FaztError(
        "PAYLOAD_TOO_LARGE", f"file: {what}", "Leave large files out of the site.", field="file", limit=limit
    )


def _mib(size: int) -> str:
    return f"{size // MIB} MiB" if size >= MIB else f"{size} bytes"
