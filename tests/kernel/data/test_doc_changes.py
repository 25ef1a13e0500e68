"""What an update does to a document."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.data import doc_changes
from kernel.data.doc_changes import Changes, applied, changed
from kernel.data.doc_functions import same

MOST = 1 << 20


def after(document: Any, given: Any, id: str | None = None) -> Any:
    """What the writer makes of it; the same as what is made of the values themselves."""
    changes = Changes.read(given, id)
    text = json.dumps(document)
    made = json.loads(applied(text, changes.text, MOST)[1])
    assert changed(copy.deepcopy(document), Changes.read(given, id)) == made
    return made


DOES = [
    # fields to set
    ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
    ({"a": 1}, {"a": {"x": [None]}}, {"a": {"x": [None]}}),
    ({"a": 1}, {}, {"a": 1}),
    ({}, {"$set": {}, "$inc": {}}, {}),
    ({}, {"a.b.c": 1}, {"a": {"b": {"c": 1}}}),
    ({"a": {"x": 1}}, {"a.b": 2}, {"a": {"x": 1, "b": 2}}),
    ({}, {"$set": {"a.b": 1}}, {"a": {"b": 1}}),
    ({}, {"__proto__.x": 1, "constructor": 2}, {"__proto__": {"x": 1}, "constructor": 2}),
    ({}, {"0": "a", "a.0": "b"}, {"0": "a", "a": {"0": "b"}}),
    ({}, {"a": {"$inc": 1}}, {"a": {"$inc": 1}}),
    ({}, {"a": 2**60}, {"a": float(2**60)}),
    # items of lists
    ({"a": [1, 2]}, {"a.0": 9}, {"a": [9, 2]}),
    ({"a": [1, 2]}, {"a.2": 9}, {"a": [1, 2, 9]}),
    ({"a": []}, {"a.0.b": 1}, {"a": [{"b": 1}]}),
    ({"a": [[1]]}, {"a.0.1": 2, "a.1": 3}, {"a": [[1, 2], 3]}),
    ({"a": [{"n": 1}]}, {"$inc": {"a.0.n": 1, "a.1": 5}}, {"a": [{"n": 2}, 5]}),
    # $unset
    ({"a": 1, "b": 2}, {"$unset": {"a": ""}}, {"b": 2}),
    ({"a": {"b": 1, "c": 2}}, {"$unset": {"a.b": 1, "a.x.y": 1, "z": 1}}, {"a": {"c": 2}}),
    ({"a": [1, 2, 3]}, {"$unset": {"a.1": 1, "a.9": 1, "a.x": 1}}, {"a": [1, None, 3]}),
    ({"a": 5}, {"$unset": {"a.b": 1}}, {"a": 5}),
    # $inc
    ({"n": 1}, {"$inc": {"n": 2}}, {"n": 3}),
    ({}, {"$inc": {"n": 2, "a.b": -1}}, {"n": 2, "a": {"b": -1}}),
    ({"n": 0.5}, {"$inc": {"n": 0.5}}, {"n": 1}),
    ({"n": 2**53}, {"$inc": {"n": 2**53}}, {"n": float(2**54)}),
    ({"n": 0.1}, {"$inc": {"n": 0.2}}, {"n": 0.30000000000000004}),
    # $push, $pull, $addToSet
    ({"a": [1]}, {"$push": {"a": [2]}}, {"a": [1, [2]]}),
    ({}, {"$push": {"a.b": 1}}, {"a": {"b": [1]}}),
    ({"a": [1]}, {"$push": {"a": {"$each": [2, [3]]}}}, {"a": [1, 2, [3]]}),
    ({"a": [1, 1.0, True, "1", 2]}, {"$pull": {"a": 1}}, {"a": [True, "1", 2]}),
    ({"a": [{"x": 1, "y": 2}, {"y": 2, "x": 1}, {"x": 1}]}, {"$pull": {"a": {"y": 2, "x": 1}}}, {"a": [{"x": 1}]}),
    ({"a": [None, 0, False]}, {"$pull": {"a": None}}, {"a": [0, False]}),
    ({"a": {}}, {"$pull": {"b": 1, "a.c": 1}}, {"a": {}}),
    ({"a": [1]}, {"$addToSet": {"a": 1.0}}, {"a": [1]}),
    ({"a": [1]}, {"$addToSet": {"a": True}}, {"a": [1, True]}),
    ({}, {"$addToSet": {"a": {"$each": [1, "1", 1]}}}, {"a": [1, "1"]}),
    ({"a": [[1, {"x": 1}]]}, {"$addToSet": {"a": [1.0, {"x": 1}]}}, {"a": [[1, {"x": 1}]]}),
    # in this order, whatever the order in the text
    ({}, {"$inc": {"n": 1}, "n": 5}, {"n": 6}),
    ({"n": 5}, {"$inc": {"n": 1}, "$unset": {"n": 1}}, {"n": 1}),
    ({}, {"$addToSet": {"a": 1}, "$pull": {"a": 1}, "$push": {"a": 1}, "$set": {"a": [1, 2]}}, {"a": [2, 1]}),
    # beside each other, not in each other
    ({"a": [1], "ab": 1, "a-b": {"c": 1}}, {"a.0": 2, "ab": 3, "a-b.c": 4}, {"a": [2], "ab": 3, "a-b": {"c": 4}}),
    # a document given back as it was found
    ({"a": 1}, {"a": 2, "_createdAt": 1, "_updatedAt": 2}, {"a": 2}),
]


@pytest.mark.parametrize(("document", "given", "made"), DOES, ids=lambda value: json.dumps(value)[:60])
def test_changes_do_what_they_say(document: Any, given: Any, made: Any) -> None:
    found = after(document, given)
    assert found == made
    assert same(found, made), "numbers and booleans apart"


WRONG: list[Any] = [
    None,
    [],
    "a",
    5,
    {"$rename": {"a": "b"}},
    {"$": {}},
    {"$set": None},
    {"$set": [["a", 1]]},
    {"$inc": 5},
    {"id": "x"},
    {"id.x": 1},
    {"$set": {"id": "x"}},
    {"$unset": {"id": 1}},
    {"$inc": {"_createdAt": 1}},
    {"$unset": {"_updatedAt": 1}},
    {"_createdAt.x": 1},
    {"a": 1, "$set": {"a": 2}},
    {"": 1},
    {"a..b": 1},
    {".a": 1},
    {"$set": {"$x": 1}},
    {"a" * 513: 1},
    {"$inc": {"a": "1"}},
    {"$inc": {"a": True}},
    {"$inc": {"a": None}},
    {"$inc": {"a": 10**400}},
    {"a": 10**400},
    {"$push": {"a": {"$slice": 1}}},
    {"$push": {"a": {"$each": 1}}},
    {"$push": {"a": {"$each": [1], "$sort": 1}}},
    {"$addToSet": {"a": {"$each": [], "b": 1}}},
    {"$pull": {"a": {"$gt": 5}}},
]


@pytest.mark.parametrize("given", WRONG, ids=lambda value: json.dumps(value)[:60])
def test_changes_that_cannot_be_understood_are_refused_before_anything_happens(given: Any) -> None:
    with pytest.raises(FaztError) as refused:
        Changes.read(given)
    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.details["field"] == "changes"


@pytest.mark.parametrize(
    ("given", "above", "below"),
    [
        ({"a.b": 1, "a": {"c": 1}}, "a", "a.b"),
        ({"a": {"c": 1}, "a.b": 1}, "a", "a.b"),
        ({"a.b": 1, "$set": {"a": 1}}, "a", "a.b"),
        ({"$unset": {"a": 1}, "$inc": {"a.b.c": 1}, "a-b": 1, "a-c": 2}, "a", "a.b.c"),
        ({"$push": {"a.0": 1}, "$addToSet": {"a": 1}}, "a", "a.0"),
        ({"$pull": {"x.y": 1}, "$set": {"x.y.z": 1, "x.x": 1}}, "x.y", "x.y.z"),
    ],
    ids=json.dumps,
)
def test_what_is_changed_may_not_be_in_what_is_changed(given: Any, above: str, below: str) -> None:
    with pytest.raises(FaztError, match=f"{above} and {below} are both") as refused:
        Changes.read(given)
    assert (refused.value.code, refused.value.details) == ("INVALID_ARGUMENT", {"field": "changes", "path": below})


def test_an_unknown_operator_is_named() -> None:
    with pytest.raises(FaztError, match=r"\$rename") as refused:
        Changes.read({"a": 1, "$rename": {}})
    assert refused.value.details["operator"] == "$rename"


CANNOT = [
    ({"a": 5}, {"a.b": 1}),
    ({"a": None}, {"a.b": 1}),
    ({"a": "x"}, {"$inc": {"a.0": 1}}),
    ({"a": [1]}, {"a.2": 1}),
    ({"a": [1]}, {"a.x": 1}),
    ({"a": [1]}, {"a.-1": 1}),
    ({"a": [1]}, {"a.01": 1}),
    ({"a": [1]}, {"a.1000000000": 1}),
    ({"a": [1]}, {"a.3.b": 1}),
    ({"n": "1"}, {"$inc": {"n": 1}}),
    ({"n": None}, {"$inc": {"n": 1}}),
    ({"n": True}, {"$inc": {"n": 1}}),
    ({"n": 1e308}, {"$inc": {"n": 1e308}}),
    ({"a": "x"}, {"$push": {"a": 1}}),
    ({"a": None}, {"$push": {"a": 1}}),
    ({"a": {}}, {"$addToSet": {"a": 1}}),
    ({"a": {}}, {"$pull": {"a": 1}}),
]


@pytest.mark.parametrize(("document", "given"), CANNOT, ids=lambda value: json.dumps(value)[:60])
def test_what_cannot_be_done_to_a_document_is_refused(document: Any, given: Any) -> None:
    with pytest.raises(FaztError) as refused:
        after(document, given)
    assert (refused.value.code, refused.value.details["field"]) == ("INVALID_ARGUMENT", "changes")


def test_a_document_may_repeat_its_own_id_but_not_change_it() -> None:
    assert after({"a": 1}, {"id": "x", "a": 2}, "x") == {"a": 2}
    assert after({"a": 1}, {"$set": {"id": 5}}, "5") == {"a": 1}
    with pytest.raises(FaztError, match="cannot be changed"):
        Changes.read({"id": "y"}, "x")


def test_what_grows_too_large_or_too_deep_is_refused() -> None:
    with pytest.raises(FaztError) as refused:
        applied('{"a":"x"}', Changes.read({"b": "x" * 90}).text, 100)
    assert refused.value.code == "LIMIT_EXCEEDED"
    deep: Any = 1
    for _ in range(90):
        deep = [deep]
    with pytest.raises(FaztError, match="nested"):
        after({}, {".".join("abcdefghijkl"): deep})


def test_so_many_changes_and_no_more() -> None:
    assert len(Changes.read({f"f{n}": n for n in range(1000)})) == 1000
    with pytest.raises(FaztError, match="1001"):
        Changes.read({f"f{n}": n for n in range(1000)} | {"$inc": {"n": 1}})


def test_documents_do_not_share_what_was_given_to_all_of_them() -> None:
    changes = Changes.read({"$push": {"a": {"$each": [{"n": 0}]}}, "b": {"c": []}}).text
    more = Changes.read({"$inc": {"a.0.n": 1}, "$push": {"b.c": 1}}).text
    for _ in range(2):
        first = applied("{}", changes, MOST)[1].decode()
        assert applied(first, more, MOST)[0] == {"a": [{"n": 1}], "b": {"c": [1]}}
        assert applied('{"x":1}', changes, MOST)[0] == {"x": 1, "a": [{"n": 0}], "b": {"c": []}}


def test_random_sets_and_unsets_are_what_plain_python_makes_of_them() -> None:
    rng = random.Random(7)
    names = ["a", "b", "__proto__", "x y", "é"]
    for _ in range(2000):
        document: dict[str, Any] = {name: {"k": rng.random()} for name in rng.sample(names, 3)}
        wanted = copy.deepcopy(document)
        given: dict[str, Any] = {"$unset": {}}
        for name in rng.sample(names, 3):
            if rng.random() < 0.5:
                given[f"{name}.k"] = wanted.setdefault(name, {})["k"] = rng.choice([None, 1, "t", [], {"z": 0}])
            else:
                given["$unset"][f"{name}.k"] = 1
                wanted.get(name, {}).pop("k", None)
        assert after(document, given) == wanted


@pytest.mark.parametrize("name", ["$addToSet", "$pull"])
def test_long_lists_are_looked_at_once_as_nobody_else_can_write_meanwhile(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []

    def canonical(value: Any) -> str:
        looked.append(value)
        return json.dumps(value)

    monkeypatch.setattr(doc_changes, "canonical", canonical)
    there, more = list(range(3000)), list(range(2000, 5000))
    text = Changes.read({name: {"a": {"$each": more} if name == "$addToSet" else more}}).text
    made = applied(json.dumps({"a": there}), text, MOST)[0]
    assert made == {"a": list(range(5000)) if name == "$addToSet" else there}
    assert looked.count(more) <= 1
    assert len(looked) <= len(there) + len(more)
