"""Paths into documents, in Python and in SQLite."""

from __future__ import annotations

import json
from typing import Any

import apsw
import pytest

from kernel.base.errors import FaztError
from kernel.data.doc_functions import canonical, doc_at, doc_canonical, encoded, number, same
from kernel.data.doc_paths import MISSING, MOST_BYTES, parse, value_at

DOC: dict[str, Any] = {
    "a": {"b": [10, {"c": 1}], "0": "key"},
    "0": [["x"]],
    "-1": "minus",
    "01": "zero",
    "n": None,
    "__proto__": {"x": 1},
    'q"\\': {"\0": 5},
    "1000000000": "long",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b.0", 10),
        ("a.b.1.c", 1),
        ("a.0", "key"),
        ("0.0.x", MISSING),
        ("0.0", ["x"]),
        ("-1", "minus"),
        ("01", "zero"),
        ("n", None),
        ("__proto__.x", 1),
        ('q"\\.\0', 5),
        ("1000000000", "long"),
        ("a.b.2", MISSING),
        ("a.b.-1", MISSING),
        ("a.b.00", MISSING),
        ("a.b.4294967296", MISSING),
        ("a.b.²", MISSING),
        ("a.b.length", MISSING),
        ("a.b.0.0", MISSING),
        ("n.x", MISSING),
        ("nothing", MISSING),
        ("constructor", MISSING),
    ],
)
def test_values(path: str, value: Any) -> None:
    found = parse(path)
    assert value_at(DOC, found.segments) == value
    read = apsw.Connection(":memory:").execute
    assert found.ways
    text = json.dumps(DOC)
    types = [kind for kind in (read("select json_type(?, ?)", (text, way)).get for way in found.ways) if kind]
    assert bool(types) is (value is not MISSING)
    at = doc_at(text, json.dumps(found.segments))
    assert (at is None) if value is MISSING else (json.loads(str(at)) == value)


def test_many_numbers_have_no_ways() -> None:
    assert len(parse("a.0.1").ways) == 4
    assert parse("0.1.2").ways == ()


@pytest.mark.parametrize(
    "path",
    ["", ".", "a.", ".a", "a..b", "$a", "$", "a" * (MOST_BYTES + 1), "é" * 257, ".".join("a" * 21), "\ud800", 5, None],
)
def test_what_is_no_path(path: Any) -> None:
    with pytest.raises(FaztError) as caught:
        parse(path, "sort")
    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.message.startswith("sort: ")
    assert caught.value.details["field"] == "sort"
    json.dumps(caught.value.public(), ensure_ascii=False).encode()


@pytest.mark.parametrize(("path", "column"), [("id", "id"), ("_createdAt", "created_at"), ("_updatedAt", "updated_at")])
def test_columns(path: str, column: str) -> None:
    assert parse(path).column == column
    assert parse(f"a.{path}").column is None
    assert parse(f"{path}.a").column is None


# --- values


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, 1.0, True),
        (0, -0.0, True),
        (1, True, False),
        (0, False, False),
        (1, "1", False),
        (None, False, False),
        ("", None, False),
        ([], {}, False),
        ([1, 2], [2, 1], False),
        ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1.0}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        (2**53, 2.0**53, True),
        (2**60, 2**60 + 1, True),
        (2**53 - 1, 2**53, False),
        (1e300, 1e300, True),
        ("é", "e\u0301", False),
    ],
)
def test_equality(one: Any, other: Any, equal: bool) -> None:
    assert same(one, other) is equal
    assert same([{"x": one}], [{"x": other}]) is equal
    assert (doc_canonical(json.dumps(one)) == canonical(other)) is equal


@pytest.mark.parametrize("text", [None, 5, b"\x00", "", "{", "[" * 5000, "nope"])
def test_functions_of_sql_never_fail(text: Any) -> None:
    assert doc_canonical(text) is None
    assert doc_at(text, '["a"]') is None
    assert doc_at('{"a":1}', text) is None


def test_numbers() -> None:
    assert number(2**53) == 2**53
    assert isinstance(number(2**53), int)
    assert isinstance(number(2**53 + 1), float)
    for beyond in (10**400, float("inf"), float("nan"), -(10**400)):
        with pytest.raises(ValueError, match="finite"):
            number(beyond)


def test_slots_tell_types_apart() -> None:
    file = apsw.Connection(":memory:")
    file.execute("create table s (i any) strict")
    values = [False, True, 0, 1, 1.5, -1, "", "0", "1", "a\0b", None, [], {}]
    for value in values:
        file.execute("insert into s values (?)", (encoded(value),))
    for value in values:
        held = encoded(value)
        count = file.execute("select count(*) from s where i = ?", (held,)).get
        assert count == (0 if held is None else 1)
    kinds = [row[0] for row in file.execute("select distinct typeof(i) from s where i is not null order by i")]
    assert kinds == ["integer", "real", "text", "blob"]
