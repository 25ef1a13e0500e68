"""Texts with vectors, found by nearness."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.data import vector_chores, vector_lines
from kernel.data.vector_adding import Embedder
from kernel.data.vector_tables import MOST_COLLECTIONS, MOST_DOCUMENTS
from kernel.storage import inside
from kernel.syscall import Call
from kernel.syscall.call import LOCAL
from tests.support import until

APP, OTHER = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb"
TABLES = ("vector_collections", "vector_documents", "vector_embeddings")


class Bench:
    """A node without sockets, and the vectors of an app as its code sees them."""

    def __init__(self, node: Node, clock: ManualClock) -> None:
        self.node, self.clock = node, clock

    def call(self, app: str, via: str = "js") -> Call:
        return self.node.driver.call(LOCAL, via, app=app, grants=frozenset({"storage:vector"}))

    async def js(self, name: str, *arguments: Any, app: str = APP) -> Any:
        entry, call = self.node.registry[f"storage.vector.{name}"], self.call(app)
        return await self.node.driver.settle(entry, call, entry.javascript(call, msgspec.json.encode(arguments)), {})

    async def named(self, name: str, /, *, app: str = APP, raw: bytes | None = None, **values: Any) -> Any:
        entry = self.node.registry[f"storage.vector.{name}"]
        return await self.node.driver.invoke(entry, self.call(app, "http"), values, raw=raw)

    async def refuses(self, code: str, name: str, *arguments: Any, app: str = APP) -> FaztError:
        with pytest.raises(FaztError) as refused:
            await self.js(name, *arguments, app=app)
        assert refused.value.code == code, refused.value.message
        return refused.value

    async def near(self, vector: Sequence[float], **options: Any) -> list[str]:
        return [found.id for found in await self.js("queryEmbedding", "c", list(vector), options)]

    def rows(self, app: str = APP) -> list[int]:
        reader = self.node.store.reader()
        return [reader.execute(f"select count(*) from {name} where app_id = ?", (app,)).get for name in TABLES]

    def kept(self, table: str) -> int:
        """The number of rows that limits go by."""
        asked = "select rows from usage where app_id = ? and name = ?"
        return self.node.store.reader().execute(asked, (APP, table)).get or 0


@pytest.fixture
def bench(tmp_path: Any) -> Any:
    clock = ManualClock()
    node = Node(tmp_path / "data.db", clock=clock)
    yield Bench(node, clock)
    node.close()


def doc(id: str, *vector: float, content: str = "", **metadata: Any) -> dict[str, Any]:
    return {"id": id, "pageContent": content, "metadata": metadata, "embedding": list(vector)}


def unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(x * x for x in vector))
    return [x / length for x in vector]


def brute(stored: dict[str, list[float]], vector: Sequence[float], limit: int) -> list[tuple[str, float]]:
    """What is nearest, by the definition: single precision is what is kept."""
    wanted = unit(vector)
    scores = {
        id: math.fsum(a * b for a, b in zip(wanted, array("f", unit(v)), strict=True)) for id, v in stored.items()
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit]


# --- nearness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dimensions", "count", "seed"), [(1, 20, 1), (2, 300, 2), (8, 500, 3), (384, 400, 4)])
async def test_what_is_found_is_what_brute_force_finds(bench: Bench, dimensions: int, count: int, seed: int) -> None:
    draw = random.Random(seed)
    await bench.js("createCollection", "c", {"dimensions": dimensions})
    stored = {f"d{n}": [draw.gauss(0, 1) for _ in range(dimensions)] for n in range(count)}
    for n in range(0, count, 7):
        # some lie in the very same direction, at another length
        stored[f"d{n}"] = [x * 2.0 for x in stored[f"d{(n + 1) % count}"]]
    added = await bench.js("addDocuments", "c", [doc(id, *vector) for id, vector in stored.items()])
    assert added == list(stored)
    for limit in (1, 10, count, 1000):
        vector = [draw.gauss(0, 1) for _ in range(dimensions)]
        found = await bench.js("queryEmbedding", "c", vector, {"limit": limit})
        wanted = brute(stored, vector, limit)
        assert [round(one.score, 12) for one in found] == [round(score, 12) for _, score in wanted]
        if dimensions > 1:
            assert [one.id for one in found] == [id for id, _ in wanted]


async def test_directions_that_single_precision_cannot_tell_apart_are_told_apart(bench: Bench) -> None:
    draw = random.Random(7)
    await bench.js("createCollection", "c", {"dimensions": 384})
    base = [draw.gauss(0, 1) for _ in range(384)]
    stored = {f"{n:02}": [x * (1 + draw.choice((-1, 0, 1)) * 1e-7) for x in base] for n in range(30)}
    await bench.js("addDocuments", "c", [doc(id, *vector) for id, vector in stored.items()])
    for _ in range(5):
        vector = [draw.gauss(0, 1) for _ in range(384)]
        assert await bench.near(vector, limit=5) == [id for id, _ in brute(stored, vector, 5)]


async def test_among_equals_the_ids_decide_also_at_the_end_of_what_was_asked_for(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 2})
    ids = [f"{n:03}" for n in range(200)]
    random.Random(5).shuffle(ids)
    await bench.js("addDocuments", "c", [doc(id, 1, 1) for id in ids])
    assert await bench.near([1, 1], limit=4) == ["000", "001", "002", "003"]


async def test_a_score_is_the_cosine_whatever_the_length(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 2})
    vectors = {"same": (1e308, 1e308), "right": (5e-324, -5e-324), "back": (-3, -3), "half": (1, 0)}
    await bench.js("addDocuments", "c", [doc(id, *vector) for id, vector in vectors.items()])
    found = {one.id: one.score for one in await bench.js("queryEmbedding", "c", [7, 7])}
    assert found == pytest.approx({"same": 1, "half": math.sqrt(0.5), "right": 0, "back": -1}, abs=1e-7)
    assert await bench.near([7, 7], threshold=0.7) == ["same", "half"]
    assert await bench.near([7, 7], threshold=1.1) == []


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({}, ["0", "1"]),
        ({"where": {}}, ["0", "1"]),
        ({"where": {"lang": "de"}}, ["7", "9"]),
        ({"where": {"n": {"$gte": 5}, "lang": {"$ne": "de"}}}, ["5", "6"]),
        ({"where": {"$or": [{"n": 3}, {"n": 8}]}}, ["3", "8"]),
        ({"where": {"n": "3"}}, []),
        ({"where": {"id": {"$in": ["4", "x"]}}}, ["4"]),
        ({"whereContent": {"contains": "six"}}, ["6"]),
        ({"whereContent": {"contains": "i", "notContains": "six"}}, ["5", "8"]),
        ({"whereContent": {"contains": "%"}}, []),
        ({"whereContent": {"notContains": "o"}, "where": {"n": {"$gt": 1}}}, ["3", "5"]),
        ({"where": {"a'b\" or 1=1": 1}}, []),
    ],
)
async def test_conditions_come_before_the_cut(bench: Bench, options: dict[str, Any], ids: list[str]) -> None:
    await bench.js("createCollection", "c", {"dimensions": 2})
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    await bench.js(
        "addDocuments",
        "c",
        [doc(str(n), 10, n, content=word, n=n, lang="de" if n in (7, 9) else "en") for n, word in enumerate(words)],
    )
    assert await bench.near([1, 0], limit=2, **options) == ids


@pytest.mark.parametrize("where", [[], "x", 1, {"a": {"$where": 1}}, {"$nope": 1}, {"a": {"$gt": 1, "b": 2}}, True])
async def test_a_condition_that_is_none_is_refused(bench: Bench, where: Any) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    await bench.js("addDocuments", "c", [doc("a", 1)])
    await bench.refuses("INVALID_ARGUMENT", "queryEmbedding", "c", [1], {"where": where})
    await bench.refuses("INVALID_ARGUMENT", "getByMetadata", "c", where)
    await bench.refuses("INVALID_ARGUMENT", "deleteByMetadata", "c", where)
    assert await bench.js("count", "c") == 1


# --- what a vector is -------------------------------------------------------------------------------------------------

WRONG = [[], [0, 0, 0], [-0.0, 0, 0], [1, 2], [1, 2, 3, 4], [1, "2", 3], [1, None, 3], [1, True, 3], [[1], 2, 3]]
WRONG += [{"0": 1}, "1,2,3", 7, None, [10**400, 1, 1], [1] * 4097]


@pytest.mark.parametrize("vector", WRONG, ids=lambda value: repr(value)[:20])
async def test_what_is_no_vector_of_the_collection_is_refused_and_nothing_is_stored(bench: Bench, vector: Any) -> None:
    await bench.js("createCollection", "c", {"dimensions": 3})
    before = bench.rows()
    await bench.refuses("INVALID_ARGUMENT", "queryEmbedding", "c", vector)
    bad = {**doc("b"), "embedding": vector}
    await bench.refuses("INVALID_ARGUMENT", "addDocuments", "c", [doc("a", 1, 2, 3), bad], {"batchSize": 1})
    assert bench.rows() == before


@pytest.mark.parametrize("text", [b"[1e400,1,1]", b"[NaN,1,1]", b"[Infinity,1,1]", b"[" * 1000, b'["\\ud800"]'])
async def test_numbers_that_json_cannot_hold_are_refused(bench: Bench, text: bytes) -> None:
    await bench.js("createCollection", "c", {"dimensions": 3})
    entry = bench.node.registry["storage.vector.queryEmbedding"]
    with pytest.raises(FaztError) as refused:
        entry.javascript(bench.call(APP), b'["c",' + text + b"]")
    assert refused.value.code == "INVALID_ARGUMENT"


async def test_a_vector_may_have_4096_numbers(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 4096})
    await bench.js("addDocuments", "c", [doc("a", *range(4096))])
    assert await bench.near(range(4096)) == ["a"]
    await bench.refuses("INVALID_ARGUMENT", "createCollection", "d", {"dimensions": 4097})
    await bench.refuses("INVALID_ARGUMENT", "createCollection", "d", {"dimensions": 0})


@pytest.mark.parametrize("limit", [0, 1001, -1, 1.5, "many"])
async def test_nobody_asks_for_more_than_a_thousand(bench: Bench, limit: Any) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    await bench.refuses("INVALID_ARGUMENT", "queryEmbedding", "c", [1], {"limit": limit})


# --- collections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "dimensions"),
    [
        ({"embeddingModel": "text-embedding-3-small"}, 1536),
        ({"embeddingModel": "text-embedding-3-large"}, 3072),
        ({"embeddingModel": "text-embedding-3-large", "dimensions": 256}, 256),
        ({"model": "nomic-embed-text"}, 768),
        ({"embeddingModel": "mxbai-embed-large:latest"}, 1024),
        ({"embeddingModel": "of-my-own"}, None),
        ({"dimensions": 5}, 5),
    ],
)
async def test_a_collection_knows_how_many_numbers_its_vectors_have(
    bench: Bench, options: dict[str, Any], dimensions: int | None
) -> None:
    made = await bench.js("createCollection", "c", {**options, "metadata": {"a": [1]}})
    assert (made.dimensions, made.document_count, made.metadata) == (dimensions, 0, {"a": [1]})
    assert await bench.js("getCollection", "c") == made
    assert await bench.js("listCollections") == [made]


async def test_the_first_vectors_say_how_many_numbers_there_are(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"embeddingModel": "of-my-own"})
    assert await bench.near([1, 2]) == []
    await bench.refuses("INVALID_ARGUMENT", "addDocuments", "c", [doc("a", 1, 2), doc("b", 1)])
    await bench.js("addDocuments", "c", [doc("a", 1, 2)])
    assert (await bench.js("getCollection", "c")).dimensions == 2
    error = await bench.refuses("INVALID_ARGUMENT", "addDocuments", "c", [doc("b", 1)])
    assert error.details == {"field": "documents[0].embedding", "dimensions": 2}


async def test_a_collection_is_made_once_changed_and_deleted_with_all_it_holds(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    await bench.refuses("CONFLICT", "createCollection", "c", {"dimensions": 1})
    await bench.refuses("INVALID_ARGUMENT", "createCollection", "d")
    await bench.js("addDocuments", "c", [doc("a", 1), doc("b", 1)])
    await bench.js("updateCollection", "c", {"metadata": {"x": 1}})
    assert msgspec.to_builtins(await bench.js("getCollection", "c")) == {
        "name": "c",
        "documentCount": 2,
        "dimensions": 1,
        "embeddingModel": None,
        "metadata": {"x": 1},
    }
    await bench.js("deleteCollection", "c")
    assert (bench.rows(), bench.kept("vector_documents"), bench.kept("vector_collections")) == ([0, 0, 0], 0, 0)
    assert await bench.js("getCollection", "c") is None
    await bench.js("createCollection", "c", {"dimensions": 2})
    assert await bench.js("listIds", "c") == []


@pytest.mark.parametrize("what", ["clear", "deleteCollection"])
async def test_a_large_collection_is_empty_at_once_and_what_it_held_goes_piece_by_piece(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(vector_chores, "SLICE", 2)
    for name in ("c", "other"):
        await bench.js("createCollection", name, {"dimensions": 1})
        await bench.js("addDocuments", name, [doc(f"{n}", 1) for n in range(5)])
    assert await bench.js(what, "c") is None
    if what == "deleteCollection":
        await bench.refuses("NOT_FOUND", "count", "c")
        await bench.js("createCollection", "c", {"dimensions": 1})
    assert (await bench.js("count", "c"), await bench.js("listIds", "c"), await bench.near([1])) == (0, [], [])
    assert bench.rows() == [2, 10, 10]
    await bench.js("addDocuments", "c", [doc("1", 1)])
    bench.node.jobs.start()
    await until(lambda: bench.rows() == [2, 6, 6], "that it is removed")
    await bench.node.jobs.stop()
    assert (bench.kept("vector_documents"), await bench.near([1])) == (6, ["1"])
    assert len(await bench.js("listIds", "other")) == 5


async def test_a_removal_that_takes_too_long_is_not_made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    await bench.js("addDocuments", "c", [doc(f"{n}", 1, lang="en") for n in range(2000)])
    with monkeypatch.context() as patched:
        patched.setattr(inside, "SECONDS", -1.0)
        await bench.refuses("TIMEOUT", "deleteByMetadata", "c", {"lang": "en"})
    assert (bench.rows(), bench.kept("vector_documents")) == ([1, 2000, 2000], 2000)
    assert await bench.js("deleteByMetadata", "c", {"lang": "en"}) == 2000
    assert (bench.rows(), bench.kept("vector_documents")) == ([1, 0, 0], 0)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("updateCollection", [{"metadata": {}}]),
        ("deleteCollection", []),
        ("addDocuments", [[]]),
        ("get", ["a"]),
        ("getByMetadata", [{}]),
        ("list", []),
        ("listIds", []),
        ("count", []),
        ("delete", ["a"]),
        ("deleteMany", [["a"]]),
        ("deleteByMetadata", [{}]),
        ("clear", []),
        ("query", ["text"]),
        ("queryEmbedding", [[1]]),
    ],
)
async def test_there_is_no_such_collection(bench: Bench, name: str, arguments: list[Any]) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1}, app=OTHER)
    await bench.refuses("NOT_FOUND", name, "c", *arguments)
    await bench.refuses("INVALID_ARGUMENT", name, "c/d", *arguments)
    entry = bench.node.registry[f"storage.vector.{name}"]
    with pytest.raises(FaztError, match="Permission denied: storage:vector"):
        result = entry.javascript(bench.node.driver.call(LOCAL, "js", app=APP), b"[]")
        await result


# --- documents --------------------------------------------------------------------------------------------------------


async def test_documents_come_back_as_they_were(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 2})
    metadata = {"n": 2**53, "big": 2**60, "deep": {"a": [None, True, 1.5]}, "__proto__": {"x": 1}, "ä'\"": "\u2028"}
    (id,) = await bench.js("addDocuments", "c", [{"pageContent": "é\n\t😀", "metadata": metadata, "embedding": [3, 4]}])
    found = await bench.js("get", "c", id)
    assert (found.id, found.page_content) == (id, "é\n\t😀")
    assert found.metadata == {**metadata, "big": float(2**60)}
    assert found.embedding == pytest.approx([0.6, 0.8], abs=1e-7)
    assert await bench.js("get", "c", "other") is None
    (listed,) = (await bench.js("list", "c")).items
    assert msgspec.to_builtins(listed) == {"id": id, "pageContent": "é\n\t😀", "metadata": found.metadata}


async def test_what_has_the_id_already_is_replaced(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 2})
    await bench.js("addDocuments", "c", [doc("a", 1, 0, content="old", n=1), doc("b", 0, 1)])
    await bench.js("addDocuments", "c", [doc("a", 1, 1, content="lost"), doc("a", 0, -1, content="new", n=2)])
    assert bench.rows() == [1, 2, 2]
    assert bench.kept("vector_documents") == 2
    assert await bench.near([0, -1]) == ["a", "b"]
    found = await bench.js("get", "c", "a")
    assert (found.page_content, found.metadata, found.embedding) == ("new", {"n": 2}, [0, -1])


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"pageContent": 1, "embedding": [1]},
        {"pageContent": "x"},
        {"pageContent": "x", "embedding": [1], "more": 1},
        {"pageContent": "x", "embedding": [1], "metadata": []},
        {"pageContent": "x", "embedding": [1], "metadata": "{}"},
        {"pageContent": "x", "embedding": [1], "id": ""},
        {"pageContent": "x", "embedding": [1], "id": 5},
        {"pageContent": "x", "embedding": [1], "id": "x" * 513},
        {"pageContent": "x", "embedding": [1], "id": "a\x00"},
        {"pageContent": "a\x00b", "embedding": [1]},
        {"pageContent": "x" * (100 * 1024 + 1), "embedding": [1]},
        {"pageContent": "é" * (50 * 1024 + 1), "embedding": [1]},
        {"pageContent": "x", "embedding": [1], "metadata": {"a": "x" * (10 * 1024)}},
        {"pageContent": "x", "embedding": [1], "metadata": {"a": "é" * (5 * 1024)}},
        "x",
        None,
        [],
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_document_that_is_none_is_refused_and_none_beside_it_is_stored(bench: Bench, document: Any) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    await bench.refuses("INVALID_ARGUMENT", "addDocuments", "c", [doc("a", 1), document], {"batchSize": 1})
    assert bench.rows() == [1, 0, 0]


async def test_documents_may_be_as_big_as_that(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    metadata = {"a": "x" * (10 * 1024 - 8)}
    await bench.js("addDocuments", "c", [{**doc("a", 1, content="x" * 102_400), "metadata": metadata}])
    assert (await bench.js("get", "c", "a")).metadata == metadata


async def test_documents_are_listed_by_id_page_by_page(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    await bench.js("addDocuments", "c", [doc(id, 1, n=len(id)) for id in ("b", "aa", "c", "a", "ä")])
    assert await bench.js("listIds", "c") == ["a", "aa", "b", "c", "ä"]
    page = await bench.js("list", "c", {"limit": 2, "offset": 1})
    assert ([one.id for one in page.items], page.meta["total"], page.meta["has_more"]) == (["aa", "b"], 5, True)
    assert [one.id for one in await bench.js("getByMetadata", "c", {"n": 2})] == ["aa"]


async def test_deleting_says_how_many_there_were(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    await bench.js("createCollection", "d", {"dimensions": 1})
    for collection in ("c", "d"):
        await bench.js("addDocuments", collection, [doc(id, 1, n=n) for n, id in enumerate("abcdefgh")])
    assert await bench.js("delete", "c", "a") == 1
    assert await bench.js("delete", "c", "a") == 0
    assert await bench.js("deleteMany", "c", ["b", "x", "c", "b"]) == 2
    assert await bench.js("deleteByMetadata", "c", {"n": {"$gte": 6}}) == 2
    assert await bench.js("listIds", "c") == await bench.near([1]) == ["d", "e", "f"]
    assert await bench.js("clear", "c") is None
    assert (await bench.js("count", "c"), await bench.js("count", "d")) == (0, 8)
    assert (bench.rows(), bench.kept("vector_documents")) == ([2, 8, 8], 8)
    await bench.refuses("INVALID_ARGUMENT", "deleteByMetadata", "d", None)
    assert await bench.js("deleteByMetadata", "d", {}) == 8


async def test_nobody_else_sees_changes_or_removes_anything(bench: Bench) -> None:
    for app in (APP, OTHER):
        await bench.js("createCollection", "c", {"dimensions": 1}, app=app)
        await bench.js("addDocuments", "c", [doc("a", 1, content=app)], app=app)
    assert (await bench.js("get", "c", "a")).page_content == APP
    assert [one.page_content for one in await bench.js("queryEmbedding", "c", [1])] == [APP]
    await bench.js("deleteByMetadata", "c", {}, app=OTHER)
    await bench.js("deleteCollection", "c", app=OTHER)
    assert bench.rows() == [1, 1, 1]


async def test_an_app_has_so_many_collections_and_documents_and_no_more(bench: Bench) -> None:
    bench.node.settings.apply(MOST_COLLECTIONS.name, 1)
    bench.node.settings.apply(MOST_DOCUMENTS.name, 3)
    await bench.js("createCollection", "c", {"dimensions": 1})
    await bench.refuses("LIMIT_EXCEEDED", "createCollection", "d", {"dimensions": 1})
    batches = {"batchSize": 2}
    error = await bench.refuses("LIMIT_EXCEEDED", "addDocuments", "c", [doc(id, 1) for id in "abcd"], batches)
    assert error.details["most"] == 3
    # a batch is stored whole or not at all, and those before it stay
    assert (await bench.js("listIds", "c"), bench.rows()) == (["a", "b"], [1, 2, 2])


# --- texts into vectors -----------------------------------------------------------------------------------------------


class Letters:
    """How often a text has each of three letters."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    async def embed(self, app: str, model: str, texts: Sequence[str]) -> list[list[float]]:
        assert (app, model) == (APP, "letters")
        self.asked.append(list(texts))
        return [[text.count(letter) + 0.1 for letter in "abc"] for text in texts]


