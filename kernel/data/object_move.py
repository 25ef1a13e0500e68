"""Moving the objects of an app: out to a bucket, from one bucket to another, or back inside.

A durable job copies what is not there yet with the same hash, checks each copy, makes the target hold nothing else,
and only then turns: from that batch on everybody reads and writes there. It may be interrupted at any point and begins
again with what is missing. What is written meanwhile is not lost: inside, the turn fails where anything was put or
deleted since the last look, and the rest is copied; in a bucket, writes are noted, and wait for the turn itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Self, cast

from msgspec import Struct

from kernel.base.errors import FaztError
from kernel.base.tables import Read
from kernel.data.collections import Declared
from kernel.data.object_content import ObjectContent
from kernel.data.object_places import Standing, standing, standing_of
from kernel.data.object_sides import Found, Inside, Outside, Side
from kernel.data.object_tables import BEGUN, END, NOTE, PLACES, SETTLE, SETTLE_STILL, TOTALS
from kernel.data.place import Place, place_of
from kernel.data.s3_shelf import Buckets
from kernel.jobs.jobs import Jobs
from kernel.jobs.kinds import Job
from kernel.storage.store import Store
from kernel.syscall import Call, Line, Write, syscall
from kernel.syscall.call import Ports

KIND, LANE = "storage.move", "moves"
ATTEMPTS, TIMEOUT = 20, 24 * 3600.0
# so many objects at a time, but large ones one by one
TOGETHER, LARGE = 8, 4 << 20
NOTED = 100
OPEN_ROUNDS, SHUT_ROUNDS = 3, 10


class PlaceName(Line):
    """Where objects may lie: `internal` or `s3://bucket/prefix`."""

    least, most = 1, 400

    @classmethod
    def parse(cls, value: Any) -> Self:
        text = super().parse(value)
        return cls(place_of(text).text)


class Moving(Struct):
    place: str
    target: str | None
    done: int
    total: int
    bytes: int
    error: str | None = None


def _shown(now: Standing, error: str | None = None) -> Moving:
    return Moving(now.place.text, now.target.text if now.target else None, now.done, now.total, now.bytes, error)


@syscall("storage.moving", http="GET /api/apps/{app}/storage/move", cli="storage moving <app?>", js=False)
def storage_moving(call: Call) -> Moving:
    """Where the objects of an app are, how far they are on their way elsewhere, and why they wait, if they do."""
    now = standing(call)
    return _shown(now, call.use(Jobs).trouble(KIND, call.store.app) if now.target else None)


@syscall("storage.move", http="POST /api/apps/{app}/storage/move -> 202", cli="storage move <app?>", js=False, weight=7)
def storage_move(
    call: Call, *, to: PlaceName, from_: PlaceName | None = None, delete_source: bool = False, forget: bool = False
) -> Write[Moving]:
    """Move the objects of an app to s3://bucket/prefix, or back to internal, while it runs.

    They are copied in the background; `storage moving` says how far. Said with where they are, it ends a move.
    With forget, those in a bucket are left there and given up: for one that will never answer again.
    """
    now, target = standing(call), place_of(to)
    if from_ is not None and place_of(from_) != now.place:
        raise FaztError("CONFLICT", f"The objects are in {now.place.text}, not in {from_}.")
    scoped = call.store.of("")
    if forget and (now.place.inside or now.place == target):
        raise FaztError("CONFLICT", f"The objects are in {now.place.text}: there is nothing to give up.")
    if target == now.place and now.target in (None, target):
        if now.target is None:
            raise FaztError("CONFLICT", f"The objects are in {target.text} already.")
        return _queued(call, Write(()), now)
    if target == now.place:
        return scoped.do(END, at=call.now).giving(lambda _: _shown(standing(call)))
    if not (target.inside and (now.place.inside or forget)):
        _check_set_up(call, now.place)
    if forget:
        here = {"place": target.text, "target": None, "source": None, "clean": 0, "done": 0, "total": 0, "bytes": 0}
        plan = scoped.put(PLACES, store="s3", **here, updated_at=call.now)
        return plan.giving(lambda _: _shown(standing(call)))
    if now.target is not None:
        if now.target == target:
            return _queued(call, Write(()), now)
        raise _busy(now.target)
    row = {"place": now.place.text, "source": now.place.text, "target": target.text, "clean": int(delete_source)}
    begun = scoped.do(BEGUN).expect(0, _busy(target))
    begun += scoped.put(PLACES, store="s3", **row, done=0, total=0, bytes=0, updated_at=call.now)
    return _queued(call, begun, now._replace(target=target, done=0, total=0, bytes=0))


def _check_set_up(call: Call, source: Place) -> None:
    try:
        call.use(Buckets).client.check()
    except FaztError as error:
        way_out = "" if source.inside else f" With --forget, what is in {source.text} is given up."
        raise FaztError(error.code, error.message, f"{error.hint}{way_out}") from None


def _queued(call: Call, plan: Write[Any], now: Standing) -> Write[Moving]:
    job = call.use(Jobs).add(call.use(Store).scoped(""), KIND, key="move", app=call.store.app)
    return Write((), lambda _: _shown(now)) + plan + job


def _busy(target: Place) -> FaztError:
    hint = "`fazt storage moving APP` says how far; moving to where they are ends it."
    return FaztError("CONFLICT", f"The objects are being moved to {target.text}.", hint)


class Moves:
    def __init__(self, jobs: Jobs, store: Store, ports: Ports) -> None:
        self._store, self._ports = store, ports
        jobs.lane(LANE, 1)
        jobs.kind(KIND, self.run, lane=LANE, attempts=ATTEMPTS, timeout=TIMEOUT)

    async def run(self, job: Job) -> Write[None] | None:
        now = self._standing(job.app)
        if now.target is None or now.source is None:
            return None
        if now.place != now.target:
            if now.place.inside:
                await self._out(job.app, now.place, now.target)
            else:
                await self._elsewhere(job.app, now.place, now.target)
        now = self._standing(job.app)
        if now.target is None or now.place != now.target or now.source is None:
            return None
        if now.clean:
            await self._cleaned(self._side(now.source, job.app))
        scoped = self._store.scoped(job.app)
        return scoped.do(END, at=scoped.now)

    def _standing(self, app: str) -> Standing:
        return standing_of(self._store.scoped(app), self._store, self._ports.use(Declared))  # type: ignore[type-abstract]

    def _side(self, place: Place, app: str) -> Side:
        if place.inside:
            return Inside(self._store, self._ports.use(ObjectContent), app)  # type: ignore[type-abstract]
        return Outside(self._ports.use(Buckets), place, app)

    def _wanted(self, app: str, target: Place) -> bool:
        return self._standing(app).target == target

    # --- from inside: the turn sees by itself whether anything has changed

    async def _out(self, app: str, source: Place, target: Place) -> None:
        inside, outside = self._side(source, app), self._side(target, app)
        progress, after = _Progress(self._store, app), 0
        for _ in range(OPEN_ROUNDS):
            after, done = await self._round(app, target, inside, outside, progress, after)
            if done:
                return
        # it is written all the time: what is left takes a moment, in which who writes waits
        async with self._ports.use(Buckets).shut(app):
            for _ in range(SHUT_ROUNDS):
                after, done = await self._round(app, target, inside, outside, progress, after)
                if done:
                    return
        raise FaztError("CONFLICT", "The app changes its objects faster than they are moved.", "Try again later.")

    async def _round(
        self, app: str, target: Place, inside: Side, outside: Side, progress: _Progress, after: int
    ) -> tuple[int, bool]:
        """Copy what was put after a number, and turn if that was all. The next number, and whether there is no more."""
        if not self._wanted(app, target):
            return 0, True
        count, last, size = self._totals(app)
        progress.expect(count, size)
        await _copied(inside, outside, inside.everything(after), progress)
        if await _same(inside, outside) != count:
            # something changed meanwhile, or what was there has gone
            return 0, False
        scoped = self._store.scoped(app)
        plan = scoped.do(SETTLE_STILL, target=target.text, at=scoped.now, seen=f"{count} {last}", whose=app)
        return last, await self._turned(plan)

    def _totals(self, app: str) -> Any:
        return self._store.scoped(app).one(cast(Read, TOTALS))

    async def _turned(self, plan: Write[None]) -> bool:
        changed = FaztError("CONFLICT", "The objects changed.")
        try:
            await self._store.write(plan.expect(1, changed).steps)
        except FaztError as error:
            if error.message != changed.message:
                raise
            return False
        return True

    # --- from a bucket: who writes is seen, and waits for the turn

    async def _elsewhere(self, app: str, source: Place, target: Place) -> None:
        here, there, buckets = self._side(source, app), self._side(target, app), self._ports.use(Buckets)
        progress = _Progress(self._store, app)
        async with buckets.watched(app) as touched:
            sizes = [found.size async for found in here.everything()]
            progress.expect(len(sizes), sum(sizes))
            await _copied(here, there, here.everything(), progress)
            await _same(here, there, touched)
            await self._again(here, there, touched)
            async with buckets.shut(app):
                await self._again(here, there, touched)
                if self._wanted(app, target):
                    scoped = self._store.scoped(app)
                    await self._turned(scoped.do(SETTLE, target=target.text, at=scoped.now))

    async def _again(self, here: Side, there: Side, touched: set[tuple[str, str]]) -> None:
        """What was written until now; it may be written again meanwhile."""
        for user, key in list(touched):
            touched.discard((user, key))
            await _copy(here, there, Found(user, key, 0))

    async def _cleaned(self, side: Side) -> None:
        gone: list[Found] = [found async for found in side.everything()]
        for found in gone:
            await side.drop(found.user, found.key)


class _Progress:
    """Written down now and then, for who asks."""

    def __init__(self, store: Store, app: str) -> None:
        self._store, self._app = store, app
        self.done = self.total = self.bytes = self.size = 0

    def expect(self, total: int, size: int) -> None:
        self.total, self.size = total, size

    async def add(self, size: int) -> None:
        self.done, self.bytes = self.done + 1, self.bytes + size
        if self.done % NOTED == 0:
            await self.note()

    async def note(self) -> None:
        # what changes on the way is copied again
        self.done, self.bytes = min(self.done, self.total), min(self.bytes, self.size)
        scoped = self._store.scoped(self._app)
        await self._store.write(scoped.do(NOTE, done=self.done, total=self.total, bytes=self.bytes).steps)


async def _copied(source: Side, target: Side, wanted: AsyncIterator[Found], progress: _Progress) -> None:
    """Copy some objects, several at a time, but never several large ones."""
    places, large = asyncio.Semaphore(TOGETHER), asyncio.Lock()
    await progress.note()

    async def one(found: Found) -> None:
        try:
            if found.size > LARGE:
                async with large:
                    await _copy(source, target, found)
            else:
                await _copy(source, target, found)
            await progress.add(found.size)
        finally:
            places.release()

    try:
        async with asyncio.TaskGroup() as group:
            async for found in wanted:
                await places.acquire()
                group.create_task(one(found))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    await progress.note()


async def _copy(source: Side, target: Side, found: Found) -> None:
    """Make an object of the target what it is in the source; one that is so already is not read."""
    said, there = await source.known(found.user, found.key), await target.known(found.user, found.key)
    if said is not None and said.hash is not None and there == said:
        return
    data = await source.take(found.user, found.key) if said is not None else None
    if said is not None and data is not None:
        await target.give(found.user, said, data)
    elif said is not None and await source.known(found.user, found.key) is not None:
        raise FaztError("STORAGE_ERROR", "The content of an object cannot be read.", "Delete it, or restore a backup.")
    elif there is not None:
        await target.drop(found.user, found.key)


async def _same(source: Side, target: Side, changing: Iterable[tuple[str, str]] = ()) -> int:
    """Nothing is in the target that is not in the source, and what is there has the right length: how much it is."""
    count = 0
    async for found in target.everything():
        said = await source.known(found.user, found.key)
        count += said is not None
        if (said is None or said.size != found.size) and (found.user, found.key) not in changing:
            await _copy(source, target, found)
    return count
