"""The benches run and say what they should. How fast anything is, is none of a test's business."""

import functools
import itertools
import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.bench import caddy, content, deploy, nginx, paced, runtime, static, storage, wrk
from tests.bench.__main__ import line, suites
from tests.bench.measure import Bench, Row, Turn, alone, compared, not_compared, rounds, versus

ROOT = Path(__file__).resolve().parent.parent.parent
FIELDS = set(Row.__struct_fields__)
COMPARED = {"rival", "theirs", "ratio"}


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "scripts" / "bench", *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def told() -> Any:
    done = bench("house", "--seconds", "0.01", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_tells_what_machine_it_ran_on(told: Any) -> None:
    assert set(told) == {"machine", "rows"}
    assert {"system", "cpu", "cores", "python", "sqlite", "files_on", "fsync_ms"} <= set(told["machine"])


def test_the_house_has_its_rows(told: Any) -> None:
    targets = {row["name"]: (row.get("target"), row["better"]) for row in told["rows"]}
    assert targets == {
        "house.writes": (8, "higher"),
        "house.kv_set": (None, "higher"),
        "house.http_kv_set": (None, "higher"),
        "house.syscall": (2, "lower"),
        "house.kv_get": (2.5, "lower"),
        "house.version": (3, "lower"),
        "house.start": (1, "lower"),
        "house.memory": (70, "lower"),
        "house.memory_pss": (70, "lower"),
        "house.size": (50, "lower"),
    }


def test_a_row_has_the_agreed_shape(told: Any) -> None:
    for row in told["rows"]:
        assert set(row) <= FIELDS
        assert {"name", "unit", "ours", "better"} <= set(row)
        assert len(COMPARED & set(row)) in (0, 3)
        assert ("target" in row) == ("met" in row)
        assert row["name"] == "house.size" or row["runs"] >= 5
        assert ("p50_ms" in row) == ("p99_ms" in row)


def test_the_target_is_for_the_ratio_where_there_is_one() -> None:
    row = versus("x", "u", lambda: Turn(30), lambda: Turn(10), rival="y", better="lower", target=2.5)
    assert (row.ours, row.theirs, row.ratio, row.met, row.runs, row.spread) == (30, 10, 3, False, 5, 0)
    assert alone("x", "u", [Turn(30), Turn(10), Turn(20)], better="higher", target=20).met is True


def test_sides_take_turns_and_the_median_of_the_pairs_counts() -> None:
    order: list[str] = []
    figures = iter([99.0, 4.0, 8.0, 6.0, 2.0, 40.0])

    def ours() -> Turn:
        order.append("A")
        return Turn(next(figures), [0.001, 0.003])

    def theirs() -> Turn:
        order.append("B")
        return Turn(2.0)

    row = versus("x", "u", ours, theirs, rival="y", better="higher")
    assert "".join(order) == "AB" * 6
    assert (row.ratio, row.spread, row.p50_ms, row.p99_ms) == (3, 19 / 3, 3, 3)
    assert row.target is row.met is None


def test_the_table_says_the_same() -> None:
    row = versus("house.x", "ms", lambda: Turn(1234), lambda: Turn(1000), rival="other", better="lower", target=3)
    assert line(row).split() == ["house.x", "1,234", "ms", "1,000", "other", "1.23", "<=", "3", "yes", "0%"]


def test_the_target_may_be_for_ours_beside_a_rival() -> None:
    pairs = [(Turn(0.2), Turn(0.02))]
    row = compared("x", "s", pairs, rival="y", better="lower", target=0.3, alone=True)
    assert (row.ratio, row.met) == (10, True)
    assert line(row).split()[-5:] == ["<=", "0.3", "s", "yes", "0%"]


def test_without_the_rival_nothing_is_met() -> None:
    row = not_compared("x", "u", [Turn(9e9)], rival="y", better="higher", target=1.2, why="y is not installed")
    assert (row.theirs, row.ratio, row.met) == (None, None, None)
    assert "yes" not in line(row)
    assert line(row).endswith("(not measured: y is not installed)")


def test_all_sides_take_turns() -> None:
    order: list[str] = []

    def of(name: str) -> Callable[[], Turn]:
        def turn() -> Turn:
            order.append(name)
            return Turn(len(order))

        return turn

    taken = rounds({name: of(name) for name in "ABC"}, 2)
    assert "".join(order) in ("ABC" * 3, "ABC" * 4, "ABC" * 5)
    # the first round does not count, and a round stays together
    assert all(
        a.value > 3 and (b.value - a.value, c.value - b.value) == (1, 1)
        for a, b, c in zip(*taken.values(), strict=True)
    )
    assert [len(turns) for turns in taken.values()] == [2, 2, 2]


def test_content_is_the_same_every_time(tmp_path: Path) -> None:
    def written(name: str, edition: int) -> dict[str, bytes]:
        top = content.folder(tmp_path / name, 6, 60_000, edition)
        return {str(file.relative_to(top)): file.read_bytes() for file in top.rglob("*") if file.is_file()}

    one, again, next_ = written("one", 1), written("again", 1), written("next", 2)
    assert one == again
    assert len(one) == 7
    assert sum(map(len, one.values())) == 60_000 + len(content.page(5000))
    assert [name for name in one if one[name] == next_[name]] == ["index.html"]


def test_a_paced_load_waits_for_nobody() -> None:
    """However late the answers come, what was due next stays due then: the waiting of all is counted."""
    both_asked = threading.Event()

    def serve(listening: socket.socket) -> None:
        """Nobody is answered before the second connection has asked, too."""
        with listening.accept()[0] as one, listening.accept()[0] as other:
            asking = [wire for wire in (one, other) if wire.recv(1000)]
            both_asked.set()
            while asking:
                for wire in asking:
                    wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                asking = [wire for wire in asking if wire.recv(1000)]

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=[listening], daemon=True)
        thread.start()
        with paced.running(listening.getsockname()[1], "x", "/", 500, 2) as load:
            assert both_asked.wait(paced.PATIENCE)
        thread.join()
    due = sorted(load.due)
    assert len(due) >= 2
    assert all(took > 0 for took in load.took)
    assert all(later - before == pytest.approx(1 / 500) for before, later in itertools.pairwise(due))


