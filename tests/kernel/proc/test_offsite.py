"""Copies on another machine: there after each day, retried when it fails, an alarm when they are late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel.base.errors import FaztError
from kernel.data import s3_multipart
from kernel.storage import copies
from tests.kernel.data import object_bench
from tests.support import Running, until

HOUR = 3600


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    yield from object_bench.server()


class Days:
    def __init__(self, running: Running) -> None:
        self.running, self.node = running, running.node

    async def hours(self, count: int) -> None:
        for _ in range(count):
            self.running.clock.advance(HOUR)
            for _ in range(2):
                self.node.jobs.wake()
                await until(lambda: self.node.jobs.idle and not self.node.jobs.running, "the queue to rest")

    async def set(self, **values: Any) -> None:
        for name, value in values.items():
            await self.running.run("config.set", name=name.replace("__", "."), value=value)

    def state(self) -> Any:
        return self.node.offsite.state()


@pytest.fixture
async def days(running: Running) -> AsyncIterator[Days]:
    await running.key("*")
    running.node.jobs.start()
    running.node.s3.pause = lambda seconds: asyncio.sleep(0)
    yield Days(running)
    running.node.jobs._stopping = True
    running.node.jobs.wake()
    await running.node.s3.close()


async def test_without_a_place_nothing_is_sent(days: Days) -> None:
    await days.hours(30)
    assert days.state().state == "ok"
    assert "backup.target" in days.state().detail


async def test_a_folder_elsewhere(days: Days, tmp_path: Path) -> None:
    away = tmp_path / "away"
    await asyncio.to_thread(away.mkdir)
    await days.set(backup__target=str(away), backup__keep_daily=2, backup__keep_weekly=0)
    await days.hours(24 * 4)
    here = [kept.name for kept in days.node.backups.all()]
    assert sorted(path.name for path in away.iterdir()) == sorted(here)
    assert len(here) == 2
    assert copies.inspect(away / here[0]).node == days.node.running.node_id
    assert days.state().state == "ok"


async def test_a_folder_that_is_not_there_is_an_alarm_and_tried_again(days: Days, tmp_path: Path) -> None:
    away = tmp_path / "away"
    await days.set(backup__target=str(away))
    await days.hours(4)
    assert days.state().state == "failing"
    assert "Mount it" in days.state().detail or "There is no folder" in days.state().detail
    assert not await asyncio.to_thread(away.exists), "it is not made where a disk should be"
    await days.hours(60)
    assert days.state().state == "stale"
    await asyncio.to_thread(away.mkdir)
    await days.hours(26)
    assert days.state().state == "ok"
    newest = days.node.backups.newest()
    assert newest in [path.name for path in away.iterdir()]


async def test_a_bucket(days: Days, moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await asyncio.to_thread(object_bench.emptied, moto)
    monkeypatch.setattr(s3_multipart.send, "__defaults__", (5 << 20,))
    await days.set(s3__endpoint=moto, s3__access_key="name", s3__secret_key="secret")
    await days.set(backup__target=f"s3://{object_bench.BUCKET}/kept/here", backup__keep_daily=2, backup__keep_weekly=0)
    await days.running.run("apps.create", slug="shop")
    for n in range(12):
        await days.running.run("storage.kv.set", app="shop", key=f"k{n}", value="x" * 900_000)
    await days.hours(24 * 4)
    client = object_bench.other_client(moto)
    listed = await asyncio.to_thread(client.list_objects_v2, Bucket=object_bench.BUCKET)
    newest = days.node.backups.newest()
    assert len(listed["Contents"]) == 2
    name = f"kept/here/{newest}"
    assert name in [found["Key"] for found in listed["Contents"]]
    got = await asyncio.to_thread(lambda: client.get_object(Bucket=object_bench.BUCKET, Key=name)["Body"].read())
    file = days.node.backups.folder / str(newest)
    assert got == await asyncio.to_thread(file.read_bytes)
    assert len(got) > 2 * (5 << 20), "in several parts"
    assert days.state().state == "ok"
    pending = await asyncio.to_thread(client.list_multipart_uploads, Bucket=object_bench.BUCKET)
    assert "Uploads" not in pending


async def test_a_bucket_that_fails_half_way_leaves_no_parts(
    days: Days, moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(object_bench.emptied, moto)
    await days.set(s3__endpoint=moto, s3__access_key="name", s3__secret_key="secret")
    file = tmp_path / "file"
    await asyncio.to_thread(file.write_bytes, b"x" * (11 << 20))
    client, ask = days.node.s3, days.node.s3.ask
    for failing in ("2", "complete"):

        async def fails(method: str, *arguments: Any, failing: str = failing, **how: Any) -> Any:
            query = dict(how.get("query", ()))
            if query.get("partNumber") == failing or (
                method == "POST" and "uploadId" in query and failing == "complete"
            ):
                raise FaztError("PROVIDER_ERROR", "broken")
            return await ask(method, *arguments, **how)

        with monkeypatch.context() as patch:
            patch.setattr(client, "ask", fails)
            with pytest.raises(FaztError):
                await s3_multipart.send(client, object_bench.BUCKET, "it", file, 5 << 20)
        other = object_bench.other_client(moto)
        pending = await asyncio.to_thread(other.list_multipart_uploads, Bucket=object_bench.BUCKET)
        assert "Uploads" not in pending
        listed = await asyncio.to_thread(other.list_objects_v2, Bucket=object_bench.BUCKET)
        assert "Contents" not in listed


@pytest.mark.parametrize("value", ["relative/path", "internal", "http://example.com", "s3://", "s3://x", "ftp://a/b"])
async def test_a_place_is_a_folder_or_a_bucket(running: Running, value: str) -> None:
    with pytest.raises(FaztError) as refused:
        await running.run("config.set", name="backup.target", value=value)
    assert refused.value.code == "VALIDATION_FAILED"
    await running.run("config.set", name="backup.target", value="")
