"""Counting, comparing and temporary keys over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests import support
from tests.support import Running

SHOP = "/api/apps/shop/storage/kv"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        await made.run("apps.create", slug="shop")
        await made.run("apps.create", slug="other")
        yield made


async def test_counting_and_comparing(shop: Running) -> None:
    first = await shop.ask("POST", f"{SHOP}/incr", key="*", body={"key": "n"})
    assert (first.status, first.json) == (200, {"data": 1})
    more = await shop.ask("POST", f"{SHOP}/incr", key="*", body={"key": "n", "by": -2.5, "ttl": "1h"})
    assert more.json == {"data": -1.5}
    for body, done in (
        ({"key": "n", "expected": -1.5, "value": {"a": 1}}, True),
        ({"key": "n", "expected": -1.5, "value": 0}, False),
        ({"key": "n", "expected": None, "value": 0}, False),
        ({"key": "new", "expected": None, "value": 0}, True),
    ):
        answer = await shop.ask("POST", f"{SHOP}/cas", key="*", body=body)
        assert (answer.status, answer.json) == (200, {"data": done})
    kept = (await shop.ask("GET", SHOP, key="*")).data
    assert [(item["key"], item["value"]) for item in kept] == [("n", {"a": 1}), ("new", 0)]


BAD = [
    ("/incr", {}, "MISSING_FIELD", "key"),
    ("/incr", {"key": "n", "by": "1"}, "VALIDATION_FAILED", "by"),
    ("/incr", {"key": "n", "by": None}, "VALIDATION_FAILED", "by"),
    ("/incr", {"key": "n", "ttl": 0}, "VALIDATION_FAILED", "ttl"),
    ("/incr", {"key": "", "by": 1}, "VALIDATION_FAILED", "key"),
    ("/incr", {"key": "n", "step": 1}, "VALIDATION_FAILED", "step"),
    ("/incr", {"key": "text"}, "VALIDATION_FAILED", None),
    ("/cas", {"key": "n", "value": 1}, "MISSING_FIELD", "expected"),
    ("/cas", {"key": "n", "expected": 1}, "MISSING_FIELD", "value"),
    ("/cas", {"key": "a\0", "expected": 1, "value": 1}, "VALIDATION_FAILED", "key"),
    ("/cas", {"key": "n", "expected": 1, "value": 1, "app": "other"}, "VALIDATION_FAILED", "app"),
]


@pytest.mark.parametrize(("to", "body", "code", "field"), BAD, ids=str)
async def test_what_is_wrong_is_said_and_nothing_changes(
    shop: Running, to: str, body: dict[str, Any], code: str, field: str | None
) -> None:
    await shop.ask("POST", SHOP, key="*", body={"key": "text", "value": "x"})
    before = shop.content()
    answer = await shop.ask("POST", f"{SHOP}{to}", key="*", body=body)
    assert (answer.status, answer.code, answer.json["error"].get("details", {}).get("field")) == (400, code, field)
    assert shop.content() == before


@pytest.mark.parametrize("raw", [b'{"key":"n","by":1e999}', b'{"key":"n","by":NaN}', b'{"key":"n","by":-Infinity}'])
async def test_numbers_that_are_none_are_refused(shop: Running, raw: bytes) -> None:
    answer = await shop.ask("POST", f"{SHOP}/incr", key="*", raw=raw, headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert (await shop.ask("GET", SHOP, key="*")).data == []


@pytest.mark.parametrize("to", ["/incr", "/cas"])
async def test_who_may_only_read_may_not_count(shop: Running, to: str) -> None:
    body = {"key": "n", "expected": None, "value": 1} if to == "/cas" else {"key": "n"}
    assert (await shop.ask("POST", f"{SHOP}{to}", key="read", body=body)).status == 403
    assert (await shop.ask("POST", f"{SHOP}{to}", body=body)).status == 401


async def test_people_have_numbers_of_their_own(shop: Running) -> None:
    for user, wanted in (({}, 1), ({"user": "usr_1"}, 1), ({"user": "usr_1"}, 2), ({}, 2)):
        answer = await shop.ask("POST", f"{SHOP}/incr", key="*", body={"key": "n", **user})
        assert answer.json == {"data": wanted}
    await shop.ask("DELETE", f"{SHOP}?key=n", key="*")
    assert (await shop.ask("GET", f"{SHOP}/entry?key=n&user=usr_1", key="*")).data["value"] == 2
    await shop.ask("DELETE", f"{SHOP}?key=n&user=usr_1", key="*")
    assert (await shop.ask("GET", f"{SHOP}?user=usr_1", key="*")).data == []


async def test_many_that_count_at_once_lose_nothing(shop: Running) -> None:
    for key in ("n", "temp:n"):
        answers = await asyncio.gather(
            *(shop.ask("POST", f"{SHOP}/incr", key="*", body={"key": key}) for _ in range(60))
        )
        assert sorted(answer.data for answer in answers) == list(range(1, 61))


async def test_temporary_keys_are_there_for_people_and_not_in_the_file(shop: Running) -> None:
    await shop.key("*")
    before = shop.content()
    assert (await shop.ask("POST", SHOP, key="*", body={"key": "temp:a", "value": [1]})).status == 201
    found = await shop.ask("GET", f"{SHOP}/entry?key=temp:a", key="*")
    assert found.data == {"key": "temp:a", "value": [1], "expiresAt": shop.clock.now() + 600_000}
    assert [item["key"] for item in (await shop.ask("GET", f"{SHOP}?prefix=temp:", key="*")).data] == ["temp:a"]
    assert (await shop.ask("GET", "/api/apps/other/storage/kv/entry?key=temp:a", key="*")).status == 404
    assert (await shop.ask("DELETE", f"{SHOP}?key=temp:a", key="*")).status == 204
    assert (await shop.ask("GET", f"{SHOP}/entry?key=temp:a", key="*")).status == 404
    assert shop.content() == before
