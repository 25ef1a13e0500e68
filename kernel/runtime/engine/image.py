"""A new WebAssembly module that begins where an instance of an old one stands.

QuickJS evaluates our scripts once; what its memory holds then becomes the initial memory of the module every instance
is made from. Nothing is guessed: a module that looks unlike what is expected is an error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

MAGIC = b"\0asm\1\0\0\0"
PAGE = 65_536
GRAIN = 4_096  # memory that is zero for this long is not written down
CUSTOM, IMPORT, MEMORY, GLOBAL, EXPORT, START, CODE, DATA, DATA_COUNT = 0, 2, 5, 6, 7, 8, 10, 11, 12
I32, MUTABLE, I32_CONST, END, MEMORY_EXPORT = 0x7F, 1, 0x41, 0x0B, 2


class ImageError(Exception):
    """A module the snapshot cannot be taken of."""


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def more(self) -> bool:
        return self.at < len(self.data)

    def byte(self) -> int:
        return self.take(1)[0]

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise ImageError("the module ends too early")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        result = shift = 0
        while True:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return result
            if shift > 35:
                raise ImageError("a number is too long")

    def signed(self) -> int:
        start = self.at
        value = self.number()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) else value

    def expect(self, byte: int, what: str) -> None:
        if self.byte() != byte:
            raise ImageError(f"unexpected {what}")


def number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    out = bytearray()
    while not -64 <= value < 64:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value & 0x7F)
    return bytes(out)


def section(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + number(len(body)) + body


def sections(wasm: bytes) -> Iterator[tuple[int, bytes]]:
    if not wasm.startswith(MAGIC):
        raise ImageError("this is no WebAssembly module")
    reader = Reader(wasm)
    reader.take(len(MAGIC))
    while reader.more():
        kind = reader.byte()
        if kind > DATA_COUNT:
            raise ImageError(f"unknown section {kind}")
        yield kind, reader.take(reader.number())


def written(memory: bytes) -> list[tuple[int, bytes]]:
    """The pieces of memory that are not zero, each with its place."""
    pieces: list[tuple[int, bytes]] = []
    zero = bytes(GRAIN)
    begun = -1
    for at in range(0, len(memory), GRAIN):
        empty = memory[at : at + GRAIN] == zero
        if empty and begun >= 0:
            pieces.append((begun, memory[begun:at]))
            begun = -1
        elif not empty and begun < 0:
            begun = at
    if begun >= 0:
        pieces.append((begun, memory[begun:]))
    return pieces


def only_active_data(body: bytes) -> None:
    """Passive segments have numbers the code refers to; new ones could not take their place."""
    reader = Reader(body)
    for _ in range(reader.number()):
        reader.expect(0, "kind of data segment")
        reader.expect(I32_CONST, "place of a data segment")
        reader.signed()
        reader.expect(END, "place of a data segment")
        reader.take(reader.number())


def memory_section(body: bytes, pages: int) -> bytes:
    reader = Reader(body)
    reader.expect(1, "number of memories")
    limits = reader.byte()
    if limits not in (0, 1):
        raise ImageError("unexpected kind of memory")
    if reader.number() > pages:
        raise ImageError("the memory is smaller than at its start")
    rest = number(reader.number()) if limits else b""
    if reader.more():
        raise ImageError("unexpected end of the memory section")
    return b"\1" + bytes([limits]) + number(pages) + rest


def global_section(body: bytes, stack_pointer: int) -> bytes:
    """The stack pointer is the only variable outside memory."""
    reader = Reader(body)
    reader.expect(1, "number of globals")
    reader.expect(I32, "type of the stack pointer")
    reader.expect(MUTABLE, "kind of the stack pointer")
    reader.expect(I32_CONST, "value of the stack pointer")
    reader.signed()
    reader.expect(END, "value of the stack pointer")
    if reader.more():
        raise ImageError("unexpected end of the global section")
    return bytes([1, I32, MUTABLE, I32_CONST]) + signed(stack_pointer) + bytes([END])


def export_section(body: bytes, keep: Collection[str]) -> bytes:
    reader = Reader(body)
    kept = []
    missing = set(keep)
    for _ in range(reader.number()):
        start = reader.at
        name = reader.take(reader.number()).decode()
        reader.byte()
        reader.number()
        if name in missing:
            missing.remove(name)
            kept.append(body[start : reader.at])
    if missing:
        raise ImageError(f"the module does not export {', '.join(sorted(missing))}")
    return number(len(kept)) + b"".join(kept)


def no_imported_state(body: bytes) -> None:
    reader = Reader(body)
    for _ in range(reader.number()):
        reader.take(reader.number())
        reader.take(reader.number())
        reader.expect(0, "import that is not a function")
        reader.number()


def take(wasm: bytes, memory: bytes, stack_pointer: int, keep: Collection[str]) -> bytes:
    """The module, beginning with this memory and stack, exporting what is to be kept."""
    if len(memory) % PAGE:
        raise ImageError("memory that is not whole pages")
    pieces = written(memory)
    data = number(len(pieces)) + b"".join(
        b"\0" + bytes([I32_CONST]) + signed(at) + bytes([END]) + number(len(piece)) + piece for at, piece in pieces
    )
    out = bytearray(MAGIC)
    seen = set()
    for kind, body in sections(wasm):
        if kind == CUSTOM:
            continue
        if kind in seen:
            raise ImageError(f"section {kind} comes twice")
        seen.add(kind)
        if kind == START:
            raise ImageError("the module has a start function")
        if kind == IMPORT:
            no_imported_state(body)
        elif kind == MEMORY:
            body = memory_section(body, len(memory) // PAGE)
        elif kind == GLOBAL:
            body = global_section(body, stack_pointer)
        elif kind == EXPORT:
            body = export_section(body, keep)
        elif kind == DATA:
            only_active_data(body)
            body = data
        elif kind == DATA_COUNT:
            body = number(len(pieces))
        out += section(kind, body)
    if not {IMPORT, MEMORY, GLOBAL, EXPORT, CODE, DATA} <= seen:
        raise ImageError("the module lacks a section")
    return bytes(out)
