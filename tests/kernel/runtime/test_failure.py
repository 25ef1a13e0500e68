"""Why an app's code failed: one text for its author, another for whoever asked."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kernel.base.errors import FaztError
from kernel.runtime.engine.instance import Stopped
from kernel.runtime.failure import LONGEST_MESSAGE, GuestError, GuestFailure, error_in, failed, stopped, traced
from kernel.runtime.limits import RuntimeLimits
from kernel.runtime.lower.lowered import Lowered
from kernel.runtime.program import About, Program

MAIN = "api/main.js"


def program() -> Program:
    about = About("app_1", "blog", "", "1", {})
    limits = RuntimeLimits(30, 5, 64 << 20, False)
    return Program(("k",), about, MAIN, {MAIN: Lowered(b"code", "module")}, limits, {})


def failure(name: str = "Error", message: str = "broken", *, full: bool = False, **said: Any) -> FaztError:
    return failed(GuestError(name, message, **said), program(), full)


def written(error: FaztError) -> str:
    assert isinstance(error.__cause__, GuestFailure)
    return error.__cause__.text


@pytest.mark.parametrize(
    ("reason", "full", "code", "status"),
    [
        ("cpu", False, "CPU_LIMIT", 500),
        ("cpu", True, "CPU_LIMIT", 500),
        ("timeout", False, "TIMEOUT", 504),
        ("memory", False, "MEMORY_LIMIT", 500),
        ("stack", False, "STACK_LIMIT", 500),
        ("fault", False, "HANDLER_ERROR", 500),
        ("fault", True, "MEMORY_LIMIT", 500),
        ("what nobody knows", False, "HANDLER_ERROR", 500),
        ("", False, "HANDLER_ERROR", 500),
    ],
)
def test_why_it_was_stopped(reason: str, full: bool, code: str, status: int) -> None:
    error = stopped(Stopped(reason), full)
    assert (error.code, error.status) == (code, status)


def test_what_is_thrown_is_told_without_its_place() -> None:
    stack = "    at inner (api/main.js:4:7)\n    at api/main.js:9:1\n    at step (prelude.js:10:3)\n    at x (native)"
    error = failure("TypeError", "no such thing", stack=stack)
    assert (error.code, error.status, error.message) == ("HANDLER_ERROR", 500, "no such thing")
    assert not error.details and MAIN not in str(error.public())
    text = written(error)
    assert text.startswith("TypeError: no such thing (api/main.js:3:7)")
    assert "prelude.js" not in text and "native" not in text


@pytest.mark.parametrize(
    "code", ["INVALID_RESPONSE", "LOCKED", "MODULE_NOT_FOUND", "MODULE_FORBIDDEN", "REQUIRE_DEPTH", "NO_REQUEST"]
)
def test_what_our_own_words_say_keeps_its_code(code: str) -> None:
    assert failure("FaztError", "said", code=code).code == code


@pytest.mark.parametrize(
    "code", ["NOT_FOUND", "UNAUTHORIZED", "INTERNAL_ERROR", "TIMEOUT", "CPU_LIMIT", "", "x" * 9000, None]
)
def test_no_code_can_be_invented(code: Any) -> None:
    error = failure("FaztError", "said", code=code, status=200, details={"a": 1})
    assert (error.code, error.status) == ("HANDLER_ERROR", 500) and not error.details


@pytest.mark.parametrize(
    "said",
    [
        {"name": "SyntaxError", "kind": "load"},
        {"name": "FaztError", "code": "SYNTAX_ERROR"},
        {"name": "SyntaxError", "code": "SYNTAX_ERROR", "kind": "handler"},
    ],
)
def test_where_code_cannot_be_read_is_for_its_author(said: Any) -> None:
    error = failure(message="api/db.js:3:7: Unexpected token", **said)
    assert (error.code, error.message) == ("SYNTAX_ERROR", "The app's code cannot be read.")
    assert "api/db.js:3:7: Unexpected token" in written(error)


def test_a_text_that_a_handler_cannot_parse_is_no_unreadable_code() -> None:
    assert failure("SyntaxError", "Unexpected end of JSON input").code == "HANDLER_ERROR"


@pytest.mark.parametrize(
    ("name", "message", "full", "code"),
    [
        ("InternalError", "out of memory", False, "MEMORY_LIMIT"),
        ("Error", "out of memory", False, "HANDLER_ERROR"),
        ("Error", "null", False, "HANDLER_ERROR"),
        ("Error", "null", True, "MEMORY_LIMIT"),
        ("Error", "other", True, "HANDLER_ERROR"),
    ],
)
def test_want_of_memory(name: str, message: str, full: bool, code: str) -> None:
    assert failure(name, message, full=full).code == code


def test_texts_are_bounded_and_never_empty() -> None:
    assert len(failure("E", "x" * 100_000).message) == LONGEST_MESSAGE
    assert failure("Oops", "").message == "Oops" and written(failure("Oops", "")) == "Oops"
    assert len(failure("x" * 10_000, "").message) == 100


@pytest.mark.parametrize(
    "stack", ["", "\n" * 10_000, "at " * 5000, "    at (((:1:1)\n" * 500, "api/main.js:99999999999:1"]
)
def test_stacks_may_be_anything(stack: str) -> None:
    assert written(failure(stack=stack)).startswith("Error: broken")


@pytest.mark.parametrize(
    "said", [b"{}", b'{"name":1,"message":""}', b'{"name":"a"}', b"[]", b'{"name":"a","message":null}']
)
def test_what_is_no_error_is_not_taken_for_one(said: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(said, type=GuestError)


# --- looked up before the event loop hears of it

STACK = "    at inner (api/main.js:4:7)"
SAID = msgspec.json.encode(GuestError("Error", "broken", stack=STACK))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (b"E" + SAID, SAID),
        (b"W1\nE" + SAID, SAID),
        (b"W1\nE" + SAID + b"\n", SAID),
        (b"E1\nE2", b"1"),
        (b"H200 []\nC1 timer [1]\nEx\nZ", b"x"),
        (b"E", b""),
        (b"", None),
        (b"\n", None),
        (b"G", None),
        (b"D200 []\nE" + SAID, None),
        (b"W0\nD200 []\nE" + SAID, None),
        (b"C1 timer E\nW1", None),
    ],
)
def test_an_error_is_found_in_what_a_step_says(output: bytes, said: bytes | None) -> None:
    assert error_in(output) == said


def test_its_place_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = program()
    trace = traced(b"W1\nE" + SAID, app)
    assert trace and trace.place and trace.place.line == 3
    monkeypatch.setattr(Program, "trace_of", None)
    error = failed(msgspec.json.decode(SAID, type=GuestError), app, False, trace)
    assert written(error) == "Error: broken (api/main.js:3:7)\n    at inner (api/main.js:3:7)"


@pytest.mark.parametrize(
    "output", [b"", b"G", b"D200 []\nE" + SAID, b"E", b"E{}", b"E[]", b"E" + b"[" * 100_000, b"E\xff", b"Ex\nE" + SAID]
)
def test_what_says_no_stack_has_no_trace(output: bytes) -> None:
    assert traced(output, program()) is None


def test_an_error_without_a_stack_has_no_trace() -> None:
    assert traced(b"E" + msgspec.json.encode(GuestError("Error", "broken")), program()) is None
