"""The document store beside its model: the same operations, the same answers, the same refusals."""

from __future__ import annotations

import contextlib
import math
import random
from pathlib import Path
from typing import Any

import msgspec

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Page
from tests.kernel.data.ds_model import Collection, Wrong
from tests.kernel.data.ds_random import Maker

APP = "app_aaaaaaaaaaaa"
INDEXED = ("a", "n", "s", "a.b", "list.0")
GRANTS = frozenset({"storage:ds"})
CALLS = {"deleteOldest": "delete_oldest", "aggregate": "totals"}


class Trial:
    """One collection and its model. `indexes` are made or dropped along the way: they must change nothing."""

    def __init__(self, node: Node, clock: ManualClock, seed: int) -> None:
        self.clock = clock
        self.node, self.maker, self.model, self.name = node, Maker(seed), Collection(), f"c{seed}"
        self.seed, self.done, self.refused = seed, 0, 0
        self.random = random.Random(seed)

    async def js(self, name: str, *arguments: Any) -> Any:
        entry = self.node.registry[f"storage.ds.{name}"]
        call = self.node.driver.call(LOCAL, "js", app=APP, grants=GRANTS)
        result = await self.node.driver.settle(entry, call, entry.javascript(call, msgspec.json.encode(arguments)), {})
        if isinstance(result, Page):
            result = result.items
        return None if result is msgspec.UNSET else msgspec.json.decode(msgspec.json.encode(result))

    async def step(self) -> None:
        name, arguments = self.maker.operation()
        before = list(self.model.rows)
        expected, wrong = self._modelled(name, arguments)
        try:
            found, refused = await self.js(name, self.name, *arguments), None
        except FaztError as error:
            found, refused = None, error
        said = (self.seed, self.done, name, arguments)
        if wrong:
            self.refused += 1
            self.model.rows = before
            assert refused is not None, (said, "must be refused", wrong, found)
            assert refused.code == wrong.code, (said, refused.code, str(refused), wrong)
        else:
            assert refused is None, (said, "must not be refused", refused and (refused.code, str(refused)))
            assert alike(cleaned(found), expected), (said, "found", found, "expected", expected)
        self.done += 1

    def _modelled(self, name: str, arguments: list[Any]) -> tuple[Any, Wrong | None]:
        try:
            if name == "findOne" or name == "get":
                found = self.model.find_one(*arguments)
            elif name == "count":
                found = len(self.model.wanted(*arguments))
            else:
                found = getattr(self.model, CALLS.get(name, name))(*arguments)
            return found, None
        except Wrong as wrong:
            return None, wrong

    async def compare(self) -> None:
        """Everything there is, in order."""
        found = cleaned(await self.js("find", self.name, {}, {"order": "asc"}))
        expected = [self.model.shown(row) for row in self.model.rows]
        assert alike(found, expected), (self.seed, self.done, found, expected)
        assert await self.js("count", self.name) == len(expected)

    async def index(self) -> None:
        """Make or drop an index, and let the chores go some way or to the end."""
        what, field = self.random.choice(("add", "add", "drop", "work", "work")), self.random.choice(INDEXED)
        if what == "work":
            self.clock.advance(self.random.choice((0, 61)))
            await self.node.index_chores.work(APP)
            return
        entry = self.node.registry[f"storage.ds.indexes.{what}"]
        call = self.node.driver.call(LOCAL, "http", app=APP)
        # there already, not there, or no room for one more: the answers must stay right all the same
        with contextlib.suppress(FaztError):
            await self.node.driver.invoke(entry, call, {"collection": self.name, "field": field})


def cleaned(found: Any) -> Any:
    """Without the times, which the model does not know."""
    if isinstance(found, dict):
        return {key: value for key, value in found.items() if key not in ("_createdAt", "_updatedAt")}
    return (
        [cleaned(one) for one in found] if isinstance(found, list) and found and isinstance(found[0], dict) else found
    )


def alike(found: Any, expected: Any) -> bool:
    """The same JSON; sums of doubles may differ in their last digits."""
    if isinstance(expected, bool) or expected is None:
        return found is expected
    if isinstance(expected, int | float):
        close = isinstance(found, int | float) and not isinstance(found, bool)
        return close and (found == expected or math.isclose(found, expected, rel_tol=1e-9))
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(alike, found, expected))
    if isinstance(expected, dict):
        same = isinstance(found, dict) and found.keys() == expected.keys()
        return same and all(alike(found[key], expected[key]) for key in expected)
    return bool(found == expected)


async def run(folder: Path, seed: int, steps: int) -> Trial:
    clock = ManualClock()
    node = Node(folder / f"ds-{seed}.db", clock=clock)
    try:
        trial = Trial(node, clock, seed)
        for _ in range(steps):
            if trial.random.random() < 0.01:
                await trial.index()
            await trial.step()
        await trial.compare()
        return trial
    finally:
        await node.stop()
        node.close()
