"""Apps' code over HTTP: beside a plain aiohttp application on uvloop, beside node, and beside themselves.

Rates are by the clock, as authors of apps see them; what a second of the server's own processor time gives is noted.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.node import node as node_program
from tests.bench import nodes, wrk
from tests.bench.aiohttp_app import VALUE
from tests.bench.apps import Asking, asking, deploy, host_of
from tests.bench.house import memory
from tests.bench.measure import Bench, Row, Turn, alone, compared, cpu_seconds, rounds, versus
from tests.system.harness import Node

CONNECTIONS, WRITERS, NEIGHBOURS = 64, 100, 8
SPIN_SECONDS = 1.0  # then it is stopped, and asked again
COLD = 20
IDLE, FIRST = 200, 5
SETTLED = 40.0  # when the node has let go of what nobody asks for
ROOT = Path(__file__).resolve().parent.parent.parent
COMPUTING = Path(__file__).resolve().parent / "computing.js"
COMPUTED = ("fib27", "parse", "stringify", "sort")
TIMES = {"fib27": 20, "parse": 20, "stringify": 20, "sort": 10}

_VALUE = json.dumps(VALUE)
TRIVIAL = f"export default {{ fetch: () => Response.json({_VALUE}) }};"
READS = f"""
const kv = fazt.storage.kv;
export default {{
  fetch() {{
    const [one, two, three] = [kv.get("one"), kv.get("two"), kv.get("three")];
    return Response.json({{ ...one, list: two, nested: three }});
  }},
}};
kv.set("one", {_VALUE}); kv.set("two", [1, 2, 3]); kv.set("three", {{ ok: true }});
"""
WRITES = f"""
export default {{
  fetch() {{
    fazt.storage.kv.set("key-" + Math.floor(Math.random() * 10000), {_VALUE});
    return Response.json({_VALUE});
  }},
}};
"""
SPINS = "export default { fetch() { while (true); } };"
COMPUTES = """
const { works } = require("./computing");
module.exports = (request) => ({ status: 200, body: String(works[request.query.run]()) });
"""


@dataclass(frozen=True)
class Side:
    port: int
    pid: int
    host: str


@dataclass
class Served(Turn):
    """A turn whose value is per second of the clock."""

    per_cpu: float = 0.0


def rows(bench: Bench) -> Iterator[Row]:
    if wrk.find() is None:
        raise RuntimeError(wrk.MISSING)
    with nodes.host(bench) as host:
        with host.node() as node, _rival() as rival:
            yield from _served(bench, node, rival)
            yield _neighbour(bench, node)
            yield from _computing(bench, node)
        with host.node() as node:
            yield _cold(node)
        with host.node() as node:
            yield _idle(bench, node)


# --- requests per second


@contextlib.contextmanager
def _rival() -> Iterator[Side]:
    words = [sys.executable, "-m", "tests.bench.aiohttp_app"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield Side(int(process.stdout.readline()), process.pid, "localhost")
        finally:
            process.kill()


def _served(bench: Bench, node: Node, rival: Side) -> Iterator[Row]:
    kinds = (("json", TRIVIAL, CONNECTIONS, 0.5), ("reads", READS, CONNECTIONS, 0.3), ("write", WRITES, WRITERS, 0.25))
    for name, source, connections, target in kinds:
        deploy(node, name, {"api/main.mjs": source})
        ours = Side(node.port, node.pid, host_of(node, name))
        with asking(node, name) as ask:
            assert json.loads(ask()) == VALUE, name
        taken = rounds({"ours": _turn(bench, ours, connections), "theirs": _turn(bench, rival, connections)})
        pairs = list(zip(taken["ours"], taken["theirs"], strict=True))
        row = compared(f"runtime.{name}", "req/s", pairs, rival="aiohttp+uvloop", better="higher", target=target)
        mine, other = (statistics.median(turn.per_cpu for turn in taken[side]) for side in ("ours", "theirs"))
        row.note = f"{mine:,.0f} beside {other:,.0f} per second of the server's processor time"
        yield row


def _turn(bench: Bench, side: Side, connections: int) -> Callable[[], Served]:
    def turn() -> Served:
        before = cpu_seconds(side.pid)
        headers = {"Host": side.host}
        found = wrk.load(bench.folder, side.port, "/api", bench.seconds, connections=connections, headers=headers)
        spent = max(cpu_seconds(side.pid) - before, 0.01)
        rate = found.requests / found.seconds
        return Served(rate, p50_ms=found.p50_ms, p99_ms=found.p99_ms, per_cpu=found.requests / spent)

    return turn


# --- neighbours


def _neighbour(bench: Bench, node: Node) -> Row:
    """What one in a hundred requests waits, while another app computes without an end, over that without it."""
    limits = {"limits": {"runtime": {"maxCpuSeconds": SPIN_SECONDS}}}
    deploy(node, "spins", {"api/main.mjs": SPINS, "app.json": json.dumps(limits)})
    load = _turn(bench, Side(node.port, node.pid, host_of(node, "json")), NEIGHBOURS)

    def waited() -> Turn:
        return Turn(load().p99_ms or 0.0)

    def disturbed() -> Turn:
        with _spinning(node):
            return waited()

    row = versus("runtime.neighbour", "ms", disturbed, waited, rival="alone", better="lower", target=3)
    row.note = "p99 of an app while another spins"
    return row


@contextlib.contextmanager
def _spinning(node: Node) -> Iterator[None]:
    """Somebody asks the app that never ends, again as soon as it was stopped."""
    over = threading.Event()

    def spin() -> None:
        with asking(node, "spins") as ask:
            while not over.is_set():
                ask(right=500)

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


# --- computing


def _computing(bench: Bench, node: Node) -> Iterator[Row]:
    """From outside, less what a request that computes nothing takes: inside time stands still."""
    deploy(node, "computes", {"api/main.js": COMPUTES, "api/computing.js": COMPUTING.read_text()})
    with asking(node, "computes") as ask:
        nothing = _best(ask, "nothing", 50)
        for name in COMPUTED:
            times = max(2, round(TIMES[name] * min(1, bench.seconds)))
            yield versus(
                f"runtime.{name}",
                "ms",
                lambda name=name, times=times: Turn(_best(ask, name, times) - nothing),  # type: ignore[misc]
                lambda name=name, times=times: Turn(_under_node(name, times)),  # type: ignore[misc]
                rival="node",
                better="lower",
            )


def _best(ask: Asking, name: str, times: int) -> float:
    """Milliseconds of the median request."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask(f"/api?run={name}")
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _under_node(name: str, times: int) -> float:
    done = subprocess.run([node_program(), COMPUTING, name, str(times)], capture_output=True, text=True, check=True)
    return float(done.stdout)


