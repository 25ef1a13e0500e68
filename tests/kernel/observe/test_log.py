"""Structured logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from kernel.observe import log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def written(stream: io.StringIO, *, debug: bool = False, error: bool = False, **fields: object) -> str:
    log.configure(debug, stream)
    logger = log.get("fazt.test")
    if error:
        try:
            raise RuntimeError("out of order")
        except RuntimeError:
            logger.exception("it failed", extra=fields)
    else:
        logger.info("it happened", extra=fields)
    logger.debug("a detail")
    return stream.getvalue()


def test_elsewhere_than_on_a_terminal_a_line_is_a_json_object() -> None:
    (line,) = written(io.StringIO(), task="clicks", failures=3).splitlines()
    told = json.loads(line)
    assert told.pop("at").endswith("Z")
    assert told == {"level": "info", "from": "fazt.test", "message": "it happened", "task": "clicks", "failures": 3}


def test_a_trace_stays_in_its_json_object() -> None:
    (line,) = written(io.StringIO(), error=True).splitlines()
    assert "RuntimeError: out of order" in json.loads(line)["trace"]


def test_what_has_no_json_form_is_told_as_text() -> None:
    assert json.loads(written(io.StringIO(), path=io))["path"].startswith("<module")


def test_on_a_terminal_a_line_is_for_people() -> None:
    text = written(Terminal(), task="clicks")
    assert text[8:] == " info    it happened task=clicks\n"


@pytest.mark.parametrize("evil", ["a\nb", "\x1b[2J", "\x07", "\u202e", "\u2028", "\x9b31m"])
@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_what_comes_from_outside_cannot_move_the_cursor_or_begin_a_line(evil: str, stream: type[io.StringIO]) -> None:
    text = written(stream(), agent=evil)
    assert evil not in text
    assert len(text.splitlines()) == 1


def test_a_line_carries_the_request_it_belongs_to() -> None:
    token = log.request_id.set("req_1")
    try:
        assert json.loads(written(io.StringIO()))["request"] == "req_1"
    finally:
        log.request_id.reset(token)
    assert "request" not in json.loads(written(io.StringIO()))


def test_details_are_told_only_when_asked_for() -> None:
    assert "a detail" not in written(io.StringIO())
    assert "a detail" in written(io.StringIO(), debug=True)


def test_configuring_again_does_not_tell_everything_twice() -> None:
    written(io.StringIO())
    assert len(written(io.StringIO()).splitlines()) == 1
