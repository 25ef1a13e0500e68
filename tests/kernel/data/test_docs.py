"""The document store as an app's code has it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.data.collections import Declared, Said, StorageSaid
from kernel.data.doc_paths import MISSING, value_at
from kernel.data.doc_tables import MOST_BYTES, MOST_DOCS, SLOTS
from kernel.data.doc_writes import AT_ONCE
from kernel.data.quota import MOST, Quotas
from kernel.data.text_index import Texts
from kernel.storage import inside
from kernel.syscall import Call
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Write

APP, OTHER, C = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb", "birds"
HOSTILE = [
    "'",
    '"',
    "a'b",
    'a"b',
    "-- ",
    "/*",
    "');",
    "%",
    "_",
    "a\\",
    "é",
    "👩‍👧",
    "null",
    ":app",
    "{app_docs}",
    "[where]",
]


class SaidHere:
    """What apps say of their collections, without files."""

    def __init__(self) -> None:
        self.collections: dict[str, Said] = {}

    def of(self, app: str, release: str = "") -> StorageSaid:
        return StorageSaid(collections=self.collections)


class Bench:
    def __init__(self, path: Path) -> None:
        self.clock, self.path = ManualClock(), path
        self.node = Node(path, clock=self.clock)
        self.quotas = self.node.ports.use(Quotas)
        self.said = SaidHere()
        self.node.ports.fill(self.said, Declared)

    def call(self, app: str = APP, user: str = "", person: str = "") -> Call:
        grants = frozenset({"storage:ds"})
        return self.node.driver.call(LOCAL, "js", app=app, user=user, person=person, grants=grants)

    def plan(self, name: str, *arguments: Any, **whose: str) -> Any:
        return self.node.registry[f"storage.ds.{name}"].javascript(self.call(**whose), msgspec.json.encode(arguments))

    async def js(self, name: str, *arguments: Any, **whose: str) -> Any:
        """As an app's code calls it and hears of it."""
        entry, call = self.node.registry[f"storage.ds.{name}"], self.call(**whose)
        result = entry.javascript(call, msgspec.json.encode(arguments))
        said = await self.node.driver.settle(entry, call, result, {})
        return msgspec.json.decode(msgspec.json.encode(said))

    async def named(self, name: str, *, app: str = APP, **values: Any) -> Any:
        entry = self.node.registry[f"storage.ds.{name}"]
        return await self.node.driver.invoke(entry, self.node.driver.call(LOCAL, "http", app=app), values)

    async def ids(self, *arguments: Any, **whose: str) -> list[str]:
        return [found["id"] for found in await self.js("find", *(arguments or (C,)), **whose)]

    def check(self) -> None:
        """The figures of every collection are those of its documents, and slots hold what the documents say."""
        reader = self.node.store.reader()
        there = reader.execute("""select app_id, user_id, collection, count(*), sum(octet_length(data)) from app_docs
group by 1, 2, 3 order by 1, 2, 3""").fetchall()
        kept = reader.execute("""select app_id, user_id, name, docs, bytes from app_collections where docs > 0
order by 1, 2, 3""").fetchall()
        assert there == kept
        empty = reader.execute("select sum(bytes) from app_collections where docs = 0").get
        assert not empty
        rows: Any = reader.execute(f"select app_id, collection, data, {', '.join(SLOTS)} from app_docs").fetchall()
        for app, collection, data, *slots in rows:
            for field, slot in self.node.indexes.of(app, collection).fields.items():
                value = value_at(json.loads(data), tuple(field.split(".")))
                assert slots[slot - 1] == self._encoded(value)

    @staticmethod
    def _encoded(value: Any) -> Any:
        if isinstance(value, bool):
            return b"\x01" if value else b"\x00"
        return value if isinstance(value, int | float | str) and value is not MISSING else None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "data.db")
    yield made
    made.check()
    made.node.close()


async def refused(awaitable: Any, code: str, **details: Any) -> FaztError:
    with pytest.raises(FaztError) as caught:
        await awaitable
    assert caught.value.code == code
    assert {name: caught.value.details.get(name) for name in details} == details
    return caught.value


# --- insert and get ---------------------------------------------------------------------------------------------------


async def test_a_document_comes_back_with_its_id_and_its_times(bench: Bench) -> None:
    doc = {"name": "wren", "n": [1, 2.5, None, True], "in": {"ü": "\u2028"}}
    id = await bench.js("insert", C, doc)
    now = bench.clock.now()
    assert await bench.js("get", C, id) == {**doc, "id": id, "_createdAt": now, "_updatedAt": now}
    bench.clock.advance(1)
    await bench.js("update", C, id, {"name": "owl"})
    assert await bench.js("get", C, id) == {**doc, "name": "owl", "id": id, "_createdAt": now, "_updatedAt": now + 1000}


async def test_what_is_not_there_is_null(bench: Bench) -> None:
    await bench.js("insert", C, {"id": "a"})
    for arguments in ((C, "b"), ("other", "a"), (C, ""), (C, 5)):
        assert await bench.js("get", *arguments) is None
        assert await bench.js("findOne", *arguments) is None
    assert await bench.js("findOne", C, {"x": 1}) is None
    assert await bench.js("find", "other") == []


