"""The benches run and say what they should. How fast anything is, is none of a test's business."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.bench.__main__ import line, suites
from tests.bench.measure import Row, Turn, alone, versus

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


def test_an_unknown_name_is_said() -> None:
    done = bench("nothing-like-that")
    assert done.returncode == 2
    assert "house" in done.stderr
    assert suites() == [name for name in suites() if (Path(__file__).parent / f"{name}.py").exists()]