async def test_without_a_service_texts_are_not_turned_into_vectors(bench: Bench) -> None:
    await bench.js("createCollection", "c", {"embeddingModel": "letters"})
    await bench.js("createCollection", "d", {"dimensions": 3})
    bare = {"pageContent": "x"}
    await bench.refuses("AI_NO_KEY", "addDocuments", "c", [doc("a", 1, 2, 3), bare])
    await bench.refuses("INVALID_ARGUMENT", "addDocuments", "d", [bare])
    await bench.refuses("AI_NO_KEY", "query", "c", "text")
    await bench.refuses("AI_NO_KEY", "query", "d", "text")
    assert bench.rows() == [2, 0, 0]


async def test_texts_are_turned_into_vectors_batch_by_batch(bench: Bench) -> None:
    letters = Letters()
    bench.node.ports.fill(letters, Embedder)
    await bench.js("createCollection", "c", {"embeddingModel": "letters"})
    documents = [{"id": text, "pageContent": text} for text in ("aa", "ab", "cc", "bb", "b")]
    documents.insert(1, doc("own", 0, 0, 1))
    await bench.js("addDocuments", "c", documents, {"batchSize": 2, "concurrency": 2})
    assert sorted(letters.asked) == [["aa"], ["ab", "cc"], ["bb", "b"]]
    found = await bench.js("query", "c", "bbb", {"limit": 2, "where": {}})
    assert [one.id for one in found] == ["bb", "b"]
    assert (await bench.js("getCollection", "c")).dimensions == 3
    await bench.js("createCollection", "d", {"dimensions": 3})
    await bench.refuses("INVALID_ARGUMENT", "query", "d", "text")


