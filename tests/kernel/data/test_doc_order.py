"""The order in which documents are found."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.data.doc_order import MOST_FIELDS, ordering
from kernel.data.doc_paths import MISSING, value_at
from tests.kernel.data.doc_bench import File


@pytest.fixture
def file() -> File:
    return File()


def rank(value: Any) -> tuple[Any, ...]:
    """Null and missing, numbers, texts, booleans, the rest: from the words of the specification."""
    if value is None or value is MISSING:
        return (0,)
    if isinstance(value, bool):
        return (3, value)
    if isinstance(value, int | float):
        return (1, float(value))
    return (2, value.encode()) if isinstance(value, str) else (4,)


def right(docs: list[Any], order: str | None, sort: dict[str, int]) -> list[str]:
    numbers = sorted(range(len(docs)), reverse=order != "asc")
    for name, direction in reversed(sort.items()):
        path = tuple(name.split("."))
        numbers.sort(key=lambda number: rank(value_at(docs[number], path)), reverse=direction < 0)
        if direction < 0:
            numbers = stable(numbers, docs, path, order)
    return [f"d{number}" for number in numbers]


def stable(numbers: list[int], docs: list[Any], path: tuple[str, ...], order: str | None) -> list[int]:
    """Python keeps what is alike in its order when it sorts downwards, too; nothing is left to do."""
    return numbers


VALUES: list[Any] = [
    *(None, 0, -1, 1, 1.0, 1.5, 2**53, 1e300, "", "a", "b", "B", "é", "10", "9", "\0", "\uffff", "😀"),
    *(True, False, [], [1], {}, {"a": 1}, MISSING),
]


def some(pick: random.Random, count: int) -> list[dict[str, Any]]:
    made = []
    for _ in range(count):
        doc = {name: pick.choice(VALUES) for name in ("a", "b")}
        doc["c"] = {"d": pick.choice(VALUES)}
        if pick.random() < 0.3:
            doc["a"] = pick.randrange(3)
        made.append({name: {k: v for k, v in value.items() if v is not MISSING} if name == "c" else value
                     for name, value in doc.items() if value is not MISSING})  # fmt: skip
    return made


@pytest.mark.parametrize("seed", range(6))
def test_random_orders_are_what_the_rules_say(file: File, seed: int) -> None:
    seed += random.SystemRandom().randrange(10**6) * 6
    pick = random.Random(seed)
    docs = some(pick, 120)
    slots = {"a": 1, "c.d": 3}
    file.put(docs, slots)
    for _ in range(40):
        sort = {name: pick.choice((1, -1)) for name in pick.sample(["a", "b", "c.d", "c"], pick.randrange(0, 4))}
        order = pick.choice(("asc", "desc", None))
        limit, offset = pick.choice((-1, 0, 1, 10, 50, 500)), pick.choice((0, 0, 1, 20, 119, 500))
        all_of_them = right(docs, order, sort)
        wanted = all_of_them[offset:] if limit < 0 else all_of_them[offset : offset + limit]
        for held in ({}, slots, {"a": 1}):
            found = file.find({}, ordering(order, sort), held, limit, offset)
            assert found == wanted, f"seed {seed}: {order} {sort} {limit} {offset} {held}"
        query = pick.choice(
            ({"a": {"$gte": 1}}, {"a": {"$lt": "b"}}, {"c.d": 1, "a": {"$ne": 1}}, {"$or": [{"a": 1}, {"c.d": 1}]})
        )
        those = set(file.ids(query))
        for held in ({}, slots, {"a": 1}):
            found = file.find(query, ordering(order, sort), held)
            assert found == [name for name in all_of_them if name in those], (
                f"seed {seed}: {query} {order} {sort} {held}"
            )


def test_newest_first_is_usual(file: File) -> None:
    file.put([{}, {}, {}])
    assert file.find({}) == ["d2", "d1", "d0"]
    assert file.find({}, ordering("asc")) == ["d0", "d1", "d2"]
    assert file.find({}, ordering("desc", {})) == ["d2", "d1", "d0"]


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ({"id": 1}, ["d0", "d1", "d10", "d2"]),
        ({"_createdAt": -1}, ["d10", "d2", "d1", "d0"]),
        ({"_updatedAt": 1}, ["d10", "d2", "d1", "d0"]),
        ({"_updatedAt": 1, "_createdAt": 1}, ["d0", "d1", "d2", "d10"]),
    ],
)
def test_columns_sort_too(file: File, sort: dict[str, int], ids: list[str]) -> None:
    file.put([{}] * 11)
    kept = {"id": {"$in": ids}}
    assert file.find(kept, ordering("desc", sort)) == ids


@pytest.mark.parametrize(
    ("order", "sort", "code"),
    [
        ("up", None, "INVALID_ARGUMENT"),
        (1, None, "INVALID_ARGUMENT"),
        (None, "a", "INVALID_ARGUMENT"),
        (None, ["a"], "INVALID_ARGUMENT"),
        (None, {"a": 2}, "INVALID_ARGUMENT"),
        (None, {"a": True}, "INVALID_ARGUMENT"),
        (None, {"a": "desc"}, "INVALID_ARGUMENT"),
        (None, {"a": None}, "INVALID_ARGUMENT"),
        (None, {"a": [1]}, "INVALID_ARGUMENT"),
        (None, {"a..b": 1}, "INVALID_ARGUMENT"),
        (None, {"$score": 1}, "INVALID_ARGUMENT"),
        (None, {"": 1}, "INVALID_ARGUMENT"),
        (None, {str(number): 1 for number in range(MOST_FIELDS + 1)}, "LIMIT_EXCEEDED"),
    ],
)
def test_what_is_no_order_is_refused(order: Any, sort: Any, code: str) -> None:
    with pytest.raises(FaztError) as caught:
        ordering(order, sort)
    assert caught.value.code == code
    assert caught.value.details["field"] in ("order", "sort")


def steps(file: File, *args: Any) -> int:
    """How much of SQLite's machine a first page takes."""
    sql, params = file.found(*args)
    taken = 0

    def count() -> bool:
        nonlocal taken
        taken += 1
        return False

    file.connection.set_progress_handler(count, 100)
    file.rows(sql, {**params, "limit": 10, "offset": 0})
    file.connection.set_progress_handler(None)
    return taken * 100


@pytest.mark.parametrize("sort", [{"a": 1}, {"a": -1}])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_first_page_of_an_indexed_order_does_not_sort_everything(file: File, order: str, sort: Any) -> None:
    slots = {"a": 1}
    file.put([{"a": number * 7919 % 20011} for number in range(20_000)], slots)
    walked, sorted_ = steps(file, {}, ordering(order, sort), slots), steps(file, {}, ordering(order, sort), {})
    assert walked * 4 < sorted_
    inside = steps(file, {"a": {"$gte": 100, "$lt": 15_000}}, ordering(order, sort), slots)
    assert inside < 2000


def test_one_field_can_be_sorted_by_an_index() -> None:
    assert ordering(None, {"a.b": 1}).fields == ("a.b",)
    assert ordering(None, {"a": 1, "b": 1}).fields == ordering(None, {"id": 1}).fields == ordering("asc").fields == ()
