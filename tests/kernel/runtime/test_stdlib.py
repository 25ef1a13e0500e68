"""The list of libraries tells what is really in the guest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernel.base.errors import FaztError
from kernel.runtime import stdlib
from kernel.runtime.stdlib import MANIFEST, libraries
from scripts.node import ROOT


def test_each_library_with_the_locked_version() -> None:
    locked = json.loads((ROOT / "stdlib-js" / "package.json").read_text())["dependencies"]
    assert {library.name: library.version for library in libraries()} == {
        library.name: locked[library.name] for library in libraries()
    }
    assert {library.license for library in libraries()} == {"MIT"}
    majors = {library.name: int(library.version.split(".")[0]) for library in libraries()}
    assert majors == {"lodash": 4, "cheerio": 1, "uuid": 9, "zod": 3, "marked": 9, "dayjs": 1, "validator": 13}


def test_everything_bundled_comes_with_its_licence() -> None:
    manifest = json.loads(MANIFEST.read_text())
    assert {"quickjs-wasi", "parse5", "entities", "lodash"} <= manifest.keys()
    for name, facts in manifest.items():
        texts = list((MANIFEST.parent / "licenses" / name.replace("/", "-")).iterdir())
        assert facts["license"] and texts, name


def test_a_guest_that_was_not_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libraries.cache_clear()
    monkeypatch.setattr(stdlib, "MANIFEST", tmp_path / "manifest.json")
    with pytest.raises(FaztError) as refused:
        libraries()
    assert refused.value.code == "SERVICE_UNAVAILABLE"
    monkeypatch.undo()
    assert libraries()
