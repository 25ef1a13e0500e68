"""The compressed forms of files: a quick one while somebody waits, later the smallest, by a job in no hurry.

The smallest are rows of `variants`, kept with the content they are made of; quick ones live in memory.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kernel.base.tables import Append, Migration, Read, Table
from kernel.fs import codings
from kernel.fs.blobs import Content
from kernel.fs.codings import IDENTITY
from kernel.fs.trees import File
from kernel.storage.store import Store
from kernel.syscall.plan import Step, Write

VARIANTS = Table("variants", ("cid", "coding", "data", "created_at"), key=("cid", "coding"), scope="node")
MIGRATIONS = (
    Migration(
        "variants_0001",
        """
create table variants (cid text not null, coding text not null, data blob not null, created_at integer not null,
  primary key (cid, coding)) strict;
""",
    ),
)
ONE = Read("select data from {variants} where cid = :cid and coding = :coding")
KEEP = Append("""insert into {variants} (cid, coding, data, created_at) values (:cid, :coding, :data, :at)
on conflict (cid, coding) do nothing""")

MOST_MEMORY = 16 << 20
MOST_WANTED = 1000


class Variant(NamedTuple):
    coding: str
    data: bytes


class Variants:
    def __init__(self, store: Store, content: Content) -> None:
        self._store, self._content = store, content
        self._ready: collections.OrderedDict[tuple[str, str], bytes | None] = collections.OrderedDict()
        self._held = 0
        self._making: dict[tuple[str, str], asyncio.Future[bytes | None]] = {}
        # what a job shall make smaller: noted here, queued with many others
        self.wanted: dict[tuple[str, str], File] = {}
        self._quick = ThreadPoolExecutor(2, thread_name_prefix="fazt-coder")
        self._patient = ThreadPoolExecutor(1, thread_name_prefix="fazt-patient", initializer=_be_nice)

    def close(self) -> None:
        self._quick.shutdown(cancel_futures=True)
        self._patient.shutdown(cancel_futures=True)

    async def of(self, file: File, mime: str, accept: str | None) -> Variant | None:
        """The form of a file to send; None: as it is."""
        if not codings.worth_coding(mime, file.size):
            return None
        coding = codings.negotiate(accept)
        if coding == IDENTITY:
            return None
        data = await self._data(file, coding)
        return Variant(coding, data) if data is not None else None

    async def _data(self, file: File, coding: str) -> bytes | None:
        key = (file.cid, coding)
        if key in self._ready:
            self._ready.move_to_end(key)
            return self._ready[key]
        rows = self._store.rows(ONE, cid=file.cid, coding=coding)
        if rows:
            return self._remember(key, rows[0][0], file.size)
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.ensure_future(self._made(file, coding))
            making.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(making)

    async def _made(self, file: File, coding: str) -> bytes | None:
        data = self._content.whole(file.id, file.size)
        made = await asyncio.get_running_loop().run_in_executor(self._quick, codings.fast, coding, data)
        if len(self.wanted) < MOST_WANTED:
            self.wanted[file.cid, coding] = file
        return self._remember((file.cid, coding), made, file.size)

    def _remember(self, key: tuple[str, str], data: bytes, size: int) -> bytes | None:
        """One that is no smaller is remembered as none."""
        kept = data if len(data) < size else None
        old = self._ready.pop(key, None)
        self._held += len(kept or b"") - len(old or b"")
        self._ready[key] = kept
        while self._held > MOST_MEMORY or len(self._ready) > 10_000:
            _, gone = self._ready.popitem(last=False)
            self._held -= len(gone or b"")
        return kept

    async def best(self, id: int, cid: str, size: int, coding: str, at: int) -> Write[None] | None:
        """The job: make the smallest form, on a thread that steps back for everything else."""
        if coding not in codings.PREFERENCE or self._store.rows(ONE, cid=cid, coding=coding):
            return None
        quick = self._ready.get((cid, coding))
        data = await self._store.aside(lambda: self._content.whole(id, size))
        made = await asyncio.get_running_loop().run_in_executor(self._patient, codings.best, coding, data)
        if quick is not None and len(quick) < len(made):
            # harder work does not always make less of very repetitive text
            made = quick
        if len(made) >= size:
            return None
        self._remember((cid, coding), made, size)
        return Write([Step(KEEP.sql, {"cid": cid, "coding": coding, "data": made, "at": at})])


def _be_nice() -> None:
    """Linux gives every thread a priority of its own."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
