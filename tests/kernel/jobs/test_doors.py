"""The queue over HTTP and the command line: what is shown, and what may be done to a job in which state."""

from __future__ import annotations

from typing import Any

import pytest

from kernel.jobs import plans, table
from kernel.jobs.kinds import Job
from tests.support import Running


async def nothing(job: Job) -> None:
    """The timer of these nodes stands still."""


async def made(running: Running, plan: Any) -> Any:
    return plan.result(await running.node.store.write(plan.steps))


async def add(running: Running, kind: str = "mail", **how: Any) -> str:
    jobs = running.node.jobs
    if kind not in jobs.kinds:
        jobs.kind(kind, nothing, attempts=2)
    return str(await made(running, jobs.add(running.node.store.scoped(""), kind, **how)))


async def claim(running: Running, *ids: str) -> list[Job]:
    own, now = running.node.store.scoped(""), running.clock.now()
    found: list[Job] = await made(running, plans.claim(own, list(ids), running.node.jobs.boot, now))
    assert len(found) == len(ids)
    return found


async def kill(running: Running, id: str) -> str:
    (job,) = await claim(running, id)
    await made(running, plans.die(running.node.store.scoped(""), job, running.clock.now(), "no"))
    return id


async def listed(running: Running, query: str = "") -> list[str]:
    answer = await running.ask("GET", f"/api/jobs{query}", key="read")
    assert answer.status == 200, answer.body
    assert answer.json["meta"]["total"] == len(answer.data)
    return [job["id"] for job in answer.data]


async def test_jobs_are_listed_newest_first_and_by_state_kind_and_app(running: Running) -> None:
    blog = (await running.run("apps.create", slug="blog")).id
    gone = (await running.run("apps.create", slug="gone")).id
    waits = await add(running)
    of_blog = await add(running, app=blog)
    of_gone = await add(running, "ring", app=gone)
    dead = await kill(running, await add(running, "ring"))
    runs = await add(running, "ring")
    await claim(running, runs)
    await running.run("apps.delete", app="gone")
    for query, found in {
        "": [runs, dead, of_gone, of_blog, waits],
        "?state=waiting": [of_gone, of_blog, waits],
        "?state=dead": [dead],
        "?state=running": [runs],
        "?kind=ring": [runs, dead, of_gone],
        "?app=blog": [of_blog],
        f"?app={blog}&state=waiting": [of_blog],
        f"?app={blog}&state=dead": [],
        f"?app={gone}": [of_gone],
    }.items():
        assert await listed(running, query) == found, query


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?state=ended", 400, "VALIDATION_FAILED"),
        ("?state=", 400, "VALIDATION_FAILED"),
        ("?kind=", 400, "VALIDATION_FAILED"),
        ("?app=nobody", 404, "APP_NOT_FOUND"),
        ("?app=%00", 400, "VALIDATION_FAILED"),
        ("?limit=101", 400, "VALIDATION_FAILED"),
        ("?app_id=x", 400, "VALIDATION_FAILED"),
    ],
)
@pytest.mark.parametrize("path", ["/api/jobs", "/api/jobs/runs"])
async def test_a_wrong_question_is_refused(running: Running, path: str, query: str, status: int, code: str) -> None:
    answer = await running.ask("GET", path + query, key="read")
    assert (answer.status, answer.code) == (status, code)


async def test_what_is_done_is_shown_as_a_run(running: Running) -> None:
    id = await add(running, key="k")
    (job,) = await claim(running, id)
    running.clock.advance(5)
    await made(running, plans.finish(running.node.store.scoped(""), job, running.clock.now()))
    (run,) = (await running.ask("GET", "/api/jobs/runs", key="read")).data
    assert (run["id"], run["key"], run["state"], run["attempts"]) == (id, "k", "done", 1)
    assert run["ended_at"] - run["started_at"] == 5_000
    assert await listed(running) == []


async def test_a_dead_job_waits_again_and_no_other(running: Running) -> None:
    dead, waits, runs = await kill(running, await add(running)), await add(running), await add(running)
    await claim(running, runs)
    answer = await running.ask("POST", f"/api/jobs/{dead}/retry", key="admin", body={})
    assert (answer.status, answer.data) == (200, {"id": dead, "state": "waiting"})
    assert await listed(running, "?state=dead") == []
    (again,) = await claim(running, dead)
    assert again.attempt == 1
    for id in (dead, waits, runs):
        answer = await running.ask("POST", f"/api/jobs/{id}/retry", key="admin", body={})
        assert (answer.status, answer.code) == (409, "CONFLICT")


async def test_a_dead_job_does_not_come_back_beside_one_with_its_key(running: Running) -> None:
    dead = await kill(running, await add(running, key="k"))
    await add(running, key="k")
    await running.key("admin")
    before = running.content()
    answer = await running.ask("POST", f"/api/jobs/{dead}/retry", key="admin", body={})
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert running.content() == before


async def test_a_job_is_deleted_unless_it_runs_and_the_next_of_its_order_moves_up(running: Running) -> None:
    first, second, third = [await add(running, order_key="o") for _ in range(3)]
    await claim(running, first)
    answer = await running.ask("DELETE", f"/api/jobs/{first}", key="admin")
    assert (answer.status, answer.code) == (409, "CONFLICT")
    (job,) = (Job(*row) for row in running.node.store.rows(table.RUNNING, boot=""))
    await made(running, plans.finish(running.node.store.scoped(""), job, running.clock.now()))
    assert (await running.ask("DELETE", f"/api/jobs/{second}", key="admin")).status == 204
    await claim(running, third)
    assert (await running.ask("DELETE", f"/api/jobs/{second}", key="admin")).status == 404


async def test_a_chore_is_not_deleted_while_it_waits(running: Running) -> None:
    id = await add(running, "gc", key="gc", after=1000)
    running.node.jobs.every("gc", 60)
    answer = await running.ask("DELETE", f"/api/jobs/{id}", key="admin")
    assert (answer.status, answer.code) == (409, "CONFLICT")
    assert (await running.ask("DELETE", f"/api/jobs/{await kill(running, id)}", key="admin")).status == 204


@pytest.mark.parametrize("id", ["job_000000000000", "job_x", "jobs", "%00", "job_00000000000U"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_there_is_no_such_job(running: Running, method: str, id: str) -> None:
    path = f"/api/jobs/{id}" + ("/retry" if method == "POST" else "")
    answer = await running.ask(method, path, key="admin", body={} if method == "POST" else None)
    assert answer.status in (400, 404), answer.body


async def test_the_commands(running: Running) -> None:
    dead = await kill(running, await add(running))

    async def run(command: str) -> Any:
        return (await running.ask("POST", "/api/cmd", key="admin", body={"command": command})).data

    assert [job["id"] for job in (await run("jobs list --state dead"))["data"]] == [dead]
    assert (await run(f"jobs retry {dead}"))["data"]["state"] == "waiting"
    assert (await run(f"jobs delete {dead}"))["success"]
    assert (await run("jobs list --app nobody"))["error"]["code"] == "APP_NOT_FOUND"
    assert (await run("jobs runs"))["data"] == []
