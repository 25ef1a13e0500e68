"""Nobody sees what is somebody else's: not another app, not another of its people, not who is not signed in."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from kernel.data import text_index
from tests.kernel.data import scope_trial
from tests.kernel.data.object_bench import emptied
from tests.kernel.data.scope_steps import LOGIN, NOBODYS, Actor, Refused
from tests.kernel.data.scope_stores import SQL
from tests.kernel.data.scope_trial import FEW_DOCS, Trial
from tests.support import TRACES

# what the queue still holds finds no app when its turn comes, and ends
PASSING = ("jobs", "job_runs", *TRACES)


async def test_no_sequence_of_calls_shows_what_is_somebody_elses(tmp_path: Path) -> None:
    for _ in range(3):
        counts = await scope_trial.run(tmp_path, random.randrange(1 << 30), 400)
        assert counts.steps == 400
        assert 20 < counts.refused < 200, counts
        assert len(counts.kinds) == 11, counts


async def test_nor_where_the_objects_of_an_app_lie_in_a_bucket(tmp_path: Path, moto: str) -> None:
    await asyncio.to_thread(emptied, moto)
    counts = await scope_trial.run(tmp_path, random.randrange(1 << 30), 150, moto)
    assert counts.kinds["objects"] > 5, counts


@pytest.fixture
async def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Trial]:
    """Two apps whose people have the same things under the same names."""
    monkeypatch.setattr(text_index, "LEAST_DOCS", FEW_DOCS)
    made = Trial(tmp_path / "data.db", random.randrange(1 << 30))
    await made.begin()
    yield made
    await made.close()


@pytest.fixture
async def trial(fresh: Trial) -> Trial:
    """After a lot has happened."""
    for _ in range(200):
        await fresh.step()
    for app in fresh.apps:
        await fresh.furnish_app(app)
        await fresh.upkeep(app, "")
    return fresh


async def test_who_is_not_signed_in_has_no_rows_of_his_own(fresh: Trial) -> None:
    before = rows(fresh)
    for what, *arguments in NOBODYS:
        assert await fresh.ask(Actor(fresh.apps[0]), what, "notes", *arguments) == LOGIN, what
    for app in fresh.apps:
        assert await fresh.ask(Actor(app), "batch", [["kv.set", "k", 1], ["user.kv.set", "k", 1]]) == LOGIN
    assert rows(fresh) == before


async def test_an_operation_of_a_batch_is_in_the_name_it_says(fresh: Trial) -> None:
    """What the app itself does there stays the app's, whoever is signed in, and the other way round."""
    app, other = fresh.apps
    operations = [
        ["kv.set", "b", "app"],
        ["user.kv.set", "b", "one"],
        ["kv.set", "c", "app"],
        ["ds.insert", "notes", {"id": "b"}],
    ]
    await fresh.ask(Actor(app, "usr_a"), "batch", operations)
    seen = [await fresh.ask(Actor(app, person, bool(person)), "kv.get", "b") for person in ("", "usr_a", "USR_A")]
    assert seen == ["app", "one", None]
    assert await fresh.ask(Actor(app, "usr_a", True), "ds.get", "notes", "b") == {"id": "b"}
    assert await fresh.ask(Actor(app, "USR_A"), "ds.get", "notes", "b") is None
    assert await fresh.ask(Actor(other), "kv.get", "b") is None


async def test_what_an_app_may_do_once_another_may_still_do(fresh: Trial) -> None:
    for app in fresh.apps:
        assert await fresh.ask(Actor(app), "batch", [["kv.incr", "sum"]], {"once": "only"}) == [1]
        assert await fresh.ask(Actor(app, "usr_a"), "batch", [["kv.incr", "sum"]], {"once": "only"}) == Refused(
            "CONFLICT"
        )
        assert await fresh.ask(Actor(app), "kv.get", "sum") == 1


# --- apps that come and go


async def test_a_purged_app_leaves_nothing_and_takes_nothing_along(trial: Trial) -> None:
    gone, other = trial.apps
    assert {name for name, _ in left_of(trial, gone)} > ROOMS, "there is nothing to see"
    before = rows(trial, other)
    # what is only in memory by then
    assert await trial.ask(Actor(gone), "ds.insert", "events", {"id": "late"}) == "late"
    await trial.purge(gone)
    assert left_of(trial, gone) == []
    assert rows(trial, other) == before
    await trial.compare()
    await trial.node.streams.write_all()
    assert not trial.node.streams.holds(gone, "events")
    await trial.upkeep(other, "")
    assert left_of(trial, gone) == []


ROOMS = {
    *("app_kv", "app_docs", "app_collections", "app_indexes", "app_texts", "app_objects", "app_sql_tables", "app_once"),
    *("event_shards", "vector_collections", "vector_documents", "vector_embeddings", "doc_text_content"),
}


@pytest.mark.parametrize("with_users", [False, True])
async def test_a_fork_has_what_there_was_and_shares_nothing_from_then_on(trial: Trial, with_users: bool) -> None:
    first = trial.apps[0]
    await trial.node.streams.write_all()
    fork = await trial.fork(first, with_users)
    await trial.compare()
    # everybody goes on in all three
    for _ in range(250):
        await trial.step()
    await trial.upkeep(fork, "")
    await trial.compare()
    before = rows(trial, first)
    await trial.purge(fork)
    assert rows(trial, first) == before
    await trial.compare()


async def test_a_statement_that_is_known_already_is_still_about_the_own_tables(fresh: Trial) -> None:
    for turn in range(2):
        for app in fresh.apps:
            await fresh.ask(Actor(app), "rd.define", "t", {"k": "TEXT PRIMARY KEY", "v": "TEXT"})
            await fresh.ask(Actor(app), "rd.query", SQL["put"], ["same", f"{app} {turn}"])
        for app in fresh.apps:
            assert await fresh.ask(Actor(app), "rd.query", SQL["get"], ["same"]) == [{"v": f"{app} {turn}"}]
    assert isinstance(await fresh.ask(Actor("app_cccccccccccc"), "rd.query", SQL["get"], ["same"]), Refused)


# --- what is in the file


def rows(trial: Trial, app: str | None = None) -> dict[str, list[Any]]:
    """Every row there is, or those of an app; without what tells of things that happened, and of apps."""
    return {name: sorted(kept, key=repr) for name, kept in _kept(trial, app) if kept and name != "apps"}


def left_of(trial: Trial, app: str) -> list[tuple[str, Any]]:
    """Tables and indexes that are called after an app, and its rows."""
    return [(name, row) for name, kept in _kept(trial, app) for row in kept]


def _kept(trial: Trial, app: str | None) -> Iterator[tuple[str, list[Any]]]:
    file = apsw.Connection(str(trial.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        for kind, name in file.execute("select type, name from sqlite_schema").fetchall():
            if app is not None and app in str(name):
                yield str(name), [(kind, name)]
            if kind != "table" or name in PASSING:
                continue
            kept = file.execute(f'select * from "{name}"').fetchall()
            # those behind the search index do not say which column it is
            columns = [str(column[1]) for column in file.execute(f'pragma table_info("{name}")')]
            at = columns.index("app_id") if "app_id" in columns else None
            yield str(name), [row for row in kept if app is None or (app in row if at is None else row[at] == app)]
    finally:
        file.close()
