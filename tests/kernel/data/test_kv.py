"""Small values by key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.data import kv
from kernel.storage.sweep import sweep
from kernel.syscall import Call, Page
from kernel.syscall.call import LOCAL

APP, OTHER = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb"


def seen(result: Any) -> Any:
    """An answer as JavaScript has it: stored JSON goes there as it is."""
    if isinstance(result, msgspec.Raw):
        return msgspec.json.decode(result)
    if isinstance(result, Page):
        return Page([kv.Entry(item.key, seen(item.value), item.expires_at) for item in result.items], result.meta)
    return {key: seen(value) for key, value in result.items()} if isinstance(result, dict) else result


class Bench:
    """A node without sockets, and the store of an app as its code sees it."""

    def __init__(self, node: Node, clock: ManualClock) -> None:
        self.node, self.clock = node, clock

    def call(self, app: str = APP, user: str = "", grants: frozenset[str] = frozenset({"storage:kv"})) -> Call:
        return self.node.driver.call(LOCAL, "js", app=app, user=user, grants=grants)

    async def js(self, name: str, *arguments: Any, app: str = APP, user: str = "") -> Any:
        entry, call = self.node.registry[f"storage.kv.{name}"], self.call(app, user)
        result = entry.javascript(call, msgspec.json.encode(arguments))
        return seen(await self.node.driver.settle(entry, call, result, {}))

    async def named(self, name: str, *, app: str = APP, **values: Any) -> Any:
        entry = self.node.registry[f"storage.kv.{name}"]
        return await self.node.driver.invoke(entry, self.node.driver.call(LOCAL, "http", app=app), values)

    async def keys(self, *arguments: Any, **how: Any) -> list[str]:
        return [entry.key for entry in (await self.js("list", *arguments, **how)).items]

    def count(self, app: str = APP) -> tuple[int, int]:
        """The rows an app has, and what is kept of their number."""
        reader = self.node.store.reader()
        there = reader.execute("select count(*) from app_kv where app_id = ?", (app,)).get
        kept = reader.execute("select rows from usage where app_id = ? and name = 'app_kv'", (app,)).get
        return there, kept or 0


@pytest.fixture
def bench(tmp_path: Any) -> Any:
    clock = ManualClock()
    node = Node(tmp_path / "data.db", clock=clock)
    yield Bench(node, clock)
    node.close()


# --- set, get, delete -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [None, False, 0, -0.0, 2**53, 2**64, -(2**63), 1e300, 5e-324, "", "a\x00b\n", "👩‍👧", [], {}, {"": [None]}],
    ids=ascii,
)
async def test_a_value_comes_back_as_it_was(bench: Bench, value: Any) -> None:
    assert await bench.js("set", "k", value) == kv.Saved("k")
    got = await bench.js("get", "k")
    assert (got, type(got)) == (value, type(value))
    assert (await bench.named("entry", key="k")).value == value


async def test_what_is_not_there_is_undefined_to_an_app_and_not_found_to_a_person(bench: Bench) -> None:
    assert await bench.js("get", "k") is msgspec.UNSET
    with pytest.raises(FaztError) as refused:
        await bench.named("entry", key="k")
    assert refused.value.code == "NOT_FOUND"


async def test_null_is_a_value_and_not_nothing(bench: Bench) -> None:
    await bench.js("set", "k", None)
    assert await bench.js("get", "k") is None


async def test_setting_again_replaces_the_value_and_its_end(bench: Bench) -> None:
    await bench.js("set", "k", 1, "5s")
    await bench.js("set", "k", 2)
    bench.clock.advance(10)
    assert await bench.js("get", "k") == 2
    await bench.js("set", "k", 3, "5s")
    bench.clock.advance(10)
    assert await bench.js("get", "k") is msgspec.UNSET


async def test_deleting_removes_the_row_at_once_and_once_more_is_fine(bench: Bench) -> None:
    await bench.js("set", "k", 1)
    assert await bench.js("delete", "k") is None
    assert await bench.js("delete", "k") is None
    assert (await bench.js("get", "k"), bench.count()) == (msgspec.UNSET, (0, 0))


@pytest.mark.parametrize("key", ["a", "a/b", "a b", "ä", "👩‍👧", "x" * 512, "%", "_", "'", '"', "\U0010ffff"])
async def test_every_key_stands_for_itself(bench: Bench, key: str) -> None:
    await bench.js("set", key, 1)
    for other in (key + "x" if len(key) < 500 else "x", key.upper() if key.upper() != key else "zz"):
        assert await bench.js("get", other) is msgspec.UNSET
    assert await bench.js("get", key) == 1
    assert await bench.keys() == [key]


@pytest.mark.parametrize(("app", "user"), [(OTHER, ""), (APP, "usr_1"), (OTHER, "usr_1")])
async def test_nobody_else_sees_changes_or_removes_a_value(bench: Bench, app: str, user: str) -> None:
    await bench.js("set", "k", 1)
    assert await bench.js("get", "k", app=app, user=user) is msgspec.UNSET
    assert await bench.keys(app=app, user=user) == []
    await bench.js("set", "k", 2, app=app, user=user)
    await bench.js("delete", "k", app=app, user=user)
    assert await bench.js("get", "k") == 1


@pytest.mark.parametrize("name", ["get", "getMany", "set", "delete", "list", "incr", "cas"])
def test_an_app_without_the_grant_is_refused(bench: Bench, name: str) -> None:
    entry = bench.node.registry[f"storage.kv.{name}"]
    with pytest.raises(FaztError) as refused:
        entry.javascript(bench.call(grants=frozenset()), b'["k",1]')
    assert (refused.value.code, refused.value.message) == ("PERMISSION_DENIED", "Permission denied: storage:kv")


# --- ends -------------------------------------------------------------------------------------------------------------


async def test_a_value_with_an_end_vanishes_at_that_moment_for_every_reader(bench: Bench) -> None:
    await bench.js("set", "k", 1, "5s")
    end = bench.clock.now() + 5_000
    assert (await bench.named("entry", key="k")).expires_at == end
    bench.clock.advance(4.999)
    assert (await bench.js("get", "k"), await bench.keys()) == (1, ["k"])
    bench.clock.advance(0.001)
    assert (await bench.js("get", "k"), await bench.keys()) == (msgspec.UNSET, [])
    with pytest.raises(FaztError, match="No key"):
        await bench.named("entry", key="k")


@pytest.mark.parametrize("ttl", ["0s", 0, -1, "soon", "100000d", True, []])
async def test_what_is_no_end_is_refused_and_nothing_is_stored(bench: Bench, ttl: Any) -> None:
    with pytest.raises(FaztError) as refused:
        await bench.js("set", "k", 1, ttl)
    assert refused.value.details == {"field": "ttl"}
    assert bench.count() == (0, 0)


async def test_a_sweep_removes_what_has_ended_and_the_count_stays_right(bench: Bench) -> None:
    for app in (APP, OTHER):
        for n in range(7):
            await bench.js("set", f"short{n}", n, "5s", app=app)
            await bench.js("set", f"long{n}", n, "1h", app=app)
        await bench.js("set", "ever", 1, app=app)
    bench.clock.advance(10)
    assert bench.count() == (15, 15)
    await sweep(bench.node.store, kv.SWEEP, bench.clock.now())
    assert (bench.count(), bench.count(OTHER)) == ((8, 8), (8, 8))
    assert await bench.keys() == ["ever", *(f"long{n}" for n in range(7))]


async def test_the_node_sweeps_by_itself(bench: Bench) -> None:
    await bench.js("set", "k", 1, "5s")
    task = bench.node.supervisor.tasks["expired rows"]
    bench.clock.advance(10)
    await task.work()
    assert bench.count() == (0, 0)


async def test_an_ended_value_can_be_set_again_before_it_was_swept(bench: Bench) -> None:
    await bench.js("set", "k", 1, "5s")
    bench.clock.advance(10)
    await bench.js("set", "k", 2)
    await sweep(bench.node.store, kv.SWEEP, bench.clock.now())
    assert (await bench.js("get", "k"), bench.count()) == (2, (1, 1))


# --- lists ------------------------------------------------------------------------------------------------------------

keys = st.text(st.characters(exclude_categories=("C",)) | st.sampled_from("ab/\U0010ffff"), min_size=1, max_size=6)


@given(st.sets(keys, max_size=12), keys | st.just(""), st.integers(1, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_list_walked_page_by_page_is_every_key_of_the_prefix_in_order(
    bench: Bench, stored: set[str], prefix: str, limit: int
) -> None:
    bench.node.store.write_blocking(bench.node.store.purge(APP))
    for key in stored:
        await bench.js("set", key, key)
    seen: list[str] = []
    after = None
    while True:
        found = await bench.js("list", prefix, {"limit": limit, **({"after": after} if after else {})})
        assert len(found.items) <= limit
        seen += [entry.key for entry in found.items]
        after = found.meta["next"]
        if after is None:
            break
    assert seen == sorted((key for key in stored if key.startswith(prefix)), key=str.encode)


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ((), ["a", "a/1", "a/2", "b"]),
        (("a",), ["a", "a/1", "a/2"]),
        (("a/",), ["a/1", "a/2"]),
        (("c",), []),
        (("", {"limit": 2}), ["a", "a/1"]),
        (("", {"after": "a/1"}), ["a/2", "b"]),
        (("a", {"after": "a/2"}), []),
        (("b", {"after": "a"}), ["b"]),
        (("", {"after": "null"}), []),
    ],
)
async def test_a_list_takes_a_prefix_a_limit_and_where_to_go_on(
    bench: Bench, arguments: tuple[Any, ...], keys: list[str]
) -> None:
    for key in ("b", "a/2", "a", "a/1"):
        await bench.js("set", key, 1)
    assert await bench.keys(*arguments) == keys


@pytest.mark.parametrize(("limit", "following"), [(1, "a"), (2, "b"), (3, None), (4, None)])
async def test_a_page_says_where_the_next_one_begins_and_the_last_says_nothing(
    bench: Bench, limit: int, following: str | None
) -> None:
    for key in ("a", "b", "c"):
        await bench.js("set", key, 1)
    page = await bench.js("list", "", {"limit": limit})
    assert (len(page.items), page.meta) == (min(limit, 3), {"limit": limit, "next": following})


@pytest.mark.parametrize("limit", [0, 1001, -1, "many"])
async def test_a_list_may_not_be_endless(bench: Bench, limit: Any) -> None:
    with pytest.raises(FaztError) as refused:
        await bench.js("list", "", {"limit": limit})
    assert refused.value.details == {"field": "limit"}


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_an_app_has_so_many_keys_and_no_more(bench: Bench) -> None:
    bench.node.settings.apply(kv.MOST_KEYS.name, 2)
    await bench.js("set", "a", 1)
    await bench.js("set", "b", 1, user="usr_1")
    for user in ("", "usr_1", "usr_2"):
        with pytest.raises(FaztError) as refused:
            await bench.js("set", "c", 1, user=user)
        assert (refused.value.code, refused.value.details["most"]) == ("LIMIT_EXCEEDED", 2)
    await bench.js("set", "a", 2)
    await bench.js("delete", "a")
    await bench.js("set", "c", 1)
    await bench.js("set", "a", 1, app=OTHER)
    assert bench.count() == (2, 2)


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda n: "x" * (n - 2), 100),
        (lambda n: "é" * ((n - 2) // 2), 100),
        (lambda n: [1] * ((n - 1) // 2), 101),
        (lambda n: "\n" * ((n - 2) // 2), 100),
    ],
)
async def test_a_value_has_so_many_bytes_as_json_and_no_more(
    bench: Bench, make: Callable[[int], Any], size: int
) -> None:
    bench.node.settings.apply(kv.MOST_BYTES.name, size)
    fits, too_big = make(size), make(size + 2)
    assert len(msgspec.json.encode(fits)) == size
    await bench.js("set", "k", fits)
    with pytest.raises(FaztError) as refused:
        await bench.js("set", "k", too_big)
    assert (refused.value.code, refused.value.details) == ("LIMIT_EXCEEDED", {"field": "value", "most": size})
    assert await bench.js("get", "k") == fits


# --- several at once --------------------------------------------------------------------------------------------------


async def test_several_changes_can_be_one_batch(bench: Bench) -> None:
    entry, call = bench.node.registry["storage.kv.set"], bench.call()
    first = entry.javascript(call, b'["a",1]')
    second = entry.javascript(call, b'["b",2]')
    assert (await bench.node.driver.settle(entry, call, first + second, {})).key == "a"
    bench.node.settings.apply(kv.MOST_KEYS.name, 3)
    third, fourth = entry.javascript(call, b'["c",3]'), entry.javascript(call, b'["d",4]')
    with pytest.raises(FaztError, match="already has 3 rows"):
        await bench.node.driver.settle(entry, call, third + fourth, {})
    assert (await bench.keys(), bench.count()) == (["a", "b"], (2, 2))
