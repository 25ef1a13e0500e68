from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.storage.store import Store

from .support import Gate, make


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def store(tmp_path: Path, gate: Gate) -> Iterator[Store]:
    made = make(tmp_path, gate=gate)
    yield made
    gate.opened.set()
    made.close()