def test_a_paced_load_that_fails_is_told() -> None:
    with pytest.raises(RuntimeError, match="the load failed"), paced.running(1, "x", "/", 500, 1):
        pass


def few(monkeypatch: pytest.MonkeyPatch, suite: Any, **constants: int) -> None:
    """As little as shows that a suite works."""
    monkeypatch.setattr(suite, "rounds", functools.partial(rounds, count=1))
    for name, value in constants.items():
        monkeypatch.setattr(suite, name, value)


@pytest.fixture
def small(told: Any, tmp_path: Path) -> Bench:
    return Bench(tmp_path, 0.01, Path(shutil.copy(ROOT / "dist" / "fazt", tmp_path)))


@pytest.mark.parametrize("rivals", [True, False])
def test_static_has_its_rows(small: Bench, monkeypatch: pytest.MonkeyPatch, rivals: bool) -> None:
    few(monkeypatch, static, PAIRS=1, IDLE=20, IDLE_BEFORE=2, LARGE_BYTES=300_000)
    monkeypatch.setattr(wrk, "find", lambda: "wrk")
    monkeypatch.setattr(wrk, "load", lambda *_, **__: wrk.Load(100, 100_000, 1.0, 0, 0.5, 2.0))
    there = {"nginx": rivals and nginx.find() is not None, "caddy": rivals and caddy.find() is not None}
    if not rivals:
        monkeypatch.setattr(nginx, "find", lambda: None)
        monkeypatch.setattr(caddy, "find", lambda: None)
    rows = {row.name: row for row in static.rows(small)}
    assert {name: (row.target, row.better) for name, row in rows.items()} == {
        "static.hot": (1.2, "higher"),
        "static.hot_caddy": (5, "higher"),
        "static.browser": (1.2, "higher"),
        "static.large": (0.35, "higher"),
        "static.large_memory": (10.5, "lower"),
        "static.idle": (2, "lower"),
    }
    for name in ("static.hot", "static.hot_caddy", "static.browser", "static.large"):
        measured = there["caddy" if name.endswith("caddy") else "nginx"]
        assert (rows[name].met is not None) == (rows[name].ratio is not None) == measured
        assert measured or str(rows[name].note).startswith("not measured: ")
    # what needs no rival is judged without one
    assert rows["static.idle"].met is not None
    assert rows["static.large_memory"].met is not None


