"""Requests of apps: counted in memory, kept per hour, shown up to this moment."""

from __future__ import annotations

import collections
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.base.errors import FaztError
from kernel.net.visits import COUNTERS, HOUR, SWEEP, Visits
from kernel.storage.sweep import sweep
from tests.kernel.fs.site import Wire, deploy
from tests.support import Running


@pytest.fixture
async def node(running: Running) -> Running:
    for slug in ("shop", "other"):
        await running.run("apps.create", slug=slug)
    return running


def id_of(node: Running, slug: str) -> str:
    return node.node.caller.id_of(slug)


async def shown(node: Running, app: str = "shop", since: str = "7d") -> Any:
    answer = await node.ask("GET", f"/api/apps/{app}/visits?since={since}", key="*")
    assert answer.status == 200, answer.body
    return answer.data


async def totals(node: Running, app: str = "shop", since: str = "7d") -> list[int]:
    found = (await shown(node, app, since))["totals"]
    assert list(found) == list(COUNTERS)
    return list(found.values())


async def test_an_app_nobody_asked_for_has_no_visits(node: Running) -> None:
    assert await shown(node) == {"id": id_of(node, "shop"), "hours": [], "totals": dict.fromkeys(COUNTERS, 0)}


async def test_counting_writes_nothing_and_is_seen_at_once(node: Running) -> None:
    shop, visits, before = id_of(node, "shop"), node.node.visits, node.content()
    for status, size in ((200, 10), (204, 0), (304, 1), (404, 5), (499, 5), (500, 7), (101, 3)):
        visits.count(shop, status, size)
    visits.add(shop, 200, 4, 100)
    assert node.content() == before
    expected = [11, 131, 6, 1, 2, 1]
    assert await totals(node) == expected
    assert await totals(node, "other") == [0] * 6
    await node.node._flush(visits)
    assert visits.waiting == {}
    assert await totals(node) == expected
    visits.count(shop, 200, 1)
    assert await totals(node) == [12, 132, 7, 1, 2, 1]
    await node.node._flush(visits)
    assert await totals(node) == [12, 132, 7, 1, 2, 1]


PAGE = b"a page of some length"


async def visit(node: Running, *, door: bool) -> None:
    """Each kind of answer twice; all by the door, or none."""
    async with Wire(node) as wire:
        tag = (await wire.ask("/a.html", "shop")).headers["ETag"]
        for _ in range(2):
            for method in ("GET", "HEAD"):
                for headers in ({}, {"If_None_Match": tag}):
                    if not door:
                        node.server.gate.front.drop()
                    await wire.ask("/a.html", "shop", method, **headers)


async def test_what_the_door_answers_is_counted_as_everything_else_is(node: Running) -> None:
    await deploy(node, "shop", {"a.html": PAGE})
    before = await totals(node)
    await visit(node, door=False)
    slow = [now - then for now, then in zip(await totals(node), before, strict=True)]
    assert slow[0] == 9 and slow[2:] == [5, 4, 0, 0]
    asked = node.server._web.requests_count
    await visit(node, door=True)
    assert node.server._web.requests_count - asked < 9, "the door took part in it"
    assert [now - 2 * one - then for now, one, then in zip(await totals(node), slow, before, strict=True)] == [0] * 6


async def test_what_the_door_answered_is_written_with_the_rest(node: Running) -> None:
    await deploy(node, "shop", {"a.html": PAGE})
    await visit(node, door=True)
    await node.node.supervisor.tasks["visits"].work()
    assert node.node.visits.waiting == {}
    assert [row[3] for row in node.content()["app_visits"]] == [9]
    await visit(node, door=True)
    await node.node.stop()
    assert [row[3] for row in node.content()["app_visits"]] == [18]


@pytest.mark.parametrize("status", [0, 99, 100, 103, 199, 600, 999, -1])
async def test_a_status_that_is_none_is_a_request_of_no_kind(node: Running, status: int) -> None:
    node.node.visits.count(id_of(node, "shop"), status, 2)
    assert await totals(node) == [1, 2, 0, 0, 0, 0]


