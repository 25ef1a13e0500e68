"""The queue against a model of it: whatever comes, nothing is lost, nothing runs twice at a time or out of order."""

from __future__ import annotations

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kernel.base.clock import ManualClock
from kernel.base.errors import FaztError
from kernel.jobs import plans, table
from kernel.jobs.kinds import Job
from kernel.syscall.plan import Write

from .support import do, effect, effects, ends, make_jobs, make_store, rows

KEYS = st.sampled_from([None, None, "k", "l"])
ORDERS = st.sampled_from([None, None, "o", "p"])
APPS = st.sampled_from(["", "a"])
KINDS = st.sampled_from(["mail", "gc"])
TAKEN, REFUSED = FaztError("CONFLICT", "Taken."), FaztError("CONFLICT", "Refused.")


async def nothing(job: Job) -> None:
    """What runs is decided by the rules below."""


class Queue(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.clock = ManualClock()
        self.store = make_store(Path(self.folder.name), self.clock)
        self.boots = itertools.count(1)
        # the model: id → what is known of a job
        self.known: dict[str, dict[str, Any]] = {}
        self.claimed: dict[str, Job] = {}
        self.ended: dict[str, str] = {}
        self.done: list[str] = []
        self.start()

    def start(self) -> None:
        self.jobs = make_jobs(self.store, boot=f"boot_{next(self.boots)}")
        for kind in ("mail", "gc"):
            self.jobs.kind(kind, nothing, attempts=3)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @property
    def own(self) -> Any:
        return self.store.scoped("")

    def row(self, id: str) -> dict[str, Any] | None:
        return next((row for row in rows(self.store) if row["id"] == id), None)

    def waiting_twin(self, app: str, kind: str, key: str | None, but: str = "") -> str | None:
        for id, job in self.known.items():
            same = (job["app"], job["kind"], job["key"]) == (app, kind, key)
            if key is not None and same and job["state"] == "waiting" and id != but:
                return id
        return None

    # --- what may happen

    @rule(kind=KINDS, key=KEYS, order=ORDERS, app=APPS, after=st.sampled_from([0, 0, 5_000, 60_000]))
    def add(self, kind: str, key: str | None, order: str | None, app: str, after: int) -> None:
        twin = self.waiting_twin(app, kind, key)
        due = self.clock.now() + after
        id = do(self.store, self.jobs.add(self.own, kind, {}, key=key, order_key=order, after=after, app=app))
        assert id
        if twin:
            assert id == twin
            self.known[twin]["due_at"] = min(due, self.known[twin]["due_at"])
        else:
            assert id not in self.known
            order = order if order is not None or key is None else f"{kind}={key}"
            self.known[id] = {
                "kind": kind,
                "key": key,
                "order": order,
                "app": app,
                "state": "waiting",
                "due_at": due,
                "attempts": 0,
            }

    @rule(seconds=st.sampled_from([1, 30, 7200]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(most=st.integers(1, 4))
    def claim(self, most: int) -> None:
        now = self.clock.now()
        read = self.store.rows(table.FIRST, lane="default", limit=most)
        due = [id for id, _, due_at, _ in read if due_at <= now]
        ready = [
            id
            for id, job in self.known.items()
            if job["state"] == "waiting" and job["due_at"] <= now and self.has_turn(id)
        ]
        assert set(due) <= set(ready)
        assert len(due) == min(most, len(ready)), "what may run is offered"
        for job in do(self.store, plans.claim(self.own, due, self.jobs.boot, now)) or []:
            mine = self.known[job.id]
            mine["state"], mine["attempts"] = "running", mine["attempts"] + 1
            assert job.attempt == mine["attempts"]
            self.claimed[job.id] = job

    def has_turn(self, id: str) -> bool:
        """As the file sees it; that at most one of an order has it is an invariant."""
        found = self.row(id)
        assert found
        return not found["behind"]

    def take(self, data: Any) -> Job:
        return self.claimed[self.pick(data, self.claimed)]

    def pick(self, data: Any, ids: Any) -> str:
        """By its place, not by its name: names are different each time."""
        places = [id for id in self.known if id in ids]
        place: int = data.draw(st.integers(0, len(places) - 1))
        return places[place]

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def finish(self, data: Any) -> None:
        job = self.take(data)
        do(self.store, plans.finish(self.own, job, self.clock.now(), effect(self.store, job.id)))
        self.gone(job, "done")
        self.done.append(job.id)
        with pytest.raises(FaztError):
            do(self.store, plans.finish(self.own, job, self.clock.now(), effect(self.store, f"{job.id} again")))

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def fail(self, data: Any) -> None:
        job = self.take(data)
        do(self.store, self.jobs._failed(job, "it failed"))
        self.failed(job)

    def failed(self, job: Job) -> None:
        if job.attempt < 3:
            self.back(job, job.attempt, self.clock.now() + 7_500 * 2 ** (job.attempt - 1))
        else:
            self.known[job.id]["state"] = "dead"
            del self.claimed[job.id]

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def give_back(self, data: Any) -> None:
        job = self.take(data)
        do(self.store, plans.give_back(self.own, job, self.clock.now()))
        self.back(job, job.attempt - 1, job.due_at)

    def back(self, job: Job, attempts: int, due_at: int) -> None:
        twin = self.waiting_twin(job.app, job.kind, job.key)
        if twin:
            heir = self.known[twin]
            heir["attempts"], heir["due_at"] = max(heir["attempts"], attempts), max(heir["due_at"], due_at)
            self.gone(job, "replaced")
        else:
            self.known[job.id].update(state="waiting", attempts=attempts, due_at=due_at)
            del self.claimed[job.id]

    def gone(self, job: Job, how: str) -> None:
        self.ended[job.id] = how
        del self.known[job.id], self.claimed[job.id]

    @rule()
    def crash(self) -> None:
        """The program ends, and starts again."""
        self.start()
        for row in self.store.rows(table.RUNNING, boot=self.jobs.boot):
            do(self.store, self.jobs._failed(Job(*row), "ended"))
        for job in list(self.claimed.values()):
            self.failed(job)

    @precondition(lambda self: any(job["state"] != "running" for job in self.known.values()))
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        id = self.pick(data, {id for id, job in self.known.items() if job["state"] != "running"})
        job = self.known.pop(id)
        do(self.store, plans.delete(self.own, id, job["app"], job["order"], REFUSED))

    @precondition(lambda self: self.claimed)
    @rule(data=st.data())
    def delete_what_runs(self, data: Any) -> None:
        job = self.take(data)
        with pytest.raises(FaztError):
            do(self.store, plans.delete(self.own, job.id, job.app, job.order_key, REFUSED))

    @precondition(lambda self: any(job["state"] == "dead" for job in self.known.values()))
    @rule(data=st.data())
    def retry(self, data: Any) -> None:
        id = self.pick(data, {id for id, job in self.known.items() if job["state"] == "dead"})
        job = self.known[id]
        plan: Write[None] = plans.again(self.own, id, job["app"], job["order"], self.clock.now(), TAKEN, REFUSED)
        if self.waiting_twin(job["app"], job["kind"], job["key"]):
            with pytest.raises(FaztError, match="Taken"):
                do(self.store, plan)
        else:
            do(self.store, plan)
            job.update(state="waiting", attempts=0, due_at=self.clock.now())

    # --- what is always so

    @invariant()
    def the_file_is_the_model(self) -> None:
        found = {
            row["id"]: (
                row["app"],
                row["kind"],
                row["key"],
                row["order_key"],
                row["state"],
                row["due_at"],
                row["attempts"],
            )
            for row in rows(self.store)
        }
        names = ("app", "kind", "key", "order", "state", "due_at", "attempts")
        assert found == {id: tuple(job[name] for name in names) for id, job in self.known.items()}
        assert {id: how for id, _, how, _, _ in ends(self.store)} == self.ended
        assert effects(self.store) == sorted(self.done), "an effect is there exactly once, with the end of its job"

    @invariant()
    def one_of_an_order_has_the_turn(self) -> None:
        orders: dict[tuple[str, str], list[int]] = {}
        for row in rows(self.store):
            if row["order_key"] is not None and row["state"] != "dead":
                orders.setdefault((row["app"], row["order_key"]), []).append(row["behind"])
            if row["state"] == "running":
                assert not row["behind"]
        assert all(behind.count(0) == 1 for behind in orders.values()), orders


Queue.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestQueue = Queue.TestCase
