"""Queries of documents against a plain reading of the rules, and what SQLite makes of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.data.doc_functions import encoded
from kernel.data.doc_paths import MISSING, value_at
from kernel.data.doc_query import MOST_CHOICES, MOST_CONDITIONS, MOST_LEVELS, compiled
from tests.kernel.data.doc_bench import File


@pytest.fixture
def file() -> File:
    return File()


# --- the rules, read plainly


class Rules:
    """Does a document match? Straight from the words of the specification, with no thought of speed."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def match(self, query: dict[str, Any]) -> bool:
        return all(self.member(name, wanted) for name, wanted in query.items())

    def member(self, name: str, wanted: Any) -> bool:
        if name == "$and":
            return all(self.match(one) for one in wanted)
        if name == "$or":
            return any(self.match(one) for one in wanted)
        if name == "$nor":
            return not any(self.match(one) for one in wanted)
        return self.field(self.look(name.split(".")), wanted)

    def look(self, parts: list[str]) -> Any:
        here: Any = self.document
        for part in parts:
            if isinstance(here, dict) and part in here:
                here = here[part]
            elif isinstance(here, list) and part in [str(index) for index in range(len(here))]:
                here = here[int(part)]
            else:
                return MISSING
        return here

    def field(self, value: Any, wanted: Any) -> bool:
        if isinstance(wanted, dict) and any(name.startswith("$") for name in wanted):
            return all(self.operator(name, value, operand) for name, operand in wanted.items())
        return self.operator("$eq", value, wanted)

    def operator(self, name: str, value: Any, wanted: Any) -> bool:
        if name == "$eq":
            return value in (None, MISSING) if wanted is None else value is not MISSING and alike(value, wanted)
        if name == "$ne":
            return not self.operator("$eq", value, wanted)
        if name == "$in":
            return any(self.operator("$eq", value, one) for one in wanted)
        if name == "$nin":
            return not self.operator("$in", value, wanted)
        if name == "$not":
            return not self.field(value, wanted)
        if name == "$exists":
            return (value is not MISSING) is wanted
        if name == "$contains":
            if isinstance(value, list):
                return any(alike(one, wanted) for one in value)
            return isinstance(value, str) and isinstance(wanted, str) and wanted in value
        kinds = {kind(value), kind(wanted)}
        if kinds not in ({"number"}, {"text"}):
            return False
        compare = {"$gt": "__gt__", "$gte": "__ge__", "$lt": "__lt__", "$lte": "__le__"}[name]
        one, other = (float(value), float(wanted)) if kinds == {"number"} else (value, wanted)
        return bool(getattr(one, compare)(other))


def kind(value: Any) -> str:
    if isinstance(value, bool) or value is None or value is MISSING:
        return "other"
    return "text" if isinstance(value, str) else "number" if isinstance(value, int | float) else "other"


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if kind(one) == kind(other) == "number":
        return float(one) == float(other)
    return type(one) is type(other) and bool(one == other)


