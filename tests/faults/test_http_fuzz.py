"""Random programs of requests: by the door and past it, nobody sees a difference."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from tests.faults import http_fuzz

PROGRAMS = 500


@pytest.mark.parametrize(
    ("kind", "loop", "first"),
    [
        (http_fuzz.MemorySite, asyncio.new_event_loop, 0),
        (http_fuzz.MemorySite, uvloop.new_event_loop, PROGRAMS),
        (http_fuzz.DeployedSite, asyncio.new_event_loop, 2 * PROGRAMS),
        (http_fuzz.DeployedSite, uvloop.new_event_loop, 3 * PROGRAMS),
    ],
    ids=["asyncio", "uvloop", "an app on asyncio", "an app on uvloop"],
)
def test_the_door_answers_as_aiohttp_alone_does(
    tmp_path: Path, kind: type[http_fuzz.MemorySite], loop: Callable[[], asyncio.AbstractEventLoop], first: int
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        found = runner.run(http_fuzz.run(tmp_path / "data.db", range(first, first + PROGRAMS), kind))
    assert found.differences == []
    assert found.programs == PROGRAMS
    assert found.fast > PROGRAMS // 2, "the door has answered too little to be compared"
    assert found.upgrades > PROGRAMS // 10
