"""The house itself: durable writes, what a syscall costs, starting, and what an idle node takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiosqlite
import apsw
import msgspec
import uvloop

from fazt.boot import Node
from kernel.base.clock import Clock
from kernel.base.tables import Migration
from kernel.storage.connection import PAGE_SIZE, open_reader
from kernel.storage.store import open_store
from kernel.syscall import Call, Key, syscall
from kernel.syscall.call import LOCAL, Ports
from kernel.syscall.plan import Step
from kernel.syscall.registry import Entry
from tests.bench.load import load, post
from tests.bench.measure import MB, PAIRS, Bench, Row, Turn, alone, busy, versus
from tests.system import harness

WRITERS = 100
KEYS = 500
STARTS = 5
MICRO = 7  # pairs of turns too short to be disturbed evenly
IDLE_SECONDS = 3.0
VALUE = {"name": "x" * 60, "count": 12, "tags": ["a", "b"]}

TABLE = """create table entries (app_id text not null, key text not null, value text not null, at integer not null,
  primary key (app_id, key)) strict, without rowid"""
INSERT = "insert into entries (app_id, key, value, at) values (:app, :key, :value, :at)"


def rows(bench: Bench) -> Iterator[Row]:
    yield writes(bench)
    yield kv_set(bench)
    yield http_kv_set(bench)
    yield syscall_overhead(bench)
    yield kv_read(bench)
    yield version(bench)
    yield from start_and_memory(bench)
    yield Row("house.size", "MB", bench.program.stat().st_size / MB).aiming(50, "lower")


# --- writes


def entry(number: int) -> dict[str, Any]:
    return {"app": "app_bench", "key": f"key-{number}", "value": json.dumps(VALUE), "at": number}


def writes(bench: Bench) -> Row:
    """One row per commit asked for, and on the disk before the answer."""

    async def ours() -> Turn:
        path = bench.place("store") / "data.db"
        store = open_store(path, migrations=[Migration("bench_0001", TABLE + ";")])
        try:
            turn = await busy(lambda n: store.write([Step(INSERT, entry(n))]), WRITERS, bench.seconds)
        finally:
            store.close()
        return kept(path, turn)

    async def theirs() -> Turn:
        path = bench.place("aiosqlite") / "data.db"
        async with aiosqlite.connect(path, isolation_level=None) as file:
            for line in (f"pragma page_size = {PAGE_SIZE}", "pragma journal_mode = wal", "pragma synchronous = full"):
                await file.execute(line)
            await file.execute(TABLE)
            turn = await busy(lambda n: file.execute(INSERT, entry(n)), WRITERS, bench.seconds)
        return kept(path, turn)

    return versus(
        "house.writes",
        "writes/s",
        lambda: uvloop.run(ours()),
        lambda: uvloop.run(theirs()),
        rival="aiosqlite",
        better="higher",
        target=8,
    )


def kept(path: Path, turn: Turn) -> Turn:
    """The turn, if every write that was answered is in the file."""
    [(count,)] = apsw.Connection(str(path)).execute("select count(*) from entries").fetchall()
    if count != len(turn.latencies):
        raise RuntimeError(f"{len(turn.latencies)} writes were answered, {count} are in {path}")
    return turn


def kv_set(bench: Bench) -> Row:
    """A whole `storage.kv.set` as the HTTP door makes it: role, app, validation, quota, journal, commit."""

    async def turn() -> Turn:
        node = Node(bench.place("node") / "data.db")
        try:
            await run(node, "apps.create", slug="bench")
            return await busy(lambda n: run(node, "storage.kv.set", "bench", **pair(n)), WRITERS, bench.seconds)
        finally:
            await node.stop()
            node.close()

    return alone("house.kv_set", "writes/s", [uvloop.run(turn()) for _ in range(PAIRS)], better="higher")


async def run(node: Node, capability: str, app: str | None = None, /, **values: Any) -> Any:
    wanted = node.registry[capability]
    return await node.driver.invoke(wanted, node.caller.call(wanted, LOCAL, "http", app), values)


def pair(number: int) -> dict[str, Any]:
    return {"key": f"key-{number}", "value": VALUE}


def http_kv_set(bench: Bench) -> Row:
    """The same over HTTP with a key; the client takes its part of the same processors."""
    machine = Program(bench)
    try:
        node = machine.start()
        app, key = node.app("bench"), node.key()
        host, path = f"admin.localhost:{node.port}", f"/api/apps/{app}/storage/kv"

        def request(number: int) -> bytes:
            return post(host, path, json.dumps(pair(number)).encode(), key)

        turns = [uvloop.run(load(node.port, request, WRITERS, bench.seconds)) for _ in range(PAIRS)]
    finally:
        machine.close()
    return alone("house.http_kv_set", "req/s", turns, better="higher")


# --- syscalls


@syscall("bench.nothing", needs="storage:kv")
def nothing(call: Call, key: Key) -> None:
    """Do nothing."""


def microseconds(statement: str, scope: dict[str, Any], calls: int, seconds: float) -> Callable[[], Turn]:
    """A turn that runs a statement, which makes so many calls, for some time; µs per call."""
    timer = timeit.Timer(statement, globals=scope)
    times, taken = timer.autorange()
    times = max(1, round(times * seconds / taken))
    return lambda: Turn(timer.timeit(times) / times / calls * 1e6)


def syscall_overhead(bench: Bench) -> Row:
    """What an app's call costs before and after the function itself: grant, meter, decode, validate."""
    declared = nothing.syscall  # type: ignore[attr-defined]
    call = Call(
        who=LOCAL,
        store=SimpleNamespace(user=""),  # type: ignore[arg-type]
        ports=Ports(),
        clock=Clock(),
        meter=[0],
        via="js",
        grants=frozenset({"storage:kv"}),
    )
    scope = {"adapter": Entry(declared, 0).javascript, "fn": nothing, "call": call, "many": range(1000)}
    scope |= {"buffer": b'["some-key"]', "key": Key("some-key")}
    whole = microseconds("for _ in many: adapter(call, buffer)", scope, 1000, bench.seconds / 5)
    bare = microseconds("for _ in many: fn(call, key)", scope, 1000, bench.seconds / 5)
    turns = [Turn(whole().value - bare().value) for _ in range(MICRO)]
    return alone("house.syscall", "µs/call", turns, better="lower", target=2)


