"""Objects are moved to an S3 server and back, whoever writes meanwhile and whoever is killed: nothing is lost."""

from __future__ import annotations

import random

from tests.faults.moving import Moving
from tests.system.harness import Machine


def test_a_move_out_and_back_that_is_killed(machine: Machine) -> None:
    moving = Moving(machine, seed=random.randrange(1 << 20), total=4 << 20, most=1 << 20)
    try:
        assert moving.move(kills=1, clean=True) == []
        assert moving.move(kills=1, clean=True) == []
    finally:
        moving.close()