async def test_a_list_of_documents_is_stored_all_or_none(bench: Bench) -> None:
    ids = await bench.js("insert", C, [{"id": "a", "n": 1}, {"n": 2}, {"id": 3, "n": 3}])
    assert (ids[0], ids[2], len(ids[1])) == ("a", "3", 36)
    assert await bench.js("insert", C, []) == []
    assert [doc["n"] for doc in await bench.js("find", C)] == [3, 2, 1]
    await refused(bench.js("insert", C, [{"id": "x"}, {"id": "a"}]), "CONFLICT", id="a")
    await refused(bench.js("insert", C, [{"id": "x"}, {"id": "x"}]), "CONFLICT", id="x")
    await refused(bench.js("insert", C, [{"id": "x"}, 5]), "INVALID_ARGUMENT")
    assert await bench.js("count", C) == 3


async def test_an_id_that_is_taken_is_a_conflict_and_nothing_changes(bench: Bench) -> None:
    await bench.js("insert", C, {"id": "1", "n": 1})
    await refused(bench.js("insert", C, {"id": 1, "n": 2}), "CONFLICT", id="1")
    assert (await bench.js("get", C, 1))["n"] == 1
    await bench.js("insert", "other", {"id": "1"})
    await bench.js("insert", C, {"id": "1"}, app=OTHER)
    await bench.js("insert", C, {"id": "1"}, user="usr_1")


@pytest.mark.parametrize("id", HOSTILE)
async def test_every_id_stands_for_itself(bench: Bench, id: str) -> None:
    await bench.js("insert", C, [{"id": id, "n": 1}, {"id": id + "x", "n": 2}])
    assert (await bench.js("get", C, id))["id"] == id
    assert await bench.js("update", C, id, {"n": 5}) == 1
    assert await bench.js("delete", C, id) == 1
    assert await bench.ids() == [id + "x"]


@pytest.mark.parametrize("name", HOSTILE)
async def test_every_key_and_value_is_kept_and_found(bench: Bench, name: str) -> None:
    await bench.js("insert", C, [{name: name}, {"x": 1}])
    await bench.js("insert", C, {"deep": {name: {name: [name]}}})
    assert await bench.js("count", C, {"deep": {name: {name: [name]}}}) == 1
    assert await bench.js("update", C, {"x": 1}, {"x": name}) == 1
    assert (await bench.js("findOne", C, {"x": name}))["x"] == name


@pytest.mark.parametrize("collection", ["", "a b", "a/b", "-a", ".a", "a" * 65, "a'", "a\x00", "ä", "a\n", None, 5, {}])
async def test_what_cannot_be_a_collection_is_refused(bench: Bench, collection: Any) -> None:
    for name, *more in (("insert", {}), ("find",), ("update", {}, {}), ("delete", {}), ("count",), ("deleteOldest", 0)):
        await refused(bench.js(name, collection, *more), "INVALID_ARGUMENT", field="collection")


@pytest.mark.parametrize("collection", ["a", "_", "0", "a.b-c_D", "a" * 64, "app_docs", "sqlite_schema"])
async def test_every_name_of_a_collection_stands_for_itself(bench: Bench, collection: str) -> None:
    await bench.js("insert", collection, {"id": "x"})
    assert await bench.ids(collection) == ["x"]
    assert [found["name"] for found in await bench.js("collections")] == [collection]


@pytest.mark.parametrize(
    "text", [b'["birds",{"a":1e400}]', b'["birds",{"a":"\\ud800"}]', b'["birds",{"\\udfff":1}]', b'["birds"]']
)
def test_what_is_no_document_never_becomes_a_plan(bench: Bench, text: bytes) -> None:
    with pytest.raises(FaztError) as caught:
        bench.node.registry["storage.ds.insert"].javascript(bench.call(), text)
    assert caught.value.code == "INVALID_ARGUMENT"


async def test_a_document_may_be_nested_a_hundred_times(bench: Bench) -> None:
    doc: dict[str, Any] = {}
    for _ in range(99):
        doc = {"a": doc}
    found = await bench.js("get", C, await bench.js("insert", C, doc))
    assert {"a": found["a"]} == doc


@pytest.mark.parametrize("depth", [101, 1000, 100_000])
def test_a_document_may_not_be_nested_deeper(bench: Bench, depth: int) -> None:
    for open, close in ((b'{"a":', b"}"), (b"[", b"]")):
        text = b'["birds",' + open * depth + b"1" + close * depth + b"]"
        with pytest.raises(FaztError) as caught:
            bench.node.registry["storage.ds.insert"].javascript(bench.call(), text)
        assert caught.value.code == "INVALID_ARGUMENT"


async def test_a_document_has_so_many_bytes_and_no_more(bench: Bench) -> None:
    bench.node.settings.apply(MOST_BYTES.name, 100)
    id = await bench.js("insert", C, {"a": "x" * 92})
    await refused(bench.js("insert", C, {"a": "x" * 93}), "LIMIT_EXCEEDED", most=100)
    await refused(bench.js("insert", C, [{}, {"a": "x" * 93}]), "LIMIT_EXCEEDED")
    await refused(bench.js("update", C, id, {"b": 1}), "LIMIT_EXCEEDED")
    assert await bench.js("update", C, id, {"$unset": {"a": 1}, "b": 1}) == 1
    assert await bench.js("count", C) == 1


