"""A program that is killed while jobs run: each is run again, none is lost, and its effect happens once.

Run as a program (`python -m tests.faults.test_jobs <file>`) this is the one that is killed.
"""

from __future__ import annotations

import asyncio
import collections
import os
import random
import select
import subprocess
import sys
from pathlib import Path

from kernel.base.clock import Clock
from kernel.base.tables import Migration, Table
from kernel.jobs import table
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.storage.store import Store, open_store

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
JOBS, ORDERS, KILLS, ATTEMPTS, WIDE = 400, 8, 6, 10, 12
MIGRATIONS = (
    *table.MIGRATIONS,
    Migration("delivered_0001", "create table delivered (n integer not null, created_at integer not null)"),
)
DELIVERED = Table("delivered", ("n", "created_at"), key=("n",), scope="node")


class Hasty(random.Random):
    """A try again follows at once: nobody waits here."""

    def random(self) -> float:
        return -1.0


def opened(path: Path) -> tuple[Store, Jobs]:
    store = open_store(path, tables=(table.JOBS, table.RUNS, DELIVERED), migrations=MIGRATIONS)
    jobs = Jobs(store, Clock(), chance=Hasty())
    jobs.lane("wide", WIDE)

    async def deliver(job: Job) -> object:
        # a line that is whole or not there, whenever the program is killed
        os.write(1, f"{job.payload} {job.attempt}\n".encode())
        await asyncio.to_thread(os.getpid)
        return store.scoped("").insert(DELIVERED, n=job.payload)

    jobs.kind("deliver", deliver, lane="wide", attempts=ATTEMPTS)
    return store, jobs


async def work(path: Path) -> None:
    """Work until there is nothing left to do."""
    store, jobs = opened(path)
    jobs.start()
    while store.reader().execute("select count(*) from jobs").get:  # noqa: ASYNC110 - from outside the queue
        await asyncio.sleep(0.005)
    await jobs.stop()
    store.close()


def fill(path: Path) -> None:
    """Some of the jobs have an order, some a key, all the same app or none."""
    store, jobs = opened(path)
    for n in range(JOBS):
        order = f"o{n % ORDERS}" if n % 2 else None
        key = f"k{n}" if n % 3 == 0 else None
        store.write_blocking(jobs.add(store.scoped(""), "deliver", n, order_key=order, key=key).steps)
    store.close()


def run_until(path: Path, lines: int | None) -> list[tuple[int, int]]:
    """Let the program work until it has said so many lines, then kill it: what it said. None: until it ends."""
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.test_jobs", str(path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert program.stdout
    said = b""
    try:
        while lines is None or said.count(b"\n") < lines:
            assert select.select([program.stdout], [], [], PATIENCE)[0], "the program says nothing any more"
            more = os.read(program.stdout.fileno(), 65536)
            if not more:
                break
            said += more
    finally:
        program.kill()
        said += program.stdout.read()
        program.wait(PATIENCE)
        program.stdout.close()
    return [(int(n), int(attempt)) for n, attempt in (line.split() for line in said.decode().splitlines())]


def test_nothing_is_lost_or_happens_twice_when_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    fill(path)
    chance = random.Random(random.randrange(1 << 20))
    said: list[tuple[int, int]] = []
    store, _ = opened(path)
    claimed = 0
    for _ in range(KILLS):
        said += run_until(path, chance.randint(WIDE + 1, 3 * WIDE))
        claimed += int(str(store.reader().execute("select count(*) from jobs where state = 'running'").get))
    left = {int(row[0]) for row in store.reader().execute("select payload from jobs")}
    done = {int(row[0]) for row in store.reader().execute("select n from delivered")}
    assert claimed, "it was killed while jobs ran"
    assert done, "more began than can run at a time, so some were done"
    assert (done | left, done & left) == (set(range(JOBS)), set())
    said += run_until(path, None)

    delivered = [int(row[0]) for row in store.reader().execute("select n from delivered")]
    ended = store.reader().execute("select state, count(*) from job_runs group by 1").fetchall()
    assert sorted(delivered) == list(range(JOBS)), "each effect once"
    assert ended == [("done", JOBS)]
    assert store.reader().execute("select count(*) from jobs").get == 0
    runs = collections.Counter(n for n, _ in said)
    assert set(runs) == set(range(JOBS))
    assert max(runs.values()) <= KILLS + 1
    assert len(said) > JOBS, "what was killed was run again"
    # a job is never run beside itself, nor twice with one attempt, and orders are kept
    assert len(set(said)) == len(said)
    for order in range(1, ORDERS, 2):
        of_it = [n for n in delivered if n % ORDERS == order]
        assert of_it == sorted(of_it)
    store.close()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1])))
