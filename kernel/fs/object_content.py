"""The content of apps' objects, as blobs: the same bytes are stored once, whoever put them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.base.tables import Append, Patch, Read, Remove
from kernel.data.object_content import SMALL, Held, ObjectContent
from kernel.fs import cid
from kernel.fs.blobs import BEGIN, BLOBS, BY_SHA256, CHUNKS, NO_MORE, ONLY_PIECE, WHOLE, Content
from kernel.fs.cid import CHUNK
from kernel.storage.store import Store
from kernel.syscall.plan import Pieces, Step, Write

# these bytes are here to be hashed, so they take the place of what others said they were
OVER = Append("""insert into {chunks} (blob_id, n, data, leaf)
select id, :n, :data, :leaf from {blobs} where sha256 = :sha256 and complete = 0
on conflict (blob_id, n) do update set data = excluded.data, leaf = excluded.leaf where leaf <> excluded.leaf""")
WITHOUT = Remove(
    CHUNKS, where="n >= :count and blob_id = (select id from {blobs} where sha256 = :sha256 and complete = 0)"
)
# whole when each of its pieces is the one that was hashed
_MISSING = """select 1 from json_each(:leaves) l left join {chunks} c
  on c.blob_id = (select b.id from {blobs} b where b.sha256 = :sha256) and c.n = l.key
where c.leaf is not unhex(l.value)"""
MAKE_WHOLE = Patch(
    BLOBS,
    set="complete = 1, cid = :cid, size = :size, touched_at = :at",
    where=f"sha256 = :sha256 and complete = 0 and not exists ({_MISSING})",
)
TOUCH = Patch(BLOBS, set="touched_at = :at", where="sha256 = :sha256 and complete = 1")
FIRST = Read("""select c.data from {chunks} c join {blobs} b on b.id = c.blob_id
where b.sha256 = :sha256 and b.complete = 1 and c.n = 0""")


class ContentOfObjects(ObjectContent):
    def __init__(self, store: Store, content: Content) -> None:
        self._store, self._content = store, content

    def called(self, data: bytes) -> Held:
        return _taken(data).held

    def kept(self, data: bytes, at: int) -> tuple[Held, Write[None]]:
        taken = _taken(data)
        held = taken.held
        if len(data) > CHUNK:
            return held, Write([_begun(held, at), *_pieces(data, taken, 0, len(data))]) + self._made_whole(taken, at)
        row = {"sha256": held.sha256, "cid": held.cid, "size": held.size, "at": at}
        piece = {"sha256": held.sha256, "data": data, "leaf": taken.leaves[0].digest}
        return held, Write([Step(WHOLE.sql, row), Step(ONLY_PIECE.sql, piece), Step(NO_MORE.sql, row)])

    async def brought(self, data: bytes, at: int) -> tuple[Held, Write[None]]:
        taken = await asyncio.to_thread(_taken, data)
        held = taken.held
        if self._store.rows(BY_SHA256, sha256=held.sha256):
            # young again, so it stays until the plan is carried out
            await self._store.write(self._store.scoped("").do(TOUCH, sha256=held.sha256, at=at).steps)
        else:
            await self._store.write([_begun(held, at)])
            # nothing is a piece as well
            size = max(1, len(data))
            for start in range(0, size, SMALL):
                await self._store.write(_pieces(data, taken, start, min(start + SMALL, size)))
        return held, self._made_whole(taken, at)

    def _made_whole(self, taken: _Taken, at: int) -> Write[None]:
        scoped, held = self._store.scoped(""), taken.held
        which: dict[str, Any] = {"sha256": held.sha256, "at": at}
        leaves = to_text([leaf.digest.hex() for leaf in taken.leaves])
        gone = FaztError("CONFLICT", "The content was removed while it was stored.", "Try again.")
        return (
            scoped.do(WITHOUT, sha256=held.sha256, count=len(taken.leaves))
            + scoped.do(MAKE_WHOLE, **which, cid=held.cid, size=held.size, leaves=leaves)
            + scoped.do(TOUCH, **which).expect(1, gone)
        )

    def piece(self, sha256: str) -> bytes | None:
        rows = self._store.rows(FIRST, sha256=bytes.fromhex(sha256))
        return bytes(rows[0][0]) if rows else None

    def pieces(self, sha256: str) -> Pieces | None:
        rows = self._store.rows(BY_SHA256, sha256=bytes.fromhex(sha256))
        if not rows:
            return None
        id, size = rows[0][:2]

        def read() -> Iterator[bytes]:
            with self._content.being_read(id):
                yield from self._content.slices(id, 0, size)

        return Pieces(size, read)

    async def read(self, sha256: str) -> bytes | None:
        rows = self._store.rows(BY_SHA256, sha256=bytes.fromhex(sha256))
        if not rows:
            return None
        id, size = rows[0][:2]
        with self._content.being_read(id):
            return await self._store.aside(lambda: self._content.whole(id, size))


class _Taken(NamedTuple):
    """What is known of bytes that were looked at."""

    held: Held
    leaves: list[cid.Node]


def _taken(data: bytes) -> _Taken:
    leaves = [cid.leaf(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK)] or [cid.leaf(b"")]
    return _Taken(Held(hashlib.sha256(data).digest(), cid.file_cid(leaves), len(data)), leaves)


def _begun(held: Held, at: int) -> Step:
    return Step(BEGIN.sql, {"sha256": held.sha256, "size": held.size, "at": at})


def _pieces(data: bytes, taken: _Taken, start: int, end: int) -> list[Step]:
    steps = []
    for at in range(start, end, CHUNK):
        n, piece = at // CHUNK, data[at : at + CHUNK]
        row = {"sha256": taken.held.sha256, "n": n, "data": piece, "leaf": taken.leaves[n].digest}
        steps.append(Step(OVER.sql, row))
    return steps