async def test_a_collection_has_so_many_documents_and_no_more(bench: Bench) -> None:
    bench.node.settings.apply(MOST_DOCS.name, 3)
    await bench.js("insert", C, [{}, {}])
    await refused(bench.js("insert", C, [{}, {}]), "LIMIT_EXCEEDED", most=3)
    await bench.js("insert", C, {"id": "a"})
    await refused(bench.js("insert", C, {}), "LIMIT_EXCEEDED")
    await bench.js("insert", "other", [{}, {}, {}])
    await refused(bench.js("insert", "more", [{}, {}, {}, {}]), "LIMIT_EXCEEDED")
    await bench.js("delete", C, "a")
    await bench.js("insert", C, {})
    assert [found["docs"] for found in await bench.js("collections")] == [3, 3]


# --- find -------------------------------------------------------------------------------------------------------------

FOUND: list[tuple[tuple[Any, ...], list[str]]] = [
    ((), ["e", "d", "c", "b", "a"]),
    ((None,), ["e", "d", "c", "b", "a"]),
    (({}, {"order": "asc"}), ["a", "b", "c", "d", "e"]),
    (({}, {"limit": 2}), ["e", "d"]),
    (({}, {"limit": 0}), []),
    (({}, {"limit": 2, "offset": 3}), ["b", "a"]),
    (({}, {"limit": 5000, "offset": 4}), ["a"]),
    (({}, {"offset": 9}), []),
    (({}, {"sort": {"n": 1}}), ["b", "e", "a", "d", "c"]),
    (({}, {"sort": {"n": -1}, "limit": 2, "offset": 1}), ["d", "a"]),
    (({"n": {"$gt": 1}},), ["d", "c", "a"]),
    (({"n": {"$gt": 1}}, {"order": "asc", "limit": 2}), ["a", "c"]),
    (({"id": "c"},), ["c"]),
    (({"id": {"$in": ["a", "e", "x"]}},), ["e", "a"]),
    (({"$or": [{"n": 0}, {"id": "d"}]},), ["d", "b"]),
]


@pytest.mark.parametrize(("arguments", "ids"), FOUND)
async def test_find_takes_a_query_a_page_and_an_order(bench: Bench, arguments: Any, ids: list[str]) -> None:
    for id, n in zip("abcde", [2, 0, 9, 3, 1], strict=True):
        await bench.js("insert", C, {"id": id, "n": n})
    assert await bench.ids(C, *arguments) == ids
    if not arguments[1:]:
        assert await bench.js("count", C, *arguments) == len(ids)
        query = (arguments or (None,))[0] or {}
        assert ((await bench.js("findOne", C, query)) or {}).get("id") == (ids[0] if ids else None)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (42, ["42"]),
        (42.0, ["42"]),
        (1e21, ["1e+21"]),
        (-0.0, ["0"]),
        ({"$eq": 1.5}, ["1.5"]),
        ({"$ne": 42}, ["x", "0", "1.5", "1e+21"]),
        ({"$in": [42, "x", 1.5, None, True]}, ["x", "1.5", "42"]),
        ({"$nin": [42, "x", 1.5]}, ["0", "1e+21"]),
        ({"$not": {"$eq": 42}}, ["x", "0", "1.5", "1e+21"]),
        # a number has no place among texts
        ({"$gte": 0}, []),
        ({"$lt": 9e99}, []),
        ({"$contains": 4}, []),
        (True, []),
    ],
)
async def test_a_number_means_the_id_that_is_its_text(bench: Bench, wanted: Any, ids: list[str]) -> None:
    await bench.js("insert", C, [{"id": id} for id in (1e21, 42, 1.5, 0, "x")])
    assert await bench.ids(C, {"id": wanted}) == ids
    assert await bench.js("count", C, {"$or": [{"id": wanted}]}) == len(ids)
    assert (await bench.js("findOne", C, {"id": wanted}) or {"id": None})["id"] == next(iter(ids), None)
    assert await bench.js("update", C, {"id": wanted}, {"n": 1}) == len(ids)
    assert await bench.js("delete", C, {"id": wanted}) == len(ids)


async def test_find_one_needs_to_know_what_it_looks_for(bench: Bench) -> None:
    await bench.js("insert", C, {})
    await refused(bench.js("findOne", C), "INVALID_ARGUMENT", field="query")
    await refused(bench.js("findOne", C, None), "INVALID_ARGUMENT", field="query")


@pytest.mark.parametrize(
    "arguments",
    [
        ("a",),
        ([],),
        (5,),
        ({"$where": "1"},),
        ({"n": {"$gtt": 1}},),
        ({}, {"limit": -1}),
        ({}, {"limit": 1.5}),
        ({}, {"offset": -1}),
        ({}, {"order": "up"}),
        ({}, {"sort": {"n": 2}}),
        ({}, {"sort": "n"}),
        ({}, {"first": 1}),
    ],
)
async def test_a_find_that_cannot_be_understood_is_refused(bench: Bench, arguments: Any) -> None:
    await refused(bench.js("find", C, *arguments), "INVALID_ARGUMENT")


