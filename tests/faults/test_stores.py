"""Nothing an app counts is lost or counted twice, whoever else counts and whenever the node is killed."""

from __future__ import annotations

import random

from tests.faults.stores import KINDS, Counting
from tests.system.harness import Machine


def test_counting_from_many_sides(machine: Machine) -> None:
    counting = Counting(machine, seed=random.randrange(1 << 20))
    assert counting.round(800, kill=False) == []
    assert counting.counted.told == counting.counted.asked
    assert set(counting.counted.told) == set(KINDS)
    for _ in range(2):
        assert counting.round(600, kill=True) == []
