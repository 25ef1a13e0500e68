"""Copies of the data file: made each day by themselves, kept for so long, and a health that says when they are not."""

from __future__ import annotations

import asyncio
import collections
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from kernel.base.errors import FaztError
from kernel.proc import backups as module
from kernel.proc.backups import Backups
from kernel.storage import copies
from tests.support import Running, until

HOUR = 3600
Usage = collections.namedtuple("Usage", ("total", "used", "free"))


class Days:
    """A node whose queue runs, and whose clock is moved."""

    def __init__(self, running: Running) -> None:
        self.running, self.node = running, running.node

    @property
    def backups(self) -> Backups:
        return self.node.backups

    async def hours(self, count: int) -> None:
        """Each chore that is due in this time comes to its end."""
        for _ in range(count):
            self.running.clock.advance(HOUR)
            await until(lambda: self.node.jobs.idle and not self.node.jobs.running, "the queue to rest")
            self.node.jobs.wake()
            await until(lambda: self.node.jobs.idle and not self.node.jobs.running, "the queue to rest")

    def kinds(self) -> list[str]:
        return [kept.kind for kept in self.backups.all()]

    async def health(self) -> Any:
        return (await self.running.ask("GET", "/api/kernel/status", key="*")).data["subsystems"]["backup"]


@pytest.fixture
async def days(running: Running) -> AsyncIterator[Days]:
    await running.key("*")
    running.node.jobs.start()
    yield Days(running)
    stopping = running.node.jobs
    stopping._stopping = True
    stopping.wake()


async def test_a_day_brings_a_copy(days: Days) -> None:
    assert days.kinds() == []
    await days.hours(2)
    assert days.kinds() == ["daily"]
    await days.hours(20)
    assert days.kinds() == ["daily"]
    await days.hours(5)
    assert days.kinds() == ["daily", "daily"]
    assert (await days.health())["state"] == "ok"
    for kept in days.backups.all():
        assert copies.inspect(days.backups.folder / kept.name).node == days.node.running.node_id


async def test_a_year_of_days_keeps_seven_and_four_weeks(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(target: Path) -> None:
        target.write_bytes(b"a copy")

    async def quickly(self: Any, target: Path, kind: str, now: int) -> module.Backup:
        made(target)
        return module.Backup(target.name, kind, now, 6, str(target))

    monkeypatch.setattr(Backups, "_made", quickly)
    await days.hours(24 * 40)
    assert 9 <= len(days.kinds()) <= 11


async def test_where_it_is_turned_off_there_is_none(days: Days) -> None:
    await days.running.run("config.set", name="backup.daily", value=False)
    await days.hours(30)
    assert days.kinds() == []
    assert (await days.health())["state"] == "off"
    assert (await days.running.ask("GET", "/api/system/health", key="*")).data["status"] == "ok"


async def test_no_room_is_an_alarm_and_over_when_there_is_room(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 30, 1 << 30, 1000))
        await days.hours(2)
        assert days.kinds() == []
        told = await days.health()
        assert told["state"] == "failing"
        assert "backup.share" in told["detail"] or "A copy takes" in told["detail"]
        assert (await days.running.ask("GET", "/api/system/health", key="*")).data["status"] == "degraded"
    await days.hours(2)
    assert days.kinds() == ["daily"]
    assert (await days.health())["state"] == "ok"


async def test_one_that_fails_is_an_alarm_and_leaves_nothing(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    from kernel.storage.copying import Copying

    def full(self: Any, source: Any) -> bool:
        raise apsw.FullError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Copying, "part", full)
        await days.hours(2)
    assert (await days.health())["state"] == "failing"
    assert list(days.backups.folder.iterdir()) == []
    with monkeypatch.context() as patch:
        patch.setattr(module, "copy", None)
        await days.hours(1)
    assert (await days.health()) == {"state": "failing", "detail": "the copy failed; see the logs"}
    await days.hours(1)
    assert (await days.health())["state"] == "ok"


async def test_none_for_two_days_is_an_alarm(running: Running) -> None:
    """Its queue does not run: whatever the reason, health says so."""
    await running.key("*")
    days = Days(running)
    running.clock.advance(47 * HOUR)
    assert (await days.health())["state"] == "ok"
    running.clock.advance(2 * HOUR)
    assert (await days.health())["state"] == "stale"
    made = await running.run("backup.create")
    assert (await days.health())["state"] == "ok"
    assert made.kind == "manual"


async def test_a_clock_that_goes_back_does_not_stop_them(days: Days) -> None:
    await days.hours(30)
    count = len(days.kinds())
    days.running.clock._now -= 20 * 24 * HOUR * 1000
    await days.hours(3)
    assert len(days.kinds()) > count


async def test_a_copy_holds_no_secret_in_clear(running: Running) -> None:
    secret = "a-secret-that-nobody-else-may-read"
    await running.run("apps.create", slug="shop")
    await running.run("env.put", app="shop", name="TOKEN", value=secret)
    key = await running.run("keys.create", name="mine", scopes=["*"])
    made = await running.run("backup.create")
    content = await asyncio.to_thread(Path(made.path).read_bytes)
    assert b"TOKEN" in content
    assert secret.encode() not in content
    assert key.key.encode() not in content


async def test_only_who_is_here_names_a_path(running: Running, tmp_path: Path) -> None:
    await running.key("*")
    target = tmp_path / "mine.db"
    answer = await running.ask("POST", "/api/backups", key="*", body={"output": str(target)})
    assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert not target.exists()
    made = await running.run("backup.create", output=str(target))
    assert made.path == str(target)
    with pytest.raises(FaztError) as refused:
        await running.run("backup.create", output=str(target))
    assert refused.value.code == "CONFLICT"
    assert (await running.run("backup.create", output=str(tmp_path))).path.startswith(str(tmp_path))
    with pytest.raises(FaztError) as refused:
        await running.run("backup.create", output="relative.db")
    assert refused.value.code == "VALIDATION_FAILED"
    with pytest.raises(FaztError):
        await running.run("backup.create", output=str(tmp_path / "none" / "mine.db"))


@pytest.mark.parametrize("name", ["../data.db", "data.db", "..%2fdata.db", ".db", "data-20261121T030000.000Z-daily.db"])
async def test_a_name_is_one_of_the_list(running: Running, name: str) -> None:
    await running.key("*")
    for method, path in (("POST", f"/{name}/verify"), ("POST", f"/{name}/restore"), ("DELETE", f"/{name}")):
        answer = await running.ask(method, f"/api/backups{path}", key="*", body={} if method == "POST" else None)
        assert answer.status in (400, 404, 405), (path, answer)
    assert running.node.path.exists()


async def test_a_copy_of_another_shape_needs_a_word_more(running: Running) -> None:
    made = await running.run("backup.create")
    for sql in (
        "insert into schema_migrations values (900, 'later_0001', 'x', 1, '9.0')",
        "delete from schema_migrations where id > 3 and id < 900",
    ):
        connection = apsw.Connection(made.path)
        connection.execute(sql)
        connection.close()
        with pytest.raises(FaztError) as refused:
            await running.run("backup.restore", name=made.name)
        assert refused.value.code == "SCHEMA_MISMATCH"
        assert "--force" in str(refused.value.hint)
    assert not running.node.path.with_name("data.db.restore").exists()
