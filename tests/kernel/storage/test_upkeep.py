"""Nothing is left of what was deleted once the file was rewritten, and everything else is."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kernel.storage import copies
from tests.support import Running

MARKER = "a-line-nobody-shall-find-again"


def on_disk(running: Running) -> bytes:
    path = running.node.path
    return b"".join(part.read_bytes() for part in (path, Path(f"{path}-wal")) if part.exists())


async def test_what_was_deleted_is_gone_from_the_bytes(running: Running) -> None:
    await running.run("apps.create", slug="shop")
    for n in range(50):
        await running.run("storage.kv.set", app="shop", key=f"k{n}", value=f"{MARKER} {n} " + "x" * 5000)
    await running.run("storage.kv.set", app="shop", key="kept", value="stays")
    assert MARKER.encode() in on_disk(running)
    for n in range(50):
        await running.run("storage.kv.delete", app="shop", key=f"k{n}")
    assert MARKER.encode() in on_disk(running), "deleting alone leaves it"
    done = await running.run("storage.vacuum")
    assert MARKER.encode() not in on_disk(running)
    assert done.bytes_after < done.bytes_before
    assert await running.run("storage.kv.get", app="shop", key="kept") == "stays"
    assert copies.inspect(running.node.path).node == running.node.running.node_id


async def test_writes_go_on_beside_it_and_none_is_lost(running: Running) -> None:
    await running.run("apps.create", slug="shop")

    async def write(n: int) -> None:
        await running.run("storage.kv.set", app="shop", key=f"k{n}", value="x" * 1000)

    await asyncio.gather(*[write(n) for n in range(100)])
    await asyncio.gather(
        running.run("storage.vacuum"), *[write(n) for n in range(100, 300)], running.run("backup.create")
    )
    assert len(running.content()["app_kv"]) == 300


async def test_the_steps_of_its_shape(running: Running) -> None:
    rows = await running.run("storage.migrate")
    assert rows[0].name == "storage_0001"
    assert {"apps_0001", "blobs_0001"} <= {row.name for row in rows}
    assert all(row.program_version == "0.1.0" and row.applied_at for row in rows)
