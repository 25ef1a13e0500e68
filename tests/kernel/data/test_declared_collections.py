"""What an app says of its collections is looked at before it is deployed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kernel.apps import manifest
from kernel.data.declared_collections import problems

GOOD: list[Any] = [
    None,
    5,
    {},
    {"kv": 5},
    {"collections": {}},
    {"collections": {"events": {"sharded": True, "retentionMonths": 12, "index": ["type"]}}},
    {"collections": {"a.b-c_D1": {"scope": "user", "index": ["a.b.0", "é", "x y", "a", "b"], "text": ["title"]}}},
]
BAD: list[tuple[Any, str, str]] = [
    ([], "", "object"),
    ("x", "", "object"),
    ({"a": 5}, ".a", "object"),
    ({"a!": {}}, ".a!", "letters"),
    ({"": {}}, ".", "name of a collection"),
    ({"x" * 300: {}}, "." + "x" * 100, "name of a collection"),
    ({"a": {"other": 1}}, ".a", "unknown field"),
    ({"a": {"scope": "all"}}, ".a.scope", "all"),
    ({"a": {"sharded": "yes"}}, ".a.sharded", "bool"),
    ({"a": {"index": "type"}}, ".a.index", "array"),
    ({"a": {"index": ["x", 5]}}, ".a.index[1]", "str"),
    ({"a": {"index": ["x", "x"]}}, ".a.index[1]", "twice"),
    ({"a": {"index": ["x", "$y"]}}, ".a.index[1]", "operator"),
    ({"a": {"index": ["a..b"]}}, ".a.index[0]", "empty part"),
    ({"a": {"index": ["id"]}}, ".a.index[0]", "no index"),
    ({"a": {"index": ["a\x00'"]}}, ".a.index[0]", "control"),
    ({"a": {"index": list("abcdef")}}, ".a.index", "5 indexes"),
    ({"a": {"sharded": True, "scope": "user"}}, ".a.sharded", "cannot be sharded"),
    ({"a": {"retentionMonths": 3}}, ".a.retentionMonths", "sharded"),
    ({"a": {"sharded": True, "retentionMonths": 0}}, ".a.retentionMonths", "1 to"),
    ({"a": {"sharded": True, "retentionMonths": 1e400}}, ".a.retentionMonths", ""),
    ({f"c{n}": {} for n in range(201)}, "", "200"),
]


@pytest.mark.parametrize("storage", GOOD, ids=repr)
def test_what_is_well_has_no_problems(storage: Any) -> None:
    assert problems(storage) == []


@pytest.mark.parametrize(("said", "path", "message"), BAD, ids=lambda value: repr(value)[:40])
def test_what_is_wrong_is_named_with_its_place(said: Any, path: str, message: str) -> None:
    found = problems({"collections": said})
    assert found
    assert found[-1].path.startswith(f"storage.collections{path}")
    assert message in found[-1].message


def test_all_problems_of_a_file_are_named_at_once() -> None:
    said = {"a": {"index": ["x..y", "id"]}, "b": {"sharded": True, "scope": "user"}, "c": {}}
    file = json.dumps({"storage": {"collections": said}}).encode()
    assert [problem.path for problem in manifest.problems(file)] == [
        "storage.collections.a.index[0]",
        "storage.collections.a.index[1]",
        "storage.collections.b.sharded",
    ]


@pytest.mark.parametrize("file", [b"", b"[]", b"{", b"[" * 50_000, b'{"expo": {"storage": 5}}', b'{"storage": "disk"}'])
def test_a_file_of_somebody_else_has_none(file: bytes) -> None:
    assert manifest.problems(file) == []


def test_of_a_web_apps_manifest_our_part_is_looked_at() -> None:
    said = {"storage": {"collections": {"a": {"index": ["$x"]}}}}
    assert manifest.problems(json.dumps(said).encode(), manifest.PWA_FILE) == []
    assert len(manifest.problems(json.dumps({"fazt": said}).encode(), manifest.PWA_FILE)) == 1
