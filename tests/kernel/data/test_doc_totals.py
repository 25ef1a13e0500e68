"""Totals of collections, against sums made by hand."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.data import doc_totals
from kernel.data.doc_functions import canonical
from kernel.data.doc_totals import totals
from tests.kernel.data.doc_bench import File

SALES: list[Any] = [
    {"city": "Bern", "price": 5, "tax": 0.5, "paid": True},
    {"city": "Bern", "price": 7, "paid": False},
    {"city": "Basel", "price": "free", "paid": True},
    {"price": 1.5, "paid": 1},
    {"city": None, "price": [9], "paid": True},
    {"city": {"b": 1, "a": [1.0]}, "price": None},
    {"city": {"a": [1], "b": 1.0}, "price": True},
]
SLOTS = {"price": 1, "city": 2}


@pytest.fixture
def file() -> File:
    return File()


def asked(file: File, spec: Any, slots: dict[str, int] | None = None) -> Any:
    made = totals(spec, slots)
    sql = f"select {made.columns} from {{app_docs}} where collection = :collection and {made.matching}"
    return made.answer(file.rows(sql, made.params))


@pytest.mark.parametrize("slots", [{}, SLOTS])
@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ({"count": True}, {"count": 7}),
        ({"count": True, "where": {"city": "Bern"}}, {"count": 2}),
        ({"count": True, "where": None}, {"count": 7}),
        ({"sum": "price"}, {"sum": 13.5}),
        ({"sum": "price", "where": {"city": "Bern"}}, {"sum": 12}),
        ({"sum": "nothing"}, {"sum": 0}),
        ({"avg": "price"}, {"avg": 4.5}),
        ({"avg": "nothing"}, {"avg": None}),
        ({"min": "price", "max": "price"}, {"min": 1.5, "max": "free"}),
        ({"min": "city"}, {"min": "Basel"}),
        ({"min": "nothing", "max": "paid", "where": {"paid": True}}, {"min": None, "max": None}),
        ({"sum": ["price", "tax"], "max": ["tax"]}, {"sum": {"price": 13.5, "tax": 0.5}, "max": {"tax": 0.5}}),
        ({"sum": ["price", "price"]}, {"sum": {"price": 13.5}}),
        ({"min": "id", "max": "_createdAt"}, {"min": "d0", "max": 1006}),
        ({"sum": "_updatedAt", "sum": "_createdAt", "where": {"id": "d1"}}, {"sum": 1001}),  # noqa: F601
        (
            {"groupBy": "city", "count": True, "sum": "price"},
            [
                {"_id": None, "count": 2, "sum": 1.5},
                {"_id": "Basel", "count": 1, "sum": 0},
                {"_id": "Bern", "count": 2, "sum": 12},
                {"_id": {"a": [1], "b": 1}, "count": 2, "sum": 0},
            ],
        ),
        (
            {"groupBy": ["paid"], "count": True},
            [
                {"_id": {"paid": None}, "count": 2},
                {"_id": {"paid": 1}, "count": 1},
                {"_id": {"paid": False}, "count": 1},
                {"_id": {"paid": True}, "count": 3},
            ],
        ),
        ({"groupBy": ["city", "paid"], "where": {"city": "Bern"}},
         [{"_id": {"city": "Bern", "paid": False}}, {"_id": {"city": "Bern", "paid": True}}]),
        ({"groupBy": "city", "where": {"city": "none"}, "count": True}, []),
        ({"groupBy": "city", "count": False, "max": "price", "where": {"city": {"$gt": "B"}}},
         [{"_id": "Basel", "max": "free"}, {"_id": "Bern", "max": 7}]),
    ],
)  # fmt: skip
def test_totals(file: File, spec: Any, answer: Any, slots: dict[str, int]) -> None:
    file.put(SALES, SLOTS)
    assert asked(file, spec, slots) == answer


@pytest.mark.parametrize(
    ("values", "total"),
    [
        ([0.1] * 10, 1),
        ([2**53, 1, -(2**53)], 1),
        ([1e16, 1, -1e16], 1),
        ([2**53] * 2000, 2000 * 2.0**53),
        ([1e308, 1e308], None),
        ([-0.0], 0),
    ],
)
def test_sums_are_compensated_and_never_fail(file: File, values: list[Any], total: Any) -> None:
    file.put([{"n": value} for value in values], {"n": 1})
    assert asked(file, {"sum": "n"}) == asked(file, {"sum": "n"}, {"n": 1}) == {"sum": total}
    asked(file, {"avg": "n", "min": "n", "max": "n"})


def test_numbers_that_are_equal_are_one_group(file: File) -> None:
    file.put([{"n": 1}, {"n": 1.0}, {"n": "1"}, {"n": True}, {"n": -0.0}, {"n": 0}], {"n": 1})
    answer = [{"_id": 0, "count": 2}, {"_id": 1, "count": 2}, {"_id": "1", "count": 1}, {"_id": True, "count": 1}]
    for slots in ({}, {"n": 1}):
        found = asked(file, {"groupBy": "n", "count": True}, slots)
        assert [canonical(one) for one in found] == [canonical(one) for one in answer]


@pytest.mark.parametrize("seed", range(4))
def test_random_totals(file: File, seed: int) -> None:
    seed += random.SystemRandom().randrange(10**6) * 4
    pick = random.Random(seed)
    values = [None, 0, 1, 2.5, -3, 1e10, "a", "b", True, False, [], [1], {"x": 1}]
    docs = [{name: pick.choice(values) for name in pick.sample("abg", 3)} for _ in range(80)]
    file.put(docs, {"a": 1, "g": 2})
    spec = {"groupBy": "g", "count": True, "sum": "a", "avg": "b", "min": ["a", "b"], "max": "a"}
    groups: dict[str, list[Any]] = {}
    for doc in docs:
        groups.setdefault(canonical(doc["g"]), []).append(doc)
    for slots in ({}, {"a": 1, "g": 2}):
        found = {canonical(one["_id"]): one for one in asked(file, spec, slots)}
        assert found.keys() == groups.keys(), f"seed {seed}"
        for name, members in groups.items():
            one = found[name]
            assert one["count"] == len(members)
            assert one["sum"] == pytest.approx(math.fsum(numbers(members, "a"))), f"seed {seed}"
            average = numbers(members, "b")
            assert one["avg"] == (pytest.approx(math.fsum(average) / len(average)) if average else None)
            assert (one["min"], one["max"]) == (
                {"a": least(members, "a", False), "b": least(members, "b", False)},
                least(members, "a", True),
            ), f"seed {seed}"


def numbers(docs: list[Any], name: str) -> list[float]:
    return [doc[name] for doc in docs if isinstance(doc[name], int | float) and not isinstance(doc[name], bool)]


def least(docs: list[Any], name: str, most: bool) -> Any:
    taken = [(0, n, "") for n in numbers(docs, name)] + [
        (1, 0, doc[name]) for doc in docs if isinstance(doc[name], str)
    ]
    if not taken:
        return None
    kind, number, text = max(taken) if most else min(taken)
    return text if kind else number


@pytest.mark.parametrize(
    "spec",
    [
        *(None, [], "count", 5, {}, {"where": {}}, {"count": False}, {"count": 1}, {"count": "x"}, {"total": "a"}),
        *(
            {"sum": 5},
            {"sum": []},
            {"sum": {}},
            {"sum": [5]},
            {"sum": ""},
            {"sum": "$a"},
            {"sum": "a..b"},
            {"sum": True},
        ),
        *({"groupBy": 5}, {"groupBy": []}, {"groupBy": [None]}, {"count": True, "where": []}, {"sum": ["a"] * 21}),
        *({"count": True, "where": {"a": {"$foo": 1}}}, {"count": True, "__proto__": 1}, {5: 1}, {"sum": "\ud800"}),
    ],
)
def test_what_asks_for_nothing_is_refused(spec: Any) -> None:
    with pytest.raises(FaztError) as caught:
        totals(spec)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.details["field"]


def test_limits(file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FaztError) as caught:
        totals({"sum": [f"s{n}" for n in range(15)], "avg": [f"a{n}" for n in range(15)]})
    assert caught.value.code == "LIMIT_EXCEEDED"
    monkeypatch.setattr(doc_totals, "MOST_GROUPS", 10)
    file.put([{"g": number % 10} for number in range(30)])
    assert len(asked(file, {"groupBy": "g"})) == 10
    file.put([{"g": 11}], app="b")
    assert len(asked(file, {"groupBy": "g"})) == 10
    with pytest.raises(FaztError) as caught:
        asked(file, {"groupBy": "id"})
    assert caught.value.code == "LIMIT_EXCEEDED"