def test_deploy_has_its_rows(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, deploy, FILES=20, BYTES=200_000, PACE=100, CONNECTIONS=4)
    rows = {row.name: row for row in deploy.rows(small)}
    assert {name: (row.target, row.rival) for name, row in rows.items()} == {
        "deploy.first": (2, None),
        "deploy.first_copy": (4, "cp -r, sync -f"),
        "deploy.unchanged": (0.3, "diff -rq"),
        "deploy.p99": (3, "before it"),
    }
    assert all(row.met is not None and row.ours > 0 for row in rows.values())
    assert rows["deploy.unchanged"].alone


def test_storage_has_its_rows(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, storage, LISTED=200, FEW=100, MANY=1000, BATCH=100, VECTORS=200, ASKED=5)
    monkeypatch.setattr(wrk, "find", lambda: "wrk")
    monkeypatch.setattr(wrk, "load", lambda *_, **__: wrk.Load(100, 100_000, 1.0, 0, 0.5, 2.0))
    rows = {row.name: row for row in storage.rows(small)}
    assert {name: (row.target, row.rival) for name, row in rows.items()} == {
        "storage.create": (0.5, "aiohttp+sqlite3"),
        "storage.one": (0.5, "aiohttp+sqlite3"),
        "storage.page": (0.5, "aiohttp+sqlite3"),
        "storage.page_total": (0.5, "aiohttp+sqlite3"),
        "storage.update": (0.5, "aiohttp+sqlite3"),
        "storage.indexed": (3, "100 docs"),
        "storage.batch": (1.5, "sqlite3"),
        "storage.vector": (1.5, "sqlite-vec"),
    }


def test_runtime_has_its_rows(small: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, runtime, COLD=5, IDLE=5, FIRST=1)
    monkeypatch.setattr(runtime, "SPIN_SECONDS", 0.05)
    monkeypatch.setattr(wrk, "find", lambda: "wrk")
    monkeypatch.setattr(wrk, "load", lambda *_, **__: wrk.Load(100, 100_000, 1.0, 0, 0.5, 2.0))
    rows = {row.name: row for row in runtime.rows(small)}
    assert {name: (row.target, row.rival) for name, row in rows.items()} == {
        "runtime.json": (0.5, "aiohttp+uvloop"),
        "runtime.reads": (0.3, "aiohttp+uvloop"),
        "runtime.write": (0.25, "aiohttp+uvloop"),
        "runtime.neighbour": (3, "alone"),
        "runtime.fib27": (None, "node"),
        "runtime.parse": (None, "node"),
        "runtime.stringify": (None, "node"),
        "runtime.sort": (None, "node"),
        "runtime.cold": (15, None),
        "runtime.idle": (60, None),
    }
    assert all((row.met is None) == (row.target is None) for row in rows.values())


def test_a_named_rival_is_the_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    for module, name in ((nginx, "BENCH_RIVAL_NGINX"), (caddy, "BENCH_RIVAL_CADDY")):
        monkeypatch.setenv(name, str(own))
        assert module.find() == own
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
        assert module.find() is None


def test_an_unknown_name_is_said() -> None:
    done = bench("nothing-like-that")
    assert done.returncode == 2
    assert "house" in done.stderr
    assert suites() == ["deploy", "house", "runtime", "static", "storage"]
