"""What a document is, and how it is written and shown."""

from __future__ import annotations

import json
import math
import random
import re
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.data import doc_values
from kernel.data.doc_values import document, documents, number_text, shown

MOST = 1 << 20
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "{}"),
        ({"b": 1, "a": [1, {"c": None}]}, '{"b":1,"a":[1,{"c":null}]}'),
        ({"a": 1.0, "b": -0.0, "c": 0.1}, '{"a":1.0,"b":-0.0,"c":0.1}'),
        ({"a": 2**53, "b": -(2**53)}, '{"a":9007199254740992,"b":-9007199254740992}'),
        ({"a": "9007199254740993"}, '{"a":"9007199254740993"}'),
        (
            {"": {"": ""}, "__proto__": 1, "a.b": 2, "a": {"$x": "$y"}},
            '{"":{"":""},"__proto__":1,"a.b":2,"a":{"$x":"$y"}}',
        ),
        ({"a": "ä\u2028👩‍👧\x00"}, '{"a":"ä\u2028👩‍👧\\u0000"}'),
        ({"id": "x", "_createdAt": 1, "a": 1, "_updatedAt": 2}, '{"a":1}'),
        ({"a": {"id": 1, "_createdAt": 2}}, '{"a":{"id":1,"_createdAt":2}}'),
    ],
    ids=ascii,
)
def test_a_document_is_stored_as_it_came_but_for_what_its_row_says(given: Any, text: str) -> None:
    made = document(given, MOST)
    assert (made.text, made.size) == (text, len(text.encode()))
    # many at once are made in another way
    assert [one.text for one in documents([given, {"n": 1}], MOST)] == [text, '{"n":1}']


@pytest.mark.parametrize("key", ["$", "$set", "$x.y", "$" + "x" * 5000])
def test_a_document_has_no_operators_for_keys(key: str) -> None:
    for given in ({key: 1}, [{key: 1}], [{"n": 1}, {"n": 1, key: 2}]):
        with pytest.raises(FaztError, match=r"begins with \$") as refused:
            documents(given, MOST)
        assert (refused.value.code, refused.value.details) == ("INVALID_ARGUMENT", {"field": "doc"})
        assert len(refused.value.message) < 200


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63, 2**64, 10**30, -(10**200)])
def test_a_whole_number_beyond_2_to_the_53_becomes_the_nearest_double(value: int) -> None:
    for made in (document({"a": [value]}, MOST), *documents([{"a": [value]}, {"a": [value]}], MOST)):
        (found,) = json.loads(made.text)["a"]
        assert (type(found), found) == (float, float(value))


def test_a_number_that_no_double_comes_near_is_refused() -> None:
    with pytest.raises(FaztError) as refused:
        document({"a": 10**400}, MOST)
    assert (refused.value.code, refused.value.details) == ("INVALID_ARGUMENT", {"field": "doc"})


@pytest.mark.parametrize("given", [None, True, 1, 1.5, "{}", [], [[]]])
def test_only_an_object_is_a_document(given: Any) -> None:
    for attempt in (lambda: document(given, MOST), lambda: documents([{"a": 1}, given], MOST)):
        with pytest.raises(FaztError) as refused:
            attempt()
        assert refused.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("make", [lambda n: "x" * (n - 8), lambda n: "é" * ((n - 8) // 2)])
def test_a_document_has_so_many_bytes_and_no_more(make: Any) -> None:
    fits, too_big = {"a": make(100)}, {"a": make(102)}
    assert document(fits, 100).size == 100
    for attempt in (lambda: document(too_big, 100), lambda: documents([{}, too_big], 100)):
        with pytest.raises(FaztError) as refused:
            attempt()
        assert (refused.value.code, refused.value.details["most"]) == ("LIMIT_EXCEEDED", 100)


# --- ids --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "id"),
    [
        ("a", "a"),
        ("a b/'\"%", "a b/'\"%"),
        ("ä" * 256, "ä" * 256),
        (0, "0"),
        (-7, "-7"),
        (1.0, "1"),
        (1.5, "1.5"),
        (2**53 + 1, "9007199254740992"),
    ],
)
def test_a_document_may_bring_its_id(given: Any, id: str) -> None:
    assert document({"id": given}, MOST).id == id
    assert [one.id for one in documents([{"id": given}, {"id": "other"}], MOST)] == [id, "other"]


@pytest.mark.parametrize("given", ["", "x" * 513, "ä" * 257, "a\x00", "a\nb", "\u2028", True, [], {}, ["a"], 10**400])
def test_what_cannot_be_an_id_is_refused(given: Any) -> None:
    with pytest.raises(FaztError) as refused:
        document({"id": given}, MOST)
    assert (refused.value.code, refused.value.details) == ("INVALID_ARGUMENT", {"field": "id"})


def test_a_document_without_an_id_gets_one() -> None:
    made = [document({}, MOST), document({"id": None}, MOST), *documents([{}, {}], MOST)]
    assert len({one.id for one in made}) == 4
    assert all(re.fullmatch(UUID, one.id) for one in made)


def test_an_id_that_is_given_twice_is_named() -> None:
    with pytest.raises(FaztError) as refused:
        documents([{"id": "b"}, {"id": 1}, {"id": "1"}], MOST)
    assert (refused.value.code, refused.value.details) == ("CONFLICT", {"id": "1"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "0"),
        (100.0, "100"),
        (-1.5, "-1.5"),
        (123456789012345680000, "123456789012345680000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.25e25, "-1.25e+25"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (2**60, "1152921504606847000"),
    ],
)
def test_a_number_is_written_as_javascript_writes_it(value: float, text: str) -> None:
    assert number_text(value) == text


def test_the_text_of_a_number_means_the_same_number() -> None:
    rng = random.Random(5)
    for _ in range(5000):
        value = rng.choice([-1, 1]) * math.ldexp(rng.random(), rng.randrange(-1073, 1024))
        assert float(number_text(value)) == value


# --- as it is given out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["a", "b6c1cb3e-7d63-4e4f-9d7b-2a0a9e4f0c11", 'a"b\\', "ä👩‍👧", "²"])
@pytest.mark.parametrize("text", ["{}", '{"a":1}', '{"a":{}}', '{"ä":"}"}'])
def test_a_document_is_shown_with_what_its_row_says(text: str, id: str) -> None:
    own = {"id": id, "_createdAt": 5, "_updatedAt": 7}
    assert json.loads(shown(id, text, 5, 7)) == {**json.loads(text), **own}


@pytest.mark.parametrize(("depth", "fits"), [(99, True), (100, True), (101, False), (300, False)])
def test_what_a_change_makes_of_a_document_may_not_be_nested_too_deep(depth: int, fits: bool) -> None:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    if fits:
        assert json.loads(doc_values.written(value, MOST)) == value
    else:
        with pytest.raises(FaztError) as refused:
            doc_values.written(value, MOST)
        assert refused.value.code == "INVALID_ARGUMENT"
