"""A node for tests that must not change anything: one for a whole module, looked at again at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests import support


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def untouched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[support.Running]:
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as made:
        await made.key("*")
        before = made.content()
        yield made
        assert made.content() == before
