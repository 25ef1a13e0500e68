"""POST /api/deploy: a site in one zip, for whoever has no `fazt` at hand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from kernel.apps import apps
from kernel.base.settings import Settings
from kernel.fs import blobs, deploy, paths
from kernel.fs.archive import MIB, Archive, ArchiveLimits
from kernel.fs.blobs import Piece
from kernel.fs.cid import CHUNK
from kernel.fs.deploy import MOST_FILE, MOST_FILES, MOST_SITE, Deployed, Sent, Wanted
from kernel.fs.pace import Pace, payer
from kernel.fs.proofs import Proofs
from kernel.storage.store import Store
from kernel.syscall import Call, Line, Text, Upload, syscall
from kernel.syscall.plan import Step

# one batch keeps other writers waiting no longer than this takes to write
BATCH = 4 * MIB


class SiteName(Line):
    least, most = 1, 253


class Message(Line):
    most = deploy.LONGEST_MESSAGE


class Origin(Text):
    most = 2048


class Zipped(Struct):
    site: str
    app_id: str
    url: str
    file_count: int
    size_bytes: int
    hash: str
    message: str
    release: str
    preview_url: str
    unchanged: bool
    undo: str | None
    warnings: list[str]


NOTHING = Message("")


@syscall("deploy.zip", http="POST /api/deploy", js=False, weight=6, scope="named")
async def deploy_zip(
    call: Call,
    site_name: SiteName,
    file: Upload,
    *,
    spa: bool | None = None,
    message: Message = NOTHING,
    source_type: Literal["deploy", "git", "template"] | None = None,
    source_url: Origin | None = None,
    source_ref: Origin | None = None,
    source_commit: Origin | None = None,
    include_private: bool = False,
) -> Zipped:
    """Deploy a zip: all of it becomes a release, or nothing changes."""
    with call.use(Pace).of(payer(call)):
        limits = _limits(call.use(Settings))
        archive, names = await asyncio.to_thread(_opened, file, limits)
        sent = Sent(site_name, names, spa, message)
        wanted = deploy.checked(call, sent)
        if "index.html" not in wanted.files and not paths.has_handler(wanted.files):
            wanted.warnings.append("There is no index.html: the front page will not be found.")
        await _store(call, archive, wanted)
        done = await deploy.released(call, wanted, lambda: _store(call, archive, wanted))
        if source_type or source_url or source_ref or source_commit:
            origin = {"source": source_type, "url": source_url, "ref": source_ref, "commit": source_commit}
            await call.use(Store).write(call.store.do(apps.CAME_FROM, id=done.app_id, **origin).steps)
        return _answer(done, site_name)


def _limits(settings: Settings) -> ArchiveLimits:
    return ArchiveLimits(
        most_entries=settings[MOST_FILES.name],
        most_file=settings[MOST_FILE.name] * MIB,
        most_total=settings[MOST_SITE.name] * MIB,
    )


def _opened(file: Upload, limits: ArchiveLimits) -> tuple[Archive, list[tuple[str, str, int]]]:
    """The archive, looked through to its last byte before anything of it is kept."""
    archive = Archive(file.file, limits)
    archive.strip_root()
    return archive, [(name, *_hashed(archive, name)) for name in archive.names]


def _hashed(archive: Archive, name: str) -> tuple[str, int]:
    hashed, size = hashlib.sha256(), 0
    for piece in archive.read(name):
        hashed.update(piece)
        size += len(piece)
    return hashed.hexdigest(), size


async def _store(call: Call, archive: Archive, wanted: Wanted) -> None:
    """Keep what is not here yet."""
    store = call.use(Store)
    missing = await store.aside(lambda: deploy.missing_of(call, wanted))
    for hash, size in wanted.files.values():
        # every byte of it was in the zip
        call.use(Proofs).note_whole(call.who.id, hash, size)
    waiting = {hash: path for path, (hash, _) in wanted.files.items() if hash in missing}

    def batches() -> Iterator[list[Step]]:
        steps: list[Step] = []
        held = 0
        for hash, path in waiting.items():
            for piece in _pieces(archive, path, bytes.fromhex(hash), wanted.files[path][1]):
                steps += blobs.stored(piece, call.now)
                held += len(piece.data)
                if held >= BATCH:
                    yield steps
                    steps, held = [], 0
        if steps:
            yield steps

    coming = batches()
    while batch := await asyncio.to_thread(next, coming, None):
        await store.write(batch)


def _pieces(archive: Archive, path: str, sha256: bytes, size: int) -> Iterator[Piece]:
    held, n = b"", 0
    for part in archive.read(path):
        held += part
        while len(held) >= CHUNK:
            yield Piece(sha256, size, n, held[:CHUNK])
            held, n = held[CHUNK:], n + 1
    if held or n == 0:
        yield Piece(sha256, size, n, held)


def _answer(done: Deployed, site: str) -> Zipped:
    said = "Nothing has changed." if done.unchanged else f"v{done.n} is live."
    return Zipped(
        done.name or site,
        done.app_id,
        done.url,
        done.files,
        done.bytes,
        done.root_cid,
        said,
        done.release,
        done.preview_url,
        done.unchanged,
        done.undo,
        done.warnings,
    )
