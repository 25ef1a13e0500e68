"""Counting from many sides at once: what an app's instances add, compare, change and batch, and who killed the node."""

from __future__ import annotations

import collections
import http.client
import json
import random
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.faults.load import dissect, stored
from tests.runtime.apps import deploy
from tests.system.harness import PATIENCE, Machine, Node, ask, until

APP = "counting"
INSTANCES = 8
KINDS = ("incr", "cas", "inc", "batch", "once")
MAIN = """
const { kv, ds, batch } = fazt.storage;
const works = {
  incr: () => kv.incr("incr"),
  cas: () => {
    for (;;) {
      const seen = kv.get("cas");
      if (kv.cas("cas", seen ?? null, (seen ?? 0) + 1)) return (seen ?? 0) + 1;
    }
  },
  inc: () => ds.update("docs", "counter", { $inc: { n: 1 }, $push: { last: 1 } }),
  batch: (mark) => batch([
    ["kv.incr", "left"],
    ["ds.insert", "halves", { id: mark }],
    ["ds.update", "docs", "counter", { $inc: { halves: 1 } }],
    ["kv.set", "mark:" + mark, 1],
    ["kv.incr", "right"],
  ])[0],
  once: (mark) => batch([["kv.incr", "once"], ["ds.insert", "onces", { mark }]], { once: mark }) === null,
};
module.exports = ({ query }) => ({ told: works[query.what](query.mark) });
"""


@dataclass
class Counted:
    """What clients were told, and what they asked for without hearing of it."""

    told: collections.Counter[str] = field(default_factory=collections.Counter)
    asked: collections.Counter[str] = field(default_factory=collections.Counter)
    numbers: dict[str, list[int]] = field(default_factory=lambda: collections.defaultdict(list))
    marks: dict[str, set[str]] = field(default_factory=lambda: collections.defaultdict(set))
    tried: dict[str, set[str]] = field(default_factory=lambda: collections.defaultdict(set))
    wrong: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return sum(self.told.values())


class Counting:
    """An app that counts, asked by as many threads as it may have instances; the node is killed again and again."""

    def __init__(self, machine: Machine, seed: int) -> None:
        self.machine, self.seed, self.chance = machine, seed, random.Random(seed)
        self.node = machine.up()
        self.counted, self.kills, self.rounds = Counted(), 0, 0
        self._guard = threading.Lock()
        deploy(self.node, APP, {"api/main.js": MAIN})
        self._at_first()

    def _at_first(self) -> None:
        path = f"/api/apps/{APP}/storage/ds/docs"
        body = {"id": "counter", "n": 0, "halves": 0, "last": []}
        answer = self.node.ask("POST", path, body=body, scope="*")
        assert answer.status == 201, answer

    def round(self, calls: int, kill: bool) -> list[str]:
        """So many calls by eight threads; the node is killed in the middle of them. What is wrong then."""
        self.rounds += 1
        enough = self.chance.randrange(calls // 4, calls) if kill else calls
        share = calls if kill else calls // INSTANCES
        before = self.counted.acknowledged
        threads = [threading.Thread(target=self._work, args=(n, share)) for n in range(INSTANCES)]
        for thread in threads:
            thread.start()
        if kill:
            done = lambda: self.counted.acknowledged - before >= enough or self.node.process.poll() is not None  # noqa: E731
            until(done, f"{enough} answers")
            self.node.kill()
            self.kills += 1
        for thread in threads:
            thread.join()
        wrong = list(self.counted.wrong)
        if kill:
            integrity, torn = dissect(self.node.db, self.machine.folder / "dissected")
            wrong += [] if integrity == "ok" and not torn else [f"integrity {integrity}, torn {torn}"]
            self.node = self.machine.up(known=self.node)
        return wrong + self._judged(self.node)

    def _work(self, thread: int, calls: int) -> None:
        chance = random.Random(f"{self.seed}/{self.rounds}/{thread}")
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=PATIENCE)
        try:
            for n in range(calls):
                what = chance.choice(KINDS)
                # two threads each come with the same mark, and only the first of them counts
                owner = thread // 2 if what == "once" else thread
                self._ask(connection, what, f"{self.seed:x}-{self.rounds}-{what}-{owner}-{n}")
        except (OSError, http.client.HTTPException):
            return  # the node is gone
        finally:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, what: str, mark: str) -> None:
        counted = self.counted
        with self._guard:
            counted.asked[what] += 1
            counted.tried[what].add(mark)
        path = f"/api?what={what}&mark={mark}"
        answer = ask(self.node.port, "GET", path, host=f"{APP}.localhost", connection=connection)
        with self._guard:
            if answer.status != 200:
                counted.wrong.append(f"{what} is answered with {answer.status}: {answer.body[:200]!r}")
                return
            counted.told[what] += 1
            counted.marks[what].add(mark)
            told = json.loads(answer.body)["told"]
            if what in ("incr", "cas", "batch"):
                counted.numbers[what].append(told)
            elif what == "inc" and told != 1:
                counted.wrong.append(f"ds.update matched {told}")

    def _judged(self, node: Node) -> list[str]:
        counted, wrong = self.counted, []
        values = stored(node, APP)
        counter = _docs(node, "docs")[0]
        halves = {doc["id"] for doc in _docs(node, "halves")}
        onces = [doc["mark"] for doc in _docs(node, "onces")]
        there = {
            "incr": values.get("incr", 0),
            "cas": values.get("cas", 0),
            "inc": counter["n"],
            "batch": values.get("left", 0),
        }
        for what, count in there.items():
            if not counted.told[what] <= count <= counted.asked[what]:
                wrong.append(f"{what}: {counted.told[what]} told, {counted.asked[what]} asked for, {count} there")
        if len(counter["last"]) != counter["n"]:
            wrong.append(f"ds.update half done: n {counter['n']}, {len(counter['last'])} pushed")
        sides = (values.get("left", 0), values.get("right", 0), len(halves), counter["halves"])
        marks = {key.removeprefix("mark:") for key in values if key.startswith("mark:")}
        if len(set(sides)) > 1 or marks != halves:
            wrong.append(f"half a batch: {sides}, {len(marks)} marks")
        wrong += [f"batch {mark} is lost" for mark in counted.marks["batch"] - halves]
        once = values.get("once", 0)
        if len(onces) != len(set(onces)) or len(onces) != once:
            wrong.append(f"once is not once: {len(onces)} kept, {len(set(onces))} marks, counted {once}")
        wrong += [f"once {mark} is lost" for mark in counted.marks["once"] - set(onces)]
        wrong += [f"once {mark} was never asked for" for mark in set(onces) - counted.tried["once"]]
        for what, numbers in counted.numbers.items():
            if len(set(numbers)) < len(numbers):
                wrong.append(f"{what} gave a number twice")
        return wrong


def _docs(node: Node, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        path = f"/api/apps/{APP}/storage/ds/{name}?limit=1000&order=asc&offset={len(found)}"
        some = node.ask("GET", path, scope="*").data
        found += some
        if len(some) < 1000:
            return found
