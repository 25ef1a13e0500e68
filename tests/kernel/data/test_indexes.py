"""Indexes of collections: whatever happens in between, a slot holds what the documents say before queries use it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fazt.boot import Node
from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.base.json import decode, to_text
from kernel.data import index_chores
from kernel.data.collections import Said, StorageSaid
from kernel.data.doc_functions import encoded
from kernel.data.doc_paths import MISSING, parse, value_at
from kernel.data.doc_tables import COLLECTIONS, DOCS, SLOTS
from kernel.data.index_slots import check_field
from kernel.syscall.call import LOCAL
from kernel.syscall.plan import Step, Write

APP, OTHER, C = "app_aaaaaaaaaaaa", "app_bbbbbbbbbbbb", "birds"
FIELDS = ("kind", "size", "place.name", "tags.0", "wild", "far.off")
TEST = "kernel.data.tests"


class Bench:
    """A node without sockets whose documents are written by statements like those of the document store."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, ManualClock()
        self.said = StorageSaid()
        self.open()

    def open(self) -> None:
        self.node = Node(self.path, clock=self.clock)
        self.store, self.indexes, self.chores = self.node.store, self.node.indexes, self.node.index_chores
        self.chores._said = lambda app: self.said  # the files of the app

    def again(self) -> None:
        """As after the program was killed: what was not committed is gone."""
        self.node.close()
        self.open()

    # --- documents

    def put(self, id: str, doc: Any, app: str = APP, user: str = "", collection: str = C) -> Write[Any]:
        """A plan made now, to be applied whenever: with values of now where they still hold."""
        slots = self.indexes.of(app, collection)
        values: dict[str, Any] = dict.fromkeys(SLOTS)
        for field, slot in slots.fields.items():
            found = value_at(doc, parse(field).segments)
            values[f"i{slot}"] = None if found is MISSING else encoded(found)
        store = self.store.scoped(app, user)
        plan = store.put(DOCS, collection=collection, id=id, data=to_text(doc), updated_at=1)
        sql = plan.steps[-1].sql
        for n, name in enumerate(SLOTS, 1):
            of = f"slot_of(:app, :collection, {n}, :data)"
            fresh = f"case when slots_are(:app, :collection, :version) then :{name} else {of} end"
            sql = sql.replace("created_at, ", f"created_at, {name}, ", 1).replace(":now, ", f":now, {fresh}, ", 1)
            sql += f", {name} = excluded.{name}"
        known = store.put(COLLECTIONS, name=collection, docs=1, bytes=1)
        step = Step(sql, {**plan.steps[-1].params, **values, "version": slots.version})
        return Write([step]) + known

    def find(self, field: str, value: Any, app: str = APP, user: str = "", collection: str = C) -> tuple[str, Any]:
        """A query planned now: the statement, which also says whether what it was planned with holds."""
        slots = self.indexes.of(app, collection)
        slot = slots.ready.get(field)
        if slot is None:
            return "", (field, value, app, user, collection)
        return (
            f"""select id from app_docs where app_id = :app and user_id = :user and collection = :collection
and i{slot} = :value""",
            {"app": app, "user": user, "collection": collection, "value": encoded(value), "version": slots.version},
        )

    def answer(self, planned: tuple[str, Any]) -> list[str] | None:
        """What it finds, if what it was planned with still holds."""
        sql, how = planned
        if not sql:
            field, value, app, user, collection = how
            rows = self.store.reader().execute(
                "select id, data from app_docs where app_id = ? and user_id = ? and collection = ?",
                (app, user, collection),
            )
            segments = parse(field).segments
            return sorted(id for id, data in rows if same(value_at(decode(data), segments), value))
        if not self.indexes.hold(how["app"], how["collection"], how["version"]):
            return None
        asked = {name: value for name, value in how.items() if name != "version"}
        return sorted(row[0] for row in self.store.reader().execute(sql, asked))

    def rows(self, app: str = APP) -> dict[tuple[str, str, str], tuple[Any, tuple[Any, ...]]]:
        read = self.store.reader().execute(
            f"select user_id, collection, id, data, {', '.join(SLOTS)} from app_docs where app_id = ?", (app,)
        )
        return {tuple(row[:3]): (decode(row[3]), tuple(row[4:])) for row in read}

    async def make(self, plan: Write[Any]) -> Any:
        return plan.result(await self.store.write(plan.steps))

    # --- indexes

    async def run(self, name: str, app: str = APP, **values: Any) -> Any:
        entry = self.node.registry[f"storage.ds.indexes.{name}"]
        return await self.node.driver.invoke(entry, self.node.driver.call(LOCAL, "http", app=app), values)

    async def work(self, app: str = APP) -> None:
        """All that is to be done, and that a minute later as well."""
        while (after := await self.chores.work(app)) is not None:
            self.clock.advance(after / 1000)

    def states(self, app: str = APP, collection: str = C) -> dict[str, str]:
        return {index.field: index.state for index in self.indexes.definitions(app, collection)}

    def check(self, app: str = APP) -> None:
        """Each slot that queries use holds what the documents say, and a slot that is free holds nothing."""
        for (_, collection, id), (doc, slots) in self.rows(app).items():
            there = self.indexes.of(app, collection)
            for field, slot in there.ready.items():
                found = value_at(doc, parse(field).segments)
                assert slots[slot - 1] == (None if found is MISSING else encoded(found)), (id, field)
            taken = {index.slot for index in self.indexes.definitions(app, collection)}
            for n, value in enumerate(slots, 1):
                assert n in taken or value is None, (id, n)


