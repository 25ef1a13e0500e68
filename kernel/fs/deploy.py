"""Deploying: say what there is, send what is missing, and make it a release in one batch.

    plan    a list of (path, SHA-256, size): which pieces of which files are not here
    pieces  those pieces, in any order and as often as it takes
    finish  the same list: the tree and the release are written and the app points at them, all or nothing

A torn deploy leaves some pieces that nothing refers to; the next one needs not send them again, or the collection
takes them a day later.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from kernel.apps import apps, manifest
from kernel.apps.names import Slug, check_free
from kernel.base.errors import FaztError, invalid, not_found
from kernel.base.ids import is_id, new_id
from kernel.base.settings import Setting, Settings
from kernel.base.site import Site
from kernel.base.text import check_line
from kernel.data import declared_changes
from kernel.data.declared_collections import Problem
from kernel.data.stream_buffer import Streams
from kernel.fs import blobs, cid, header_rules, paths, redirect_rules, releases, trees
from kernel.fs.blobs import Known, Piece
from kernel.fs.cid import CHUNK
from kernel.fs.frames import FRAME, MOST_BODY, RAW, ZLIB
from kernel.fs.pace import Pace, payer
from kernel.fs.proofs import Proofs, withheld
from kernel.fs.releases import Released
from kernel.fs.trees import Tree
from kernel.security.access import authorize_named, is_narrow
from kernel.storage.store import Store
from kernel.syscall import Call, Write, syscall
from kernel.syscall.plan import Step

MOST_FILE = Setting("limits.vfs.maxFileSizeMB", int, 100, "The largest file of a site, in MiB.", least=1, most=2000)
MOST_SITE = Setting(
    "limits.vfs.maxAppSizeMB", int, 500, "All files of one site together, in MiB.", least=1, most=100_000
)
MOST_FILES = Setting("limits.vfs.maxFiles", int, 20_000, "The files of one site.", least=1, most=200_000)
TRIES = 3
MOST_INFLATED = 16 * 1024 * 1024
MOST_MANIFEST = 10 * 1024 * 1024
LONGEST_MESSAGE = 500
_SHOWN = 20


class Checks:
    """What else can be said of files before they are a site. A port: rooms below know more of some of them."""

    async def warnings(self, app: str | None, files: Mapping[str, tuple[str, int]]) -> list[str]:
        raise NotImplementedError


class Sent(Struct, forbid_unknown_fields=True):
    """What a deploy says of itself."""

    name: str
    files: list[tuple[str, str, int]]
    spa: bool | None = None
    message: str = ""
    include_private: bool = False


class Planned(Struct):
    app_id: str | None
    live: str | None
    missing: dict[str, list[int]]
    bytes_missing: int
    added: int
    changed: int
    removed: int
    unchanged: bool
    warnings: list[str]


class Deployed(Struct):
    app_id: str
    name: str
    url: str
    release: str
    n: int
    preview_url: str
    root_cid: str
    added: int
    changed: int
    removed: int
    files: int
    bytes: int
    unchanged: bool
    previous: str | None
    undo: str | None
    warnings: list[str]
    changes: dict[str, list[str]] = {}


class Stored(Struct):
    stored: int


@dataclass
class Wanted:
    """A deploy that was understood: the app it is for (none yet: a new one), and its files."""

    app: str | None
    slug: str
    files: dict[str, tuple[str, int]]
    spa: bool | None = None
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    said: manifest.Manifest = field(default_factory=manifest.Manifest)

    @property
    def hashes(self) -> dict[str, int]:
        return dict(self.files.values())


_decoder = msgspec.json.Decoder(Sent)


@syscall("deploy.plan", http="POST /api/deploy/plan", js=False, weight=0, scope="named", body=MOST_MANIFEST)
async def plan(call: Call, list_: bytes) -> Planned:
    """What of a deploy is not here yet.

    The body is {"name", "files": [[path, SHA-256, size], …], "spa", "message"}. Changes nothing.
    """
    with _paced(call):
        store = call.use(Store)
        wanted = await store.aside(lambda: understood(call, list_))
        return await store.aside(lambda: _planned(call, wanted))


@syscall("deploy.pieces", http="POST /api/deploy/pieces", js=False, weight=0, scope="named", body=MOST_BODY)
async def pieces(call: Call, frames: bytes) -> Write[Stored]:
    """Send pieces of files, one after another; sending one twice is harmless.

    Each is a frame (>32sQIIB: SHA-256 and size of the file, number and length of the piece, 0 raw or 1 zlib) and bytes.
    """
    largest = call.use(Settings)[MOST_FILE.name] << 20

    def steps() -> list[list[Step]]:
        found = list(unpacked(frames, largest))
        call.use(Pace).send(payer(call), sum(len(piece.data) for piece in found))
        return [_stored(call, piece) for piece in found]

    made = await call.use(Store).aside(steps)
    return Write([step for steps in made for step in steps], lambda _: Stored(len(made)))


def _stored(call: Call, piece: Piece) -> list[Step]:
    steps = blobs.stored(piece, call.now)
    if is_narrow(call.who):
        known = call.use(Store).rows(blobs.LEAF, sha256=piece.sha256, n=piece.n)
        if known and known[0][0] != cid.leaf(piece.data).digest:
            raise blobs.wrong_hash(piece.sha256)
        call.use(Proofs).note(call.who.id, piece)
    return steps


@syscall("deploy.finish", http="POST /api/deploy/finish", js=False, weight=6, scope="named", body=MOST_MANIFEST)
async def finish(call: Call, list_: bytes) -> Deployed:
    """Make the files a release and let the app point at it; the body is that of the plan."""
    with _paced(call):
        store = call.use(Store)
        wanted = await store.aside(lambda: understood(call, list_))
        return await released(call, wanted)


async def released(call: Call, wanted: Wanted, send: Callable[[], Awaitable[None]] | None = None) -> Deployed:
    """Write the release. Where another deploy was quicker to make the app, this one is the app's next release; what was
    collected meanwhile is sent again by `send`, or by whoever asked."""
    store, said = call.use(Store), list(wanted.warnings)
    for tries in range(TRIES):
        wanted.warnings = list(said)
        try:
            plan = await finished(call, wanted)
            answer = plan.result(await store.write(plan.steps) if plan.steps else [])
            assert answer
            return answer
        except FaztError as error:
            if error.code != "CONFLICT" or tries == TRIES - 1:
                raise
            if error.details.get("missing") and send:
                await send()
            elif wanted.app is None and not error.details.get("missing"):
                wanted.app, wanted.slug = target(call, wanted.slug)
                if wanted.app is None:
                    raise
            else:
                raise
    raise AssertionError("every try answers or raises")


async def finished(call: Call, wanted: Wanted) -> Write[Deployed]:
    """The plan that makes a release of files whose content is here."""
    store = call.use(Store)
    await complete(call, wanted)
    if wanted.app:
        await call.use(Streams).flush_app(wanted.app)
    wanted.warnings += await call.use(Checks).warnings(wanted.app, wanted.files)
    # thousands of files take a while to put together: not on the loop
    return await store.aside(lambda: _released(call, wanted, *_made(call, wanted)))


async def complete(call: Call, wanted: Wanted) -> None:
    """Look through the blobs whose last piece has come."""
    store = call.use(Store)
    whole = await store.aside(lambda: _completed(store, wanted.hashes, call.now))
    for sha256, steps in whole.items():
        if steps is None:
            await store.write(blobs.forgotten(call.store, sha256).steps)
            raise blobs.wrong_hash(bytes.fromhex(sha256))
        await store.write(steps)


# --- understanding


def understood(call: Call, body: bytes) -> Wanted:
    """What was sent, checked; refused as a whole."""
    try:
        sent = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise invalid("files", f"cannot be understood: {error}") from None
    return checked(call, sent)


def checked(call: Call, sent: Sent) -> Wanted:
    try:
        message = check_line(sent.message, LONGEST_MESSAGE)
    except ValueError as error:
        raise invalid("message", str(error)) from None
    app, slug = target(call, sent.name)
    found = measured(call, sent.files)
    found.app, found.slug, found.spa, found.message = app, slug, sent.spa, message
    return found


def measured(call: Call, files: list[tuple[str, str, int]]) -> Wanted:
    """A list of files whose paths, hashes and sizes are as they should be."""
    settings = call.use(Settings)
    if len(files) > settings[MOST_FILES.name]:
        raise _over(MOST_FILES, settings, f"{len(files)} files")
    kept, warnings = left_out(files)
    if not kept:
        raise invalid("files", "there is nothing to deploy")
    paths.check_paths(path for path, _, _ in kept)
    _foldered(kept, settings)
    _sized(kept, settings)
    return Wanted(None, "", {path: (hash, size) for path, hash, size in kept}, warnings=warnings)


def left_out(files: Iterable[tuple[str, str, int]]) -> tuple[list[tuple[str, str, int]], list[str]]:
    """The files without those that no site needs and that may hold secrets."""
    kept: list[tuple[str, str, int]] = []
    out: list[tuple[str, str, int]] = []
    for file in files:
        (out if paths.never_sent(file[0]) else kept).append(file)
    if not out:
        return kept, []
    names = ", ".join(paths.shown(path) for path, _, _ in out[:_SHOWN])
    more = f" and {len(out) - _SHOWN} more" if len(out) > _SHOWN else ""
    return kept, [f"Left out, as they may hold secrets or are no part of a site: {names}{more}."]


def target(call: Call, name: str) -> tuple[str | None, str]:
    """The app that is meant and what it is called; no app yet means that the deploy makes it."""
    site, store = call.use(Site), call.use(Store)
    name = name.lower().removesuffix("." + site.domain)
    found = apps.find(store, name) if len(name) <= 63 else None
    authorize_named(call.who, found)
    if found:
        return found, releases.label(call, found)
    if is_id(name, "app"):
        raise not_found("app", name, "`fazt app list` shows the apps of this node.")
    try:
        return None, check_free(Slug.parse(name))
    except ValueError as error:
        raise invalid("name", str(error)) from None


def _foldered(files: list[tuple[str, str, int]], settings: Settings) -> None:
    """Folders cost as much as files: there may be as many of them."""
    most, known = settings[MOST_FILES.name], {""}
    for path, _, _ in files:
        folder = path.rpartition("/")[0]
        while folder not in known:
            known.add(folder)
            folder = folder.rpartition("/")[0]
        if len(known) > most + 1:
            raise _over(MOST_FILES, settings, "folders")


def _sized(files: list[tuple[str, str, int]], settings: Settings) -> None:
    largest, most = settings[MOST_FILE.name] << 20, settings[MOST_SITE.name] << 20
    total = 0
    for path, hash, size in files:
        if len(hash) != 64 or hash.strip("0123456789abcdef"):
            raise invalid("files", f"{paths.shown(path)} needs its SHA-256 in 64 small hexadecimal digits")
        if not 0 <= size <= largest:
            raise _over(MOST_FILE, settings, paths.shown(path))
        total += size
    if total > most:
        raise _over(MOST_SITE, settings, f"{total >> 20} MiB")
    sizes: dict[str, int] = {}
    for path, hash, size in files:
        if sizes.setdefault(hash, size) != size:
            raise invalid("files", f"{paths.shown(path)} has another size than a file with the same hash")


def _over(limit: Setting, settings: Settings, what: str) -> FaztError:
    name = limit.name.removeprefix("limits.")
    return FaztError(
        "PAYLOAD_TOO_LARGE",
        f"{what}: more than {limit.name} allows ({settings[limit.name]}).",
        f"Leave something out, or `fazt limits set {name} N`.",
        limit=limit.name,
        most=settings[limit.name],
    )


def unpacked(frames: bytes, largest: int) -> Iterator[Piece]:
    """The pieces in a body, each checked against what it says of itself."""
    at, total, view = 0, 0, memoryview(frames)
    seen: set[tuple[bytes, int]] = set()
    while at < len(frames):
        if len(frames) - at < FRAME.size:
            raise invalid("frames", "end in the middle of a frame")
        sha256, size, n, length, codec = FRAME.unpack_from(frames, at)
        at += FRAME.size
        data = bytes(view[at : at + length])
        at += length
        if len(data) != length or size > largest or n >= blobs.pieces_of(size) or codec not in (RAW, ZLIB):
            raise invalid("frames", "hold a frame that cannot be")
        if codec == ZLIB:
            data = _inflated(data)
        if len(data) != blobs.length_of(size, n):
            raise invalid("frames", "hold a piece of the wrong length")
        total += len(data)
        if total > MOST_INFLATED or (sha256, n) in seen:
            raise invalid("frames", f"hold a piece twice, or more than {MOST_INFLATED >> 20} MiB once unpacked")
        seen.add((sha256, n))
        yield Piece(sha256, size, n, data)


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        # never more than a piece can have, whatever the data would grow to
        return inflater.decompress(data, CHUNK + 1)
    except zlib.error:
        raise invalid("frames", "hold a piece that is not zlib") from None


# --- what is here


def _planned(call: Call, wanted: Wanted) -> Planned:
    store = call.use(Store)
    missing = missing_of(call, wanted)
    live = _live(call, wanted.app)
    before = _files_of(store, live)
    after = {path: hash for path, (hash, _) in wanted.files.items()}
    added, changed, removed = releases.compare(before, after)
    sizes = wanted.hashes
    waiting = sum(blobs.length_of(sizes[hash], n) for hash, numbers in missing.items() for n in numbers)
    same = not (added or changed or removed) and live is not None
    return Planned(
        wanted.app,
        live.id if live else None,
        missing,
        waiting,
        len(added),
        len(changed),
        len(removed),
        same,
        wanted.warnings,
    )


def missing_of(call: Call, wanted: Wanted) -> dict[str, list[int]]:
    """The numbers of the pieces that are not here for this caller, by hash."""
    store, sizes = call.use(Store), wanted.hashes
    there = blobs.known(store, sizes)
    hidden = withheld(call, wanted.app, there)
    for hash, size in sizes.items():
        if hash in there and hash not in hidden and there[hash].size != size:
            raise invalid("files", f"the file with the hash {hash[:12]}… has {there[hash].size} bytes, not {size}")
    lacking = [hash for hash in sizes if hash not in there or hash in hidden]
    begun = blobs.begun(store, lacking)
    missing: dict[str, list[int]] = {}
    for hash in lacking:
        # a file of one piece is complete or not here: what else lies under its hash was never checked
        have = begun.get(hash, (0, set()))[1] if sizes[hash] > CHUNK else set()
        have = hidden.get(hash, have)
        missing[hash] = [n for n in range(blobs.pieces_of(sizes[hash])) if n not in have]
    # a blob whose pieces are all here is complete once it was looked through
    return {hash: numbers for hash, numbers in missing.items() if numbers}


def _completed(store: Store, sizes: dict[str, int], now: int) -> dict[str, list[Step] | None]:
    """Steps that complete the blobs whose pieces are all here; None for one that is not what its hash says."""
    found: dict[str, list[Step] | None] = {}
    for hash, (id, have) in blobs.begun(store, sizes).items():
        if have.issuperset(range(blobs.pieces_of(sizes[hash]))):
            cid = blobs.verified(store, hash, id, sizes[hash])
            row = {"id": id, "sha256": bytes.fromhex(hash), "cid": cid, "size": sizes[hash], "at": now}
            found[hash] = [Step(blobs.COMPLETE.sql, row)] if cid else None
    return found


def _made(call: Call, wanted: Wanted) -> tuple[Released | None, Tree, bool]:
    store = call.use(Store)
    missing = missing_of(call, wanted)
    if missing:
        raise FaztError(
            "CONFLICT",
            f"{len(missing)} file{'s have' if len(missing) > 1 else ' has'} not been sent.",
            "Deploy again: only what is missing is sent.",
            missing=True,
        )
    there = blobs.known(store, wanted.hashes)
    if len(there) != len(wanted.hashes):
        raise trees.gone()
    tree = trees.made_of({path: there[hash] for path, (hash, _) in wanted.files.items()})
    read_manifest(store, tree.files, wanted)
    wanted.warnings += declared_changes.useless(call, wanted.app, wanted.said.storage)
    if wanted.app:
        wanted.warnings += declared_changes.changed(call, wanted.app, wanted.said.storage)
    return _live(call, wanted.app), tree, bool(store.rows(trees.BY_CID, cid=tree.cid))


def read_manifest(store: Store, files: Any, wanted: Wanted) -> None:
    """What the files say of the site itself, and what of it cannot be understood."""
    if chosen := manifest.chosen(files.get):
        name, file = chosen
        data = _content(store, file, manifest.LARGEST + 1)
        if problems := manifest.problems(data, name):
            raise _wrong_manifest(name, problems)
        wanted.said, warnings = manifest.parse(data, name)
        wanted.warnings += warnings
        if wanted.spa is None:
            wanted.spa = wanted.said.spa
    for name, parse in (("_redirects", redirect_rules.parse_redirects), ("_headers", header_rules.parse_headers)):
        if name in files:
            text = _content(store, files[name], 1 << 20).decode("utf-8", "replace")
            wanted.warnings += parse(text)[1][:_SHOWN]


def _wrong_manifest(name: str, problems: list[Problem]) -> FaztError:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return FaztError(
        "VALIDATION_FAILED",
        f"{name}: {first.path}: {first.message}{more}.",
        "Nothing was deployed. Correct the file and deploy again.",
        errors=[{"path": problem.path, "message": problem.message} for problem in problems[:_SHOWN]],
    )


def _content(store: Store, file: Known, most: int) -> bytes:
    rows = [store.rows(blobs.DATA, id=file.id, n=n) for n in range(blobs.pieces_of(min(file.size, most)))]
    return b"".join(row[0][0] for row in rows if row)[:most]


def _live(call: Call, app: str | None) -> Released | None:
    id = releases.live_of(call, app) if app else None
    return releases.one(call.use(Store), id) if id else None


def _spa_now(call: Call, app: str | None) -> bool:
    row = call.store.one(apps.LIVE, id=app) if app else None
    return bool(row and row[3])


def _files_of(store: Store, release: Released | None) -> dict[str, str]:
    if release is None:
        return {}
    return {path: sha256 for path, (_, sha256) in trees.files(store, release.tree).items()}


# --- the release


def _released(call: Call, wanted: Wanted, before: Released | None, tree: Tree, there: bool) -> Write[Deployed]:
    site = call.use(Site)
    app = call.app = wanted.app or new_id("app")
    spa = wanted.spa if wanted.spa is not None else _spa_now(call, wanted.app)
    if before and before.cid == tree.cid and before.spa == spa and not wanted.message:
        answer = _answer(site, wanted, app, before.id, before.n, tree, None, unchanged=True)
        return Write((), lambda _: answer)
    old = _files_of(call.use(Store), before)
    changes = releases.compare(old, {path: hash for path, (hash, _) in wanted.files.items()})
    id = releases.new_release()
    # the number is asked for first: the rows of its statement are the first of the batch
    number = releases.made(call, app, id, tree.cid, spa=spa, message=wanted.message)
    plan = trees.kept(call.store, tree, there, call.now)
    if wanted.app is None:
        title, about = wanted.said.title or wanted.slug, wanted.said.description or ""
        plan = plan + apps.new(call, app, slug=wanted.slug, title=title, description=about, spa=spa)
    at = len(plan.steps)
    plan = plan + number + releases.pointed(call.store, app, id, spa, call.now)

    def answer_of(rows: list[list[Any]]) -> Deployed:
        return _answer(site, wanted, app, id, int(rows[at][0][0]), tree, before, changes=changes)

    return plan.giving(answer_of)


def _answer(
    site: Site,
    wanted: Wanted,
    app: str,
    id: str,
    n: int,
    tree: Tree,
    before: Released | None,
    changes: tuple[list[str], list[str], list[str]] = ([], [], []),
    unchanged: bool = False,
) -> Deployed:
    added, changed, removed = changes
    return Deployed(
        app_id=app,
        name=wanted.slug,
        url=site.app_url(wanted.slug),
        release=id,
        n=n,
        preview_url=releases.preview_url(site, id, wanted.slug),
        root_cid=tree.cid,
        added=len(added),
        changed=len(changed),
        removed=len(removed),
        files=len(tree.files),
        bytes=tree.bytes,
        unchanged=unchanged,
        previous=before.id if before else None,
        undo=f"fazt rollback v{before.n} --app {wanted.slug}" if before else None,
        warnings=wanted.warnings,
        changes={"added": added[:_SHOWN], "changed": changed[:_SHOWN], "removed": removed[:_SHOWN]},
    )


def _paced(call: Call) -> Any:
    return call.use(Pace).of(payer(call))
