"""The two kinds of places that objects are moved between, seen alike: those of an app with those of its users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, NamedTuple, Protocol, cast

from kernel.base.tables import Read
from kernel.data.object_content import ObjectContent
from kernel.data.object_tables import CHANGED, FORGET, OBJECTS, ONE
from kernel.data.object_words import Object, object_of
from kernel.data.place import Place
from kernel.data.s3_client import provider_error
from kernel.data.s3_shelf import Buckets, Shelf
from kernel.storage.store import Store
from kernel.syscall.plan import Write

SLICE = 500


class Found(NamedTuple):
    user: str
    key: str
    size: int
    seq: int = 0


class Side(Protocol):
    def everything(self, after: int = 0) -> AsyncIterator[Found]:
        """Every object; inside only those that were put after a number."""

    async def known(self, user: str, key: str) -> Object | None: ...
    async def take(self, user: str, key: str) -> bytes | None: ...
    async def give(self, user: str, said: Object, data: bytes) -> None:
        """Put an object, and make sure that it is there."""

    async def drop(self, user: str, key: str) -> None: ...


class Inside:
    def __init__(self, store: Store, content: ObjectContent, app: str) -> None:
        self._store, self._content, self._app = store, content, app

    async def everything(self, after: int = 0) -> AsyncIterator[Found]:
        while True:
            scoped = self._store.scoped(self._app)
            rows = await self._store.scan(
                scoped.scan((cast(Read, CHANGED), {"after": after, "limit": SLICE}), then=lambda found: found[0])
            )
            for row in rows:
                yield Found(*row)
            if len(rows) < SLICE:
                return
            after = rows[-1][3]

    async def known(self, user: str, key: str) -> Object | None:
        row = self._store.scoped(self._app, user).one(ONE, key=key)
        return object_of(row) if row else None

    async def take(self, user: str, key: str) -> bytes | None:
        found = await self.known(user, key)
        return await self._content.read(str(found.hash)) if found else None

    async def give(self, user: str, said: Object, data: bytes) -> None:
        scoped = self._store.scoped(self._app, user)
        held, content = await self._content.brought(data, scoped.now)
        row: dict[str, Any] = {"blob": held.sha256, "cid": held.cid, "size": held.size, "mime": said.mime}
        plan: Write[None] = content + scoped.do(FORGET, key=said.key)
        plan += scoped.insert(OBJECTS, key=said.key, updated_at=said.updated_at, **row)
        await self._store.write(plan.steps)

    async def drop(self, user: str, key: str) -> None:
        await self._store.write(self._store.scoped(self._app, user).do(FORGET, key=key).steps)


class Outside:
    def __init__(self, buckets: Buckets, place: Place, app: str) -> None:
        self._buckets, self._place, self._app = buckets, place, app

    def _shelf(self, user: str) -> Shelf:
        return self._buckets.shelf(self._place, self._app, user)

    async def everything(self, after: int = 0) -> AsyncIterator[Found]:
        async for user, key, size in self._buckets.everything(self._place, self._app):
            yield Found(user, key, size)

    async def known(self, user: str, key: str) -> Object | None:
        return await self._shelf(user).head(key)

    async def take(self, user: str, key: str) -> bytes | None:
        got = await self._shelf(user).get(key)
        return got.data if got else None

    async def give(self, user: str, said: Object, data: bytes) -> None:
        shelf = self._shelf(user)
        await shelf.put(said.key, data, said.mime, said.updated_at)
        if not await shelf.holds(said.key, data):
            raise provider_error("The storage outside does not hold what was put there.", "Move it again.")

    async def drop(self, user: str, key: str) -> None:
        await self._shelf(user).delete(key)
