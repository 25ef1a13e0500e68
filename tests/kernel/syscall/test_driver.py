"""The driver: the only place that settles plans."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.base.json import decode, encode
from kernel.syscall import Call, Declaration, Key, Line, Scan, Secret, Step, Write
from kernel.syscall.call import LOCAL, Ports
from kernel.syscall.driver import Driver
from kernel.syscall.registry import Entry, Registry


class Storage:
    """Remembers what it was asked to do, and gives a row per step."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.fails: FaztError | None = None

    async def write(self, steps: Sequence[Step]) -> list[list[Any]]:
        if self.fails:
            raise self.fails
        self.written.append([step.sql for step in steps])
        return [[step.sql.upper()] for step in steps]

    async def scan(self, scan: Scan[Any]) -> Any:
        return scan.then([["scanned"]])

    def scoped(self, app: str, user: str = "") -> Any:
        scope = type("Scope", (), {})()
        scope.app, scope.user = app, user
        return scope


class Journal:
    """Adds a step to weighty writes and remembers the rest."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str, str]] = []

    def steps(self, call: Call, declared: Declaration, resource: str) -> list[Step]:
        return [Step(f"audit {resource}", {})] if declared.weight >= 7 else []

    def note(self, call: Call, declared: Declaration, resource: str, result: str) -> None:
        self.notes.append((declared.name, resource, result))


class Bench:
    def __init__(self) -> None:
        self.storage, self.journal, self.registry = Storage(), Journal(), Registry()
        self.driver = Driver(self.registry, self.storage, Ports(), ManualClock(), self.journal)  # type: ignore[arg-type]

    def add(self, fn: Callable[..., Any], name: str = "a.b", **words: Any) -> Entry:
        return self.registry.add(Declaration(name, fn, **words))

    async def run(self, entry: Entry, *, app: str | None = None, **values: Any) -> Any:
        return await self.driver.invoke(entry, self.driver.call(LOCAL, "http", app=app), values)


def value(call: Call, id: Key) -> str:
    """Give a value."""
    return f"value {id}"


def write(call: Call, id: Key) -> Write[Any]:
    """Write."""
    return Write([Step("one", {}), Step("two", {})]).giving(lambda rows: rows)


def scan(call: Call) -> Scan[Any]:
    """Scan."""
    return Scan((), lambda rows: rows[0])


async def waiting(call: Call, id: Key) -> Write[str]:
    """Wait, then write."""
    return Write([Step("late", {})]).giving(lambda rows: "done")


async def waiting_for_a_scan(call: Call) -> Scan[Any]:
    """Wait, then scan."""
    return scan(call)


async def stream(call: Call) -> AsyncIterator[int]:
    """Stream."""
    yield 1
    yield 2


async def test_a_value_is_the_answer_and_touches_nothing() -> None:
    bench = Bench()
    assert await bench.run(bench.add(value), id="x") == "value x"
    assert (bench.storage.written, bench.journal.notes) == ([], [])


async def test_a_write_is_one_batch_and_its_answer_sees_its_own_rows_only() -> None:
    bench = Bench()
    answer = await bench.run(bench.add(write, http="POST /api/x/{id}", weight=8), id="x")
    assert bench.storage.written == [["one", "two", "audit x"]]
    assert answer == [["ONE"], ["TWO"]]


async def test_the_answer_of_a_write_is_made_after_its_commit_only() -> None:
    bench, made = Bench(), []
    bench.storage.fails = FaztError("STORAGE_FULL", "Full.")

    def failing(call: Call) -> Write[None]:
        """Fail."""
        return Write([Step("one", {})]).giving(lambda rows: made.append(rows))

    with pytest.raises(FaztError, match="Full"):
        await bench.run(bench.add(failing))
    assert (made, bench.journal.notes) == ([], [])


async def test_a_scan_is_carried_out() -> None:
    bench = Bench()
    assert await bench.run(bench.add(scan)) == ["scanned"]


async def test_a_coroutine_is_awaited_and_its_plan_is_settled_too() -> None:
    bench = Bench()
    writing, scanning = bench.add(waiting), bench.add(waiting_for_a_scan, "a.c")
    assert await bench.run(writing, id="x") == "done"
    assert bench.storage.written == [["late"]]
    assert await bench.run(scanning) == ["scanned"]


async def test_a_stream_is_given_as_it_is() -> None:
    bench = Bench()
    assert [item async for item in await bench.run(bench.add(stream))] == [1, 2]


@pytest.mark.parametrize(
    ("fn", "words", "app", "values", "resource"),
    [
        (write, {"http": "POST /api/x/{id}"}, None, {"id": "x"}, "x"),
        (write, {"http": "POST /api/apps/{app}/x/{id}"}, "app_1", {"id": "x"}, "app_1/x"),
        (write, {"http": "POST /api/x", "cli": "x <id>"}, None, {"id": "x"}, ""),
        (write, {"cli": "x <id>"}, "app_1", {"id": "x"}, "app_1/x"),
        (write, {}, "app_1", {"id": "x"}, "app_1"),
        (waiting, {"http": "POST /api/x/{id}"}, None, {"id": "y" * 400}, "y" * 200),
    ],
)
async def test_the_journal_hears_what_a_write_was_about(
    fn: Callable[..., Any], words: dict[str, Any], app: str | None, values: dict[str, Any], resource: str
) -> None:
    bench = Bench()
    await bench.run(bench.add(fn, **words), app=app, **values)
    assert bench.journal.notes == [("a.b", resource, "ok")]


def with_secret(call: Call, door: Line, code: Secret) -> Write[None]:
    """Lock a door."""
    return Write(())


def with_perhaps_a_secret(call: Call, door: Line, code: Secret | None = None) -> Write[None]:
    """Lock a door."""
    return Write(())


@pytest.mark.parametrize("fn", [with_secret, with_perhaps_a_secret])
async def test_the_journal_never_hears_a_secret(fn: Callable[..., Any]) -> None:
    bench = Bench()
    await bench.run(bench.add(fn, cli="lock <door> <code>"), door="front", code="open sesame")
    assert bench.journal.notes == [("a.b", "front", "ok")]


def test_calls_are_counted_per_app_and_for_the_node() -> None:
    bench = Bench()
    entry, other = bench.add(value), bench.add(scan, "a.c")
    for app in (None, "app_1", "app_1", "app_2"):
        entry.named(bench.driver.call(LOCAL, "http", app=app), {"id": "x"})
    other.named(bench.driver.call(LOCAL, "http", app="app_2"), {})
    assert bench.driver.meters == {"": [1, 0], "app_1": [2, 0], "app_2": [1, 1]}


def test_a_call_sees_the_rows_of_its_app_and_user() -> None:
    made = Bench().driver.call(LOCAL, "js", app="app_1", user="usr_1", trace="t", grants=frozenset({"x"}))
    assert (made.store.app, made.store.user, made.app, made.trace, made.grants) == (
        "app_1",
        "usr_1",
        "app_1",
        "t",
        {"x"},
    )
    assert Bench().driver.call(LOCAL, "http").store.app == ""


# --- the whole way: through the adapters into the file and back -------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
keys = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=30)


@pytest.fixture
def node(tmp_path: Path) -> Any:
    made = Node(tmp_path / "data.db", clock=ManualClock())
    yield made
    made.close()


@given(keys, json_values)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_what_an_app_stores_is_what_it_reads(node: Node, key: str, value: Any) -> None:
    driver, registry = node.driver, node.registry
    store, read = registry["storage.kv.set"], registry["storage.kv.get"]
    grants = frozenset({"storage:kv"})
    by_script = driver.call(LOCAL, "js", app="app_script", grants=grants)
    plan = store.javascript(by_script, encode([key, value]))
    assert (await driver.settle(store, by_script, plan, {})).key == key
    assert decode(read.javascript(by_script, encode([key]))) == value, "stored JSON goes on as it is"

    by_person = driver.call(LOCAL, "http", app="app_person")
    await driver.invoke(store, by_person, {"key": key, "value": value})
    assert read.named(by_person, {"key": key}) == value