@pytest.mark.parametrize("made", [[], [[1.0, 2.0]] * 3, [[0.0, 0.0]] * 2, [[math.nan, 1.0]] * 2, [["x"]] * 2])
async def test_a_service_that_gives_no_vectors_is_not_believed(bench: Bench, made: Any) -> None:
    class Broken:
        async def embed(self, app: str, model: str, texts: Sequence[str]) -> Any:
            return made

    bench.node.ports.fill(Broken(), Embedder)
    await bench.js("createCollection", "c", {"embeddingModel": "m"})
    await bench.refuses("PROVIDER_ERROR", "addDocuments", "c", [{"pageContent": "x"}, {"pageContent": "y"}])
    assert bench.rows() == [1, 0, 0]


async def test_a_collection_that_goes_meanwhile_leaves_nothing_behind(bench: Bench) -> None:
    class Slow:
        async def embed(self, app: str, model: str, texts: Sequence[str]) -> Any:
            await bench.js("deleteCollection", "c")
            return [[1.0]]

    bench.node.ports.fill(Slow(), Embedder)
    await bench.js("createCollection", "c", {"embeddingModel": "m"})
    await bench.refuses("CONFLICT", "addDocuments", "c", [{"pageContent": "x"}])
    assert bench.rows() == [0, 0, 0]