async def test_what_is_found_is_at_most_16_mebibytes(bench: Bench) -> None:
    await bench.js("insert", C, [{"a": "x" * 1_040_000} for _ in range(17)])
    asked: list[Any] = [({},), ({}, {"limit": 100}), ({"a": {"$ne": 1}},)]
    for arguments in asked:
        await refused(bench.js("find", C, *arguments), "LIMIT_EXCEEDED")
    assert len(await bench.js("find", C, {}, {"limit": 16})) == 16


# --- update and delete ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", [None, [], True])
async def test_changes_need_to_know_what_they_are_about(bench: Bench, query: Any) -> None:
    await bench.js("insert", C, [{"a": 1}, {"a": 2}])
    await refused(bench.js("update", C, query, {"a": 3}), "INVALID_ARGUMENT", field="query")
    await refused(bench.js("delete", C, query), "INVALID_ARGUMENT", field="query")
    await refused(bench.js("delete", C), "INVALID_ARGUMENT")
    await refused(bench.js("update", C), "INVALID_ARGUMENT")
    assert await bench.js("count", C, {"a": {"$in": [1, 2]}}) == 2


async def test_an_update_says_how_many_it_was_about(bench: Bench) -> None:
    await bench.js("insert", C, [{"id": n, "n": n} for n in range(10)])
    assert await bench.js("update", C, {"n": {"$gte": 7}}, {"n": 0, "$push": {"was": 1}}) == 3
    assert await bench.js("update", C, {"n": 0}, {}) == 4
    assert await bench.js("update", C, {"n": 77}, {"n": 1}) == 0
    assert await bench.js("update", C, "none", {"n": 1}) == 0
    assert await bench.js("update", "other", {}, {"n": 1}) == 0
    assert await bench.js("update", C, {}, {"$inc": {"n": 1}}) == 10
    assert sorted(doc["n"] for doc in await bench.js("find", C)) == [1, 1, 1, 1, 2, 3, 4, 5, 6, 7]


async def test_a_change_of_very_many_is_the_same_as_of_few(bench: Bench) -> None:
    docs = [{"id": f"d{n}", "n": n, "é": "é" * (n % 7)} for n in range(3 * AT_ONCE + 1)]
    await bench.js("insert", C, docs)
    await index(bench, "n")
    await bench.node.index_chores.work(APP)
    given: dict[str, Any]
    for given in ({"$inc": {"n": 1}}, {"m": "é"}, {"$push": {"list": {"a": []}}}, {"$push": {"list.0.a": 1}}):
        assert await bench.js("update", C, {"n": {"$gte": 1}}, given) == len(docs) - 1
        # nobody shares what was given to all of them, and the figures and slots are right
        bench.check()
    found = await bench.js("find", C, {"n": {"$gte": 1}}, {"order": "asc"})
    assert [(doc["n"], doc["m"], doc["list"]) for doc in found] == [
        (n + 1, "é", [{"a": [1]}]) for n in range(1, len(docs))
    ]


async def test_a_change_that_takes_too_long_is_not_made_and_one_by_id_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.js("insert", C, [{"id": f"d{n}", "n": n} for n in range(2000)])
    before = await bench.js("find", C)
    for name in ("SECONDS", "WORK_SECONDS"):
        with monkeypatch.context() as patched:
            patched.setattr(inside, name, -1.0)
            await refused(bench.js("update", C, {"n": {"$gte": 5}}, {"n": 1}), "TIMEOUT")
            await refused(bench.js("delete", C, {"n": {"$gte": 5}}), "TIMEOUT")
            await refused(bench.js("deleteOldest", C, 5), "TIMEOUT")
            others = asyncio.gather(bench.js("insert", C, {"id": f"x{name}"}), bench.js("delete", C, f"x{name}"))
            await refused(bench.js("delete", C, {}), "TIMEOUT")
            assert list(await others) == [f"x{name}", 1]
    assert await bench.js("find", C) == before
    assert await bench.js("delete", C, {"n": {"$gte": 5}}) == 1995


@pytest.mark.parametrize("which", [{"id": {"$gte": ""}}, {"id": {"$in": ["d1", "d2"]}}, {"$or": [{"id": "d1"}]}])
async def test_only_one_document_by_its_id_is_changed_without_a_look_at_the_time(bench: Bench, which: Any) -> None:
    assert bench.plan("update", C, "d1", {"n": 1}).steps[0].light
    assert bench.plan("delete", C, {"id": "d1"}).steps[0].light
    assert bench.plan("update", C, {**which, "n": 1}, {"n": 1}).steps[0].light is False
    if "$or" not in which:
        assert bench.plan("delete", C, which).steps[0].light is False


# --- how much an app may keep -----------------------------------------------------------------------------------------