def same(one: Any, other: Any) -> bool:
    return one is not MISSING and encoded(one) == encoded(other) and encoded(one) is not None


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "data.db")
    yield made
    made.node.close()


DOCUMENTS: list[dict[str, Any]] = [
    {"kind": "wren", "size": 3, "wild": True},
    {"kind": "wren", "size": 3.0, "wild": False, "place": {"name": "hedge"}},
    {"kind": "5", "size": None, "tags": ["x", "y"]},
    {"kind": 5, "tags": {"0": "x"}},
    {"kind": ["wren"], "size": {"a": 1}, "place": "hedge"},
    {"kind": "a\x00b'\"", "size": -1e300},
]


async def test_what_is_there_is_found_by_the_index_as_by_looking(bench: Bench) -> None:
    for n, doc in enumerate(DOCUMENTS):
        await bench.make(bench.put(str(n), doc))
    questions = [(field, value_at(doc, parse(field).segments)) for field in FIELDS for doc in DOCUMENTS]
    before = [bench.answer(bench.find(field, value)) for field, value in questions]
    for field in FIELDS[:5]:
        made = await bench.run("add", collection=C, field=field)
        assert (made.state, made.origin) == ("building", "by-hand")
    await bench.work()
    assert set(bench.states().values()) == {"ready"}
    bench.check()
    assert [bench.answer(bench.find(field, value)) for field, value in questions] == before
    assert bench.find("kind", "wren")[0]


# --- every moment at which something else may happen ------------------------------------------------------------------


def at_every_moment(bench: Bench, monkeypatch: pytest.MonkeyPatch, look: Callable[[], None]) -> None:
    """Between any two steps of the work: before each write, before and after memory is told."""
    write, refresh = bench.store.write, bench.indexes.refresh

    async def watched(steps: Any) -> Any:
        look()
        return await write(steps)

    def told(app: str, again: bool = True) -> Any:
        look()
        found = refresh(app, again)
        look()
        return found

    monkeypatch.setattr(bench.store, "write", watched)
    monkeypatch.setattr(bench.indexes, "refresh", told)


CHANGES = (("add", "kind"), ("drop", "size"), ("swap", "size"))


async def change(bench: Bench, what: str, field: str) -> None:
    """An index comes, or one goes, or its slot is given to another field."""
    if what == "add":
        await bench.run("add", collection=C, field=field)
    else:
        await bench.run("drop", collection=C, field=field)
        if what == "swap":
            await bench.work()
            await bench.run("add", collection=C, field="kind")
    await bench.work()


@pytest.mark.parametrize(("what", "field"), CHANGES)
async def test_a_write_planned_at_any_moment_and_applied_at_any_later_one_is_in_the_right_slots(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str, field: str
) -> None:
    """All pairs of a moment at which a plan is made and one at which it is applied, in one run."""
    monkeypatch.setattr(index_chores, "SLICE", 4)
    for n in range(5):
        await bench.make(bench.put(str(n), {"kind": f"k{n}", "size": n}))
    await bench.run("add", collection=C, field="size")
    await bench.work()
    waiting: dict[int, list[Write[Any]]] = {}
    moments = itertools.count()

    def look() -> None:
        now = next(moments)
        for later in range(now, now + 40):
            plan = bench.put(str((now * 5 + later) % 199), {"kind": f"k{later % 4}", "size": now})
            waiting.setdefault(later, []).append(plan)
        for plan in waiting.pop(now, []):
            bench.store.write_blocking(plan.steps)
            bench.check()

    at_every_moment(bench, monkeypatch, look)
    await change(bench, what, field)
    for plans in waiting.values():
        for plan in plans:
            bench.store.write_blocking(plan.steps)
            bench.check()
    assert 8 < next(moments) < 120
    bench.check()
    assert bench.states() == {"add": {"kind": "ready", "size": "ready"}, "drop": {}, "swap": {"kind": "ready"}}[what]
    for name, value in (("kind", "k2"), ("size", 30), ("kind", "k3")):
        found = bench.answer(bench.find(name, value))
        assert found == sorted(id for (_, _, id), (doc, _) in bench.rows().items() if doc[name] == value)


