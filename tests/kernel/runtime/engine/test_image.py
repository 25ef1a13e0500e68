from __future__ import annotations

import random

import pytest

from kernel.runtime.engine import image
from kernel.runtime.engine.image import ImageError, take
from tests.kernel.runtime.engine.driver import wasm

KEEP = {"memory", "qjs_eval"}
MEMORY = b"\1" + bytes(image.PAGE * 40 - 2) + b"\2"


def module(*sections: tuple[int, bytes]) -> bytes:
    return image.MAGIC + b"".join(image.section(kind, body) for kind, body in sections)


def parts(data: bytes) -> dict[int, bytes]:
    return dict(image.sections(data))


@pytest.mark.parametrize("value", [0, 1, -1, 63, 64, -64, -65, 127, 128, 1 << 20, (1 << 31) - 1, -(1 << 31)])
def test_numbers_are_read_as_they_are_written(value: int) -> None:
    assert image.Reader(image.signed(value)).signed() == value
    if value >= 0:
        assert image.Reader(image.number(value)).number() == value


def test_what_is_not_zero_is_written_down() -> None:
    chance = random.Random(1)
    for _ in range(50):
        memory = bytearray(image.GRAIN * 20)
        for _ in range(chance.randrange(5)):
            memory[chance.randrange(len(memory))] = 1
        again = bytearray(len(memory))
        for at, piece in image.written(bytes(memory)):
            again[at : at + len(piece)] = piece
        assert again == memory


def test_the_new_module_begins_with_the_memory_and_the_stack() -> None:
    made = parts(take(wasm(), MEMORY, 1_040_000, KEEP))
    assert made[image.MEMORY] == b"\1" + parts(wasm())[image.MEMORY][1:2] + image.number(40)
    assert made[image.GLOBAL] == b"\1\x7f\1\x41" + image.signed(1_040_000) + b"\x0b"
    assert made[image.CODE] == parts(wasm())[image.CODE]
    assert made[image.EXPORT][0] == 2
    assert made[image.DATA_COUNT] == b"\2"
    assert 0 not in made


@pytest.mark.parametrize(
    ("change", "body"),
    [
        (image.MEMORY, b"\2\0\1\0\1"),
        (image.MEMORY, b"\1\4\1"),
        (image.MEMORY, b"\1\0\x80\x01"),
        (image.GLOBAL, b"\2\x7f\1\x41\0\x0b\x7f\1\x41\0\x0b"),
        (image.GLOBAL, b"\1\x7e\1\x42\0\x0b"),
        (image.GLOBAL, b"\1\x7f\0\x41\0\x0b"),
        (image.GLOBAL, b"\1\x7f\1\x23\0\x0b"),
        (image.DATA, b"\1\1\1x"),
        (image.DATA, b"\1\0\x23\0\x0b\1x"),
        (image.EXPORT, b"\0"),
        (image.IMPORT, b"\1\1e\1m\2\0\1"),
        (image.START, b"\0"),
        (13, b""),
    ],
)
def test_a_module_unlike_what_is_expected_is_refused(change: int, body: bytes) -> None:
    sections = parts(wasm())
    sections[change] = body
    with pytest.raises(ImageError):
        take(module(*sections.items()), MEMORY, 0, KEEP)


def test_other_damage_is_refused() -> None:
    data = wasm()
    for broken in (b"", b"\0asm", data[:8], data[:-1], data[:5000], b"x" + data, data + bytes([1, 0])):
        with pytest.raises(ImageError):
            take(broken, MEMORY, 0, KEEP)
    with pytest.raises(ImageError):
        take(data, MEMORY[:-1], 0, KEEP)
    with pytest.raises(ImageError):
        take(data, MEMORY, 0, {"nothing_such"})