async def test_an_update_makes_no_more_of_an_app_than_it_may_keep(bench: Bench) -> None:
    await bench.js("insert", C, [{"id": f"d{n}", "a": 1} for n in range(100)])
    await bench.quotas.look()
    bench.node.settings.apply(MOST.name, 20_000)
    told = await refused(bench.js("update", C, {}, {"a": "x" * 1000}), "LIMIT_EXCEEDED", limit=MOST.name)
    assert told.details["used"] == 100 * len('{"a":1}')
    assert await bench.js("count", C, {"a": 1}) == 100
    # what is refused alone undoes nobody beside it
    done = await asyncio.gather(
        *(bench.js("update", C, {"id": {"$in": [f"d{n}", f"d{n + 1}"]}}, {"a": "x" * 4000}) for n in range(0, 10, 2)),
        bench.js("insert", C, {"id": "beside"}),
        return_exceptions=True,
    )
    assert sorted(str(getattr(one, "code", one)) for one in done) == ["2", "2", *["LIMIT_EXCEEDED"] * 3, "beside"]
    assert await bench.js("count", C, {"a": "x" * 4000}) == 4
    # and it counts for what comes after it, without anybody measuring
    await refused(bench.js("insert", C, {"b": "x" * 4000}), "LIMIT_EXCEEDED")
    await refused(bench.js("update", C, "beside", {"b": "x" * 4000}), "LIMIT_EXCEEDED")


async def test_an_update_counts_what_it_adds_and_not_what_it_says(bench: Bench) -> None:
    await bench.js("insert", C, {"id": "a", "a": "x" * 900})
    await bench.quotas.look()
    bench.node.settings.apply(MOST.name, 1000)
    for n in range(20):
        assert await bench.js("update", C, "a", {"a": "yz"[n % 2] * 900}) == 1
    await refused(bench.js("update", C, "a", {"a": "x" * 1000}), "LIMIT_EXCEEDED", used=908)
    assert await bench.js("update", C, "a", {"a": "x" * 992}) == 1
    # smaller is possible when it is full; the room is there when it is measured, by whomever
    assert await bench.js("update", C, "a", {"a": 1}) == 1
    await refused(bench.js("update", C, "a", {"a": "x" * 900}), "LIMIT_EXCEEDED")
    call, usage = bench.node.driver.call(LOCAL, "http", app=APP), bench.node.registry["storage.usage"]
    assert (await bench.node.driver.invoke(usage, call, {})).bytes == len('{"a":1}')
    assert await bench.js("update", C, "a", {"a": "x" * 900}) == 1


async def test_documents_that_shrink_make_room_for_those_that_grow_with_them(bench: Bench) -> None:
    await bench.js("insert", C, [{"id": "a", "a": [], "b": "x" * 500}, {"id": "b", "a": [], "b": "x" * 500}])
    await bench.quotas.look()
    bench.node.settings.apply(MOST.name, 1100)
    assert await bench.js("update", C, {}, {"a": ["y" * 450], "$unset": {"b": 1}}) == 2


async def test_work_that_is_done_twice_counts_once(bench: Bench) -> None:
    await bench.js("insert", C, {"id": "a", "a": ""})
    await bench.quotas.look()
    bench.node.settings.apply(MOST.name, 1000)
    plan = bench.plan("update", C, "a", {"a": "x" * 900})
    connection = apsw.Connection(str(bench.path))
    for _ in range(3):
        connection.execute("begin")
        assert plan.steps[0].guard(connection) == [1]
        connection.execute("rollback")
    connection.close()


async def test_an_update_that_fails_for_one_document_changes_none(bench: Bench) -> None:
    await bench.js("insert", C, [{"id": n, "n": n} for n in range(5)])
    await bench.js("insert", C, {"id": "x", "n": "text"})
    before = await bench.js("find", C)
    bench.clock.advance(1)
    await refused(bench.js("update", C, {}, {"$inc": {"n": 1}}), "INVALID_ARGUMENT", operator="$inc")
    await refused(bench.js("update", C, {}, {"n.a": 1}), "INVALID_ARGUMENT")
    await refused(bench.js("update", C, {}, {"$rename": {}}), "INVALID_ARGUMENT", operator="$rename")
    await refused(bench.js("update", C, {}, {"id": "y"}), "INVALID_ARGUMENT")
    assert await bench.js("find", C) == before


async def test_a_document_can_be_given_back_as_it_was_found(bench: Bench) -> None:
    await bench.js("insert", C, {"id": "a", "n": 1})
    found = await bench.js("get", C, "a")
    assert await bench.js("update", C, "a", {**found, "n": 2}) == 1
    await bench.js("insert", "copies", {**found, "n": 3})
    assert [(await bench.js("get", c, "a"))["n"] for c in (C, "copies")] == [2, 3]


async def test_concurrent_updates_lose_nothing(bench: Bench) -> None:
    await bench.js("insert", C, {"id": "a", "n": 0, "log": []})
    done = await asyncio.gather(
        *(bench.js("update", C, "a", {"$inc": {"n": 1}, "$push": {"log": n}}) for n in range(200))
    )
    found = await bench.js("get", C, "a")
    assert (set(done), found["n"], sorted(found["log"])) == ({1}, 200, list(range(200)))