class Making:
    """Random documents and random queries about the same few things, so that they meet."""

    NAMES = ("a", "b", "0", "1", "-1", "01", "q\"'", "\\", "$x", "[0]", "#", "é", "__proto__", "n\0l", "x y", "😀")
    TEXTS = (
        "",
        "a",
        "ab",
        "b",
        "5",
        "true",
        "null",
        "{}",
        "[1]",
        '{"a":1}',
        "é",
        "\0",
        "a\0b",
        "\uffff",
        "😀",
        "%_'\"",
    )
    NUMBERS = (0, -0.0, 1, 1.0, -1, 2, 1.5, 5, 1e300, -1e300, 5e-324, 0.1, 0.30000000000000004, 2**53, 2.0**60)

    def __init__(self, seed: int, docs: int = 40) -> None:
        self.random = random.Random(seed)
        self.met: list[Any] = [1]
        self.docs = [self.object() for _ in range(docs)]

    def scalar(self) -> Any:
        pick = self.random
        return pick.choice((pick.choice(self.TEXTS), pick.choice(self.NUMBERS), pick.choice((True, False, None))))

    def value(self, depth: int = 0) -> Any:
        pick = self.random.random()
        if depth > 3 or pick < 0.55:
            return self.scalar()
        if pick < 0.75:
            return [self.value(depth + 1) for _ in range(self.random.randrange(4))]
        return self.object(depth + 1)

    def object(self, depth: int = 0) -> dict[str, Any]:
        few = depth or self.random.random() < 0.7
        names = self.random.choices(self.NAMES[:4] if few else self.NAMES, k=self.random.randrange(1, 6))
        return {name: self.value(depth + 1) for name in names}

    def path(self) -> str:
        odd = self.random.random() < 0.2
        names = [self.random.choice(self.NAMES[: 16 if odd else 6 if depth else 3]) for depth in range(4)]
        path = ".".join(names[: self.random.choice((1, 1, 1, 1, 2, 2, 3, 4))])
        values = (value_at(doc, tuple(path.split("."))) for doc in self.docs)
        self.met = [value for value in values if value is not MISSING] or [1]
        return path

    def plain(self) -> Any:
        """A value to compare with: mostly one that a document has there, or a part of it."""
        pick = self.random.random()
        if pick < 0.3:
            return self.value(2)
        value = self.random.choice(self.met)
        if isinstance(value, list) and value and pick < 0.6:
            value = self.random.choice(value)
        # an object like that would be taken for operators
        return 1 if "$" in repr(value) else value

    def operators(self, level: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for _ in range(self.random.choice((1, 1, 1, 2, 3))):
            name = self.random.choice(
                ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$exists", "$not")
            )
            if name in ("$in", "$nin"):
                made[name] = [self.plain() for _ in range(self.random.randrange(5))]
            elif name == "$exists":
                made[name] = self.random.random() < 0.5
            elif name == "$not":
                made[name] = self.operators(level + 1) if level < 3 else {"$eq": 1}
            else:
                made[name] = self.plain()
        return made

    def query(self, level: int = 0) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for _ in range(self.random.choice((1, 1, 2, 3)) if level else self.random.choice((0, 1, 1, 2))):
            pick = self.random.random()
            if level < 3 and pick < 0.3:
                made[self.random.choice(("$and", "$or", "$nor"))] = [
                    self.query(level + 1) for _ in range(self.random.randrange(4))
                ]
                continue
            name = self.path()
            if name.startswith("$"):
                continue
            made[name] = self.operators(level) if pick < 0.75 else self.plain()
        return made


@pytest.mark.parametrize("seed", range(12))
def test_random_queries_find_what_the_rules_say(seed: int) -> None:
    seed += random.SystemRandom().randrange(10**6) * 12
    making = Making(seed)
    docs = making.docs
    slots = {"a": 1, "b": 2, "a.0": 3, "b.a": 4, "é": 5}
    file = File()
    file.put(docs, slots)
    for _ in range(60):
        query = making.query()
        right = [f"d{number}" for number, doc in enumerate(docs) if Rules(doc).match(query)]
        assert file.ids(query) == right, f"seed {seed}: {query!r}"
        assert file.ids(query, slots) == right, f"seed {seed}, with slots: {query!r}"
        half = {"a": 1, "b.a": 4}
        assert file.ids(query, half) == right, f"seed {seed}, with some slots: {query!r}"


# --- the rules, one by one


ODD: list[Any] = [
    {"n": 1, "t": "1", "b": True},
    {"n": 1.0, "o": {"x": 1, "y": [True, None]}},
    {"n": "1", "b": 1},
    {"n": None},
    {},
    {"n": [1, "1", True, None, {"y": 1, "x": 2}], "t": "a\0b"},
    {"n": "[1]", "o": '{"x":1,"y":[true,null]}'},
    {"n": -0.0, "t": ""},
]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"n": 1}, [0, 1]),
        ({"n": 1.0}, [0, 1]),
        ({"n": True}, []),
        ({"b": True}, [0]),
        ({"b": 1}, [2]),
        ({"n": "1"}, [2]),
        ({"n": 0}, [7]),
        ({"n": None}, [3, 4]),
        ({"n": {"$eq": None}}, [3, 4]),
        ({"n": {"$exists": True, "$eq": None}}, [3]),
        ({"n": {"$exists": False}}, [4]),
        ({"n": {"$ne": 1}}, [2, 3, 4, 5, 6, 7]),
        ({"n": {"$nin": [1, None]}}, [2, 5, 6, 7]),
        ({"n": {"$in": []}}, []),
        ({"n": {"$nin": []}}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"n": {"$in": [None, "1"]}}, [2, 3, 4]),
        ({"n": {"$gte": 0}}, [0, 1, 7]),
        ({"n": {"$gte": "0"}}, [2, 6]),
        ({"n": {"$lt": True}}, []),
        ({"n": {"$not": {"$lt": True}}}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"n": {"$gt": None}}, []),
        ({"o": {"y": [True, None], "x": 1.0}}, [1]),
        ({"o": {"x": 1}}, []),
        ({"o": {}}, []),
        ({"o": '{"x":1,"y":[true,null]}'}, [6]),
        ({"o": {"$in": ['{"x":1,"y":[true,null]}', 5]}}, [6]),
        ({"o": {"$in": [{"x": 1, "y": [True, None]}, 5]}}, [1]),
        ({"o": {"$gt": "{"}}, [6]),
        ({"b": {"$in": [1, 0]}}, [2]),
        ({"b": {"$gte": 0}}, [2]),
        ({"o.y.0": True}, [1]),
        ({"o.y.1": None}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"o.y.1": {"$exists": True}}, [1]),
        ({"o.y.01": {"$exists": True}}, []),
        ({"n": {"$contains": 1}}, [5]),
        ({"n": {"$contains": "1"}}, [2, 5, 6]),
        ({"n": {"$contains": True}}, [5]),
        ({"n": {"$contains": None}}, [5]),
        ({"n": {"$contains": {"x": 2, "y": 1}}}, [5]),
        ({"n": {"$contains": ""}}, [2, 6]),
        ({"t": {"$contains": "\0b"}}, [5]),
        ({"t": "a\0b"}, [5]),
        ({"t": {"$gt": "a", "$lt": "a\0c"}}, [5]),
        ({"n.0": 1}, [5]),
        ({"n.4.x": 2}, [5]),
        ({"n.-1": None}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"n.4294967296": {"$exists": True}}, []),
        ({"id": "d3"}, [3]),
        ({"id": {"$in": ["d3", "d5", 5, None]}}, [3, 5]),
        ({"id": {"$gte": "d6"}}, [6, 7]),
        ({"id": {"$contains": "7"}}, [7]),
        ({"id": {"$ne": 3}}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"id": 3}, []),
        ({"id": None}, []),
        ({"id": {"$exists": False}}, []),
        ({"id": {"$gt": 0}}, []),
        ({"id.x": None}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"_createdAt": {"$gte": 1006}}, [6, 7]),
        ({"_createdAt": "1006"}, []),
        ({"_createdAt": {"$gt": "0"}}, []),
        ({"_createdAt": {"$in": ["1006", 1005, 1004.0]}}, [4, 5]),
        ({"_updatedAt": 2000}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"_updatedAt": {"$contains": "2"}}, []),
        ({"$and": []}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"$or": []}, []),
        ({"$nor": []}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"$or": [{"n": 1}, {"id": "d4"}], "id": {"$ne": "d0"}}, [1, 4]),
        ({"$nor": [{"n": 1}, {"n": None}]}, [2, 5, 6, 7]),
        ({"$and": [{"$or": [{"n": 1}, {"n": "1"}]}, {"b": {"$exists": True}}]}, [0, 2]),
    ],
)
def test_rules(file: File, query: Any, numbers: list[int]) -> None:
    slots = {"n": 1, "b": 2, "t": 3}
    file.put(ODD, slots)
    ids = [f"d{number}" for number in numbers]
    assert file.ids(query) == ids
    assert file.ids(query, slots) == ids


