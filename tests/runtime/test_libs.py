"""The libraries every app has, call by call, beside the same versions under node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.apps import Apps
from tests.runtime.npm import STDLIB, installed, run_node

SOURCE = Path(__file__).resolve().parent / "libs"
LEAST = {"lodash": 300, "marked": 300, "dayjs": 300, "validator": 300, "cheerio": 50, "uuid": 50, "zod": 50}
SLICE = 250
GUESS = "what `new Date` makes of a text that is in no standard's form is each engine's own guess"
GUESSED = ("-1.5", "http://localhost:8080", "192.168.0.1", "::1", "10.0.0.0/8", "978-3-16-148410-0", "+1 202-555-0123")
# library → call → why the sandbox says something else
EXPLAINED: dict[str, dict[str, str]] = {
    "validator": {f"toDate {text}": GUESS for text in (*GUESSED, "1,000.00", "12.34,56.78")},
    "zod": {"when 19": GUESS},  # of ["a", 1], which is the text "a,1"
}
Told = list[list[str]]


@pytest.fixture(scope="module")
def under_node() -> dict[str, Told]:
    told: dict[str, Told] = json.loads(run_node([SOURCE / "node.cjs", installed(STDLIB)]))
    return told


@pytest.fixture(scope="module")
def deployed(apps: Apps, tmp_path_factory: pytest.TempPathFactory) -> Apps:
    files = {f"api/{path.name}": path.read_text() for path in (SOURCE / "api").iterdir()}
    apps.write("libs", files)
    return apps


def in_the_sandbox(apps: Apps, lib: str, count: int) -> Told:
    told: Told = []
    for start in range(0, count, SLICE):
        answer = apps.ask("libs", path=f"/api?lib={lib}&from={start}&to={start + SLICE}")
        assert answer.status == 200, (lib, start, answer)
        assert answer.json["count"] == count
        told += answer.json["told"]
    return told


@pytest.mark.parametrize("lib", LEAST)
def test_it_says_what_it_says_under_node(deployed: Apps, under_node: dict[str, Told], lib: str) -> None:
    theirs = under_node[lib]
    assert len(theirs) >= LEAST[lib]
    ours = in_the_sandbox(deployed, lib, len(theirs))
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    different: dict[str, Any] = {
        name: (mine, other) for (name, mine), (_, other) in zip(ours, theirs, strict=True) if mine != other
    }
    explained = EXPLAINED.get(lib, {})
    assert {name: told for name, told in different.items() if name not in explained} == {}
    assert explained.keys() <= different.keys(), "explained, but not different any more"
    print(f"{lib}: {len(ours)} calls, {len(different)} of them different")