@pytest.mark.parametrize(("what", "field"), CHANGES)
async def test_a_query_planned_at_any_moment_finds_what_is_there_at_any_later_one_or_says_that_it_is_stale(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str, field: str
) -> None:
    monkeypatch.setattr(index_chores, "SLICE", 2)
    for n in range(7):
        await bench.make(bench.put(str(n), {"kind": "k", "size": n % 3}))
    await bench.run("add", collection=C, field="size")
    await bench.work()
    planned: list[tuple[Any, ...]] = []
    stale = answered = 0

    def look() -> None:
        nonlocal stale, answered
        for name, value in (("size", 1), ("kind", "k")):
            planned.append((bench.find(name, value), ["1", "4"] if name == "size" else list("0123456")))
        for plan, wanted in planned:
            found = bench.answer(plan)
            stale += found is None
            answered += found is not None
            assert found in (None, wanted)
        # what is planned now holds now
        assert all(bench.answer(plan) is not None for plan, _ in planned[-2:])

    at_every_moment(bench, monkeypatch, look)
    await change(bench, what, field)
    look()
    assert answered > 100
    assert (stale > 0) == (what != "add")


@pytest.mark.parametrize(("what", "field"), CHANGES)
async def test_killed_at_any_moment_it_goes_on_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, field: str
) -> None:
    monkeypatch.setattr(index_chores, "SLICE", 2)

    class Killed(Exception):
        pass

    for at in itertools.count(1):
        bench = Bench(tmp_path / f"{at}.db")
        for n in range(5):
            await bench.make(bench.put(str(n), {"kind": f"k{n}", "size": n}))
        await bench.run("add", collection=C, field="size")
        await bench.work()
        killed = False
        with monkeypatch.context() as patch:
            write, count = bench.store.write, itertools.count(1)

            async def writes(steps: Any, write: Any = write, count: Any = count, at: int = at) -> Any:
                if next(count) == at:
                    raise Killed
                return await write(steps)

            patch.setattr(bench.store, "write", writes)
            try:
                await change(bench, what, field)
            except Killed:
                killed = True
        before = bench.states()
        bench.again()
        await bench.make(bench.put("after", {"kind": "k3", "size": 3}))
        await bench.chores.ask()
        await bench.work()
        bench.check()
        for name, value in (("kind", "k3"), ("size", 3)):
            assert bench.answer(bench.find(name, value)) == ["3", "after"]
        assert set(bench.states().values()) <= {"ready"}
        assert set(bench.states()) <= set(before)
        bench.node.close()
        if not killed:
            break
    assert at > 3


async def test_what_is_unfinished_is_queued_when_the_app_is_used_again(bench: Bench) -> None:
    await bench.run("add", collection=C, field="kind")
    bench.store.write_blocking([Step("delete from jobs", {})])
    bench.again()
    bench.indexes.of(APP, C)
    await bench.chores.ask()
    jobs = bench.store.reader().execute("select kind, app_id from jobs").fetchall()
    assert (index_chores.KIND, APP) in jobs


# --- by chance --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_comes_together_slots_are_right(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Plans are made, kept, and applied in any order, while indexes come and go and the work is done bit by bit."""
    monkeypatch.setattr(index_chores, "SLICE", 3)
    chance, kept = random.Random(seed), []
    owners = [("", C), ("", "other"), ("u1", C), ("u2", C)]
    for step in range(150):
        action = chance.choice(["plan"] * 4 + ["apply"] * 4 + ["add", "drop", "work", "later", "kill"])
        if action == "plan":
            user, collection = chance.choice(owners)
            doc = {**chance.choice(DOCUMENTS), "n": step}
            kept.append(bench.put(str(chance.randint(0, 20)), doc, user=user, collection=collection))
        elif action == "apply" and kept:
            await bench.make(kept.pop(chance.randrange(len(kept))))
        elif action in ("add", "drop"):
            try:
                await bench.run(action, collection=chance.choice((C, "other")), field=chance.choice(FIELDS))
            except FaztError as error:
                assert error.code in ("NOT_FOUND", "LIMIT_EXCEEDED", "CONFLICT")
        elif action == "work":
            await bench.chores.work(APP)
        elif action == "later":
            bench.clock.advance(40)
        elif action == "kill":
            kept.clear()
            bench.again()
        bench.check()
        user, collection = chance.choice(owners)
        field = chance.choice(FIELDS)
        value = value_at(chance.choice(DOCUMENTS), parse(field).segments)
        if value is not MISSING and encoded(value) is not None:
            looked = bench.answer(("", (field, value, APP, user, collection)))
            assert bench.answer(bench.find(field, value, user=user, collection=collection)) == looked
    await bench.work()
    bench.check()
    assert set(bench.states().values()) <= {"ready"}


