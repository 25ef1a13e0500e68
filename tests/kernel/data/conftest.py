"""An S3 server for the tests of this folder, started once and only when one asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernel.data import object_bench


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    yield from object_bench.server()
