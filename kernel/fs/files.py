"""The files of an app: what is there, what one holds, and small changes, each of which is a release of its own."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from msgspec import Struct

from kernel.apps import apps
from kernel.apps.meaning import ReleaseRef
from kernel.base.errors import FaztError, invalid, not_found
from kernel.base.settings import Settings
from kernel.fs import blobs, deploy, mime, mounts, paths, releases, trees
from kernel.fs.blobs import Content, Known, Piece
from kernel.fs.cid import CHUNK
from kernel.fs.deploy import Deployed
from kernel.fs.proofs import Proofs
from kernel.storage.store import Store
from kernel.syscall import Call, Line, Offset, Page, Scan, Text, Write, syscall
from kernel.syscall.plan import Step, page
from kernel.syscall.words import KeyLimit


class File(Struct):
    path: str
    size: int
    mime: str
    cid: str
    sha256: str


class Folder(Line):
    """A folder of an app: `img`, or empty for all of it."""

    most = paths.MOST_BYTES


class FilePath(Text):
    """The path of one file of an app."""

    most = paths.MOST_BYTES


class Where(Text):
    """A file or folder, as /apps/<app>/path."""

    most = paths.MOST_BYTES + 80


EVERYTHING = Folder("")
LONGEST_SHOWN = 1 << 20


class FileCid(Struct):
    path: str
    cid: str


def _release(call: Call, ref: str | None) -> releases.Released:
    app, store = call.app or "", call.use(Store)
    id = releases.find(store, app, ref) if ref else releases.live_of(call, app)
    found = releases.one(store, id) if id else None
    if found is None:
        raise FaztError("NOT_FOUND", "The app has no release yet.", "Deploy one: `fazt deploy`.")
    return found


def _file(call: Call, release: str | None, path: str) -> trees.File:
    found = trees.find(call.use(Store), _release(call, release).tree, path)
    if found is None:
        raise not_found("file", paths.shown(path), "`fazt app files` shows what is there.")
    return found


def _listed(call: Call, ref: str | None, folder: str, offset: int, limit: int) -> Scan[Page[File]]:
    where = {"tree": _release(call, ref).tree, **trees.below(folder.strip("/"))}

    def shown(rows: list[list[Any]]) -> Page[File]:
        found = [File(path, size, mime.mime_of(path), cid, sha256) for path, _, cid, size, sha256 in rows[0]]
        return page(found, offset, limit, rows[1][0][0])

    return call.store.scan((trees.FILES, {**where, "limit": limit, "offset": offset}), (trees.COUNT, where), then=shown)


@syscall("files.list", http="GET /api/apps/{app}/files", cli="app files <app>", js=False, scope="deploy")
def files_list(
    call: Call,
    *,
    folder: Folder = EVERYTHING,
    release: ReleaseRef | None = None,
    offset: Offset = 0,
    limit: KeyLimit = 100,
) -> Scan[Page[File]]:
    """The files of an app's live release, or of the one said."""
    return _listed(call, release, folder, offset, limit)


@syscall(
    "files.get",
    http="GET /api/apps/{app}/files/{path+} -> 200 application/octet-stream",
    js=False,
    scope="deploy",
)
async def files_get(call: Call, path: FilePath, *, release: ReleaseRef | None = None) -> bytes:
    """The content of one file of an app."""
    found = _file(call, release, path)
    return await call.use(Store).aside(lambda: call.use(Content).whole(found.id, found.size))


@syscall("files.put", http="PUT /api/apps/{app}/files/{path+} -> 201", js=False, weight=6, scope="deploy")
async def files_put(call: Call, path: FilePath, content: bytes) -> Write[Deployed | None]:
    """Write one file of an app: a new release with everything else as it was."""
    paths.check_paths([path])
    if paths.never_sent(path):
        raise invalid("path", f"{paths.never_sent(path)}: that is not kept in a site")
    if len(content) > call.use(Settings)[deploy.MOST_FILE.name] << 20:
        raise FaztError("PAYLOAD_TOO_LARGE", "The file is larger than limits.vfs.maxFileSizeMB allows.")
    if _written_through(call, path, content):
        return Write((), lambda _: None)
    store = call.use(Store)
    sha256, steps = await asyncio.to_thread(_stored, content, call.now)
    for step in steps:
        await store.write(step)
    call.use(Proofs).note_whole(call.who.id, sha256, len(content))
    live, files = await store.aside(lambda: _present(call))
    files[path] = (sha256, len(content))
    return await _changed(call, live, files, f"fs put {path}")


