"""The queue as the node has it: kinds and lanes are declared, jobs are added, one timer claims what is due."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.base.json import to_text
from kernel.jobs import plans, table
from kernel.jobs.kinds import DEFAULT, Job, Kind, Run, pause
from kernel.jobs.lanes import Candidate, Lane
from kernel.jobs.run import carry_out
from kernel.observe import log
from kernel.storage.store import Store
from kernel.syscall.call import Scoped
from kernel.syscall.plan import Scan, Write

DEFAULT_SIZE = 4
MOST_PAYLOAD, LONGEST_KEY = 1 << 20, 512
LONGEST_NAP, LONGEST_TROUBLE = 30.0, 60.0  # seconds
PATIENCE = 3.0
WINDOW, MOST_APPS = 64, 500
SLACK = 1000  # milliseconds a clock may be put back without anybody minding
ENDED = "the program ended while it ran"
logger = log.get("fazt.jobs")


class Jobs:
    """`run` of a kind may return a Write: it becomes part of the batch that ends the job."""

    def __init__(self, store: Store, clock: Clock, *, chance: random.Random | None = None, boot: str = "") -> None:
        self._store, self._clock = store, clock
        self._chance = chance or random.Random()
        self.boot = boot or new_id("boot")
        self.kinds: dict[str, Kind] = {}
        self.lanes: dict[str, Lane] = {}
        self._every: dict[str, int] = {}
        self._unsure: set[str] = set()
        self._working: dict[asyncio.Task[None], Job] = {}
        self._timer: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._stopping = self._napping = False
        self._seen = 0
        self.lane(DEFAULT, DEFAULT_SIZE)

    # --- declaring

    def lane(self, name: str, size: int) -> None:
        """A lane runs `size` jobs at a time; said again, it is changed."""
        if name in self.lanes:
            self.lanes[name].size = size
        else:
            self.lanes[name] = Lane(name, size)

    def kind(self, name: str, run: Run, *, lane: str = DEFAULT, attempts: int = 5, timeout: float = 600.0) -> None:
        """A kind of job: after `attempts` runs that failed it is dead; a run longer than `timeout` seconds failed."""
        if lane not in self.lanes:
            raise TypeError(f"job {name}: no lane called {lane}")
        if name in self.kinds:
            raise TypeError(f"job {name} is declared twice")
        self.kinds[name] = Kind(name, run, lane, attempts, timeout)

    def every(self, kind: str, seconds: float) -> None:
        """One job of this kind always waits: the next is queued in the batch that ends the one before."""
        self._every[self._kind(kind).name] = round(seconds * 1000)
        self._unsure.add(kind)
        self.wake()

    def repeats(self, kind: str) -> bool:
        return kind in self._every

    # --- adding

    def add(
        self,
        store: Scoped,
        kind: str,
        payload: Any = None,
        *,
        key: str | None = None,
        order_key: str | None = None,
        after: int = 0,
        app: str = "",
    ) -> Write[str]:
        """A plan that queues a job, due in `after` milliseconds; it answers its id.

        While a job with this `key` (of this kind and app) waits, no second is queued: the one that waits is answered,
        and becomes due earlier if this one would have been. One that runs does not count, but the new one waits for it.
        Jobs of one `order_key` (of this app) run one after another as they were added; a dead one is passed over.
        """
        known, text = self._kind(kind), to_text(payload)
        if len(text) > MOST_PAYLOAD // 4 and len(text.encode()) > MOST_PAYLOAD:
            raise FaztError("LIMIT_EXCEEDED", f"A job may carry {MOST_PAYLOAD} bytes as JSON.", most=MOST_PAYLOAD)
        for name, value in (("key", key), ("order_key", order_key)):
            if value is not None and not 0 < len(value) <= LONGEST_KEY:
                raise FaztError("INVALID_ARGUMENT", f"{name}: must have 1 to {LONGEST_KEY} characters.", field=name)
        if key is not None and order_key is None:
            # what is queued again while it runs must not run beside itself
            order_key = f"{kind}={key}"
        now = self._clock.now()
        plan = plans.add(
            store,
            now,
            id=new_id("job"),
            kind=kind,
            lane=known.lane,
            app_id=app,
            key=key,
            order_key=order_key,
            payload=text,
            due_at=now + max(0, after),
            most_attempts=known.attempts,
        )
        return plan + self._waking()

    def trouble(self, kind: str, app: str) -> str | None:
        """Why a job of an app waits to be tried again, or is dead."""
        found = self._store.rows(table.TROUBLE, kind=kind, app_id=app)
        return str(found[0][0]) if found else None

    def wake(self) -> None:
        """Something may be due now; from any thread. (The timer looks by itself too, only later.)"""
        if self._loop is None:
            return
        try:
            asyncio.get_running_loop()
            self._woken.set()
        except RuntimeError:
            # another thread; a loop that was closed has nothing to wake
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._woken.set)

    def _waking(self) -> Write[None]:
        return Write([], lambda _: self.wake())

    def _kind(self, name: str) -> Kind:
        if name not in self.kinds:
            raise TypeError(f"no kind of job called {name}")
        return self.kinds[name]

    # --- the timer

    @property
    def running(self) -> list[Job]:
        """What runs now."""
        return list(self._working.values())

    @property
    def idle(self) -> bool:
        """Does the timer sleep, and nobody has woken it?"""
        return self._napping and not self._woken.is_set()

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer = asyncio.create_task(self._keep(), name="jobs")

    async def stop(self) -> None:
        """Claim nothing more, let what runs come to its end for some seconds, give the rest back."""
        self._stopping = True
        self._woken.set()
        if self._timer:
            await self._timer
        patience = asyncio.ensure_future(self._clock.sleep(PATIENCE))
        while self._working and not patience.done():
            await asyncio.wait({*self._working, patience}, return_when=asyncio.FIRST_COMPLETED)
        patience.cancel()
        for working in self._working:
            working.cancel()
        await asyncio.gather(*self._working, patience, return_exceptions=True)

    async def _keep(self) -> None:
        recovered, troubles = False, 0
        while not self._stopping:
            self._woken.clear()
            try:
                if not recovered:
                    await self._recover()
                    recovered = True
                nap, troubles = await self._pass(), 0
            except Exception as error:
                troubles += 1
                nap = min(LONGEST_TROUBLE, 2.0 ** min(troubles, 10))
                # a full disk is explained by its words; what nobody foresaw, by its trace
                known = isinstance(error, FaztError)
                logger.error(
                    "the queue cannot be read or written",
                    exc_info=not known,
                    extra={"again_in": nap, "why": error.message if isinstance(error, FaztError) else ""},
                )
            await self._nap(nap)

    async def _nap(self, seconds: float) -> None:
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._woken.wait())]
        self._napping = True
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        self._napping = False
        for wait in waits:
            wait.cancel()

    async def _pass(self) -> float:
        """Start what is due as far as there is room; how many seconds until something may be due again."""
        await self._mind_the_clock()
        await self._ensure()
        soonest = [LONGEST_NAP]
        for lane in list(self.lanes.values()):
            if lane.free:
                soonest.append(await self._fill(lane))
        return min(soonest)

    async def _fill(self, lane: Lane) -> float:
        most = max(WINDOW, lane.free + 1)
        first = await self._candidates(table.FIRST, lane=lane.name, limit=most)
        now = self._clock.now()
        due = [candidate for candidate in first if candidate.due_at <= now]
        later = [candidate.due_at for candidate in first if candidate.due_at > now]
        if len(due) == most:
            due += await self._by_app(lane, now)
        chosen = lane.choose(due, lane.free)
        if chosen:
            plan = plans.claim(self._own, [job.id for job in chosen], self.boot, now)
            claimed = plan.result(await self._store.write(plan.steps)) or []
            for job in claimed:
                self._begin(lane, job)
            if len(claimed) < len(chosen):
                return 1.0  # some were deleted at that very moment: look again, but not in a hurry
        # a lane without room is looked at when one of its jobs ends
        return min(LONGEST_NAP, (later[0] - now) / 1000) if later and lane.free else LONGEST_NAP

    async def _by_app(self, lane: Lane, now: int) -> list[Candidate]:
        """When more is due than one look shows: the oldest of each app, of so many apps at a time, in turn."""
        found = await self._candidates(table.BY_APP, lane=lane.name, first=lane.first, limit=MOST_APPS)
        lane.first = found[-1].app + "\0" if len(found) == MOST_APPS else ""
        return [candidate for candidate in found if candidate.due_at <= now]

    async def _candidates(self, read: Any, **params: Any) -> list[Candidate]:
        def shown(rows: list[list[Any]]) -> list[Candidate]:
            return [Candidate(*row) for row in rows[0]]

        found: list[Candidate] = await self._store.scan(Scan([(read, params)], shown))
        return found

    @property
    def _own(self) -> Scoped:
        return self._store.scoped("")

    # --- one job

    def _begin(self, lane: Lane, job: Job) -> None:
        lane.began(job.app)
        working = asyncio.create_task(self._work(job), name=f"work {job.id}")
        self._working[working] = job

        def ended(_: asyncio.Task[None]) -> None:
            del self._working[working]
            lane.ended(job.app)
            self._woken.set()

        working.add_done_callback(ended)

    async def _work(self, job: Job) -> None:
        kind = self.kinds.get(job.kind)
        try:
            try:
                if kind is None:
                    raise FaztError("NOT_FOUND", f"This program knows no job called {job.kind}.")
                await self._finish(job, await carry_out(kind, job, self._clock))
            except Exception as error:
                facts = {"job": job.id, "kind": job.kind, "app": job.app, "attempt": job.attempt}
                logger.exception("a job failed", extra=facts)
                await self._settle(self._failed(job, plans.as_text(error)))
        except asyncio.CancelledError:
            await self._settle(plans.give_back(self._own, job, self._clock.now()))

    async def _finish(self, job: Job, result: object) -> None:
        effect = result if isinstance(result, Write) else None
        plan = plans.finish(self._own, job, self._clock.now(), effect) + self._next(job)
        rows = await self._store.write(plan.steps)
        # the end is in the file now, whatever those who hear of it make of it
        try:
            plan.result(rows)
        except Exception:
            logger.exception("a job is done, but what follows from it failed", extra={"job": job.id})

    def _failed(self, job: Job, error: str) -> Write[Any]:
        """The plan for a run that failed: another try later, or the end."""
        now = self._clock.now()
        if job.kind in self.kinds and job.attempt < job.most_attempts:
            due = now + pause(job.attempt, self._chance)
            return plans.back(self._own, job, now, attempts=job.attempt, due_at=due, error=error)
        logger.error("a job is dead", extra={"job": job.id, "kind": job.kind, "app": job.app, "why": error})
        chore = self._is_chore(job)
        return plans.die(self._own, job, now, error, alone=chore) + self._next(job)

    def _is_chore(self, job: Job) -> bool:
        return job.kind in self._every and job.key == job.kind and not job.app

    def _next(self, job: Job) -> Write[Any]:
        """The job that follows a chore."""
        if not self._is_chore(job):
            return Write([])
        return self.add(self._own, job.kind, key=job.kind, after=self._every[job.kind])

    async def _settle(self, plan: Write[Any]) -> None:
        """Write what became of a job; a file that cannot be written now is tried again."""
        troubles = 0
        while True:
            try:
                await self._store.write(plan.steps)
                return
            except Exception:
                troubles += 1
                logger.exception("what became of a job cannot be written")
            if self._stopping:
                return  # the next start finds it as a job whose program ended
            await self._clock.sleep(min(LONGEST_TROUBLE, 2.0 ** min(troubles, 10)))

    # --- what is not as it should be

    async def _recover(self) -> None:
        """Take back what an earlier run of the program had claimed, and what no lane would look at."""
        for row in self._store.rows(table.RUNNING, boot=self.boot):
            await self._store.write(self._failed(Job(*row), ENDED).steps)
        waiting: list[str] = await self._store.scan(Scan([(table.LANES, {})], lambda rows: [row[0] for row in rows[0]]))
        for lane in set(waiting) - set(self.lanes):
            await self._store.write(self._own.do(table.ADOPT, lane=lane, to=DEFAULT).steps)

    async def _mind_the_clock(self) -> None:
        """Where the clock was put back, what waits keeps its distance: an hour's delay stays an hour."""
        now = self._clock.now()
        if not self._seen or now < self._seen - SLACK:
            await self._store.write(self._own.do(table.REBASE, now=now, ahead=now + SLACK).steps)
        self._seen = now

    async def _ensure(self) -> None:
        """Each chore has a job that waits."""
        for kind in sorted(self._unsure):
            await self._store.write(self.add(self._own, kind, key=kind, after=self._every[kind]).steps)
            self._unsure.discard(kind)
