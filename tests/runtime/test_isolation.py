"""What is at work at the same time never sees each other."""

from __future__ import annotations

import http.client
import json
import random
from typing import Any

import pytest

from tests.runtime.apps import Apps
from tests.runtime.isolation import APPS, Isolation
from tests.system.harness import Answer

CALLS = 400  # scripts/torture isolation makes more of them


@pytest.fixture(scope="module")
def isolation(apps: Apps) -> Isolation:
    return Isolation(apps)


def test_requests_people_and_apps_never_see_each_other(isolation: Isolation) -> None:
    found = isolation.run(CALLS, 1)
    assert found.wrong == []
    assert found.calls == CALLS
    assert isolation.strange_lines(found) == []


SAMPLE: dict[str, Any] = dict.fromkeys(("mine", "kept", "global", "module", "header"), "m")
SAMPLE |= {"app": APPS[0], "user": None}


@pytest.mark.parametrize("name", SAMPLE)
def test_whatever_is_mixed_up_is_seen(isolation: Isolation, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.dumps({"before": SAMPLE, "after": SAMPLE | {name: "other"}}).encode()
    monkeypatch.setattr(isolation, "_call", lambda *_, **__: (APPS[0], Answer(200, {}, told)))
    chance = random.Random()
    monkeypatch.setattr(chance, "choice", lambda people: people[0])  # nobody
    _, _, wrong = isolation._judged(http.client.HTTPConnection("localhost"), chance, "m", 0)
    assert len(wrong) == 1
    assert f"after: {name} is 'other'" in wrong[0]
