from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.apps import Apps
from tests.system.conftest import cache, fazt, machine, program, python, shared
from tests.system.harness import Machine

__all__ = ["cache", "fazt", "machine", "program", "python", "shared"]


@pytest.fixture(scope="module")
def apps(shared: Machine) -> Iterator[Apps]:
    """A node for the tests of a module, and the apps on it."""
    yield Apps(shared, shared.up())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "app"