async def test_delete_says_how_many_are_gone(bench: Bench) -> None:
    await bench.js("insert", C, [{"id": n, "n": n} for n in range(10)])
    assert await bench.js("delete", C, {"n": {"$lt": 3}}) == 3
    assert await bench.js("delete", C, 5) == 1
    assert await bench.js("delete", C, "5") == 0
    assert await bench.js("delete", "other", {}) == 0
    assert await bench.js("count", C) == 6
    assert await bench.js("delete", C, {}) == 6
    assert await bench.js("collections") == []


@pytest.mark.parametrize(("keep", "left"), [(0, 0), (1, 1), (4, 4), (5, 5), (6, 5), (2**53 - 1, 5)])
async def test_the_oldest_go_and_the_newest_stay(bench: Bench, keep: int, left: int) -> None:
    await bench.js("insert", C, [{"id": n} for n in range(5)])
    await bench.js("insert", "other", {"id": "x"})
    assert await bench.js("deleteOldest", C, keep) == 5 - left
    assert await bench.ids() == ["4", "3", "2", "1", "0"][:left]
    assert await bench.ids("other") == ["x"]


@pytest.mark.parametrize("keep", [-1, None, "5", 1.5])
async def test_how_many_stay_is_a_whole_number(bench: Bench, keep: Any) -> None:
    await refused(bench.js("deleteOldest", C, keep), "INVALID_ARGUMENT", field="keep")


async def test_the_newest_is_never_older_than_what_was_deleted_before_it(bench: Bench) -> None:
    """Numbers of rows are not used again."""
    await bench.js("insert", C, [{"id": "a"}, {"id": "b"}])
    await bench.js("delete", C, "b")
    await bench.js("insert", C, {"id": "c"})
    assert await bench.ids() == ["c", "a"]


# --- whose rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", [{"app": OTHER}, {"user": "usr_1"}, {"app": OTHER, "user": "usr_1"}])
async def test_nobody_else_sees_changes_or_removes_a_document(bench: Bench, whose: dict[str, str]) -> None:
    await bench.js("insert", C, {"id": "a", "n": 1})
    assert await bench.js("get", C, "a", **whose) is None
    assert await bench.js("find", C, {"n": 1}, **whose) == []
    assert await bench.js("count", C, **whose) == 0
    assert await bench.js("collections", **whose) == []
    changes: list[Any] = [("update", {}, {"n": 2}), ("update", "a", {"n": 2}), ("delete", {}), ("delete", "a")]
    for name, *more in changes:
        assert await bench.js(name, C, *more, **whose) == 0
    assert await bench.js("deleteOldest", C, 0, **whose) == 0
    assert (await bench.js("get", C, "a"))["n"] == 1


async def test_a_collection_can_be_everybodys_own(bench: Bench) -> None:
    bench.said.collections = {"notes": Said(scope="user")}
    for person in ("usr_1", "usr_2"):
        await bench.js("insert", "notes", {"id": "a", "by": person}, person=person)
        await bench.js("insert", C, {"by": person}, person=person)
    assert (await bench.js("get", "notes", "a", person="usr_1"))["by"] == "usr_1"
    assert await bench.js("update", "notes", {}, {"by": "x"}, person="usr_1") == 1
    assert [doc["by"] for doc in await bench.js("find", "notes", person="usr_2")] == ["usr_2"]
    assert await bench.js("delete", "notes", {}, person="usr_2") == 1
    assert await bench.js("count", "notes", person="usr_1") == 1
    assert await bench.js("count", C) == 2
    for name, *more in (("insert", {}), ("find",), ("get", "a"), ("update", {}, {}), ("delete", {}), ("count",)):
        await refused(bench.js(name, "notes", *more), "LOGIN_REQUIRED")


async def test_no_sequence_of_calls_of_one_person_shows_what_belongs_to_another(bench: Bench) -> None:
    rng = random.Random(11)
    bench.said.collections = {"own": Said(scope="user")}
    people = ["usr_1", "usr_2", "usr_3"]
    models: dict[tuple[str, str], dict[str, str]] = {}
    for step in range(400):
        app, person, id = rng.choice([APP, OTHER]), rng.choice(people), rng.choice("abcd")
        mine = models.setdefault((app, person), {})
        whose = {"app": app, "person": person}
        what = rng.choice(["insert", "find", "update", "delete", "get", "updateAll"])
        if what == "insert" and id not in mine:
            mine[id] = f"{person}{step}"
            await bench.js("insert", "own", {"id": id, "by": mine[id]}, **whose)
        elif what == "update":
            assert await bench.js("update", "own", id, {"by": f"{person}{step}"}, **whose) == (id in mine)
            mine.update({id: f"{person}{step}"} if id in mine else {})
        elif what == "updateAll":
            assert await bench.js("update", "own", {}, {"by": f"{person}{step}"}, **whose) == len(mine)
            mine.update(dict.fromkeys(mine, f"{person}{step}"))
        elif what == "delete":
            assert await bench.js("delete", "own", {"id": id}, **whose) == (mine.pop(id, None) is not None)
        elif what == "get":
            assert ((await bench.js("get", "own", id, **whose)) or {}).get("by") == mine.get(id)
        found = await bench.js("find", "own", {}, {"limit": 50} if step % 2 else {}, **whose)
        assert {doc["id"]: doc["by"] for doc in found} == mine


