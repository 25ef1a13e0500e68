"""Stacks in what an app logs, in the lines of its author."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kernel.observe.lines import MOST_LINE
from kernel.runtime.guest import Elsewhere, Guest, Serving
from kernel.runtime.limits import RuntimeLimits
from kernel.runtime.lower.lowered import Lowered
from kernel.runtime.opened import BYTES_PER_EFFORT, LEAST_ENTRY, MOST_EFFORT, MOST_TEXT, Effort, Opened
from kernel.runtime.positions import MOST_STACK, Positions, Segment
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


FRAME = "    at fetch (api/main.ts:4:1)"
TOLD = "    at fetch (api/main.ts:9:5)"


class Openings:
    """Counts what is opened, in a cache of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int = 1 << 20) -> None:
        self.count = 0
        unpack = Positions.unpack

        def counted(packed: bytes) -> Positions:
            self.count += 1
            return unpack(packed)

        monkeypatch.setattr(Positions, "unpack", counted)
        monkeypatch.setattr("kernel.runtime.program.OPENED", Opened(most))


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> Openings:
    return Openings(monkeypatch)


def program(packed: bytes = MAP, files: int = 1) -> Program:
    names = ["api/main.ts", *(f"api/f{n}.ts" for n in range(1, files))]
    sources = {name: Lowered(b"", "fetch", positions=packed) for name in names}
    about, limits = About("app_x", "x", "", "", {}), RuntimeLimits(30, 5, 64 << 20, False)
    return Program(("key",), about, "api/main.ts", sources, limits, {})


def test_a_text_that_is_nothing_but_frames_loses_none() -> None:
    told = PROGRAM.retold("\n".join([FRAME] * 100)).split("\n")
    assert told == [TOLD] * 100


def test_many_stacks_open_a_map_once(openings: Openings) -> None:
    made = program()
    for _ in range(3):
        assert made.retold(f"{FRAME}\nx\n" * 50) == f"{TOLD}\nx\n" * 50
    for _ in range(3):
        assert made.trace_of(FRAME).text == TOLD
    assert openings.count == 1


def test_the_map_of_one_program_is_never_anothers(openings: Openings) -> None:
    first, second = program(), program(Positions([""], [[], [], [Segment(0, 0, 1, 0)]]).pack())
    assert first.retold(FRAME) == TOLD
    assert second.retold(FRAME) == "    at fetch (api/main.ts:2:1)"
    assert first.retold(FRAME) == TOLD
    assert openings.count == 2


def test_a_map_that_cannot_be_read_is_tried_once(openings: Openings) -> None:
    made = program(b"nonsense")
    for _ in range(3):
        assert made.retold(FRAME) == "    at fetch (api/main.ts:3:1)"
    assert openings.count == 1


def test_what_was_not_used_for_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    openings, made = Openings(monkeypatch, 2 * LEAST_ENTRY), program(files=3)
    for name in ("api/main.ts", "api/f1.ts", "api/main.ts", "api/f2.ts", "api/main.ts"):
        made.retold(f"    at f ({name}:4:1)")
    assert openings.count == 3
    made.retold("    at f (api/f1.ts:4:1)")
    assert openings.count == 4


def test_a_map_larger_than_all_that_is_kept_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    openings, made = Openings(monkeypatch, 1), program()
    assert made.retold(FRAME) == made.retold(FRAME) == TOLD
    assert openings.count == 2


def test_threads_that_want_the_same_map_open_it_once(openings: Openings) -> None:
    made, ready = program(), threading.Barrier(4)

    def look() -> str:
        ready.wait()
        return made.retold(FRAME)

    with ThreadPoolExecutor(4) as threads:
        assert {future.result() for future in [threads.submit(look) for _ in range(4)]} == {TOLD}
    assert openings.count == 1


def test_the_lines_that_are_told_for_one_request_are_counted(openings: Openings) -> None:
    made, effort = program(), Effort(MOST_EFFORT - 4)
    # opening counts as one
    assert made.retold(FRAME, effort) == TOLD
    assert made.retold(f"{FRAME}\n{FRAME}\nx\n{FRAME}", effort) == f"{FRAME}\n{FRAME}\nx\n{TOLD}"
    assert made.retold(FRAME, effort) == FRAME
    assert effort.spent <= MOST_EFFORT + 2
    assert openings.count == 1


