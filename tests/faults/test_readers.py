"""A hundred readers during five deploys; `scripts/torture readers` does it with a thousand and twenty."""

from __future__ import annotations

import asyncio

from tests.faults.readers import flip
from tests.system.harness import Machine


def test_20_every_page_is_of_one_release_and_none_is_stale(machine: Machine) -> None:
    node = machine.up()
    seen = asyncio.run(flip(node.port, node.key("deploy"), readers=100, deploys=5))
    assert seen.wrong == []
    assert seen.deploys == 5 and seen.pages >= 100 and seen.assets == seen.pages
    assert node.stop() == 0