@pytest.mark.parametrize(
    "name", ["insert", "find", "findOne", "get", "update", "delete", "count", "deleteOldest", "collections"]
)
def test_an_app_without_the_grant_is_refused(bench: Bench, name: str) -> None:
    call = bench.node.driver.call(LOCAL, "js", app=APP, grants=frozenset())
    with pytest.raises(FaztError) as caught:
        bench.node.registry[f"storage.ds.{name}"].javascript(call, b'["birds",{}]')
    assert (caught.value.code, caught.value.message) == ("PERMISSION_DENIED", "Permission denied: storage:ds")


# --- beside other things ----------------------------------------------------------------------------------------------


async def test_a_purge_takes_documents_and_figures_and_leaves_those_of_others(bench: Bench) -> None:
    for app in (APP, OTHER):
        await bench.js("insert", C, [{}, {}], app=app)
        await bench.js("insert", C, {}, app=app, user="usr_1")
    await bench.node.store.write(bench.node.store.purge(APP))
    assert (await bench.js("count", C), await bench.js("collections")) == (0, [])
    assert await bench.js("count", C, app=OTHER) == 2


@pytest.mark.parametrize("users", [False, True])
async def test_a_fork_has_documents_of_its_own_in_the_same_order(bench: Bench, users: bool) -> None:
    await bench.js("insert", C, [{"id": n, "n": n} for n in range(5)])
    await bench.js("insert", C, {"id": "own"}, user="usr_1")
    await bench.node.store.write(bench.node.store.copy(APP, OTHER, users, 1))
    assert await bench.ids(C, app=OTHER) == ["4", "3", "2", "1", "0"]
    assert await bench.ids(C, app=OTHER, user="usr_1") == (["own"] if users else [])
    await bench.js("update", C, {}, {"n": -1}, app=OTHER)
    await bench.js("delete", C, "4", app=OTHER)
    assert [doc["n"] for doc in await bench.js("find", C)] == [4, 3, 2, 1, 0]


async def test_what_was_inserted_is_known_before_it_is_written(bench: Bench) -> None:
    plan = bench.plan("insert", C, {"id": "a"})
    assert plan.known == "a"
    assert await bench.js("get", C, "a") is None
    several = plan + bench.plan("insert", C, [{"id": "b"}, {"id": "c"}])
    await bench.node.store.write(several.steps)
    assert await bench.ids() == ["c", "b", "a"]


async def index(bench: Bench, *fields: str) -> None:
    for field in fields:
        await bench.named("indexes.add", collection=C, field=field)


@pytest.mark.parametrize(
    ("arguments", "at_once"),
    [
        ((), False),
        (({}, {"limit": 20}), True),
        (({}, {"limit": 900, "offset": 101}), False),
        (({}, {"limit": 20, "sort": {"n": 1}}), False),
        (({"id": "3"}, {"limit": 20}), True),
        (({"id": {"$gt": "3"}}, {"limit": 20}), False),
        (({"n": 3}, {"limit": 20}), True),
        (({"n": "3"}, {"limit": 20, "order": "asc"}), True),
        (({"n": 3}, {}), False),
        (({"n": None}, {"limit": 20}), False),
        (({"n": {"$eq": 3}}, {"limit": 20}), False),
        (({"n": 3, "m": 4}, {"limit": 20}), False),
        (({"m": 3}, {"limit": 20}), False),
    ],
)
async def test_only_what_is_bounded_is_looked_up_at_once(bench: Bench, arguments: Any, at_once: bool) -> None:
    await bench.js("insert", C, [{"id": n, "n": n, "m": n} for n in range(10)])
    await index(bench, "n")
    await bench.node.index_chores.work(APP)
    assert "n" in bench.node.indexes.of(APP, C).ready
    assert isinstance(bench.plan("find", C, *arguments), list) is at_once


async def test_what_an_index_leads_to_needs_no_sorting(bench: Bench) -> None:
    await bench.js("insert", C, [{"n": n % 3} for n in range(50)])
    await index(bench, "n")
    await bench.node.index_chores.work(APP)
    asked: list[tuple[Any, str]] = []
    reader = bench.node.store.reader()

    def ask(connection: Any, sql: str, params: Any) -> bool:
        asked.append((params, sql))
        return True

    reader.exec_trace = ask
    await bench.js("find", C, {"n": 1}, {"limit": 5})
    await bench.js("find", C, {}, {"limit": 5, "order": "asc"})
    await bench.js("get", C, "x")
    reader.exec_trace = None
    assert len(asked) == 3
    for (params, sql), name in zip(asked, ("app_docs_i1", "app_docs_newest", "app_docs_id"), strict=True):
        (line,) = [row[3] for row in reader.execute("explain query plan " + sql, params)]
        assert str(line).startswith(f"SEARCH app_docs USING INDEX {name} ("), line


