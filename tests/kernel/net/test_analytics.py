"""Events wait in memory, reach the file once, and come back as figures."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.base.errors import FaztError
from kernel.net.analytics import DAY, HOUR, EventBuffer, network_of, one_line, tags_of
from kernel.storage.sweep import sweep
from tests.support import Running


@pytest.fixture
async def buffer(running: Running) -> EventBuffer:
    """One that nobody writes down."""
    running.node.events.write_soon = lambda: None
    return running.node.events


def note(buffer: EventBuffer, name: Any = "pageview", domain: str = "localhost", **more: Any) -> None:
    buffer.note(more.pop("source_type", "web"), str(name), domain, **more)


def names(buffer: EventBuffer) -> list[str]:
    return [event["event_type"] for event in buffer.waiting]


async def written(running: Running) -> list[dict[str, Any]]:
    await running.node._flush(running.node.events)
    listed: list[dict[str, Any]] = (await running.ask("GET", "/api/analytics/events?limit=1000", key="*")).data
    return listed


@contextlib.contextmanager
def failing_writes(running: Running, after: int = 0) -> Iterator[list[int]]:
    """The file takes so many batches of this and no more; how many steps each of them had."""
    store, sizes = running.node.store, list[int]()
    write = store.write

    async def maybe(steps: Any) -> Any:
        if len(sizes) >= after:
            raise FaztError("STORAGE_FULL", "The disk is full.")
        sizes.append(len(steps))
        return await write(steps)

    store.write = maybe  # type: ignore[method-assign, assignment]
    try:
        yield sizes
    finally:
        store.write = write  # type: ignore[method-assign]


# --- what is kept of a visitor


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("10.1.2.3", "10.1.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("::1", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", ""),
        ("unknown", ""),
        ("203.0.113.77:80", ""),
        ("1.2.3.4.5", ""),
    ],
)
async def test_of_an_address_only_the_network_is_kept(buffer: EventBuffer, address: str, network: str) -> None:
    assert network_of(address) == network
    note(buffer, address=address)
    assert buffer.waiting[0]["ip"] == network


@given(st.text())
def test_whatever_a_field_holds_it_becomes_a_short_line(text: str) -> None:
    line = one_line(text)
    assert len(line) == min(500, len(text))
    assert line.isprintable() and len(line.splitlines()) <= 1
    line.encode()
    assert one_line(line) == line


@given(st.lists(st.text(alphabet="ab,\x00 \n'é\ud800", max_size=60), max_size=30))
def test_tags_stand_alone(said: list[str]) -> None:
    tags = tags_of(said)
    assert len(tags) == len(set(tags)) <= 20
    assert all(tag and tag == tag.strip() and "," not in tag and len(tag) <= 50 for tag in tags)
    assert tags_of([",".join(tags)]) == tags


# --- waiting and being written


async def test_noting_writes_nothing_and_a_flush_writes_it_once(running: Running) -> None:
    before = running.content()
    for name in range(5):
        note(running.node.events, name, tags=["x"])
    assert running.content() == before
    assert sorted(event["event_type"] for event in await written(running)) == list("01234")
    assert len(await written(running)) == 5


async def test_a_flush_is_done_in_batches(running: Running) -> None:
    for name in range(600):
        note(running.node.events, name)
    with failing_writes(running, after=1000) as sizes:
        await running.node._flush(running.node.events)
    assert sizes == [250, 250, 100]


async def test_a_moment_is_that_of_the_event_not_of_the_writing(running: Running) -> None:
    at = running.clock.now()
    note(running.node.events)
    running.clock.advance(25)
    assert [event["created_at"] for event in await written(running)] == [at]


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_what_could_not_be_written_is_written_later_in_order(running: Running, taken: int) -> None:
    events = running.node.events
    for name in range(600):
        note(events, name, tags=["x", str(name)])
        running.clock.advance(0.001)
    with failing_writes(running, after=taken), pytest.raises(FaztError):
        await running.node._flush(events)
    assert names(events) == [str(n) for n in range(250 * taken, 600)]
    note(events, "later")
    assert [event["event_type"] for event in reversed(await written(running))] == [*map(str, range(600)), "later"]
    tags = {row["tag"]: row["count"] for row in (await running.ask("GET", "/api/tags?limit=100", key="*")).data}
    assert tags["x"] == 600
    assert events.dropped == 0


async def test_a_batch_that_was_written_although_it_failed_is_not_there_twice(running: Running) -> None:
    """A COMMIT may reach the disk and be told to have failed."""
    events = running.node.events
    note(events, tags=["x"])
    steps = events.flush(running.node.store.scoped(""))
    await running.node.store.write(steps)
    events.take_back(steps)
    assert len(await written(running)) == 1
    assert (await running.ask("GET", "/api/tags", key="*")).data == [{"tag": "x", "count": 1}]


async def test_the_oldest_make_room_and_are_counted(buffer: EventBuffer) -> None:
    for name in range(10_003):
        note(buffer, name)
    assert len(buffer.waiting) == 10_000 and buffer.dropped == 3
    assert (names(buffer)[0], names(buffer)[-1]) == ("3", "10002")


async def test_what_comes_back_makes_no_more_room_than_there_is(running: Running) -> None:
    events = running.node.events
    events.write_soon = lambda: None
    for name in range(100):
        note(events, f"old {name}")
    steps = events.flush(running.node.store.scoped(""))
    for name in range(9_970):
        note(events, name)
    events.take_back(steps)
    assert len(events.waiting) == 10_000 and events.dropped == 70
    assert names(events)[:2] == ["old 70", "old 71"] and names(events)[30] == "0"
    events.take_back(steps)
    assert len(events.waiting) == 10_000 and events.dropped == 170
    shown = (await running.ask("GET", "/api/analytics", key="*")).data
    assert (shown["waiting"], shown["dropped"]) == (10_000, 170)


async def test_a_thousand_events_do_not_wait_for_the_next_turn(running: Running) -> None:
    asked: list[int] = []
    real = running.node.events.write_soon
    running.node.events.write_soon = lambda: asked.append(len(running.node.events.waiting)) or real()  # type: ignore[func-returns-value]
    for name in range(2_500):
        note(running.node.events, name)
    assert asked == [1000, 2000]
    while running.node.supervisor._once:
        await asyncio.wait(running.node.supervisor._once)
    assert not running.node.events.waiting
    assert (await running.ask("GET", "/api/analytics", key="*")).data["total_events_all_time"] == 2_500


async def test_a_file_that_cannot_be_written_is_not_asked_again_for_every_event(running: Running) -> None:
    asked: list[int] = []
    running.node.events.write_soon = lambda: asked.append(1)
    for name in range(12_000):
        note(running.node.events, name)
    assert len(asked) == 12


async def test_the_end_writes_what_waits(running: Running) -> None:
    note(running.node.events, "last")
    await running.node.stop()
    assert not running.node.events.waiting
    assert [event["event_type"] for event in await written(running)] == ["last"]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_purged_app_is_gone_with_its_events(running: Running, waits: bool) -> None:
    shop = (await running.run("apps.create", slug="shop")).id
    for _ in range(300):
        note(running.node.events, "gone", app_id=shop, tags=["gone"])
    note(running.node.events, "stays", tags=["stays"])
    if not waits:
        await running.node._flush(running.node.events)
    await running.run("apps.delete", app="shop", purge=True, confirm="shop")
    assert [event["event_type"] for event in await written(running)] == ["stays"]
    assert (await running.ask("GET", "/api/tags", key="*")).data == [{"tag": "stays", "count": 1}]
    assert running.node.events.dropped == 0


async def test_a_deleted_app_keeps_its_events(running: Running) -> None:
    shop = (await running.run("apps.create", slug="shop")).id
    note(running.node.events, app_id=shop)
    await running.run("apps.delete", app="shop")
    assert [event["app_id"] for event in await written(running)] == [shop]


async def test_the_task_runs_every_thirty_seconds(running: Running) -> None:
    tasks = running.node.supervisor.tasks
    assert {name: (tasks[name].every, tasks[name].last) for name in ("events", "visits")} == {
        "events": (30, True),
        "visits": (30, True),
    }


async def test_an_event_goes_when_its_time_has_come(running: Running) -> None:
    note(running.node.events, "short")
    await running.run("config.set", name="analytics.retention", value="2d")
    note(running.node.events, "shorter", tags=["x"])
    await written(running)
    running.clock.advance(2 * 86_400)
    await _sweep(running)
    assert [event["event_type"] for event in await written(running)] == ["short"]
    assert (await running.ask("GET", "/api/tags", key="*")).data == []
    running.clock.advance(88 * 86_400 - 1)
    await _sweep(running)
    assert len(await written(running)) == 1
    running.clock.advance(1)
    await _sweep(running)
    assert await written(running) == []


async def _sweep(running: Running) -> None:
    from kernel.net import analytics

    for due in (analytics.SWEEP_EVENTS, analytics.SWEEP_TAGS):
        await sweep(running.node.store, due, running.clock.now())


@pytest.mark.parametrize("value", ["0", "1s", "-1d", "4000d", "x", None, True])
async def test_the_time_events_are_kept_has_bounds(running: Running, value: Any) -> None:
    answer = await running.ask("PUT", "/api/config/analytics.retention", key="*", body={"value": value})
    assert answer.status == 400


# --- figures


@pytest.fixture
async def busy(running: Running) -> Running:
    """Events of two domains and of several days."""
    events = running.node.events
    start = running.clock.now()
    assert start % HOUR == 0, "the clock begins with an hour"
    for days, count in ((40, 1), (29, 2), (6, 3)):
        running.clock._now = start - days * DAY
        for _ in range(count):
            note(events, domain="shop.localhost", tags=["old"])
    running.clock._now = start
    note(events, tags=["new", "mail"], source_type="pixel")
    running.clock.advance(1800)
    note(events, tags=["new"], source_type="redirect")
    await running.node._flush(events)
    return running


async def test_an_empty_node_has_figures_too(running: Running) -> None:
    shown = (await running.ask("GET", "/api/analytics", key="*")).data
    hours = shown.pop("events_timeline")
    assert len(hours) == 24 and {hour["count"] for hour in hours} == {0}
    assert {name for name, value in shown.items() if value} == set()


async def test_the_figures(busy: Running) -> None:
    await busy.run("redirects.create", slug="go", destination="https://example.com/")
    for _ in range(2):
        await busy.ask("GET", "/r/go", host="localhost")
        await busy.node._flush(busy.node.clicks)
    await busy.ask("GET", "/r/go", host="localhost")
    answer = await busy.ask("GET", "/api/analytics", key="*")
    assert (await busy.ask("GET", "/api/stats", key="*")).data == answer.data
    figures = answer.data
    hours = figures.pop("events_timeline")
    assert figures == {
        "total_events_today": 2,
        "total_events_week": 5,
        "total_events_month": 7,
        "total_events_all_time": 8,
        "events_by_source_type": {"web": 6, "pixel": 1, "redirect": 1},
        "top_domains": [{"domain": "shop.localhost", "count": 6}, {"domain": "localhost", "count": 2}],
        "top_tags": [{"tag": "old", "count": 6}, {"tag": "new", "count": 2}, {"tag": "mail", "count": 1}],
        "total_unique_domains": 2,
        "total_redirect_clicks": 3,
        "waiting": 3,
        "dropped": 0,
    }
    now = busy.clock.now()
    assert [hour["hour_at"] for hour in hours] == [now - now % HOUR - back * HOUR for back in reversed(range(24))]
    assert [hour["count"] for hour in hours] == [0] * 23 + [2]


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", 8),
        ("domain=localhost", 2),
        ("domain=shop.localhost", 6),
        ("domain=nobody", 0),
        ("tags=new", 2),
        ("tags=new,mail", 1),
        ("tags=mail,old", 0),
        ("tags=ne", 0),
        ("tags=NEW", 0),
        ("tags=,", 8),
        ("source_type=pixel", 1),
        ("sourceType=web", 6),
        ("source_type=hosting", 0),
        ("domain=localhost&tags=new&source_type=redirect", 1),
        ("tags=%25", 0),
        ("domain='%20or%201=1", 0),
    ],
)
async def test_events_can_be_chosen(busy: Running, query: str, total: int) -> None:
    answer = await busy.ask("GET", f"/api/analytics/events?{query}", key="*")
    assert answer.status == 200
    assert (answer.json["meta"]["total"], len(answer.data)) == (total, total)
    assert [event["created_at"] for event in answer.data] == sorted(
        (event["created_at"] for event in answer.data), reverse=True
    )


@pytest.mark.parametrize(
    "path", ["/api/analytics/events", "/api/analytics/domains", "/api/analytics/tags", "/api/tags"]
)
async def test_lists_come_in_pages(busy: Running, path: str) -> None:
    whole = (await busy.ask("GET", f"{path}?limit=100", key="*")).data
    pages = []
    while True:
        answer = await busy.ask("GET", f"{path}?limit=1&offset={len(pages)}", key="*")
        assert answer.json["meta"]["total"] == len(whole)
        pages += answer.data
        if not answer.json["meta"]["has_more"]:
            break
    assert pages == whole


async def test_an_event_comes_back_as_it_was_noted(running: Running) -> None:
    shop = (await running.run("apps.create", slug="shop")).id
    note(
        running.node.events,
        "buy",
        "shop.localhost",
        app_id=shop,
        path="/a",
        referrer="r",
        user_agent="u",
        address="10.1.2.3",
        query={"k": "=v'\""},
        tags=["a", "b"],
    )
    (event,) = await written(running)
    assert event.pop("id").startswith("web_")
    assert event == {
        "domain": "shop.localhost",
        "app_id": shop,
        "source_type": "web",
        "event_type": "buy",
        "path": "/a",
        "referrer": "r",
        "user_agent": "u",
        "ip": "10.1.2.0/24",
        "query_params": {"k": "=v'\""},
        "tags": ["a", "b"],
        "created_at": running.clock.now(),
    }


async def test_what_a_stranger_sent_is_harmless_in_a_table(running: Running) -> None:
    body = {"h": "localhost", "p": "=HYPERLINK(1)", "ref": "<script>alert(1)</script>", "e": "a|b\n| c"}
    await running.ask("POST", "/track", host="localhost", raw=json.dumps(body).encode())
    await written(running)
    as_csv = (await running.ask("GET", "/api/analytics/events.csv", key="*")).body
    assert b",'=HYPERLINK(1)," in as_csv
    assert b"<script>" not in (await running.ask("GET", "/api/analytics/events.html", key="*")).body