# --- JSON lines -------------------------------------------------------------------------------------------------------


async def test_what_is_exported_and_imported_again_is_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # so little that one document fills an answer
    monkeypatch.setattr(vector_lines, "MOST_SENT", 300)
    draw = random.Random(6)
    await bench.js("createCollection", "c", {"dimensions": 24})
    await bench.js("createCollection", "d", {"dimensions": 24})
    ids = [f"{n:03}\U0001f600'\"" for n in range(50)]
    await bench.js("addDocuments", "c", [doc(id, *(draw.gauss(0, 1) for _ in range(24)), n=id) for id in ids])
    lines, after = b"", None
    while some := (await bench.named("export", name="c", **({"after": after} if after else {}))).encode():
        lines += some
        after = msgspec.json.decode(some.splitlines()[-1])["id"]
    assert (await bench.named("import", name="d", raw=b"\n" + lines)).imported == 50
    assert [await bench.js("get", "d", id) for id in ids] == [await bench.js("get", "c", id) for id in ids]


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (b"{", 1),
        (b'{"pageContent":"x","embedding":[1]}\n\n[]', 3),
        (b'{"pageContent":"x","embedding":[1]}\n{"pageContent":"x","embedding":[1,2]}\n', 2),
        (b'{"pageContent":"x","embedding":[1]}\n{"pageContent":"x","embedding":[1],"metadata":{"a":1e999}}', 2),
        (b'{"pageContent":"\xff","embedding":[1]}', 1),
        (b'{"pageContent":"x","embedding":[1],"metadata":' + b'{"a":' * 200 + b"1" + b"}" * 201, 1),
        (b"[" * 100_000, 1),
    ],
    ids=range(7),
)
async def test_a_wrong_line_is_named_and_nothing_is_stored(bench: Bench, lines: bytes, number: int) -> None:
    await bench.js("createCollection", "c", {"dimensions": 1})
    with pytest.raises(FaztError) as refused:
        await bench.named("import", name="c", raw=lines)
    assert (refused.value.code, refused.value.details["line"]) == ("INVALID_ARGUMENT", number)
    assert bench.rows() == [1, 0, 0]
