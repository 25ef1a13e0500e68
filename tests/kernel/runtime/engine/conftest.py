from __future__ import annotations

from collections.abc import Iterator

import pytest

from kernel.runtime.engine.engine import Engine
from kernel.runtime.engine.instance import Instance
from tests.kernel.runtime.engine.driver import TestHost, small_engine


@pytest.fixture(scope="session")
def engine() -> Engine:
    return small_engine()


@pytest.fixture
def host() -> TestHost:
    return TestHost()


@pytest.fixture
def instance(engine: Engine, host: TestHost) -> Iterator[Instance]:
    made = Instance(engine, host)
    yield made
    made.close()
