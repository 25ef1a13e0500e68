"""Who did what, and that nobody can change the ledger unseen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import apsw
import pytest

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.observe import activity
from kernel.observe.activity import ActivityJournal, audit_hash
from kernel.syscall import Declaration, Who
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Step
from tests.support import Running

ANN = Who("session", "usr_1", "ann", "admin", address="10.0.0.1", agent="x" * 300)


def declared(weight: int) -> Declaration:
    def fn(call: Any) -> None:
        """Do it."""

    return Declaration("a.b", fn, weight=weight)


async def flush(running: Running) -> None:
    await running.node.supervisor.tasks["activity"].work()


async def listed(running: Running, **filters: Any) -> list[Any]:
    await flush(running)
    return list((await running.run("activity.list", **filters)).items)


def remember(running: Running, action: str, resource: str = "", result: str = "ok", weight: int = 5) -> None:
    running.node.journal.remember(ANN, action, resource, result, weight, "req_1")


# --- the activity log -------------------------------------------------------------------------------------------------


async def test_what_is_remembered_is_in_the_file_after_a_flush_and_only_once(running: Running) -> None:
    for n in range(5):
        remember(running, f"a.{n}")
    assert (await running.run("activity.list")).items == []
    assert {one.action for one in await listed(running)} == {f"a.{n}" for n in range(5)}
    assert len(await listed(running)) == 5


async def test_an_entry_says_who_did_what_to_what_from_where_and_by_which_request(running: Running) -> None:
    remember(running, "apps.delete", "app_1", "FORBIDDEN", 6)
    (one,) = await listed(running)
    assert one.id.startswith("act_")
    assert (one.at, one.actor_type, one.actor_id, one.actor_ip) == (
        running.clock.now(),
        "session",
        "usr_1",
        "10.0.0.1",
    )
    assert (one.action, one.resource, one.result, one.weight, one.request) == (
        "apps.delete",
        "app_1",
        "FORBIDDEN",
        6,
        "req_1",
    )


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["apps.create", "apps.delete", "appsx", "kv.set"]),
        ({"action": "apps"}, ["apps.create", "apps.delete"]),
        ({"action": "apps.create"}, ["apps.create"]),
        ({"action": "app_.create"}, []),
        ({"action": "%"}, []),
        ({"resource": "app_1"}, ["apps.create", "kv.set"]),
        ({"resource": "app_1/k"}, ["kv.set"]),
        ({"resource": "app%"}, []),
        ({"resource": "app_"}, []),
        ({"result": "FORBIDDEN"}, ["apps.delete"]),
        ({"actor": "usr_1", "min_weight": 6}, ["apps.delete"]),
        ({"actor": "usr_2"}, []),
        ({"max_weight": 4}, ["kv.set"]),
        ({"since": "5s"}, []),
        ({"since": "1h"}, ["apps.create", "apps.delete", "appsx", "kv.set"]),
    ],
)
async def test_activity_is_found_by_actor_action_resource_result_weight_and_time(
    running: Running, filters: dict[str, Any], found: list[str]
) -> None:
    remember(running, "apps.create", "app_1")
    remember(running, "apps.delete", "app_2", "FORBIDDEN", 6)
    remember(running, "kv.set", "app_1/k", weight=3)
    remember(running, "appsx", "xapp_1")
    running.clock.advance(10)
    assert sorted(one.action for one in await listed(running, **filters)) == found


async def test_activity_is_listed_newest_first_page_by_page(running: Running) -> None:
    for n in range(7):
        remember(running, f"a.{n}")
        running.clock.advance(1)
    await flush(running)
    pages = [await running.run("activity.list", offset=offset, limit=3) for offset in (0, 3, 6)]
    assert [one.action for page in pages for one in page.items] == [f"a.{n}" for n in reversed(range(7))]
    assert [(page.meta["total"], page.meta["has_more"]) for page in pages] == [(7, True), (7, True), (7, False)]


async def test_actions_are_counted(running: Running) -> None:
    for action, times in (("a", 3), ("b", 1)):
        for _ in range(times):
            remember(running, action)
    await flush(running)
    assert await running.run("activity.stats") == [
        {"action": "a", "result": "ok", "count": 3},
        {"action": "b", "result": "ok", "count": 1},
    ]


@pytest.mark.parametrize(
    ("weight", "via", "result", "audited", "noted"),
    [
        (9, "http", "ok", True, False),
        (7, "cli", "ok", True, False),
        (6, "http", "ok", False, True),
        (1, "http", "ok", False, True),
        (0, "http", "ok", False, False),
        (9, "http", "FORBIDDEN", False, True),
        (0, "http", "FORBIDDEN", False, True),
        (9, "js", "ok", False, False),
        (5, "js", "FORBIDDEN", False, False),
    ],
)
async def test_weighty_changes_go_to_the_ledger_the_rest_to_the_log_and_what_apps_do_to_neither(
    running: Running, weight: int, via: str, result: str, audited: bool, noted: bool
) -> None:
    journal, call = ActivityJournal(ManualClock()), running.node.driver.call(LOCAL, via)
    if result == "ok":
        assert bool(journal.steps(call, declared(weight), "x")) is audited
    journal.note(call, declared(weight), "x", result)
    assert bool(journal.flush(running.node.store.scoped(""))) is noted


async def test_when_too_much_waits_the_oldest_goes_and_is_counted(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MOST_BUFFERED", 3)
    for n in range(5):
        remember(running, f"a.{n}")
    assert running.node.journal.dropped == 2
    assert sorted(one.action for one in await listed(running)) == ["a.2", "a.3", "a.4"]


async def test_a_flush_that_failed_is_taken_back_in_order_and_written_by_the_next(running: Running) -> None:
    remember(running, "a.1")
    remember(running, "a.2")
    running.node.store.writer.connection.set_commit_hook(lambda: True)
    with pytest.raises(Exception):  # noqa: B017 - how a refused COMMIT looks is the writer's affair
        await flush(running)
    running.node.store.writer.connection.set_commit_hook(None)
    remember(running, "a.3")
    steps = running.node.journal.flush(running.node.store.scoped(""))
    assert [step.params["action"] for step in steps] == ["a.1", "a.2", "a.3"]
    running.node.journal.take_back(steps)
    assert len(await listed(running)) == 3


async def test_a_disk_that_stays_full_does_not_fill_the_memory(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity, "MOST_BUFFERED", 3)
    journal, scoped = running.node.journal, running.node.store.scoped("")
    for round in range(5):
        for n in range(3):
            remember(running, f"a.{round}.{n}")
        steps = journal.flush(scoped)
        for n in range(3):
            remember(running, f"b.{round}.{n}")
        journal.take_back(steps)
    kept = [step.params["action"] for step in journal.flush(scoped)]
    assert len(kept) <= 3
    assert kept[-1] == "b.4.2"
    assert journal.dropped == 30 - len(kept)


class Gate:
    """An SQL function that stops the writer until it is opened."""

    def __init__(self, running: Running) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        running.node.store.writer.connection.create_scalar_function("hold", self)

    def __call__(self) -> int:
        self.entered.set()
        assert self.opened.wait(30)
        return 1


async def test_stopping_in_the_middle_of_a_flush_neither_loses_nor_doubles_anything(running: Running) -> None:
    gate, node = Gate(running), running.node
    remember(running, "a.1")
    write = node.store.write

    async def held(steps: Sequence[Step]) -> Any:
        node.store.write = write  # type: ignore[method-assign]
        return await write([*steps, Step("select hold()", {})])

    node.store.write = held  # type: ignore[method-assign]
    task = asyncio.create_task(flush(running))
    await asyncio.sleep(0)
    assert await asyncio.to_thread(gate.entered.wait, 30)
    task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(task, return_exceptions=True)
    remember(running, "a.2")
    await node.supervisor.tasks["activity"].work()
    assert sorted(one.action for one in (await running.run("activity.list")).items) == ["a.1", "a.2"]


# --- cleaning ---------------------------------------------------------------------------------------------------------


async def test_cleaning_tells_first_and_deletes_by_force_and_never_touches_the_ledger(running: Running) -> None:
    remember(running, "old")
    await running.run("keys.create", name="x", scopes=["read"])
    running.clock.advance(100 * 86_400)
    remember(running, "new")
    await flush(running)
    dry = await running.run("activity.cleanup")
    assert (dry.matched, dry.deleted) == (1, 0)
    assert {one.action for one in await listed(running)} >= {"old", "new", "keys.create"}
    done = await running.run("activity.cleanup", force=True, min_weight=0, max_weight=9)
    assert (done.matched, done.deleted) == (1, 1)
    left = {one.action for one in await listed(running)}
    assert "old" not in left
    assert left >= {"new", "keys.create", "activity.cleanup"}


@pytest.mark.parametrize(("older", "weight", "gone"), [("30d", 6, True), ("30d", 4, False), ("300d", 6, False)])
async def test_cleaning_keeps_to_the_age_and_weight_it_was_told(
    running: Running, older: str, weight: int, gone: bool
) -> None:
    remember(running, "old", weight=5)
    await flush(running)
    running.clock.advance(100 * 86_400)
    done = await running.run("activity.cleanup", older_than=older, max_weight=weight, force=True)
    assert done.deleted == int(gone)


async def test_a_cleaning_that_only_told_is_no_entry_of_the_ledger(running: Running) -> None:
    await running.run("activity.cleanup")
    assert (await running.run("audit.list")).items == []


# --- the ledger -------------------------------------------------------------------------------------------------------


async def ledger_of(running: Running, entries: int) -> None:
    for n in range(entries):
        await _config(running, f"node {n}")


async def _config(running: Running, value: str) -> None:
    entry = running.node.registry["config.set"]
    call = running.node.caller.call(entry, LOCAL, "cli", None)
    await running.node.driver.invoke(entry, call, {"name": "node.name", "value": value})


async def verify(running: Running) -> Any:
    return await running.run("audit.verify")


def tamper(running: Running, sql: str) -> None:
    """What somebody with the file in his hands could do."""
    other = apsw.Connection(str(running.node.path))
    other.set_busy_timeout(5000)
    other.execute(sql)
    other.close()


@pytest.mark.parametrize("entries", [0, 1, 20])
async def test_an_untouched_ledger_is_intact(running: Running, entries: int) -> None:
    await ledger_of(running, entries)
    told = await verify(running)
    assert (told.entries, told.intact, told.broken_at) == (entries, True, None)


@pytest.mark.parametrize(
    "change",
    [
        "update audit set action = 'nothing' where seq = 3",
        "update audit set actor_id = 'somebody' where seq = 3",
        "update audit set resource = '' where seq = 3",
        "update audit set at = at + 1 where seq = 3",
        "update audit set weight = 0 where seq = 3",
        "update audit set result = 'FORBIDDEN' where seq = 3",
        "update audit set id = 'aud_000000000000' where seq = 3",
        "update audit set hash = (select hash from audit where seq = 2) where seq = 3",
        "delete from audit where seq = 3",
        "delete from audit where seq < 3",
        "update audit set seq = 100 where seq = 3",
        "insert into audit select seq + 100, id, at, actor_type, actor_id, action, resource, result, weight, hash, "
        "created_at from audit where seq = 3",
        "update audit set actor_type = 'local' || char(31) || 'x' where seq = 3",
    ],
)
async def test_a_ledger_that_somebody_changed_is_broken_and_says_where(running: Running, change: str) -> None:
    await ledger_of(running, 5)
    ids = [id for (id,) in running.node.store.reader().execute("select id from audit order by seq")]
    tamper(running, change)
    told = await verify(running)
    assert told.intact is False
    assert told.broken_at in (*ids, "aud_000000000000")


def test_a_link_of_the_chain_depends_on_every_field_and_on_where_it_ends() -> None:
    whole = audit_hash("", "a", "b", 1)
    assert len({whole, audit_hash("x", "a", "b", 1), audit_hash("", "ab", "", 1), audit_hash("", "a", "b", 2)}) == 4


async def test_a_change_and_its_entry_in_the_ledger_happen_together_or_not_at_all(running: Running) -> None:
    before = await verify(running)
    taken = await running.run("keys.create", name="x", scopes=["read"])
    for refuse in (
        lambda: running.run("keys.revoke", id="key_000000000000"),
        lambda: _config(running, "a\nb"),
    ):
        await refused(refuse)
    running.node.store.writer.connection.set_commit_hook(lambda: True)
    await refused(lambda: running.run("keys.revoke", id=taken.id))
    await refused(lambda: _config(running, "never"))
    running.node.store.writer.connection.set_commit_hook(None)
    told = await verify(running)
    assert (told.entries - before.entries, told.intact) == (1, True)
    assert [key.id for key in await running.run("keys.list")] == [taken.id]
    await running.run("keys.revoke", id=taken.id)
    assert (await verify(running)).entries - before.entries == 2


async def test_a_ledger_that_cannot_be_written_stops_the_change(running: Running) -> None:
    before = running.node.settings["node.name"]
    tamper(running, "create table audit_gone as select * from audit; alter table audit rename to audit_hidden")
    await refused(lambda: _config(running, "unseen"))
    assert running.node.settings["node.name"] == before


async def refused(refuse: Callable[[], Awaitable[Any]]) -> None:
    with pytest.raises((FaztError, apsw.Error)):
        await refuse()


async def test_entries_of_one_moment_are_listed_in_the_order_they_happened(running: Running) -> None:
    await ledger_of(running, 6)
    await running.run("keys.create", name="x", scopes=["read"])
    listed = [one.id for one in (await running.run("audit.list")).items]
    written = [id for (id,) in running.node.store.reader().execute("select id from audit order by seq desc")]
    assert listed == written