BY_HAND = """select value from app_kv
where app_id = ? and user_id = ? and key = ? and (expires_at is null or expires_at > ?)"""


def kv_read(bench: Bench) -> Row:
    """An app's `kv.get`, up to the value, against the statement and the decoding somebody would write by hand."""
    node = Node(bench.place("node") / "data.db")

    async def fill() -> str:
        app = await run(node, "apps.create", slug="bench")
        for number in range(KEYS):
            await run(node, "storage.kv.set", "bench", **pair(number))
        await node.stop()
        return str(app.id)

    try:
        app = uvloop.run(fill())
        call = node.driver.call(LOCAL, "js", app=app, grants=frozenset({"storage:kv"}))
        # set up like the node's own, but without its budget, which is for one read
        file = open_reader(node.path)
        execute, now, decode = file.execute, call.now, msgspec.json.decode

        def by_hand(key: str) -> Any:
            for row in execute(BY_HAND, (app, "", key, now)):
                return decode(row[0])
            return None

        keys = [pair(number)["key"] for number in range(KEYS)]
        scope = {"adapter": node.registry["storage.kv.get"].javascript, "call": call, "by_hand": by_hand}
        scope |= {"keys": keys, "buffers": [json.dumps([key]).encode() for key in keys]}
        assert decode(scope["adapter"](call, scope["buffers"][0])) == by_hand(keys[0]) == VALUE
        return versus(
            "house.kv_get",
            "µs/call",
            microseconds("for buffer in buffers: adapter(call, buffer)", scope, KEYS, bench.seconds / 5),
            microseconds("for key in keys: by_hand(key)", scope, KEYS, bench.seconds / 5),
            rival="apsw by hand",
            better="lower",
            target=2.5,
            pairs=MICRO,
        )
    finally:
        node.close()


# --- the program


class Program(harness.Machine):
    """A user's machine with the program, whose nodes listen to this machine only.

    Its Python has nothing installed: what other packages hook into its start would be counted for both sides.
    """

    def __init__(self, bench: Bench) -> None:
        folder = bench.place("machine")
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", folder / "venv"], check=True)
        super().__init__(folder, bench.program, folder / "venv" / "bin" / "python")

    def start(self) -> harness.Node:
        return self.up("data.db", "--port", "0", "--listen", "127.0.0.1")


def version(bench: Bench) -> Row:
    """`fazt --version`, of a program that is unpacked already, against a Python that does nothing."""
    machine = Program(bench)
    machine.fazt("version")
    starts = max(1, round(bench.seconds * 20))

    def wall(*words: str) -> Turn:
        began = time.perf_counter()
        for _ in range(starts):
            subprocess.run([machine.python, *words], env=machine.env(), check=True, stdout=subprocess.DEVNULL)
        return Turn((time.perf_counter() - began) / starts * 1000)

    return versus(
        "house.version",
        "ms",
        lambda: wall(str(bench.program), "--version"),
        lambda: wall("-c", "pass"),
        rival="python3 -c pass",
        better="lower",
        target=3,
        pairs=MICRO,
    )


def start_and_memory(bench: Bench) -> Iterator[Row]:
    """From the birth of the process to its first answer, with its files in the cache; then what it holds when idle."""
    machine = Program(bench)
    started, resident, proportional = [], [], []
    try:
        machine.start().stop()
        for _ in range(STARTS):
            began = time.perf_counter()
            node = machine.start()
            assert node.ask("GET", "/health").status == 200
            started.append(Turn(time.perf_counter() - began))
            time.sleep(IDLE_SECONDS * min(1, bench.seconds))
            resident.append(Turn(memory(node.pid, "Rss")))
            proportional.append(Turn(memory(node.pid, "Pss")))
            node.stop()
    finally:
        machine.close()
    yield alone("house.start", "s", started, better="lower", target=1)
    yield alone("house.memory", "MB", resident, better="lower", target=70)
    # what is shared with other processes counted in parts: the fairer figure where a node has children
    yield alone("house.memory_pss", "MB", proportional, better="lower", target=70)


def memory(pid: int, kind: str) -> float:
    """MB of a process and its children: `Rss` counts what they share for each of them, `Pss` once."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    own = next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))
    return own * 1024 / MB + sum(memory(child, kind) for child in children(pid))


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
