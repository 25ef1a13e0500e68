"""Content, stored once: a blob is known by the SHA-256 of its bytes, which lie in rows of 256 KiB.

A piece of a blob may arrive alone, twice, and in any order. A blob counts once it is complete: its pieces together
have the hash it is called by. What nothing refers to is removed a day after it was last touched (`kernel/fs/gc.py`).
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.base.settings import Setting, Settings
from kernel.base.tables import Append, Migration, Patch, Read, Remove, Table
from kernel.fs import cid
from kernel.fs.cid import CHUNK
from kernel.storage.store import Store
from kernel.syscall.call import Scoped
from kernel.syscall.plan import Step, Write

BLOBS = Table(
    "blobs",
    ("id", "sha256", "cid", "size", "complete", "pinned_at", "name", "touched_at", "created_at"),
    key=("sha256",),
    scope="node",
)
CHUNKS = Table("chunks", ("blob_id", "n", "data", "leaf"), key=("blob_id", "n"), scope="node")
MIGRATIONS = (
    Migration(
        "blobs_0001",
        """
create table blobs (id integer primary key autoincrement, sha256 blob not null unique, cid text unique,
  size integer not null, complete integer not null default 0, pinned_at integer, name text, touched_at integer not null,
  created_at integer not null) strict;
create table chunks (blob_id integer not null, n integer not null, data blob not null, leaf blob not null,
  primary key (blob_id, n)) strict;
create index blobs_touched on blobs (touched_at);
""",
    ),
)
MOST_CACHE = Setting(
    "limits.vfs.maxCacheMB", int, 32, "Memory for parts of large files that are asked for often.", least=0, most=4096
)

_THESE = "sha256 in (select unhex(value) from json_each(:these))"
KNOWN = Read(f"select lower(hex(sha256)), id, cid, size from {{blobs}} where complete = 1 and {_THESE}")
BEGUN = Read(
    f"""select lower(hex(b.sha256)), b.id, c.n from {{blobs}} b join {{chunks}} c on c.blob_id = b.id
where b.complete = 0 and b.{_THESE} order by 1, 3"""
)
_ONE = "select id, size, cid, name, pinned_at from {blobs}"
BY_CID = Read(f"{_ONE} where cid = :cid and complete = 1")
BY_SHA256 = Read(f"{_ONE} where sha256 = :sha256 and complete = 1")
DATA = Read("select data from {chunks} where blob_id = :id and n = :n")
LEAF = Read("""select c.leaf from {chunks} c join {blobs} b on b.id = c.blob_id
where b.sha256 = :sha256 and b.complete = 1 and c.n = :n""")

WHOLE = Append("""insert into {blobs} (sha256, cid, size, complete, touched_at, created_at)
values (:sha256, :cid, :size, 1, :at, :at)
on conflict (sha256) do update set touched_at = :at, cid = :cid, size = :size, complete = 1""")
BEGIN = Append("""insert into {blobs} (sha256, size, complete, touched_at, created_at)
values (:sha256, :size, 0, :at, :at)
on conflict (sha256) do update set touched_at = :at, size = iif(complete, size, excluded.size)""")
PIECE = Append("""insert into {chunks} (blob_id, n, data, leaf)
select id, :n, :data, :leaf from {blobs} where sha256 = :sha256 and complete = 0
on conflict (blob_id, n) do nothing""")
# this one was checked: it takes the place of whatever was sent under its hash before
ONLY_PIECE = Append("""insert into {chunks} (blob_id, n, data, leaf)
select id, 0, :data, :leaf from {blobs} where sha256 = :sha256
on conflict (blob_id, n) do update set data = excluded.data, leaf = excluded.leaf where leaf <> excluded.leaf""")
# pieces that were sent under its hash as if it were larger
NO_MORE = Remove(
    CHUNKS,
    where="n > 0 and blob_id = (select id from {blobs} where sha256 = :sha256 and complete = 1 and size <= 262144)",
)
# what was said of its size on the way may have been wrong
COMPLETE = Patch(
    BLOBS,
    set="complete = 1, cid = :cid, size = :size, touched_at = :at",
    where="id = :id and sha256 = :sha256 and complete = 0",
)
PIN = Patch(BLOBS, set="pinned_at = :at, name = :name, touched_at = :at", where="sha256 = :sha256 and complete = 1")
FORGET_PIECES = Remove(CHUNKS, where="blob_id in (select id from {blobs} where sha256 = :sha256 and complete = 0)")
FORGET = Remove(BLOBS, where="sha256 = :sha256 and complete = 0")


class Piece(NamedTuple):
    """A part of a file on its way: `n` counts from nought."""

    sha256: bytes
    size: int
    n: int
    data: bytes


class Known(NamedTuple):
    id: int
    cid: str
    size: int


def pieces_of(size: int) -> int:
    """An empty file is one empty piece."""
    return max(1, -(-size // CHUNK))


def length_of(size: int, n: int) -> int:
    return min(CHUNK, size - n * CHUNK)


def stored(piece: Piece, at: int) -> list[Step]:
    """The steps that keep a piece. One that is a whole file is checked here and now."""
    node = cid.leaf(piece.data)
    row = {"sha256": piece.sha256, "size": piece.size, "at": at}
    content = {"sha256": piece.sha256, "data": piece.data, "leaf": node.digest}
    if piece.size > CHUNK:
        return [Step(BEGIN.sql, row), Step(PIECE.sql, {**content, "n": piece.n})]
    if hashlib.sha256(piece.data).digest() != piece.sha256:
        raise wrong_hash(piece.sha256)
    whole = {**row, "cid": cid.encode(node.digest)}
    return [Step(WHOLE.sql, whole), Step(ONLY_PIECE.sql, content), Step(NO_MORE.sql, {"sha256": piece.sha256})]


def wrong_hash(sha256: bytes) -> FaztError:
    return FaztError(
        "VALIDATION_FAILED",
        "What was sent is not what its hash says.",
        "The file changed while it was sent? Deploy again.",
        field="pieces",
        sha256=sha256.hex(),
    )


def known(store: Store, hashes: Iterable[str]) -> dict[str, Known]:
    """The complete blobs among these, by hash. A scan: not for the loop's own thread."""
    these = to_text(list(hashes))
    return {sha256: Known(id, cid, size) for sha256, id, cid, size in store.rows(KNOWN, these=these)}


