from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.kernel.runtime.engine.driver import cache


@pytest.fixture(autouse=True, scope="session")
def engine_cache() -> Iterator[None]:
    """One place for the machine code of all nodes of a run: each would spend seconds on its own."""
    before = os.environ.get("FAZT_CACHE")
    os.environ["FAZT_CACHE"] = str(cache())
    yield
    if before is None:
        del os.environ["FAZT_CACHE"]
    else:
        os.environ["FAZT_CACHE"] = before