async def test_slots_follow_every_change(bench: Bench) -> None:
    await bench.js("insert", C, [{"id": n, "n": n, "in": {"x": str(n)}} for n in range(5)])
    await index(bench, "n", "in.x")
    assert len(bench.node.indexes.of(APP, C).fields) == 2
    before = [bench.plan("insert", C, {"id": "one", "n": 1}), bench.plan("update", C, {}, {"$inc": {"n": 10}})]
    await bench.js("insert", C, {"id": "t", "n": True, "in": {"x": "text"}})
    await bench.js("insert", C, [{"n": 2**60, "in": []}, {"n": None}, {"in": {"x": 0.5}}])
    assert await bench.js("update", C, {"n": {"$lt": 5}}, {"$inc": {"n": 1}, "in.x": False}) == 5
    await bench.js("update", C, "t", {"other": 1})
    await bench.js("update", C, "t", {"$unset": {"in": 1}})
    del before


async def test_a_plan_made_before_an_index_fills_it_all_the_same(bench: Bench) -> None:
    await bench.js("insert", C, [{"id": "x", "n": 0}, {"id": "y", "n": 0}])
    plans: list[Write[Any]] = [
        bench.plan("insert", C, {"id": "a", "n": 1}),
        bench.plan("insert", C, [{"id": "b", "n": 2}, {"id": "c", "n": 3}]),
        bench.plan("update", C, "x", {"n": 4}),
        bench.plan("update", C, "y", {"other": 4}),
    ]
    await index(bench, "n")
    await bench.node.index_chores.ask()
    for plan in plans:
        await bench.node.store.write(plan.steps)
    reader = bench.node.store.reader()
    found: Any = reader.execute("select id, i1 from app_docs order by id").fetchall()
    # what a change does not come near is left to who makes the index
    assert dict(found) == {"a": 1, "b": 2, "c": 3, "x": 4, "y": None}
    await bench.node.index_chores.work(APP)


async def test_a_change_that_was_planned_with_an_index_that_is_gone_is_not_made(bench: Bench) -> None:
    await bench.js("insert", C, [{"id": "x", "n": 1}, {"id": "y", "n": 2}])
    await index(bench, "n")
    await bench.node.index_chores.work(APP)
    plans = [bench.plan("update", C, {"n": 1}, {"m": 1}), bench.plan("delete", C, {"n": 1})]
    by_id = bench.plan("update", C, "x", {"n": 3})
    await bench.named("indexes.drop", collection=C, field="n")
    while (after := await bench.node.index_chores.work(APP)) is not None:
        bench.clock.advance(after / 1000)
    for plan in plans:
        await refused(bench.node.store.write(plan.steps), "CONFLICT")
    await bench.node.store.write(by_id.steps)
    assert [doc["n"] for doc in await bench.js("find", C)] == [2, 3]


async def test_a_search_follows_every_change_with_an_index_and_without(bench: Bench) -> None:
    words = [f"word{n} bird" for n in range(600)]
    await bench.js("insert", C, [{"id": n, "text": text} for n, text in enumerate(words)])
    texts = bench.node.ports.use(Texts)
    for _ in range(2):
        assert await bench.ids(C, {"$text": "word7"}) == ["7"]
        await bench.js("update", C, "7", {"text": "other cat"})
        await bench.js("delete", C, {"$text": "word8"})
        await bench.js("insert", C, {"id": "new", "text": "word7 cat"})
        assert await bench.ids(C, {"$text": "word7"}) == ["new"]
        assert await bench.ids(C, {"$text": "cat"}) == ["new", "7"]
        assert await bench.js("count", C, {"$text": "word8"}) == 0
        assert await bench.js("aggregate", C, {"count": True, "where": {"$text": "bird"}}) == {"count": 598}
        await bench.js("update", C, "7", {"text": "word7 bird"})
        await bench.js("delete", C, "new")
        await bench.js("insert", C, {"id": "8", "text": "word8 bird"})
        await texts.work()
        assert bench.node.store.reader().execute("select count(*) from app_texts").get == 1


async def test_a_sharded_collection_takes_events_and_gives_them_back(bench: Bench) -> None:
    bench.said.collections = {"events": Said(sharded=True)}
    create = bench.node.registry["apps.create"]
    made = await bench.node.driver.invoke(create, bench.node.driver.call(LOCAL, "cli"), {"slug": "shop"})
    whose = {"app": made.id}
    assert await bench.js("insert", "events", {"id": "a", "n": 1}, **whose) == "a"
    assert await bench.js("insert", "events", [{"id": "b", "n": 2}, {"id": "c", "n": 3}], **whose) == ["b", "c"]
    assert await bench.ids("events", **whose) == ["c", "b", "a"]
    assert await bench.ids("events", {"n": {"$gt": 1}}, {"limit": 1}, **whose) == ["c"]
    assert (await bench.js("get", "events", "b", **whose))["n"] == 2
    assert (await bench.js("findOne", "events", {"n": 1}, **whose))["id"] == "a"
    assert await bench.js("findOne", "events", "x", **whose) is None
    assert await bench.js("count", "events", **whose) == 3
    assert await bench.js("aggregate", "events", {"sum": "n"}, **whose) == {"sum": 6}
    await refused(bench.js("update", "events", "a", {"n": 2}, **whose), "INVALID_ARGUMENT")
    await refused(bench.js("delete", "events", "a", **whose), "INVALID_ARGUMENT")
    assert await bench.js("deleteOldest", "events", 1, **whose) == 2
    assert await bench.js("delete", "events", {}, **whose) == 1
    assert await bench.js("count", "events", **whose) == 0
