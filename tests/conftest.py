from __future__ import annotations

import time
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import pytest

from tests import support

_began = time.monotonic()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[support.Running]:
    """A fresh node on a port of this machine."""
    async with support.running(tmp_path / "data.db") as made:
        yield made


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """What a test printed or logged may be no text at all; between processes only text travels."""
    return _as_text((yield))


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {name: _as_text(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_as_text, value))
    return value


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.config.fazt_stats = terminalreporter.stats


def pytest_unconfigure(config: Any) -> None:
    """The last line: how many tests there were."""
    stats = getattr(config, "fazt_stats", None)
    if stats is not None and not hasattr(config, "workerinput"):
        count = {name: len(stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
        failed = count["failed"] + count["error"]
        took = time.monotonic() - _began
        print(f"{count['passed']} passed, {failed} failed, {count['skipped']} skipped in {took:.0f} s")