@pytest.mark.parametrize("slots", [{}, {"n": 1}])
@pytest.mark.parametrize(
    ("stored", "asked", "equal"),
    [
        (2**53, 2**53, True),
        (2.0**53, 2**53, True),
        (2**53 - 1, 2**53, False),
        (2.0**60, 2**60, True),
        (2.0**60, 2**60 + 1, True),
        (2.0**60, 2**60 + 1000, False),
        (2.0**63, 2**63, True),
        (2.0**64, 2**64, True),
        (-(2.0**63), -(2**63), True),
        (1e308, 10**308, True),
        (0.1 + 0.2, 0.30000000000000004, True),
        (0.1 + 0.2, 0.3, False),
        (5e-324, 0, False),
    ],
)
def test_large_numbers_are_the_nearest_double(
    file: File, slots: dict[str, int], stored: Any, asked: Any, equal: bool
) -> None:
    file.put([{"n": stored}], slots)
    several = {"n": {"$gte": asked, "$lte": asked}}
    for query in ({"n": asked}, {"n": {"$in": [asked]}}, several, {"n": {"$nin": [7, asked]}}):
        hit = equal is not ("$nin" in repr(query))
        assert file.ids(query, slots) == (["d0"] if hit else []), query


ODD_NAMES = (
    *('a"b', "a\\", "\\", '"', "'", "$", "a$", "[0]", "#", "*", "é", "😀", "\x01", "\0", "a\0b", "\n", " ", "x y"),
    *("__proto__", "constructor", "\\u0041", "0", "-1", "01", "1e3", "²", "a]", "%", "_", "\u2028"),
    *(":q0", "?1", "{app_docs}", "[where]", "--", ";"),
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_of_fields_are_data(file: File, name: str) -> None:
    file.put([{name: 5}, {"x": {name: [5, {name: 5}]}}, {"other": 5}, {}])
    if not name.startswith("$"):
        assert file.ids({name: 5}) == ["d0"]
    assert file.ids({f"x.{name}": {"$exists": True}}) == ["d1"]
    assert file.ids({f"x.{name}.1.{name}": 5}) == ["d1"]
    assert file.ids({f"x.{name}.0": {"$in": [5]}}) == ["d1"]
    assert file.ids({f"x.{name}": {"$contains": {name: 5}}}) == ["d1"]


def test_many_numbers_in_a_path_are_walked(file: File) -> None:
    deep: Any = 7
    for level in range(19):
        deep = [deep] if level % 2 else {"0": deep}
    file.put([{"a": deep}, {"a": 7}])
    path = "a" + ".0" * 19
    assert file.ids({path: 7}) == file.ids({path: {"$gt": 6, "$lt": 8}}) == file.ids({path: {"$in": [7]}}) == ["d0"]
    assert file.ids({path: {"$exists": False}}) == ["d1"]


# --- what is refused


def deep(levels: int) -> Any:
    query: Any = {"a": 1}
    for _ in range(levels):
        query = {"$and": [query]}
    return query


def negated(levels: int) -> Any:
    query: Any = {"$eq": 1}
    for _ in range(levels):
        query = {"$not": query}
    return {"a": query}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"a": {"$foo": 1}}, "$foo"),
        ({"a": {"$gtt": 1}}, "$gtt"),
        ({"$xor": []}, "$xor"),
        ({"$eq": 1}, "$eq"),
        ({"$where": "1"}, "$where"),
        ({"a": {"$gt": 1, "x": 2}}, "a mixes operators and plain keys (x)"),
        ({"a": {"x": 2, "$gt": 1}}, "a mixes operators and plain keys (x)"),
        ({"a": {"$and": []}}, "$and"),
        ({"a": {"$in": 5}}, "$in"),
        ({"a": {"$in": {"0": 5}}}, "$in"),
        ({"a": {"$nin": None}}, "$nin"),
        ({"a": {"$not": 5}}, "$not"),
        ({"a": {"$not": {}}}, "$not"),
        ({"a": {"$not": {"x": 1}}}, "$not"),
        ({"a": {"$exists": 1}}, "$exists"),
        ({"$or": {}}, "$or"),
        ({"$or": [5]}, "lists of queries"),
        ({"$and": [[]]}, "lists of queries"),
        ({"": 1}, "1 to 512 bytes"),
        ({"a..b": 1}, "a..b"),
        ({".a": 1}, ".a"),
        ({"a.": 1}, "a."),
        ({"é" * 257: 1}, "512 bytes"),
        ({".".join("a" * 21): 1}, "20 parts"),
        ({"a": float("nan")}, "NaN"),
        ({"a": float("inf")}, "Infinity"),
        ({"a": 10**400}, "finite"),
        ({"a": "\ud800"}, "U+D800"),
        ({"\ud800": 1}, "U+D800"),
        ({"a": b"x"}, "JSON"),
        ({"a": {1, 2}}, "JSON"),
        (None, "object"),
        ([], "object"),
        ("a = 1", "object"),
        (5, "object"),
    ],
)
def test_what_is_no_query_is_refused_and_named(query: Any, named: str) -> None:
    with pytest.raises(FaztError) as caught:
        compiled(query)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert named in caught.value.message
    assert caught.value.details["field"] == "query"


