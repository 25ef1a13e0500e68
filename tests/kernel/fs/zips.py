"""Zips made by hand: every field can be made to lie."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

FILE, LINK, FOLDER, FIFO, DEVICE = 0o100644, 0o120777, 0o040755, 0o010644, 0o020644


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@dataclass
class Entry:
    """One member; `lists` and `says` change fields in the list and in the member's own header."""

    name: bytes
    data: bytes = b""
    method: int = 0
    flags: int = 0x0800
    mode: int = FILE
    extra: bytes = b""
    own_extra: bytes = b""
    comment: bytes = b""
    packed: bytes | None = None
    lists: dict[str, Any] = field(default_factory=dict)
    says: dict[str, Any] = field(default_factory=dict)

    def body(self) -> bytes:
        return self.packed if self.packed is not None else deflate(self.data) if self.method == 8 else self.data

    def facts(self, changed: dict[str, Any]) -> dict[str, Any]:
        plain = {"name": self.name, "flags": self.flags, "method": self.method, "crc": zlib.crc32(self.data),
                 "packed": len(self.body()), "size": len(self.data)}  # fmt: skip
        return plain | changed

    def header(self) -> bytes:
        f = self.facts(self.says)
        numbers = (f["flags"], f["method"], 0, 0x21, f["crc"], f["packed"], f["size"], len(f["name"]))
        return struct.pack("<4s5H3L2H", b"PK\3\4", 20, *numbers, len(self.own_extra)) + f["name"] + self.own_extra

    def listed(self, place: int) -> bytes:
        f = self.facts(self.lists)
        sizes = (f["crc"], f["packed"], f["size"], len(f["name"]), len(self.extra), len(self.comment))
        numbers = (f["flags"], f["method"], 0, 0x21, *sizes, f.get("disk", 0), 0, self.mode << 16)
        packed = struct.pack("<4s6H3L5H2L", b"PK\1\2", f.get("made_by", 0x0314), 20, *numbers, f.get("place", place))
        return packed + f["name"] + self.extra + self.comment


def end(count: int, size: int, place: int, comment: bytes = b"", /, **changed: int) -> bytes:
    f = {"disk": 0, "list_disk": 0, "here": count, "count": count, "size": size, "place": place} | changed
    return struct.pack("<4s4H2LH", b"PK\5\6", *f.values(), len(comment)) + comment


def end64(count: int, size: int, place: int, /, **changed: int) -> bytes:
    """The zip64 end record and the record that says where it is."""
    f = {"disk": 0, "list_disk": 0, "here": count, "count": count, "size": size, "place": place}
    at = {"record": 44, "disks": 1, "at": place + size}
    f, at = f | {k: v for k, v in changed.items() if k in f}, at | {k: v for k, v in changed.items() if k in at}
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", at["record"], 45, 45, *f.values())
    return record + struct.pack("<4sLQL", b"PK\6\7", 0, at["at"], at["disks"])


def made(*entries: Entry, comment: bytes = b"", front: bytes = b"", **changed: int) -> bytes:
    body, places = front, []
    for entry in entries:
        places.append(len(body))
        body += entry.header() + entry.body()
    listed = b"".join(entry.listed(place) for entry, place in zip(entries, places, strict=True))
    return body + listed + end(len(entries), len(listed), len(body), comment, **changed)


def made64(*entries: Entry, changed: dict[str, int] | None = None, **short: int) -> bytes:
    whole = made(*entries)
    place = struct.unpack("<L", whole[-6:-2])[0]
    size = len(whole) - 22 - place
    return whole[:-22] + end64(len(entries), size, place, **changed or {}) + end(len(entries), size, place, **short)


class Watched(io.BytesIO):
    """Remembers how much was asked for at once."""

    most = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.most = max(self.most, len(data))
        return data
