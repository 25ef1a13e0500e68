"""Source maps against an encoder written from the format, and stacks of engines that lie."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.runtime.positions import (
    MOST_FRAMES,
    MOST_SEGMENTS,
    MOST_UNPACKED,
    Position,
    Positions,
    Segment,
    author,
    decode,
    told,
    vlq,
)

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SOURCES = ["a.ts", "dir/b.ts", "c.tsx"]


def number(value: int) -> str:
    rest = (abs(value) << 1) | (value < 0)
    text = ""
    while True:
        digit, rest = rest & 31, rest >> 5
        text += LETTERS[digit | (32 if rest else 0)]
        if not rest:
            return text


def encoded(lines: list[list[Segment]], sources: list[str] = SOURCES, **more: object) -> bytes:
    before = [0, 0, 0]
    written = []
    for line in lines:
        column, pieces = 0, []
        for segment in line:
            now = [segment.source, segment.row, segment.start]
            numbers = [segment.column - column, *(a - b for a, b in zip(now, before, strict=True))]
            pieces.append("".join(map(number, numbers)))
            column, before = segment.column, now
        written.append(",".join(pieces))
    return json.dumps({"version": 3, "sources": sources, "mappings": ";".join(written), **more}).encode()


segments = st.builds(
    Segment, st.integers(0, 400), st.integers(0, len(SOURCES) - 1), st.integers(0, 5000), st.integers(0, 300)
)
maps = st.lists(
    st.lists(segments, max_size=6, unique_by=lambda one: one.column).map(lambda line: sorted(line)),
    min_size=1,
    max_size=8,
)


@given(st.lists(st.integers(-(2**30), 2**30), min_size=1, max_size=5))
def test_numbers_come_back(numbers: list[int]) -> None:
    assert vlq("".join(map(number, numbers))) == numbers


@given(maps)
def test_a_map_comes_back_and_survives_being_kept(lines: list[list[Segment]]) -> None:
    for positions in (made := decode(encoded(lines)), Positions.unpack(made.pack())):
        assert positions.sources == SOURCES
        assert [positions.segments(line) for line in range(positions.lines)] == lines


@given(maps, st.integers(1, 9), st.integers(1, 450))
def test_a_place_is_that_of_the_last_segment_before_it(lines: list[list[Segment]], line: int, column: int) -> None:
    here = lines[line - 1] if line <= len(lines) else []
    before = [one for one in here if one.column < column] or here[:1]
    wanted = Position(SOURCES[before[-1].source], before[-1].row + 1, before[-1].start + 1) if before else None
    assert decode(encoded(lines)).at(line, column) == wanted


@given(maps, maps)
def test_two_maps_make_the_one_that_leads_through_both(outer: list[list[Segment]], inner: list[list[Segment]]) -> None:
    outer = [[one._replace(row=one.row % 9) for one in line] for line in outer]
    first, second = decode(encoded(outer)), decode(encoded(inner, ["x", "y", "z"]))
    through = first.over(second)
    for number, line in enumerate(outer, 1):
        for one in line:
            known = inner[one.row] if one.row < len(inner) else []
            if known and known[0].column <= one.start:
                wanted = second.at(one.row + 1, one.start + 1)
                assert through.at(number, one.column + 1) == wanted


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"nonsense",
        b'{"version": 3}',
        b'{"version": 3, "sources": [], "mappings": 5}',
        b'{"version": 3, "sources": ["a"], "mappings": "A~"}',
        b'{"version": 3, "sources": ["a"], "mappings": "g"}',
        b'{"version": 3, "sources": ["a"], "mappings": "ggggggggggggA"}',
        b'{"version": 3, "sources": ["a"], "mappings": "ACAA"}',
        b'{"version": 3, "sources": ["a"], "mappings": "AADA"}',
        b'{"version": 3, "sources": ["a"], "mappings": "AAAAAA"}',
        b'{"version": 3, "sources": ["a"], "mappings": "AADAA' + b"," * 9 + b'"}',
        b'{"version": 3, "sections": []}',
        json.dumps({"version": 3, "sources": ["a"], "mappings": ";" * (1 << 20)}).encode(),
        json.dumps({"version": 3, "sources": ["a"], "mappings": "AAAA," * (MOST_SEGMENTS + 1)}).encode(),
        json.dumps({"version": 3, "sources": ["a"] * 5000, "mappings": ""}).encode(),
        b"[" * 100_000,
        b" " * (9 << 20),
        b"\xff\xfe",
    ],
)
def test_what_is_no_map_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        decode(text)


@pytest.mark.parametrize(
    "packed", [b"", b"x", zlib.compress(b""), zlib.compress(b"\0" * 12), zlib.compress(b"\1" * 40)]
)
def test_what_was_never_packed_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError):
        Positions.unpack(packed)


def test_sources_that_are_no_names_stay_harmless() -> None:
    made = decode(encoded([[Segment(0, 0, 0, 0)]], [None, "x" * 5000], sourceRoot=7))  # type: ignore[list-item]
    assert made.sources == ["?", "?"]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("", "api/main.js"),
        ("main.ts", "api/main.ts"),
        ("../src/main.ts", "src/main.ts"),
        ("../../lib/x.ts", "../lib/x.ts"),
        ("webpack://src/x.ts", "api/src/x.ts"),
        ("/root/x.ts", "api/root/x.ts"),
        ("a\nb\u202e.ts", "api/a?b?.ts"),
    ],
)
def test_sources_are_named_as_paths_of_the_app(source: str, path: str) -> None:
    assert author("api/main.js", source) == path


PACKED = decode(encoded([[Segment(0, 0, 9, 4)], [Segment(0, 1, 0, 0)]], ["main.ts", "../node_modules/ms/x.js"])).pack()
FILES = {"api/main.js": PACKED, "api/plain.js": b"", "api/broken.js": b"nonsense"}


def opened(path: str, packed: bytes) -> Positions | None:
    return Positions.unpack(packed) if packed == PACKED else None


@given(maps)
def test_how_large_a_map_will_be_is_known_before_it_is_opened(lines: list[list[Segment]]) -> None:
    made = decode(encoded(lines))
    raw = zlib.decompress(made.pack())
    assert Positions.size_of(made.pack()) == len(raw)


@pytest.mark.parametrize("packed", [b"", b"x", zlib.compress(b"\xff" * 11), zlib.compress(b"\xff" * 12)])
def test_what_lies_of_its_size_is_never_measured_beyond_the_most(packed: bytes) -> None:
    assert 0 <= Positions.size_of(packed) <= MOST_UNPACKED


@pytest.mark.parametrize(
    ("stack", "text", "first"),
    [
        ("    at go (api/main.js:2:1)", "    at go (api/main.ts:10:5)", Position("api/main.ts", 10, 5)),
        ("    at api/main.js:2:9", "    at api/main.ts:10:5", Position("api/main.ts", 10, 5)),
        ("    at go (api/plain.js:8:3)", "    at go (api/plain.js:7:3)", Position("api/plain.js", 7, 3)),
        ("    at go (api/plain.js:8)", "    at go (api/plain.js:7)", Position("api/plain.js", 7, 1)),
        ("    at go (api/broken.js:2:3)", "    at go (api/broken.js:1:3)", Position("api/broken.js", 1, 3)),
        ("    at go (prelude.js:5:3)", "    at go (prelude.js:5:3)", None),
        ("    at map (native)", "    at map (native)", None),
        ("    at go (api/plain.js:0:0)", "    at go (api/plain.js:1:0)", Position("api/plain.js", 1, 0)),
        (
            "    at go (api/plain.js:99999999999999:1)",
            "    at go (api/plain.js:99999999999999:1)",
            None,
        ),
        ("no stack at all", "no stack at all", None),
        ("", "", None),
    ],
)
def test_a_stack_is_told_in_the_lines_of_the_author(stack: str, text: str, first: Position | None) -> None:
    assert told(stack, FILES.get, opened) == (text, first)


def test_what_a_package_does_is_put_down_to_the_line_that_called_it() -> None:
    stack = "    at ms (api/main.js:3:1)\n    at go (api/main.js:2:1)"
    text, first = told(stack, FILES.get, opened)
    assert text.startswith("    at ms (node_modules/ms/x.js:1:1)\n")
    assert first == Position("api/main.ts", 10, 5)


def test_a_package_is_better_than_nothing() -> None:
    assert told("    at ms (api/main.js:3:1)", FILES.get, opened).place == Position("node_modules/ms/x.js", 1, 1)


def test_a_stack_without_end_is_cut() -> None:
    text, _ = told("    at go (api/plain.js:8:3)\n" * 100_000, FILES.get, opened)
    assert len(text.split("\n")) <= MOST_FRAMES
    told("(" * 1_000_000, FILES.get, opened)
    told("    at (" + " " * 1_000_000, FILES.get, opened)


@given(st.text(max_size=200))
def test_any_stack_is_understood_somehow(stack: str) -> None:
    told(stack, lambda file: b"", opened)