@pytest.mark.parametrize(
    ("most", "beyond"),
    [
        ({"a": {"$in": [1] * MOST_CHOICES}}, {"a": {"$in": [1] * (MOST_CHOICES + 1)}}),
        (deep(MOST_LEVELS), deep(MOST_LEVELS + 1)),
        (negated(MOST_LEVELS), negated(MOST_LEVELS + 1)),
        ({"$or": [{"a": 1}] * MOST_CONDITIONS}, {"$or": [{"a": 1}] * (MOST_CONDITIONS + 1)}),
        ({"a": {"$gt": 1, "$lt": 2}, "$or": [{"a": 1}] * 198}, {"a": {"$gt": 1, "$lt": 2}, "$or": [{"a": 1}] * 199}),
        ({"a": "x" * 250_000}, {"a": "x" * 270_000}),
        # what says nothing counts as well
        ({"$and": [{}] * MOST_CONDITIONS}, {"$and": [{}] * (MOST_CONDITIONS + 1)}),
        ({"$or": [{"$or": []}] * MOST_CONDITIONS}, {"$nor": [{"$and": []}] * (MOST_CONDITIONS + 1)}),
    ],
)
def test_limits(file: File, most: Any, beyond: Any) -> None:
    file.put([{}])
    file.ids(most)
    with pytest.raises(FaztError) as caught:
        compiled(beyond)
    assert caught.value.code == "LIMIT_EXCEEDED"