# --- apps that nobody asks


def _cold(node: Node) -> Row:
    """The first answer of an app over what a later one takes."""
    turns = []
    for number in range(COLD + 1):
        name = f"cold-{number}"
        deploy(node, name, {"api/main.mjs": TRIVIAL})
        with asking(node, name) as ask:
            ask.connection.connect()
            taken = []
            for _ in range(11):
                began = time.perf_counter()
                ask()
                taken.append((time.perf_counter() - began) * 1000)
        turns.append(Turn(taken[0] - statistics.median(taken[1:])))
    # with the first app the engine itself is made ready
    return alone("runtime.cold", "ms", turns[1:], better="lower", target=15)


def _idle(bench: Bench, node: Node) -> Row:
    """What apps take that were deployed, asked once and left alone. Pages that they share are counted once."""
    _asked_once(node, "before", FIRST)
    before = _settled(node, bench)
    _asked_once(node, "idle", IDLE)
    at_once = memory(node.pid, "Pss") - before
    row = alone("runtime.idle", "MB", [Turn(_settled(node, bench) - before)], better="lower", target=60)
    row.note = f"{IDLE} apps; {at_once:.1f} MB when they had just answered; the node held {before:.1f} MB before"
    return row


def _asked_once(node: Node, stem: str, count: int) -> None:
    for number in range(count):
        name = f"{stem}-{number}"
        deploy(node, name, {"api/main.mjs": TRIVIAL.replace("hello", f"hello-{number}")})
        with asking(node, name) as ask:
            ask()


def _settled(node: Node, bench: Bench) -> float:
    time.sleep(SETTLED * min(1, bench.seconds))
    return memory(node.pid, "Pss")
