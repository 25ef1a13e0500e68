"""zod's own published tests, in the sandbox, with the zod that every app has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runtime.apps import Apps
from tests.runtime.zod import build

PASSED = 544  # all there are
# file → test → why it cannot pass in the sandbox
EXPLAINED: dict[str, dict[str, str]] = {}
FILES = build.names()
Told = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def told(apps: Apps, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What became of the tests of each file."""
    apps.deploy("zod", build.app(tmp_path_factory.mktemp("zod") / "app"))
    found: Told = {}
    for file in FILES:
        answer = apps.ask("zod", path=f"/api?file={file}")
        assert answer.status == 200, (file, answer)
        found[file] = answer.json
        counts = {name: len(tests) if name != "passed" else tests for name, tests in answer.json.items()}
        print(f"{file}: {', '.join(f'{count} {name}' for name, count in counts.items())}")
    return found


@pytest.mark.parametrize("file", FILES)
def test_zod_passes_its_own_tests(told: Told, file: str) -> None:
    failed = {test["name"]: test["why"] for test in told[file]["failed"]}
    explained = EXPLAINED.get(file, {})
    assert {name: why for name, why in failed.items() if name not in explained} == {}
    assert explained.keys() == failed.keys(), "explained, but not failing any more"


def test_all_of_them_were_run(told: Told) -> None:
    """As many as were published, but for those that are explained."""
    passed, failed, skipped = (
        sum(one["passed"] for one in told.values()),
        sum(len(one["failed"]) for one in told.values()),
        sum(len(one["skipped"]) for one in told.values()),
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    explained = sum(map(len, EXPLAINED.values()))
    assert (passed, failed, skipped) == (PASSED - explained, explained, 0)
