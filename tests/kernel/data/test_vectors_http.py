"""The vector store through its endpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.support import Answer, Running

HERE = "/api/apps/shop/vector/collections"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        await made.run("apps.create", slug="shop")
        await made.run("apps.create", slug="other")
        yield made


async def ask(shop: Running, method: str, path: str = "", **how: Any) -> Answer:
    return await shop.ask(method, HERE + path, key="*", **how)


async def birds(shop: Running) -> None:
    assert (await ask(shop, "POST", body={"name": "birds", "dimensions": 2})).status == 201
    documents = [
        {"id": "wren", "pageContent": "a wren", "metadata": {"n": 1}, "embedding": [1, 0]},
        {"id": "owl", "pageContent": "an owl", "metadata": {"n": 2}, "embedding": [3, 4]},
    ]
    made = await ask(shop, "POST", "/birds/documents", body={"documents": documents})
    assert (made.status, made.data) == (201, ["wren", "owl"])


async def test_a_collection_from_its_making_to_its_end(shop: Running) -> None:
    await birds(shop)
    shown = {"name": "birds", "documentCount": 2, "dimensions": 2, "embeddingModel": None, "metadata": {}}
    assert (await ask(shop, "GET")).data == [shown]
    assert (await ask(shop, "GET", "/birds")).data == shown
    assert (await ask(shop, "GET", "/birds/count")).data == 2
    listed = await ask(shop, "GET", "/birds/documents?limit=1&offset=1")
    assert listed.data == [{"id": "wren", "pageContent": "a wren", "metadata": {"n": 1}}]
    assert listed.json["meta"] == {"limit": 1, "offset": 1, "total": 2, "has_more": False}
    assert (await ask(shop, "GET", "/birds/documents/wren")).data["embedding"] == [1, 0]
    assert (await ask(shop, "PATCH", "/birds", body={"metadata": {"a": 1}})).status == 204
    assert (await ask(shop, "GET", "/birds")).data["metadata"] == {"a": 1}
    assert (await ask(shop, "DELETE", "/birds/documents/wren")).status == 204
    assert (await ask(shop, "DELETE", "/birds/documents/wren")).code == "NOT_FOUND"
    assert (await ask(shop, "DELETE", "/birds/clear")).status == 204
    assert (await ask(shop, "GET", "/birds/count")).data == 0
    assert (await ask(shop, "DELETE", "/birds")).status == 204
    assert (await ask(shop, "GET", "/birds")).code == "NOT_FOUND"


async def test_what_is_near_is_found_by_vector(shop: Running) -> None:
    await birds(shop)
    found = await ask(shop, "POST", "/birds/query", body={"embedding": [0, 1], "limit": 1})
    owl = {"id": "owl", "pageContent": "an owl", "metadata": {"n": 2}, "score": pytest.approx(0.8)}
    assert (found.status, found.data) == (200, [owl])
    asked = {"embedding": [0, 1], "where": {"n": 1}, "whereContent": {"contains": "wren"}}
    assert [one["id"] for one in (await ask(shop, "POST", "/birds/query", body=asked)).data] == ["wren"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "VALIDATION_FAILED"),
        ({"text": "x"}, 501, "AI_NO_KEY"),
        ({"text": "x", "embedding": [1, 2]}, 400, "VALIDATION_FAILED"),
        ({"embedding": [1]}, 400, "VALIDATION_FAILED"),
        ({"embedding": [1, 2, 3]}, 400, "VALIDATION_FAILED"),
        ({"embedding": [0, 0]}, 400, "VALIDATION_FAILED"),
        ({"embedding": "x"}, 400, "VALIDATION_FAILED"),
        ({"embedding": {"a": 1}}, 400, "VALIDATION_FAILED"),
        ({"embedding": [1, 2], "limit": 1001}, 400, "VALIDATION_FAILED"),
        ({"embedding": [1, 2], "where": {"n": {"$near": 1}}}, 400, "VALIDATION_FAILED"),
        ({"embedding": [1, 2], "whereContent": {"like": "x"}}, 400, "VALIDATION_FAILED"),
        ({"embedding": [1, 2], "more": 1}, 400, "VALIDATION_FAILED"),
    ],
)
async def test_a_query_that_is_none_is_refused(shop: Running, body: Any, status: int, code: str) -> None:
    await birds(shop)
    before = shop.content()
    refused = await ask(shop, "POST", "/birds/query", body=body)
    assert (refused.status, refused.code) == (status, code)
    assert shop.content() == before


@pytest.mark.parametrize(
    "body",
    [
        {"documents": [{"pageContent": "x", "embedding": [1]}]},
        {"documents": [{"pageContent": "x", "embedding": [0, 0]}]},
        {"documents": [{"pageContent": "x", "embedding": [1, "2"]}]},
        {"documents": [{"embedding": [1, 2]}]},
        {"documents": {}},
        {"documents": [], "batchSize": 0},
        {},
    ],
)
async def test_documents_that_are_none_are_refused(shop: Running, body: Any) -> None:
    await birds(shop)
    before = shop.content()
    assert (await ask(shop, "POST", "/birds/documents", body=body)).status == 400
    assert shop.content() == before


async def test_json_lines_go_in_and_out(shop: Running) -> None:
    await birds(shop)
    await ask(shop, "POST", body={"name": "copy", "dimensions": 2})
    lines = await ask(shop, "GET", "/birds/export")
    assert (lines.status, lines.headers["Content-Type"].split(";")[0]) == (200, "application/x-ndjson")
    done = await ask(shop, "POST", "/copy/import", raw=lines.body)
    assert (done.status, done.data) == (201, {"imported": 2})
    assert (await ask(shop, "GET", "/copy/export")).body == lines.body
    assert (await ask(shop, "GET", "/copy/export?after=wren")).body == b""
    refused = await ask(shop, "POST", "/copy/import", raw=b'{"pageContent":"x","embedding":[1,2]}\n{}')
    assert (refused.code, refused.json["error"]["details"]["line"]) == ("VALIDATION_FAILED", 2)


async def test_each_app_has_its_own(shop: Running) -> None:
    await birds(shop)
    other = HERE.replace("shop", "other")
    assert (await shop.ask("GET", other, key="*")).data == []
    assert (await shop.ask("GET", f"{other}/birds/documents/owl", key="*")).code == "NOT_FOUND"
    assert (await shop.ask("DELETE", f"{other}/birds/clear", key="*")).code == "NOT_FOUND"
    assert (await ask(shop, "GET", "/birds/count")).data == 2


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/birds/query"), ("GET", "/birds/export")])
async def test_strangers_are_refused(shop: Running, method: str, path: str) -> None:
    assert (await shop.ask(method, HERE + path, body={} if method == "POST" else None)).status == 401
