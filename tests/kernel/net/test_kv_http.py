"""Scenarios of the key-value endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests import support
from tests.support import Answer, Running

SHOP = "/api/apps/shop/storage/kv"


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db") as made:
        await made.run("apps.create", slug="shop")
        await made.run("apps.create", slug="other")
        yield made


async def put(shop: Running, key: str, value: Any, app: str = "shop", **more: Any) -> Answer:
    path = f"/api/apps/{app}/storage/kv"
    return await shop.ask("POST", path, key="*", body={"key": key, "value": value, **more})


async def entry(shop: Running, key: str, app: str = "shop") -> Answer:
    return await shop.ask("GET", f"/api/apps/{app}/storage/kv/entry?key={quote(key, safe='')}", key="*")


async def keys(shop: Running, query: str = "") -> list[str]:
    return [item["key"] for item in (await shop.ask("GET", f"{SHOP}{query}", key="*")).data]


async def test_a_value_is_stored_read_replaced_and_removed(shop: Running) -> None:
    made = await put(shop, "a", {"n": 1})
    assert (made.status, made.json) == (201, {"data": {"key": "a"}})
    assert (await entry(shop, "a")).json == {"data": {"key": "a", "value": {"n": 1}}}
    assert (await put(shop, "a", None)).status == 201
    assert (await entry(shop, "a")).json == {"data": {"key": "a", "value": None}}
    gone = await shop.ask("DELETE", f"{SHOP}?key=a", key="*")
    assert (gone.status, gone.body) == (204, b"")
    assert (await entry(shop, "a")).code == "NOT_FOUND"


async def test_removing_what_is_not_there_is_fine(shop: Running) -> None:
    await shop.key("*")
    before = shop.content()
    assert (await shop.ask("DELETE", f"{SHOP}?key=nothing", key="*")).status == 204
    assert shop.content() == before


KEYS = ["a", " ", "a/b/../c", "%41", "a%", "ä😀", "x" * 512, "é" * 256, "__proto__", "' or 1=1 --", "*", "temp:x"]
KEYS += ["a\U0010ffff", "\U0010ffff"]
TOO_MUCH = ["", "x" * 513, "é" * 257, "😀" * 129, "a\x00", "a\n", "\x7f"]
TIMES = [(1, 1), (0.4, 1), (1500, 1500), ("250ms", 250), ("1.5s", 1500), ("7d", 604_800_000), ("5", 5)]
PREFIXES = {
    "": ["%", "_", "a", "a%", "a_b", "ab"],
    "a": ["a", "a%", "a_b", "ab"],
    "%": ["%"],
    "_": ["_"],
    "a%": ["a%"],
    "a_": ["a_b"],
    "z": [],
}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:20])
async def test_a_key_is_what_it_is(shop: Running, key: str) -> None:
    assert (await put(shop, key, key)).status == 201
    found = (await entry(shop, key)).data
    assert (found["key"], found["value"], "expiresAt" in found) == (key, key, key == "temp:x")
    assert await keys(shop) == [key]
    assert await keys(shop, f"?prefix={quote(key[:1], safe='')}") == [key]
    assert (await shop.ask("DELETE", f"{SHOP}?key={quote(key, safe='')}", key="*")).status == 204
    assert (await entry(shop, key)).status == 404


@pytest.mark.parametrize(
    "key", ["", "x" * 513, "é" * 257, "😀" * 129, "a\x00", "a\n", "\x7f"], ids=lambda key: ascii(key)[:20]
)
async def test_a_key_has_512_bytes_and_no_control_characters(shop: Running, key: str) -> None:
    answer = await put(shop, key, 1)
    assert (answer.status, answer.code, answer.json["error"]["details"]["field"]) == (400, "VALIDATION_FAILED", "key")


async def test_apps_do_not_see_each_other(shop: Running) -> None:
    await put(shop, "secret", "of the shop")
    for key in ("secret", "../shop/secret", "shop/secret", "secret\u200b"):
        assert (await entry(shop, key, app="other")).status == 404
    assert (await shop.ask("GET", "/api/apps/other/storage/kv", key="*")).data == []
    await shop.ask("DELETE", "/api/apps/other/storage/kv?key=secret", key="*")
    assert (await entry(shop, "secret")).status == 200


# --- until when


async def test_a_value_with_an_end_ends(shop: Running) -> None:
    assert (await put(shop, "a", 1, ttl="30s")).status == 201
    assert (await entry(shop, "a")).data["expiresAt"] == shop.clock.now() + 30_000
    shop.clock.advance(29.999)
    assert (await entry(shop, "a")).status == 200
    assert await keys(shop) == ["a"]
    shop.clock.advance(0.001)
    assert (await entry(shop, "a")).status == 404
    assert await keys(shop) == []


async def test_setting_again_without_an_end_takes_the_end_away(shop: Running) -> None:
    await put(shop, "a", 1, ttl=10)
    await put(shop, "a", 2)
    shop.clock.advance(1)
    assert (await entry(shop, "a")).data == {"key": "a", "value": 2}
    await put(shop, "a", 3, ttl=None)
    assert (await entry(shop, "a")).data == {"key": "a", "value": 3}


@pytest.mark.parametrize(
    ("ttl", "ends"), [(1, 1), (0.4, 1), (1500, 1500), ("250ms", 250), ("1.5s", 1500), ("7d", 604_800_000)]
)
async def test_a_time_to_live(shop: Running, ttl: Any, ends: int) -> None:
    assert (await put(shop, "a", 1, ttl=ttl)).status == 201
    assert (await entry(shop, "a")).data["expiresAt"] == shop.clock.now() + ends


@pytest.mark.parametrize("ttl", [0, -1, "0s", "-5s", "", "soon", "1h30m", 1e300, True, [], "1e3s", "5 s"])
async def test_a_time_to_live_is_longer_than_nothing(shop: Running, ttl: Any) -> None:
    answer = await put(shop, "a", 1, ttl=ttl)
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, "ttl")
    assert (await entry(shop, "a")).status == 404


# --- pages


async def test_a_page_goes_on_where_the_one_before_ended(shop: Running) -> None:
    for key in ("b", "a", "ab", "B", "ä", "a/b"):
        await put(shop, key, key)
    ordered = sorted(["b", "a", "ab", "B", "ä", "a/b"], key=str.encode)
    assert await keys(shop) == ordered
    found, after = [], ""
    while after is not None:
        answer = await shop.ask("GET", f"{SHOP}?limit=2{f'&after={quote(after)}' if after else ''}", key="*")
        assert answer.json["meta"]["limit"] == 2
        found += [item["key"] for item in answer.data]
        after = answer.json["meta"]["next"]
    assert found == ordered


async def test_a_list_has_a_hundred_unless_asked_for_more(shop: Running) -> None:
    """As every list ordered by key (specs/decisions, lists): 100, at most 1000."""
    for number in range(101):
        await put(shop, f"{number:03}", number)
    answer = await shop.ask("GET", SHOP, key="*")
    assert (len(answer.data), answer.json["meta"]) == (100, {"limit": 100, "next": "099"})
    assert len(await keys(shop, "?limit=1000")) == 101


@pytest.mark.parametrize(("prefix", "found"), PREFIXES.items())
async def test_a_prefix_is_literal(shop: Running, prefix: str, found: list[str]) -> None:
    for key in ("a", "ab", "a%", "a_b", "_", "%"):
        await put(shop, key, 1)
    assert await keys(shop, f"?prefix={quote(prefix)}") == found


# --- how much


async def test_a_value_has_a_mebibyte(shop: Running) -> None:
    fits = "x" * ((1 << 20) - 2)
    assert (await put(shop, "a", fits)).status == 201
    answer = await put(shop, "a", fits + "x")
    assert (answer.status, answer.code) == (400, "LIMIT_EXCEEDED")
    assert answer.json["error"]["details"]["field"] == "value"
    assert (await put(shop, "b", "é" * (1 << 19))).code == "LIMIT_EXCEEDED"
    assert (await entry(shop, "a")).data["value"] == fits
    assert (await entry(shop, "b")).status == 404


async def test_an_app_has_so_many_keys(shop: Running) -> None:
    assert (
        await shop.ask("PUT", "/api/system/limits/storage.kv.maxKeysPerApp", key="*", body={"value": 2})
    ).status == 200
    assert [(await put(shop, key, 1)).status for key in "ab"] == [201, 201]
    full = await put(shop, "c", 1)
    assert (full.status, full.code) == (400, "LIMIT_EXCEEDED")
    assert full.json["error"]["details"] == {"limit": "limits.storage.kv.maxKeysPerApp", "most": 2}
    assert "fazt limits set" in full.json["error"]["hint"]
    # what is there can be changed, other apps are not concerned, and room that was made is room
    assert (await put(shop, "a", 2)).status == 201
    assert (await put(shop, "a", 1, app="other")).status == 201
    await shop.ask("DELETE", f"{SHOP}?key=b", key="*")
    assert (await put(shop, "c", 1)).status == 201
    assert await keys(shop) == ["a", "c"]


async def test_what_has_ended_makes_room_once_it_is_swept(shop: Running) -> None:
    await shop.ask("PUT", "/api/system/limits/storage.kv.maxKeysPerApp", key="*", body={"value": 1})
    await put(shop, "a", 1, ttl="1s")
    shop.clock.advance(2)
    await shop.node.supervisor.tasks["expired rows"].work()
    assert (await put(shop, "b", 1)).status == 201


async def test_writing_over_what_has_ended_counts_it_once(shop: Running) -> None:
    await put(shop, "a", 1, ttl="1s")
    shop.clock.advance(2)
    await put(shop, "a", 2)
    status = await shop.ask("GET", "/api/apps/shop/status", key="*")
    assert status.data["rows"] == {"app_kv": 1}


async def test_many_writers_of_one_key_leave_one_value(shop: Running) -> None:

    answers = await asyncio.gather(*(put(shop, "a", number) for number in range(100)))
    assert {answer.status for answer in answers} == {201}
    assert await keys(shop) == ["a"]
    status = await shop.ask("GET", "/api/apps/shop/status", key="*")
    assert status.data["rows"] == {"app_kv": 1}