def test_maps_that_are_opened_for_one_request_are_counted_by_their_size(openings: Openings) -> None:
    large = Positions([""], [[], [], [Segment(0, 0, 8, 4)], *[[]] * 99_997])
    cost = Positions.size_of(large.pack()) // BYTES_PER_EFFORT
    assert cost > 40
    made = program(large.pack(), files=20)
    effort = Effort(MOST_EFFORT - 3 * cost)
    told = made.retold("\nx\n".join(f"    at f (api/f{n}.ts:4:1)" for n in range(1, 20)), effort)
    assert openings.count == 2
    assert told.count(".ts:9:5") == 2 and told.count(".ts:4:1") == 17
    # another request is not to blame, and what is open costs it nothing
    assert made.retold("    at f (api/f1.ts:4:1)") == "    at f (api/f1.ts:9:5)"
    assert openings.count == 2


def test_a_stack_of_an_error_that_would_open_too_much_stays_as_it_is(
    openings: Openings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel.runtime.opened.MOST_EFFORT", 0)
    assert program().trace_of(FRAME) == (FRAME, None)
    assert len(program().trace_of(FRAME * 1000).text) <= MOST_STACK
    assert openings.count == 0


def test_what_no_line_of_the_log_shows_is_not_told(openings: Openings) -> None:
    made, effort = program(), Effort()
    text = "x" * MOST_LINE + f"\n{FRAME}" * 10_000
    assert made.retold(text, effort) == text
    assert (effort.spent, openings.count) == (0, 0)
    # a line that stands across the end is whole, and nothing of the text is lost
    across = "x" * (MOST_LINE - 10) + f"\n{FRAME}\n{FRAME}\nend"
    assert made.retold(across) == "x" * (MOST_LINE - 10) + f"\n{TOLD}\n{FRAME}\nend"


class Hears(Serving):
    def __init__(self) -> None:
        self.said: list[str] = []

    def log(self, level: str, text: str) -> None:
        self.said.append(text)


def logging(made: Program) -> tuple[Guest, Hears]:
    """A guest without an engine: all it can do is log."""
    guest, serving = Guest.__new__(Guest), Hears()
    guest.program, guest.served = made, 0
    guest.bind(serving)
    return guest, serving


def test_one_request_is_told_so_much_however_often_it_logs(openings: Openings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kernel.runtime.opened", "kernel.runtime.guest"):
        monkeypatch.setattr(f"{name}.MOST_EFFORT", 5)
    guest, serving = logging(program())
    for _ in range(6):
        guest.ask("log", b"info", FRAME.encode())
    assert serving.said == [TOLD] * 4 + [FRAME] * 2
    guest.bind(serving)
    guest.ask("log", b"info", FRAME.encode())
    assert serving.said[-1] == TOLD and openings.count == 1


def test_what_needs_maps_is_not_told_on_the_event_loop(openings: Openings) -> None:
    guest, serving = logging(program())
    serving.here = True
    with pytest.raises(Elsewhere):
        guest.ask("log", b"info", FRAME.encode())
    assert openings.count == 0 and not serving.said
    guest.ask("log", b"info", b"plain words")
    assert serving.said == ["plain words"]


@pytest.mark.parametrize("size", [MOST_TEXT + 1, 40 << 20])
def test_a_log_call_of_any_size_hands_on_a_bounded_text(size: int) -> None:
    guest, serving = logging(PROGRAM)
    guest.ask("log", b"info", memoryview(b"\xff" * size))
    assert len(serving.said[0]) == MOST_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "    at " * 100_000,
        "    at (" * 100_000,
        " " * 1_000_000 + "at f (api/main.ts:4:1)",
        "    at f (" + ":1" * 100_000 + ")",
        "    at \n" * 100_000,
        "    at f (api/main.ts:4:1" + "0" * 100_000 + ")",
        "    at f (api/main.ts:999999999:999999999)\n" * 1000,
        "\0    at \ud800 (api/main.ts:4:1)",
    ],
)
def test_texts_that_only_look_like_stacks_are_done_with(openings: Openings, text: str) -> None:
    effort = Effort()
    assert PROGRAM.retold(text, effort).count("\n") == text.count("\n")
    assert effort.spent < 2000 and openings.count <= 1
