"""What is at work at the same time never sees each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.runtime.apps import Apps
from tests.runtime.isolation import APPS, Isolation

CALLS = 400  # scripts/torture isolation makes more of them


@pytest.fixture(scope="module")
def isolation(apps: Apps) -> Isolation:
    return Isolation(apps)


def test_requests_people_and_apps_never_see_each_other(isolation: Isolation) -> None:
    found = isolation.run(CALLS, 1)
    assert found.wrong == []
    assert found.calls == CALLS
    assert isolation.strange_lines(found) == []


SAMPLE = {"mine": "m", "app": APPS[0], "user": None, "kept": "m", "global": "m", "module": "m", "header": "m"}


@pytest.mark.parametrize("change", [{name: "other"} for name in SAMPLE])
def test_whatever_is_mixed_up_is_seen(
    isolation: Isolation, change: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: Callable[..., object] = isolation._judged

    class Mixed:
        status, headers, body = 200, {}, b""
        json = {"before": SAMPLE, "after": SAMPLE | change}

    class Never:
        def random(self) -> float:
            return 1.0

    monkeypatch.setattr(isolation, "_call", lambda *_, **__: (APPS[0], Mixed))
    _, _, wrong = judged(None, Never(), "m", 0)  # type: ignore[misc]
    assert len(wrong) == 1
    assert f"after: {next(iter(change))} is 'other'" in wrong[0]