async def test_an_hour_is_the_one_in_which_it_was_counted(node: Running) -> None:
    shop, visits, start = id_of(node, "shop"), node.node.visits, node.clock.now()
    visits.count(shop, 200, 1)
    node.clock.advance(3599)
    visits.count(shop, 200, 1)
    node.clock.advance(1)
    visits.count(shop, 404, 1)
    await node.node._flush(visits)
    node.clock.advance(3600)
    visits.count(shop, 200, 1)
    hours = (await shown(node))["hours"]
    assert [(hour["hour_at"] - start, hour["requests"]) for hour in hours] == [(0, 2), (HOUR, 1), (2 * HOUR, 1)]
    assert [(hour["status_2xx"], hour["status_4xx"]) for hour in hours] == [(2, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize(("since", "requests"), [("1ms", 1), ("30m", 1), ("1h", 2), ("90m", 2), ("3h", 3), ("7d", 3)])
@pytest.mark.parametrize("flushed", [True, False])
async def test_since_begins_with_a_whole_hour(node: Running, since: str, requests: int, flushed: bool) -> None:
    shop, visits = id_of(node, "shop"), node.node.visits
    for _ in range(3):
        visits.count(shop, 200, 1)
        node.clock.advance(3600)
    node.clock.advance(-1800)
    if flushed:
        await node.node._flush(visits)
    assert (await totals(node, since=since))[0] == requests


counts = st.lists(
    st.tuples(
        st.sampled_from(["count", "add", "flush", "fail", "hour"]),
        st.sampled_from(["shop", "other"]),
        st.sampled_from([200, 301, 404, 503]),
        st.integers(0, 1 << 30),
    ),
    max_size=30,
)


@given(counts)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_nothing_is_lost_and_nothing_counted_twice(node: Running, todo: list[tuple[str, str, int, int]]) -> None:
    visits = node.node.visits
    before = {slug: await totals(node, slug, "300d") for slug in ("shop", "other")}
    made: dict[str, collections.Counter[str]] = {slug: collections.Counter() for slug in before}
    for verb, slug, status, size in todo:
        if verb == "count":
            visits.count(id_of(node, slug), status, size)
            made[slug].update({"requests": 1, "bytes": size, f"status_{status // 100}xx": 1})
        elif verb == "add":
            visits.add(id_of(node, slug), status, 3, size)
            made[slug].update({"requests": 3, "bytes": size, f"status_{status // 100}xx": 3})
        elif verb == "flush":
            await node.node._flush(visits)
        elif verb == "fail":
            visits.take_back(visits.flush(node.node.store.scoped("")))
        else:
            node.clock.advance(600)
    for slug, counted in made.items():
        wanted = [old + counted[name] for old, name in zip(before[slug], COUNTERS, strict=True)]
        assert await totals(node, slug, "300d") == wanted


async def test_a_flush_that_fails_keeps_its_counts(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, visits = id_of(node, "shop"), node.node.visits
    visits.count(shop, 200, 5)

    async def full(steps: Any) -> Any:
        visits.count(shop, 404, 1)  # somebody asks while it is tried
        raise FaztError("STORAGE_FULL", "The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(node.node.store, "write", full)
        with pytest.raises(FaztError):
            await node.node._flush(visits)
    assert await totals(node) == [2, 6, 1, 0, 1, 0]
    await node.node._flush(visits)
    assert await totals(node) == [2, 6, 1, 0, 1, 0]


async def test_many_apps_and_hours_are_written_in_batches(node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    visits, write, sizes = node.node.visits, node.node.store.write, []
    for _ in range(300):
        visits.count(id_of(node, "shop"), 200, 1)
        visits.count("app_000000000000", 200, 1)
        node.clock.advance(3600)

    async def counted(steps: Any) -> Any:
        sizes.append(len(steps))
        return await write(steps)

    monkeypatch.setattr(node.node.store, "write", counted)
    await node.node._flush(visits)
    assert sizes == [250, 50]
    assert (await totals(node, since="300d"))[0] == 300


@pytest.mark.parametrize("app", ["", "app_000000000000", "shop", "nobody", "' or 1=1", "x" * 500])
async def test_who_is_no_app_has_no_counters(node: Running, app: str) -> None:
    before = node.content()
    node.node.visits.count(app, 200, 1)
    await node.node._flush(node.node.visits)
    assert node.content() == before
    assert node.node.visits.waiting == {}


async def test_a_purged_app_is_gone_with_its_counters_and_gets_none_again(node: Running) -> None:
    shop, visits = id_of(node, "shop"), node.node.visits
    visits.count(shop, 200, 1)
    await node.node._flush(visits)
    visits.count(shop, 200, 1)
    await node.run("apps.delete", app="shop", purge=True, confirm="shop")
    visits.count(shop, 200, 1)
    await node.node._flush(visits)
    assert node.content()["app_visits"] == []


async def test_a_deleted_app_keeps_its_counters(node: Running) -> None:
    shop = id_of(node, "shop")
    node.node.visits.count(shop, 200, 1)
    await node.run("apps.delete", app="shop")
    await node.node._flush(node.node.visits)
    await node.run("apps.restore", app=shop)
    assert (await totals(node))[0] == 1


async def test_an_hour_goes_after_four_hundred_days(node: Running) -> None:
    node.node.visits.count(id_of(node, "shop"), 200, 1)
    await node.node._flush(node.node.visits)
    for left, advance in ((1, 400 * 86_400 - 1), (0, 1)):
        node.clock.advance(advance)
        await sweep(node.node.store, SWEEP, node.clock.now())
        assert len(node.content()["app_visits"]) == left


async def test_the_end_writes_what_waits(node: Running) -> None:
    node.node.visits.count(id_of(node, "shop"), 200, 1)
    await node.node.stop()
    assert node.node.visits.waiting == {}
    assert len(node.content()["app_visits"]) == 1


def test_the_counters_of_a_status_stand_where_its_first_digit_says() -> None:
    assert {name: COUNTERS.index(name) for name in COUNTERS if name.startswith("status_")} == {
        f"status_{digit}xx": digit for digit in (2, 3, 4, 5)
    }
    assert Visits.count.__doc__