@pytest.mark.parametrize("value", [{"x": 1}, [1], None, True, "x", 5.5])
@pytest.mark.parametrize("slots", [{}, {"a": 1}])
def test_a_thousand_choices_of_any_kind(file: File, value: Any, slots: dict[str, int]) -> None:
    file.put([{"a": value}, {"a": "other"}], slots)
    many = [[number] for number in range(2, MOST_CHOICES + 1)]
    assert file.ids({"a": {"$in": [*many, value]}}, slots) == ["d0"]
    assert file.ids({"a": {"$nin": [value] * MOST_CHOICES}}, slots) == ["d1"]


def test_a_thousand_levels_are_refused() -> None:
    for query in (deep(1000), {"a": deep(1000)}, negated(100_0)):
        with pytest.raises(FaztError) as caught:
            compiled(query)
        assert caught.value.code in ("LIMIT_EXCEEDED", "INVALID_ARGUMENT")


def test_a_query_is_not_changed() -> None:
    query = {"$text": "x", "a": [2**60 + 1], "$and": [{"b": 1}]}
    compiled(query)
    assert query == {"$text": "x", "a": [2**60 + 1], "$and": [{"b": 1}]}


def test_the_shape_of_the_sql_does_not_depend_on_values() -> None:
    hostile = "' or 1=1 --\0\""
    one = compiled({"a": "x", hostile: {"$in": ["x", 1]}, "b": {"$contains": "y"}}, {"a": 1})
    other = compiled({"a": hostile, "c": {"$in": [hostile, 2, 3]}, "d": {"$contains": hostile}}, {"a": 1})
    assert one.sql == other.sql
    assert hostile not in one.sql


# --- what indexes are used for


