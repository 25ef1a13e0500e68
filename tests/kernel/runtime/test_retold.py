"""Stacks in what an app logs, in the lines of its author."""

from __future__ import annotations

import pytest

from kernel.runtime.limits import RuntimeLimits
from kernel.runtime.lower.lowered import Lowered
from kernel.runtime.positions import Positions, Segment
from kernel.runtime.program import About, Program

# line 3 of what runs is line 9 of main.ts; the engine puts one line before both files
MAP = Positions([""], [[], [], [Segment(0, 0, 8, 4)]]).pack()
SOURCES = {"api/main.ts": Lowered(b"", "fetch", positions=MAP), "api/plain.js": Lowered(b"", "module")}
PROGRAM = Program(
    ("key",), About("app_x", "x", "", "", {}), "api/main.ts", SOURCES, RuntimeLimits(30, 5, 64 << 20, False), {}
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("plain words at api/main.ts:4:1", "plain words at api/main.ts:4:1"),
        ("Error: x\n    at fetch (api/main.ts:4:1)", "Error: x\n    at fetch (api/main.ts:9:5)"),
        ("    at fetch (api/main.ts:4:1)\n", "    at fetch (api/main.ts:9:5)\n"),
        ("    at (api/plain.js:4:1)\nthen\n    at b (api/plain.js:8:2)", None),
        ("  grouped\n      at fetch (api/main.ts:4:1)\n  more", "  grouped\n      at fetch (api/main.ts:9:5)\n  more"),
        ("    at somewhere (else.js:4:1)", "    at somewhere (else.js:4:1)"),
        ("    at nothing that is a place", "    at nothing that is a place"),
    ],
)
def test_a_stack_in_a_text_is_told_in_the_authors_lines(said: str, told: str | None) -> None:
    expected = "    at (api/plain.js:3:1)\nthen\n    at b (api/plain.js:7:2)" if told is None else told
    assert PROGRAM.retold(said) == expected


def test_a_text_that_is_nothing_but_frames_is_done_with_soon() -> None:
    frame = "    at fetch (api/main.ts:4:1)"
    assert len(PROGRAM.retold("\n".join([frame] * 300)).split("\n")) <= 300
