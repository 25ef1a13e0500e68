"""What becomes of a job, as plans. Each names the claim it ends: what lost its claim changes nothing."""

from __future__ import annotations

from typing import Any

from kernel.base.errors import FaztError
from kernel.base.tables import Append
from kernel.base.units import parse_duration
from kernel.jobs import table
from kernel.jobs.kinds import Job
from kernel.syscall.call import Scoped
from kernel.syscall.plan import Step, Write

KEEP_RUNS = parse_duration("7d")
MOST_RUNS = 10_000
LONGEST_ERROR = 1000
LOST = FaztError("CONFLICT", "The job was taken from this run; its effect was not written.")


def add(store: Scoped, now: int, **job: Any) -> Write[str]:
    """A new job, or, where one with its key waits, that one, which may come forward. The answer is its id."""
    values = {**job, "now": now}
    brought = store.do(table.FORWARD, **values)
    return (brought + _append(table.ADD, values)).giving(lambda rows: rows[0][0][0] if rows[0] else job["id"])


def claim(store: Scoped, ids: list[str], boot: str, now: int) -> Write[list[Job]]:
    """Each of these that still waits, from now on counted as tried."""
    steps = [step for id in ids for step in store.do(table.CLAIM, id=id, boot=boot, now=now).steps]
    return Write(steps).giving(lambda rows: [Job(*row[0]) for row in rows if row])


def finish(store: Scoped, job: Job, now: int, effect: Write[Any] | None = None) -> Write[Any]:
    """It is done: its end and its effect are one batch."""
    values = _claim(job, now)
    done = _append(table.RECORD, {**values, "state": "done", "error": None})
    done += store.do(table.FINISH, **values).expect(1, LOST)
    done += _advance(store, job) + store.do(table.TRIM, most=MOST_RUNS)
    return done + effect if effect else done


def back(store: Scoped, job: Job, now: int, *, attempts: int, due_at: int, error: str | None) -> Write[None]:
    """It waits again; if another with its key came meanwhile, that one does it."""
    values = {**_claim(job, now), "attempts": attempts, "due_at": due_at, "error": error}
    plan: Write[None] = Write([])
    if job.key is not None:
        plan += store.do(table.INHERIT, **values)
        plan += _append(table.RECORD_REPLACED, {**values, "state": "replaced"})
        plan += store.do(table.REPLACED, **values)
    return plan + store.do(table.BACK, **values) + _advance(store, job)


def give_back(store: Scoped, job: Job, now: int) -> Write[None]:
    """Nobody's fault: the attempt does not count."""
    return back(store, job, now, attempts=job.attempt - 1, due_at=job.due_at, error=None)


def die(store: Scoped, job: Job, now: int, error: str, *, alone: bool = False) -> Write[None]:
    """Tried often enough. `alone`: dead ones of the same key before it are forgotten."""
    values = {**_claim(job, now), "error": error}
    plan = store.do(table.DIE, **values) + _advance(store, job)
    return plan + store.do(table.ONLY_LAST_DEAD, **values) if alone else plan


def delete(store: Scoped, id: str, app: str, order_key: str | None, refused: FaztError) -> Write[None]:
    plan = store.do(table.DELETE, id=id).expect(1, refused)
    return plan + store.do(table.ADVANCE, app_id=app, order_key=order_key) if order_key is not None else plan


def again(
    store: Scoped, id: str, app: str, order_key: str | None, now: int, taken: FaztError, refused: FaztError
) -> Write[None]:
    """A dead one waits again, with all its attempts; `taken` when another with its key waits."""
    step = store.do(table.AGAIN, id=id, app_id=app, order_key=order_key, now=now).steps[0]
    return Write[None]([step._replace(error=taken)]).expect(1, refused)


def as_text(error: BaseException) -> str:
    """An error as the queue keeps it: whatever it says, it can be stored."""
    said = f"{error.code}: {error.message}" if isinstance(error, FaztError) else f"{type(error).__name__}: {error}"
    return said[:LONGEST_ERROR].encode("utf-8", "replace").decode().replace("\0", "")


def _claim(job: Job, now: int) -> dict[str, Any]:
    """The parameters that name a claim and the key of its job."""
    return {
        "id": job.id,
        "boot": job.claimed_by,
        "kind": job.kind,
        "app_id": job.app,
        "key": job.key,
        "now": now,
        "expires_at": now + KEEP_RUNS,
    }


def _advance(store: Scoped, job: Job) -> Write[None]:
    if job.order_key is None:
        return Write([])
    return store.do(table.ADVANCE, app_id=job.app, order_key=job.order_key)


def _append(statement: Append, values: dict[str, Any]) -> Write[None]:
    return Write([Step(statement.sql, values)])