# --- by hand ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    ["", "$x", "a..b", ".", "id", "_createdAt", "_updatedAt", "x" * 201, "a\x00b", "\ud800", ".".join("a" * 30)],
    ids=ascii,
)
async def test_a_field_that_is_none_is_refused(bench: Bench, field: str) -> None:
    with pytest.raises(FaztError) as refused:
        await bench.run("add", collection=C, field=field)
    assert refused.value.status == 400
    with pytest.raises(ValueError):
        check_field(field)
    assert bench.states() == {}


async def test_five_indexes_are_all_and_the_same_one_is_made_once(bench: Bench) -> None:
    for field in "abcde":
        await bench.run("add", collection=C, field=field)
        again = await bench.run("add", collection=C, field=field)
        assert (again.field, again.state) == (field, "building")
    with pytest.raises(FaztError) as refused:
        await bench.run("add", collection=C, field="f")
    assert refused.value.code == "LIMIT_EXCEEDED"
    assert [index.field for index in await bench.run("list", collection=C)] == list("abcde")
    assert await bench.run("list", app=OTHER, collection=C) == []
    await bench.run("add", app=OTHER, collection=C, field="f")
    assert bench.states() == dict.fromkeys("abcde", "building")


async def test_one_that_is_dropped_is_left_by_queries_at_once_and_its_slot_is_free_a_minute_later(
    bench: Bench,
) -> None:
    await bench.make(bench.put("1", {"kind": "wren"}))
    await bench.run("add", collection=C, field="kind")
    await bench.work()
    await bench.run("drop", collection=C, field="kind")
    slots = bench.indexes.of(APP, C)
    assert (dict(slots.fields), dict(slots.ready)) == ({"kind": 1}, {})
    # who changes his mind has it again
    await bench.run("add", collection=C, field="kind")
    await bench.work()
    assert bench.states() == {"kind": "ready"}
    await bench.run("drop", collection=C, field="kind")
    await bench.run("drop", collection=C, field="kind")
    assert await bench.chores.work(APP) == index_chores.GRACE
    assert bench.states() == {"kind": "dropping"}
    await bench.work()
    assert bench.states() == {}
    with pytest.raises(FaztError) as refused:
        await bench.run("drop", collection=C, field="kind")
    assert refused.value.code == "NOT_FOUND"
    bench.check()


# --- what the app says ------------------------------------------------------------------------------------------------


async def said(bench: Bench, *fields: str, **more: Any) -> None:
    """A new release says something else."""
    bench.said = StorageSaid(collections={C: Said(index=list(fields), **more)})
    bench.store.generation += 1
    bench.indexes.of(APP, C)
    await bench.chores.ask()
    if bench.store.reader().execute("select count(*) from jobs where kind = ?", (index_chores.KIND,)).get:
        await bench.work()
        bench.store.write_blocking([Step("delete from jobs where kind = :kind", {"kind": index_chores.KIND})])


async def test_what_the_app_says_is_made_and_goes_when_it_is_no_longer_said(bench: Bench) -> None:
    await bench.make(bench.put("1", {"kind": "wren", "size": 3}))
    await said(bench, "kind", "size", "kind")
    assert bench.states() == {"kind": "ready", "size": "ready"}
    bench.check()
    with pytest.raises(FaztError, match="The app itself") as refused:
        await bench.run("drop", collection=C, field="kind")
    assert refused.value.code == "CONFLICT"
    # what a person wants too stays
    await bench.run("add", collection=C, field="size")
    await said(bench, "wild")
    assert bench.states() == {"size": "ready", "wild": "ready"}
    origins = {index.field: index.origin for index in bench.indexes.definitions(APP)}
    assert origins == {"size": "by-hand", "wild": "declared"}
    await said(bench)
    assert bench.states() == {"size": "ready"}
    bench.check()


async def test_nothing_is_queued_where_the_app_says_nothing_new(bench: Bench) -> None:
    await said(bench, "kind")
    await said(bench, "kind")
    assert bench.store.reader().execute("select count(*) from jobs where kind = ?", (index_chores.KIND,)).get == 0


