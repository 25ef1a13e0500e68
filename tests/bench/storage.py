"""The stores over HTTP: rates per second of the server's own processor time, beside a plain program that does the same.

The rival is aiohttp on uvloop with sqlite3 (`sqlite_app.py`): no users, no keys, no apps, no other way in.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import itertools
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import uvloop

from fazt.boot import Node as InProcess
from kernel.storage.connection import PAGE_SIZE, learn_distances
from tests.bench import nodes, wrk
from tests.bench.house import run
from tests.bench.measure import Bench, Row, Turn, compared, cpu_seconds, rounds, versus
from tests.bench.sqlite_app import INSERT, SCHEMA
from tests.bench.wrk import Load
from tests.system.harness import Node, ask

ROOT = Path(__file__).resolve().parent.parent.parent
CREATORS, READERS = 500, 64
LISTED, FEW, MANY, BATCH = 100_000, 10_000, 1_000_000, 10_000
AT_ONCE = 2000
VECTORS, DIMENSIONS, NEAR = 100_000, 384, 10
ASKED = 200
DOC = {"title": "A note", "text": "x" * 80, "done": False, "tags": ["a", "b"], "count": 1}
KINDS = 1000  # documents that have the same kind: as many as there are documents over this

CREATE = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[{json.dumps(DOC)}]]
"""
ONE = """
request = function() return wrk.format("GET", wrk.path .. string.format("/d%%07d", math.random(%d) - 1)) end
"""
UPDATE = """
wrk.headers["Content-Type"] = "application/json"
request = function()
  local body = string.format('{"count": %%d}', math.random(1000000))
  return wrk.format("PATCH", wrk.path .. string.format("/d%%07d", math.random(%d) - 1), nil, body)
end
"""


@dataclass(frozen=True)
class Side:
    port: int
    pid: int
    host: str
    base: str  # the address of collections
    key: str = ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Host": self.host, **({"Authorization": f"Bearer {self.key}"} if self.key else {})}

    def post(self, path: str, body: Any) -> Any:
        host = self.host.partition(":")[0]
        return ask(self.port, "POST", self.base + path, host=host, key=self.key or None, body=body).data


def rows(bench: Bench) -> Iterator[Row]:
    if wrk.find() is None:
        raise RuntimeError(wrk.MISSING)
    size = min(1.0, bench.seconds)
    with nodes.host(bench) as host, host.node() as node, _rival(bench) as rival:
        app, key = node.app("bench"), node.key()
        ours = Side(node.port, node.pid, f"admin.localhost:{node.port}", f"/api/apps/{app}/storage/ds", key)
        yield from _documents(bench, ours, rival, max(100, int(LISTED * size)))
        yield _indexed(node, ours, max(100, int(FEW * size)), max(1000, int(MANY * size)))
    yield _batch(bench, max(100, int(BATCH * size)))
    yield _nearest(bench, max(500, int(VECTORS * size)))


# --- documents over HTTP


