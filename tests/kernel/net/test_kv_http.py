"""Scenarios of the key-value endpoints."""

from __future__ import annotations

from tests.support import Running


async def test_a_value_is_stored_and_read(running: Running) -> None:
    await running.run("apps.create", slug="shop")
    made = await running.ask("POST", "/api/apps/shop/storage/kv", key="*", body={"key": "a", "value": {"n": 1}})
    assert (made.status, made.data) == (201, {"key": "a"})
    read = await running.ask("GET", "/api/apps/shop/storage/kv/entry?key=a", key="read")
    assert read.data == {"key": "a", "value": {"n": 1}}