async def test_what_slow_queries_asked_for_makes_room_for_what_the_app_says(bench: Bench) -> None:
    for field in "abcd":
        await ask(bench, field)
    await bench.run("add", collection=C, field="hand")
    await bench.work()
    assert set(bench.states()) == {*"abcd", "hand"}
    await said(bench, "b", "x", "y")
    states = bench.states()
    assert set(states.values()) == {"ready"}
    assert {"b", "x", "y", "hand"} < set(states)
    assert len(states) == 5
    bench.check()


# --- what slow queries ask for ----------------------------------------------------------------------------------------


async def ask(bench: Bench, *fields: str, docs: int = 2000, times: int = 3, app: str = APP) -> None:
    for _ in range(times):
        bench.indexes.scanned(app, C, fields, docs)
    await bench.chores.ask()
    bench.indexes.refresh(app)


async def test_the_third_slow_query_asks_for_an_index(bench: Bench) -> None:
    await ask(bench, "kind", docs=1999)
    await ask(bench, "kind", times=2)
    assert bench.states() == {}
    bench.indexes.scanned(APP, C, ("kind",), 2000)
    assert bench.indexes.is_asked(APP, C, "kind")
    await bench.chores.ask()
    await bench.work()
    (index,) = await bench.run("list", collection=C)
    assert (index.field, index.state, index.origin) == ("kind", "ready", "asked")
    # for one of several fields only
    await ask(bench, "size", "wild")
    assert len(bench.states()) == 2
    assert bench.states(OTHER) == {}


async def test_where_there_is_no_room_or_the_field_cannot_have_one_nothing_is_made(bench: Bench) -> None:
    for field in "abcde":
        await bench.run("add", collection=C, field=field)
    await ask(bench, "kind")
    await ask(bench, "x" * 300, app=OTHER)
    assert set(bench.states()) == set("abcde")
    assert bench.states(OTHER) == {}


async def test_what_is_remembered_of_slow_queries_is_bounded(bench: Bench) -> None:
    for n in range(10_000):
        bench.indexes.scanned(APP, C, (f"f{n}",), 2000)
    assert len(bench.indexes._slow) <= 4096


# --- explained --------------------------------------------------------------------------------------------------------


async def explain(bench: Bench, query: Any = None, **how: Any) -> Any:
    entry = bench.node.registry["storage.ds.explain"]
    call = bench.node.driver.call(LOCAL, "http", app=APP)
    return await bench.node.driver.invoke(entry, call, {"collection": C, "query": query, **how})


LOOKED = "The documents are looked through, newest first, until the page is full, at worst all 30."
EXPLAINED = [
    ({}, None, LOOKED.partition(", at")[0] + ".", LOOKED.partition(", at")[0] + "."),
    ({"kind": 1}, None, LOOKED, "The index on kind finds the documents."),
    ({"kind": {"$ne": 1}}, None, LOOKED, LOOKED),
    ({"id": "3"}, None, "The document is looked up by its id.", "The document is looked up by its id."),
    (
        {},
        {"kind": 1},
        "All 30 documents are looked through and sorted by kind.",
        "The index on kind is walked in its order.",
    ),
]


@pytest.mark.parametrize(("query", "sort", "before", "after"), EXPLAINED, ids=str)
async def test_explain_says_how_a_query_is_answered_before_and_after_an_index(
    bench: Bench, query: Any, sort: Any, before: str, after: str
) -> None:
    for n in range(30):
        await bench.make(bench.put(str(n), {"kind": n % 3}))
    bench.store.write_blocking([Step("update app_collections set docs = 30", {})])
    found = await explain(bench, query, sort=sort)
    assert (found.answer, found.indexes) == (before, [])
    assert bool(found.hint) == (before != after)
    await bench.run("add", collection=C, field="kind")
    found = await explain(bench, query, sort=sort)
    assert (found.answer, found.indexes[0].state, found.hint) == (before, "building", None)
    await bench.work()
    found = await explain(bench, query, sort=sort)
    assert (found.answer, found.indexes[0].state) == (after, "ready")
    assert found.used == (["kind"] if before != after else ["id"] if "id" in query else [])
    assert not any(name in line for line in found.plan for name in ("app_docs", "app_id", "i1", "user_id"))


async def test_explain_tells_that_an_index_was_asked_for(bench: Bench) -> None:
    for _ in range(3):
        bench.indexes.scanned(APP, C, ("kind",), 5000)
    assert (await explain(bench, {"kind": 1})).asked == ["kind"]
    assert (await explain(bench, {"size": 1})).asked == []
