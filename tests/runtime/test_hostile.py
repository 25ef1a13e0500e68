"""Every hostile program ends as it must; nobody else notices, and the app itself goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.apps import Apps
from tests.runtime.hostile.program import Hostile, programs
from tests.runtime.hostile.trial import Trial, complaints, resident

PROGRAMS = programs()


@pytest.fixture(scope="module")
def trial(apps: Apps) -> Iterator[Trial]:
    trial = Trial(apps, PROGRAMS)
    before = resident(apps.node)
    yield trial
    print(f"\n{len(trial.seen)} programs; the node held {before:.0f} MB before, {resident(apps.node):.0f} MB after")
    print(f"more than 0.5 s after the limit: {trial.late or 'none'}")


def test_there_are_enough() -> None:
    assert len(PROGRAMS) >= 36 + 12 + 30


@pytest.mark.parametrize("hostile", PROGRAMS, ids=lambda hostile: hostile.name)
def test_it_is_contained(trial: Trial, hostile: Hostile) -> None:
    assert complaints(hostile, trial.attempt(hostile)) == []