@pytest.mark.parametrize(
    ("query", "uses", "fields", "sure"),
    [
        ({"a": 1}, "a", "a", "a"),
        ({"x": 1}, "", "x", ""),
        ({"a": 1, "x": {"$gt": 1}}, "a", "ax", "a"),
        ({"a": None}, "", "", ""),
        ({"a": {"$ne": 1}}, "", "", ""),
        ({"a": {"$in": [1, None]}}, "", "", ""),
        ({"a": {"$in": [1, "x", True]}}, "a", "a", "a"),
        ({"a": {"$contains": "x"}}, "", "", ""),
        ({"a": {"x": 1}}, "", "", ""),
        ({"a": {"$not": {"$eq": 1}}}, "", "", ""),
        ({"$or": [{"a": 1}, {"b": 2}]}, "ab", "ab", ""),
        ({"$or": [{"a": 1}, {"a": 2, "b": 1}]}, "ab", "ab", "a"),
        ({"$or": [{"a": 1}, {"x": 2}]}, "", "ax", ""),
        ({"$or": [{"a": 1}, {"x": {"$exists": True}}]}, "", "", ""),
        ({"$nor": [{"a": 1}]}, "", "", ""),
        ({"$and": [{"a": 1}, {"$or": [{"b": 1}, {"y": 1}]}]}, "a", "aby", "a"),
    ],
)
def test_what_a_condition_says_of_indexes(query: Any, uses: str, fields: str, sure: str) -> None:
    found = compiled(query, {"a": 1, "b": 2})
    assert ("".join(found.uses), "".join(found.fields), "".join(found.sure)) == (uses, fields, sure)


def test_an_id_is_found_by_its_own_index() -> None:
    assert compiled({"id": "x"}).uses == ("id",)
    assert compiled({"_createdAt": 5}).uses == ()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({"a": 5}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1=?)"),
        ({"a": "x"}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1=?)"),
        ({"a": True}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1=?)"),
        ({"a": {"$in": [1, 2, "x"]}}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1=?)"),
        ({"a": {"$gt": 5}}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1>? AND i1<?)"),
        ({"a": {"$lt": 5}}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1<?)"),
        ({"a": {"$lt": "x"}}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1>? AND i1<?)"),
        ({"a": {"$gt": "x"}}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1>? AND i1<?)"),
        (
            {"a": {"$gte": 1, "$lt": 5}, "z": 1},
            "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1>? AND i1<?)",
        ),
        ({"b": 5, "z": {"$ne": 1}}, "app_docs_i2 (app_id=? AND user_id=? AND collection=? AND i2=?)"),
        ({"id": "x"}, "app_docs_id (app_id=? AND user_id=? AND collection=? AND id=?)"),
        ({"id": {"$in": ["x", "y"]}}, "app_docs_id (app_id=? AND user_id=? AND collection=? AND id=?)"),
        ({"id": {"$gt": "x"}}, "app_docs_id (app_id=? AND user_id=? AND collection=? AND id>?)"),
        ({"$or": [{"a": 1}, {"a": 2}]}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1=?)"),
        ({"$and": [{"$and": [{"a": 1}]}]}, "app_docs_i1 (app_id=? AND user_id=? AND collection=? AND i1=?)"),
    ],
)
def test_sqlite_uses_the_index(file: File, query: Any, index: str) -> None:
    which = compiled(query, {"a": 1, "b": 2})
    sql = f"select data from {{app_docs}} where collection = :collection and {which.sql}"
    assert f"SEARCH app_docs USING INDEX {index}" in file.plan(sql, which.params)


def test_each_of_several_can_have_its_index(file: File) -> None:
    file.put([{"a": number, "b": number} for number in range(3000)], {"a": 1, "b": 2})
    file.put([{}] * 3000, app="b")
    file.connection.execute("analyze")
    which = compiled({"$or": [{"a": 1}, {"b": {"$gt": 5}}]}, {"a": 1, "b": 2})
    plan = file.plan(f"select id from {{app_docs}} where collection = :collection and {which.sql}", which.params)
    assert "MULTI-INDEX OR" in plan
    assert "i1=?" in plan
    assert "i2>?" in plan


@pytest.mark.parametrize("value", [None, [], {}, [1], {"a": 1}])
def test_what_is_not_in_a_slot(value: Any) -> None:
    assert encoded(value) is None
