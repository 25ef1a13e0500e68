"""kill -9 while a step of a deploy is on its way, over and over on one file."""

from __future__ import annotations

import contextlib
import random
import threading
from typing import Literal

from tests.faults.test_deploy import Deploying, site
from tests.system.harness import Machine


class CutOff:
    def __init__(self, machine: Machine, seed: int) -> None:
        self._machine, self._chance = machine, random.Random(seed)
        self.node = machine.up()
        self.live, self._n, self.cuts = site(1), 1, 0
        Deploying(self.node).deploy(self.live)

    def round(self) -> Literal["old", "new", "torn"]:
        """What is live after a deploy was cut off at a random moment."""
        self._n += 1
        self.cuts += 1
        client, new = Deploying(self.node), site(self._n)
        steps = client.steps(new)
        cut = self._chance.randrange(len(steps))
        for step, sent in steps[:cut]:
            assert client.post(step, sent)[0] == 200
        wait = self._chance.random() * 0.02
        killer = threading.Timer(wait, self.node.kill)
        killer.start()
        with contextlib.suppress(OSError, ValueError):
            for step, sent in steps[cut:]:
                client.post(step, sent)
        killer.join()
        self.node = self._machine.up(known=self.node)
        shown = Deploying(self.node).shown()
        if shown == new:
            self.live = new
            return "new"
        return "old" if shown == self.live else "torn"