def begun(store: Store, hashes: Iterable[str]) -> dict[str, tuple[int, set[int]]]:
    """The pieces that are here of blobs that are not complete: {hash: (blob, numbers)}."""
    found: dict[str, tuple[int, set[int]]] = {}
    for sha256, id, n in store.rows(BEGUN, these=to_text(list(hashes))):
        found.setdefault(sha256, (id, set()))[1].add(n)
    return found


class Rows(Protocol):
    """A store, or a copy of its file."""

    def rows(self, read: Read, **params: Any) -> list[Any]: ...


def verified(store: Rows, sha256: str, id: int, size: int) -> str | None:
    """The cid of a blob whose pieces are all here; None when they are not what the hash says. Reads all of it."""
    hashed, nodes, length = hashlib.sha256(), [], 0
    for n in range(pieces_of(size)):
        row = store.rows(DATA, id=id, n=n)
        if not row or len(row[0][0]) != length_of(size, n):
            return None
        data = row[0][0]
        hashed.update(data)
        nodes.append(cid.leaf(data))
        length += len(data)
    return cid.file_cid(nodes) if hashed.hexdigest() == sha256 and length == size else None


def forgotten(store: Scoped, sha256: str) -> Write[None]:
    """Pieces that together are not what they were called."""
    key = bytes.fromhex(sha256)
    return store.do(FORGET_PIECES, sha256=key) + store.do(FORGET, sha256=key)


class Content:
    """Reads pieces of blobs; those of large files that are asked for often stay in memory (on the event loop only).

    Every read is short and on its own: a slow download holds no snapshot of the file. What is being read is counted,
    so that it is not collected meanwhile.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._hot: collections.OrderedDict[tuple[int, int], bytes] = collections.OrderedDict()
        self.held = 0
        self.reading: collections.Counter[int] = collections.Counter()

    @property
    def most(self) -> int:
        return int(self._settings[MOST_CACHE.name]) << 20

    def piece(self, id: int, n: int) -> bytes:
        key = (id, n)
        found = self._hot.get(key)
        if found is not None:
            self._hot.move_to_end(key)
            return found
        data = self._read(id, n)
        self._keep(key, data)
        return data

    def _read(self, id: int, n: int) -> bytes:
        rows = self._store.rows(DATA, id=id, n=n)
        if not rows:
            raise FaztError("NOT_FOUND", "The content is no longer here.")
        data: bytes = rows[0][0]
        return data

    def _keep(self, key: tuple[int, int], data: bytes) -> None:
        self._hot[key] = data
        self.held += len(data)
        while self.held > self.most and self._hot:
            _, old = self._hot.popitem(last=False)
            self.held -= len(old)

    def whole(self, id: int, size: int) -> bytes:
        """All of a file, past the memory of large ones; on any thread."""
        return b"".join(self._read(id, n) for n in range(pieces_of(size)))

    @contextlib.contextmanager
    def being_read(self, id: int) -> Iterator[None]:
        """While it is read, it is not collected."""
        self.reading[id] += 1
        try:
            yield
        finally:
            self.reading[id] -= 1
            if not self.reading[id]:
                del self.reading[id]

    def slices(self, id: int, start: int, end: int) -> Iterator[bytes]:
        """The bytes from start to end (not included), piece by piece."""
        for n in range(start // CHUNK, pieces_of(end)):
            data = self.piece(id, n)
            low, high = max(0, start - n * CHUNK), min(len(data), end - n * CHUNK)
            if low < high:
                yield data if (low, high) == (0, len(data)) else data[low:high]
