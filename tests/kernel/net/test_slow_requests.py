"""What a request may do is what its sender may do when it is done, not when it was begun.

A client sends its headers, waits, and sends the body when it likes. Meanwhile the key is revoked, the session ended,
the app deleted: whoever takes something away wants it gone at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support import Answer, Running

RIGHT = "correct horse battery"
Change = Callable[[], Awaitable[Any]]


async def slowly(running: Running, path: str, body: Any, headers: dict[str, str], meanwhile: Change) -> Answer:
    """A POST whose body comes after something else has happened."""
    sent = json.dumps(body).encode()
    lines = {"Host": f"{running.admin}:{running.site.port}", "Content-Length": str(len(sent)), **headers}
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", running.site.port)
    try:
        writer.write(head.encode())
        while not running.server.active:
            await running.node.store.scan(running.node.store.scoped("").scan(then=lambda rows: None))
        await meanwhile()
        writer.write(sent)
        async with asyncio.timeout(20):
            status = int((await reader.readuntil(b"\r\n")).split()[1])
            rest = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(int(line.split(":")[1]) for line in rest.splitlines() if line.startswith("content-length"))
            return Answer(status, {}, await reader.readexactly(length))
    finally:
        writer.close()


@pytest.mark.parametrize("how", ["revoked", "signed out", "role", "disabled"])
async def test_who_may_no_longer_does_no_longer(running: Running, how: str) -> None:
    made = await running.run("keys.create", name="ci", scopes=["admin"])
    cookie = await running.sign_in()
    origin = f"http://{running.admin}:{running.site.port}"
    headers = {"Authorization": f"Bearer {made.key}"} if how == "revoked" else {"Cookie": cookie, "Origin": origin}

    async def meanwhile() -> None:
        connection = running.node.store.writer.connection
        if how == "revoked":
            await running.run("keys.revoke", id=made.id)
        elif how == "signed out":
            await running.run("user.credentials", password=RIGHT)
        elif how == "role":
            connection.execute("update users set role = 'user'")
        else:
            connection.execute("update users set disabled = 1")

    answer = await slowly(running, "/api/apps", {"slug": "shop"}, headers, meanwhile)
    assert answer.status in (401, 403), answer.body
    assert running.content()["apps"] == []


@pytest.mark.parametrize("how", ["deleted", "purged"])
async def test_what_is_gone_gets_no_rows(running: Running, how: str) -> None:
    """They would belong to nobody, and nothing would ever remove them."""
    await running.run("apps.create", slug="shop")
    headers = {"Authorization": f"Bearer {await running.key('*')}"}

    async def meanwhile() -> None:
        await running.run("apps.delete", app="shop", **({"purge": True, "confirm": "shop"} if how == "purged" else {}))

    answer = await slowly(running, "/api/apps/shop/storage/kv", {"key": "a", "value": 1}, headers, meanwhile)
    assert (answer.status, answer.code) == (404, "APP_NOT_FOUND")
    assert running.content()["app_kv"] == []


async def test_an_app_that_moves_meanwhile_is_still_the_app(running: Running) -> None:
    shop = (await running.run("apps.create", slug="shop")).id
    headers = {"Authorization": f"Bearer {await running.key('*')}"}

    async def meanwhile() -> None:
        await running.run("apps.rename", app="shop", slug="store")
        await running.run("apps.create", slug="shop")

    await slowly(running, "/api/apps/shop/storage/kv", {"key": "a", "value": 1}, headers, meanwhile)
    assert {row[0] for row in running.content()["app_kv"]} <= {shop, running.node.caller.id_of("shop")}
    assert len(running.content()["app_kv"]) <= 1