@syscall("files.remove", http="DELETE /api/apps/{app}/files/{path+}", js=False, weight=6, scope="deploy")
async def files_remove(call: Call, path: FilePath) -> Write[Deployed | None]:
    """Delete one file of an app: a new release with everything else as it was."""
    if _written_through(call, path, None):
        return Write((), lambda _: None)
    _file(call, None, path)
    live, files = await call.use(Store).aside(lambda: _present(call))
    del files[path]
    if not files:
        raise FaztError("CONFLICT", "It is the only file of the app.", "`fazt app delete` deletes the app.")
    return await _changed(call, live, files, f"fs rm {path}")


def _written_through(call: Call, path: str, content: bytes | None) -> bool:
    """Where a folder of this machine is laid over the app to be written to, its file is the one that changes."""
    for mount in mounts.of_app(call.use(Store), call.app or ""):
        if mount.sync and path.startswith(mount.prefix):
            if call.who.kind != "local":
                raise FaztError("FORBIDDEN", "A folder of the node's machine is mounted here.", "Change it there.")
            mount.change(path, content)
            return True
    return False


async def _changed(
    call: Call, live: str | None, files: dict[str, tuple[str, int]], message: str
) -> Write[Deployed | None]:
    """A release of these files, if the one they were read from is still live: what others changed is not undone."""
    app = call.app or ""
    wanted = deploy.measured(call, [(path, sha256, size) for path, (sha256, size) in files.items()])
    wanted.app, wanted.slug, wanted.message = app, releases.label(call, app), message[: deploy.LONGEST_MESSAGE]
    made = await deploy.finished(call, wanted)
    moved = FaztError("CONFLICT", "The app was changed by somebody else meanwhile.", "Try again.")
    still = call.store.do(apps.STILL, id=app, release=live).expect(1, moved)
    return Write((*still.steps, *made.steps), lambda rows: made.result(rows[len(still.steps) :]))


def _present(call: Call) -> tuple[str | None, dict[str, tuple[str, int]]]:
    """The live release and its files."""
    live = releases.live_of(call, call.app or "")
    release = releases.one(call.use(Store), live) if live else None
    if release is None:
        return None, {}
    found: dict[str, tuple[Known, str]] = trees.files(call.use(Store), release.tree)
    return release.id, {path: (sha256, file.size) for path, (file, sha256) in found.items()}


def _stored(content: bytes, now: int) -> tuple[str, list[list[Step]]]:
    """The hash of a content and the batches that keep it."""
    sha256 = hashlib.sha256(content).digest()
    starts = range(0, len(content), CHUNK) if content else (0,)
    pieces = [Piece(sha256, len(content), n, content[at : at + CHUNK]) for n, at in enumerate(starts)]
    return sha256.hex(), [blobs.stored(piece, now) for piece in pieces]


# --- by one address: /apps/<app>/path


def _place(call: Call, where: str) -> str:
    """Fills call.app from the address; the path inside the app."""
    parts = where.strip("/").split("/", 2)
    if parts[0] != "apps" or len(parts) < 2:
        raise invalid("where", "must be /apps/<app>/path")
    found = apps.find(call.use(Store), parts[1])
    if found is None:
        raise not_found("app", parts[1][:63], "`fazt app list` shows the apps of this node.")
    call.app = found
    return parts[2] if len(parts) > 2 else ""


@syscall("fs.ls", cli="fs ls <where>", js=False)
def fs_ls(call: Call, where: Where, *, offset: Offset = 0, limit: KeyLimit = 100) -> Scan[Page[File]]:
    """The files below /apps/<app>/path."""
    return _listed(call, None, _place(call, where), offset, limit)


@syscall("fs.cat", cli="fs cat <where>", js=False)
def fs_cat(call: Call, where: Where) -> str:
    """What a file holds, as text: the first MiB of it."""
    found = _file(call, None, _place(call, where))
    data = call.use(Content).whole(found.id, min(found.size, LONGEST_SHOWN))
    return data[:LONGEST_SHOWN].decode("utf-8", "replace")


@syscall("fs.put", cli="fs put <where> <content>", js=False, weight=6)
async def fs_put(call: Call, where: Where, content: bytes) -> Write[Deployed | None]:
    """Write a file of an app from one of this machine (- for stdin): a new release."""
    plan: Write[Deployed | None] = await files_put(call, FilePath(_place(call, where)), content)
    return plan


@syscall("fs.rm", cli="fs rm <where>", js=False, weight=6)
async def fs_rm(call: Call, where: Where) -> Write[Deployed | None]:
    """Delete a file of an app: a new release."""
    plan: Write[Deployed | None] = await files_remove(call, FilePath(_place(call, where)))
    return plan


@syscall("fs.cid", cli="fs cid <where>", js=False)
def fs_cid(call: Call, where: Where) -> FileCid:
    """The content id of a deployed file."""
    path = _place(call, where)
    return FileCid(path, _file(call, None, path).cid)
