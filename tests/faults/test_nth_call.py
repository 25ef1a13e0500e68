"""The disk fails at its Nth call, for every N: either all of a batch or nothing, and what was told stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.storage import writer
from tests.faults.disk_calls import Faults
from tests.faults.nth_call import CASES, Case, rounds

# what fails where SQLite itself can tell nobody, apsw says to the interpreter
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    monkeypatch.setattr(writer, "LONGEST_LOG", 8)
    made = Faults()
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_whichever_call_fails(tmp_path: Path, faults: Faults, case: Case) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    reached = 0
    for found in rounds(tmp_path, faults, case):
        counts += found.counts
        wrong += found.wrong
        reached += found.reached
    assert wrong == []
    assert reached > 8
    assert counts["told"] and counts["refused to open"] and (counts["refused"] or not case.lasting)
