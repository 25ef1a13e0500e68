"""A deleted app is gone for good after thirty days, and not a day before."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kernel.apps.farewell import Farewell
from tests.support import Running, running

DAY = 24 * 3600


async def purged(node: Running) -> None:
    farewell = next(
        kind.run.__self__
        for kind in node.node.jobs.kinds.values()
        if kind.name == "apps.farewell"  # type: ignore[attr-defined]
    )
    assert isinstance(farewell, Farewell)
    await asyncio.wait_for(farewell._run(None), 20)  # type: ignore[arg-type]


async def test_a_deleted_app_goes_after_thirty_days_with_all_of_its_rows(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        gone = await node.run("apps.create", slug="gone")
        kept = await node.run("apps.create", slug="kept")
        for app in (gone.id, kept.id):
            await node.run("storage.kv.set", app=app, key="a", value=1)
        await node.run("apps.delete", app=gone.id)
        node.clock.advance(30 * DAY - 60)
        await purged(node)
        assert len(node.content()["app_kv"]) == 2
        await node.run("apps.delete", app=kept.id)
        node.clock.advance(120)
        await purged(node)
        content = node.content()
        assert [row[0] for row in content["apps"]] == [kept.id]
        assert [row[0] for row in content["app_kv"]] == [kept.id]
        assert {row[0] for row in content["aliases"]} == {"kept"}
        assert (await node.run("apps.restore", app=kept.id)).id == kept.id


async def test_by_hand_it_may_be_sooner(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        gone = await node.run("apps.create", slug="gone")
        await node.run("storage.kv.set", app=gone.id, key="a", value=1)
        await node.run("apps.delete", app=gone.id)
        node.clock.advance(2 * DAY)
        assert (await node.run("storage.cleanup")).apps == 0
        assert (await node.run("storage.cleanup", older_than="3d")).apps == 0
        assert (await node.run("storage.cleanup", older_than="1d")).apps == 1
        content = node.content()
        assert content["apps"] == content["app_kv"] == []