@contextlib.contextmanager
def _rival(bench: Bench) -> Iterator[Side]:
    words = [sys.executable, "-m", "tests.bench.sqlite_app", str(bench.place("rival") / "data.db")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            yield Side(port, process.pid, "localhost", "/api")
        finally:
            process.kill()


def _documents(bench: Bench, ours: Side, rival: Side, count: int) -> Iterator[Row]:
    for side in (ours, rival):
        _fill(side, "listed", count)
    shapes = (
        ("create", "/made", CREATORS, CREATE),
        ("one", "/listed", READERS, ONE % count),
        ("page", "/listed?limit=20&total=false", READERS, ""),
        ("page_total", "/listed?limit=20", READERS, ""),
        ("update", "/listed", READERS, UPDATE % count),
    )
    for name, path, connections, lua in shapes:
        turns = {
            which: _turn(bench, side, path, connections, lua) for which, side in (("ours", ours), ("theirs", rival))
        }
        taken = rounds(turns)
        pairs = list(zip(taken["ours"], taken["theirs"], strict=True))
        row = compared(f"storage.{name}", "req/cpu-s", pairs, rival="aiohttp+sqlite3", better="higher", target=0.5)
        mine, other = (statistics.median(turn.per_second for turn in taken[which]) for which in ("ours", "theirs"))
        row.note = f"{mine:,.0f} beside {other:,.0f} by the clock"
        yield row


@dataclass
class Asked(Turn):
    """A turn whose value is per second of the server's processor time."""

    per_second: float = 0.0


def _turn(bench: Bench, side: Side, path: str, connections: int, lua: str) -> Callable[[], Asked]:
    def turn() -> Asked:
        before = cpu_seconds(side.pid)
        found: Load = wrk.load(
            bench.folder,
            side.port,
            side.base + path,
            bench.seconds,
            connections=connections,
            headers=side.headers,
            lua=lua,
        )
        spent = max(cpu_seconds(side.pid) - before, 0.01)
        per_second = found.requests / found.seconds
        return Asked(found.requests / spent, p50_ms=found.p50_ms, p99_ms=found.p99_ms, per_second=per_second)

    return turn


def _doc(number: int) -> dict[str, Any]:
    return {"id": f"d{number:07}", **DOC, "n": number, "kind": number % KINDS}


def _fill(side: Side, name: str, count: int) -> None:
    for start in range(0, count, AT_ONCE):
        side.post(f"/{name}", [_doc(number) for number in range(start, min(count, start + AT_ONCE))])


# --- an index


def _indexed(node: Node, ours: Side, few: int, many: int) -> Row:
    """A page of 20 that an index finds, in a large collection beside a small one."""
    kinds = {}
    for name, count in (("few", few), ("many", many)):
        _fill(ours, name, count)
        ours.post(f"-indexes/{name}", {"field": "kind"})
        kinds[name] = min(KINDS, count) - 1
        _until_ready(ours, name)

    def median(name: str) -> Turn:
        taken = []
        for number in range(ASKED):
            began = time.perf_counter()
            found = ours.post(f"/{name}/query", {"query": {"kind": number % kinds[name]}, "limit": 20, "total": False})
            taken.append((time.perf_counter() - began) * 1000)
            assert found
        return Turn(statistics.median(taken))

    row = versus(
        "storage.indexed",
        "ms",
        lambda: median("many"),
        lambda: median("few"),
        rival=f"{few} docs",
        better="lower",
        target=3,
    )
    row.note = f"{many} documents"
    return row


def _until_ready(side: Side, name: str) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        path, host = f"{side.base}-indexes/{name}", side.host.partition(":")[0]
        found = ask(side.port, "GET", path, host=host, key=side.key).data
        if all(index["state"] == "ready" for index in found):
            return
        time.sleep(0.1)
    raise RuntimeError(f"the index of {name} does not become ready")


# --- many at once


def _batch(bench: Bench, count: int) -> Row:
    """So many documents that are on the disk before the answer, beside one transaction of sqlite3."""
    docs = [_doc(number) for number in range(count)]

    async def inserted() -> float:
        node = InProcess(bench.place("node") / "data.db")
        try:
            await run(node, "apps.create", slug="bench")
            await run(node, "storage.ds.insert", "bench", collection="first", doc=docs[:1])
            began = time.perf_counter()
            await run(node, "storage.ds.insert", "bench", collection="docs", doc=docs)
            return time.perf_counter() - began
        finally:
            await node.stop()
            node.close()

    def ours() -> Turn:
        return Turn(uvloop.run(inserted()) * 1000)

    def theirs() -> Turn:
        file = sqlite3.connect(bench.place("raw") / "data.db", isolation_level=None)
        for line in ("pragma page_size = 8192", "pragma journal_mode = wal", "pragma synchronous = full"):
            file.execute(line)
        file.executescript(SCHEMA)
        began = time.perf_counter()
        rows = [("docs", doc["id"], json.dumps(doc), 1, 1) for doc in docs]
        file.execute("begin immediate")
        file.executemany(INSERT, rows)
        file.execute("commit")
        taken = time.perf_counter() - began
        file.close()
        return Turn(taken * 1000)

    return versus("storage.batch", "ms", ours, theirs, rival="sqlite3", better="lower", target=1.5)


# --- what is near


def _nearest(bench: Bench, count: int) -> Row:
    """The nearest documents by cosine, with their text, beside the bare numbers in a table of sqlite-vec."""
    chance = random.Random(1)
    vectors = [_direction(chance) for _ in range(count)]
    folder = bench.place("vectors")
    plain = _plain(folder / "plain.db", vectors)
    number = itertools.cycle([_direction(chance) for _ in range(NEAR)])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        node = runner.run(_opened(folder / "data.db", vectors))

        def ours() -> Turn:
            wanted = {"name": "bench", "embedding": next(number), "limit": NEAR}
            began = time.perf_counter()
            found = runner.run(run(node, "storage.vector.search", "bench", **wanted))
            taken = time.perf_counter() - began
            assert len(found) == NEAR
            return Turn(taken * 1000)

        def theirs() -> Turn:
            asked = array.array("f", next(number)).tobytes()
            began = time.perf_counter()
            found = plain.execute("select rowid, distance from near where embedding match ? and k = ?", (asked, NEAR))
            assert len(found.fetchall()) == NEAR
            return Turn((time.perf_counter() - began) * 1000)

        try:
            row = versus("storage.vector", "ms", ours, theirs, rival="sqlite-vec", better="lower", target=1.5)
        finally:
            runner.run(node.stop())
            node.close()
            plain.close()
    row.note = f"{count} vectors of {DIMENSIONS} numbers"
    return row


def _direction(chance: random.Random) -> list[float]:
    numbers = [chance.gauss(0, 1) for _ in range(DIMENSIONS)]
    length = sum(number * number for number in numbers) ** 0.5
    return [number / length for number in numbers]


async def _opened(path: Path, vectors: list[list[float]]) -> InProcess:
    node = InProcess(path)
    await run(node, "apps.create", slug="bench")
    await run(node, "storage.vector.createCollection", "bench", name="bench", dimensions=DIMENSIONS)
    for start in range(0, len(vectors), AT_ONCE):
        some = vectors[start : start + AT_ONCE]
        docs = [{"id": f"d{start + n}", "pageContent": "A note", "embedding": one} for n, one in enumerate(some)]
        await run(node, "storage.vector.addDocuments", "bench", name="bench", documents=docs)
    return node


def _plain(path: Path, vectors: list[list[float]]) -> apsw.Connection:
    file = apsw.Connection(str(path))
    learn_distances(file)
    file.execute(f"pragma page_size = {PAGE_SIZE}")
    file.pragma("journal_mode", "wal")
    file.execute(f"create virtual table near using vec0(embedding float[{DIMENSIONS}] distance_metric=cosine)")
    with file:
        numbers = ((array.array("f", one).tobytes(),) for one in vectors)
        file.executemany("insert into near (embedding) values (?)", numbers)
    return file
