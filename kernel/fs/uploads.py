"""Content that is kept for its own sake: uploaded to be found by its id, until it is taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from msgspec import Struct

from kernel.base.errors import FaztError, invalid, not_found
from kernel.base.tables import Patch, Read
from kernel.fs import blobs, deploy, paths, trees
from kernel.fs.blobs import BLOBS
from kernel.fs.trees import TREES
from kernel.storage.store import Store
from kernel.syscall import Call, Line, Offset, Page, Scan, Write, syscall
from kernel.syscall.plan import page
from kernel.syscall.words import KeyLimit

_ALL = """(select cid, name, size as bytes, 1 as files, 0 as folder, pinned_at from {blobs} where pinned_at is not null
  union all select cid, null, bytes, files, 1, pinned_at from {trees} where pinned_at is not null)"""
LIST = Read(f"select * from {_ALL} order by pinned_at desc, cid limit :limit offset :offset")
COUNT = Read(f"select count(*) from {_ALL}")
UNPIN_FILE = Patch(BLOBS, set="pinned_at = null, touched_at = :at", where="cid = :cid and pinned_at is not null")
UNPIN_FOLDER = Patch(TREES, set="pinned_at = null, touched_at = :at", where="cid = :cid and pinned_at is not null")
IS_PINNED = Read(f"select 1 from {_ALL} where cid = :cid")


class SentFiles(Struct, forbid_unknown_fields=True):
    files: list[tuple[str, str, int]]
    folder: bool = True


class Uploaded(Struct):
    cid: str | None
    missing: dict[str, list[int]]
    url: str | None = None


class Kept(Struct):
    cid: str
    name: str | None
    bytes: int
    files: int
    folder: bool
    pinned_at: int


class Cid(Line):
    most = 60
    pattern = "Qm[1-9A-HJ-NP-Za-km-z]{44}"
    explain = "must be a content id that begins with Qm"


_decoder = msgspec.json.Decoder(SentFiles)


@syscall("uploads.create", http="POST /api/system/uploads", js=False, body=deploy.MOST_MANIFEST)
async def uploads_create(call: Call, list_: bytes) -> Write[Uploaded]:
    """Keep a file or folder to be found by its content id.

    The body is {"files": [[path, SHA-256, size], …], "folder"}. What is said to be missing is sent with
    POST /api/deploy/pieces; then ask again.
    """
    try:
        sent = _decoder.decode(list_)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise invalid("files", f"cannot be understood: {error}") from None
    if not sent.folder and len(sent.files) != 1:
        raise invalid("files", "must be one file, or a folder")
    wanted = await call.use(Store).aside(lambda: deploy.measured(call, sent.files))
    missing = await call.use(Store).aside(lambda: deploy.missing_of(call, wanted))
    if missing:
        return Write((), lambda _: Uploaded(None, missing))
    await deploy.complete(call, wanted)
    return await _kept(call, wanted, sent.folder)


async def _kept(call: Call, wanted: deploy.Wanted, folder: bool) -> Write[Uploaded]:
    store = call.use(Store)
    there = await store.aside(lambda: blobs.known(store, wanted.hashes))
    gone = FaztError("CONFLICT", "Some of the content was removed meanwhile.", "Send it again.", missing=True)
    if len(there) != len(wanted.hashes):
        raise gone
    if not folder:
        [(path, (hash, _))] = wanted.files.items()
        name = path.rpartition("/")[2]
        plan = call.store.do(blobs.PIN, sha256=bytes.fromhex(hash), name=name, at=call.now).expect(1, gone)
        cid = there[hash].cid
    else:
        tree = await asyncio.to_thread(trees.made_of, {path: there[hash] for path, (hash, _) in wanted.files.items()})
        known = bool(store.rows(trees.BY_CID, cid=tree.cid))
        plan = trees.kept(call.store, tree, known, call.now) + call.store.do(trees.PIN, cid=tree.cid, at=call.now)
        cid = tree.cid
    return plan.giving(lambda _: Uploaded(cid, {}, f"/ipfs/{cid}"))


@syscall("uploads.list", http="GET /api/system/uploads", cli="storage uploads", js=False)
def uploads_list(call: Call, *, offset: Offset = 0, limit: KeyLimit = 20) -> Scan[Page[Kept]]:
    """What was uploaded to be found by its content id, newest first."""

    def shown(rows: list[list[Any]]) -> Page[Kept]:
        found = [Kept(cid, name, size, files, bool(folder), at) for cid, name, size, files, folder, at in rows[0]]
        return page(found, offset, limit, rows[1][0][0])

    return call.store.scan((LIST, {"limit": limit, "offset": offset}), (COUNT, {}), then=shown)


@syscall("uploads.delete", http="DELETE /api/system/uploads/{cid} -> 204", cli="storage forget <cid>", js=False)
def uploads_delete(call: Call, cid: Cid) -> Write[None]:
    """Take an upload back; its content goes with the next collection when nothing else refers to it."""
    if not call.use(Store).rows(IS_PINNED, cid=cid):
        raise not_found("upload", paths.shown(cid))
    return call.store.do(UNPIN_FILE, cid=cid, at=call.now) + call.store.do(UNPIN_FOLDER, cid=cid, at=call.now)
