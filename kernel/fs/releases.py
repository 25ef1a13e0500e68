"""Releases: what an app was at one moment. Immutable; an app points at one of them, and every way back is a pointer."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from kernel.apps import apps
from kernel.apps.meaning import ReleaseRef
from kernel.base.errors import FaztError, not_found
from kernel.base.ids import new_id
from kernel.base.site import Site
from kernel.base.tables import Append, Migration, Patch, Read, Table
from kernel.data import declared_changes
from kernel.data.collections import Declared
from kernel.data.stream_buffer import Streams
from kernel.fs import trees
from kernel.storage.store import Store
from kernel.syscall import Call, Offset, Page, Scan, Write, syscall
from kernel.syscall.call import Scoped
from kernel.syscall.plan import Step, page
from kernel.syscall.words import KeyLimit

RELEASES = Table(
    "releases",
    (
        "id",
        "app_id",
        "n",
        "tree_id",
        "spa",
        "message",
        "by_kind",
        "by_id",
        "by_name",
        "modified_at",
        "left_at",
        "created_at",
    ),
    key=("id",),
    scope="node",
    published=True,
    purged=True,
)
MIGRATIONS = (
    Migration(
        "releases_0001",
        """
create table releases (id text primary key, app_id text not null, n integer not null, tree_id integer not null,
  spa integer not null, message text not null default '', by_kind text not null, by_id text not null,
  by_name text not null, modified_at integer not null, left_at integer, created_at integer not null)
  strict, without rowid;
create unique index releases_app on releases (app_id, n);
create index releases_tree on releases (tree_id);
""",
    ),
)
_FIELDS = """r.id, r.n, r.created_at, r.by_kind, r.by_name, r.message, t.cid, t.files, t.bytes, r.spa, r.tree_id,
  r.modified_at, r.app_id"""
_FROM = "from {releases} r join {trees} t on t.id = r.tree_id"
ONE = Read(f"select {_FIELDS} {_FROM} where r.id = :id")
LIST = Read(f"select {_FIELDS} {_FROM} where r.app_id = :of order by r.n desc limit :limit offset :offset")
COUNT = Read("select count(*) from {releases} where app_id = :of")
RECENT = Read(f"select {_FIELDS} {_FROM} order by r.created_at desc, r.id limit :limit offset :offset")
ALL = Read("select count(*) from {releases}")
BY_NUMBER = Read("select id from {releases} where app_id = :of and n = :n")
BY_PREFIX = Read("select id from {releases} where app_id = :of and id >= :first and id < :last limit 2")
# going back from where one went back to leads forward again
LEFT_LAST = Read(
    "select id from {releases} where app_id = :of and id <> :live and left_at is not null "
    "order by left_at desc, n desc limit 1"
)
APPS_OF_TREES = Read(
    "select distinct tree_id, app_id from {releases} where tree_id in (select value from json_each(:trees))"
)
LEFT_SINCE = Read(
    "select distinct tree_id from {releases} where app_id = :of and left_at > :since order by left_at desc limit 20"
)
_TREE = "(select id from {trees} where cid = :cid)"
# a page that was there a second ago must not look the same by its date
MAKE = Append(f"""insert into {{releases}} (id, app_id, n, tree_id, spa, message, by_kind, by_id, by_name, modified_at,
  created_at)
select :id, :of, 1 + coalesce((select max(n) from {{releases}} where app_id = :of), 0), {_TREE}, :spa, :message,
  :by_kind, :by_id, :by_name,
  max(:second, 1 + coalesce((select max(modified_at) from {{releases}} where app_id = :of), 0)), :at
returning n""")
ENTER = Patch(RELEASES, set="left_at = null", where="id = :id")
LEAVE = Patch(RELEASES, set="left_at = :at", where="app_id = :of and id <> :id and left_at is null")


class Released(Struct):
    """A release as the code uses it."""

    id: str
    n: int
    created_at: int
    by_kind: str
    by_name: str
    message: str
    cid: str
    files: int
    bytes: int
    spa: bool
    tree: int
    modified_at: int
    app: str


class Release(Struct):
    release: str
    n: int
    at: int
    by: str
    message: str
    root_cid: str
    files: int
    bytes: int
    spa: bool
    live: bool
    preview_url: str


class Deployment(Struct):
    release: str
    app_id: str
    n: int
    at: int
    by: str
    message: str
    files: int
    bytes: int


class Moved(Struct):
    release: str
    n: int
    previous: str | None
    url: str
    undo: str | None
    warnings: list[str] = []


class Changes(Struct, rename={"from_": "from"}):
    from_: str | None
    to: str
    added: list[str]
    changed: list[str]
    removed: list[str]


def one(store: Store, id: str) -> Released | None:
    rows = store.rows(ONE, id=id)
    return _released(rows[0]) if rows else None


def _released(row: Any) -> Released:
    fields = list(row)
    fields[9] = bool(fields[9])
    return Released(*fields)


def find(store: Store, app: str, ref: str) -> str:
    """The id of the app's release that is meant."""
    if re.fullmatch(r"v\d{1,9}", ref):
        rows = store.rows(BY_NUMBER, of=app, n=int(ref[1:]))
        if not rows and len(ref) < 5:
            raise _unknown(ref)
        if rows:
            return str(rows[0][0])
    start = "rel_" + ref.removeprefix("rel_")
    rows = store.rows(BY_PREFIX, of=app, first=start, last=start + "~")
    if len(rows) > 1:
        raise FaztError("CONFLICT", f"{ref} means more than one release.", "Say more of it.", field="release")
    if not rows:
        raise _unknown(ref)
    return str(rows[0][0])


def _unknown(ref: str) -> FaztError:
    return not_found("release", ref, "It may have been pruned. `fazt releases` shows those that are kept.")


def label(call: Call, app: str) -> str:
    """What an app is called in addresses and commands."""
    row = call.store.one(apps.ONE, id=app)
    return str(row[2]) if row and row[2] else app.replace("_", "-", 1)


def preview_url(site: Site, release: str, label: str) -> str:
    return site.app_url(f"{release.removeprefix('rel_')}--{label}")


def made(call: Call, app: str, id: str, cid: str, *, spa: bool, message: str) -> Write[int]:
    """The row of a new release; its answer is the release's number."""
    values = {
        "id": id,
        "of": app,
        "cid": cid,
        "spa": spa,
        "message": message,
        "by_kind": call.who.kind,
        "by_id": call.who.id,
        "by_name": call.who.name,
        "second": call.now // 1000,
        "at": call.now,
    }
    return Write([Step(MAKE.sql, values)], lambda rows: int(rows[0][0][0]))


def pointed(store: Scoped, app: str, release: str, spa: bool | None, at: int) -> Write[None]:
    """Move the pointer of a living app; whatever was live until now has left."""
    plan = store.do(apps.POINT, id=app, release=release, spa=spa, now=at).expect(1, not_found("app", app))
    there = store.do(ENTER, id=release).expect(1, _unknown(release))
    return plan + there + store.do(LEAVE, of=app, id=release, at=at)


def live_of(call: Call, app: str) -> str | None:
    row = call.store.one(apps.LIVE, id=app)
    return str(row[0]) if row and row[0] else None


@syscall("releases.list", http="GET /api/apps/{app}/releases", cli="releases", js=False, scope="deploy")
def releases_list(call: Call, *, offset: Offset = 0, limit: KeyLimit = 20) -> Scan[Page[Release]]:
    """The releases of an app, newest first."""
    app = call.app or ""
    live, name, site = live_of(call, app), label(call, app), call.use(Site)

    def shown(rows: list[list[Any]]) -> Page[Release]:
        found = [_shown(_released(row), live, name, site) for row in rows[0]]
        return page(found, offset, limit, rows[1][0][0])

    return call.store.scan((LIST, {"of": app, "limit": limit, "offset": offset}), (COUNT, {"of": app}), then=shown)


def _shown(r: Released, live: str | None, name: str, site: Site) -> Release:
    by = r.by_name or r.by_kind
    url = preview_url(site, r.id, name)
    return Release(r.id, r.n, r.created_at, by, r.message, r.cid, r.files, r.bytes, r.spa, r.id == live, url)


@syscall("releases.recent", http="GET /api/deployments", cli="deployments", js=False)
def releases_recent(call: Call, *, offset: Offset = 0, limit: KeyLimit = 50) -> Scan[Page[Deployment]]:
    """The releases of all apps, newest first."""

    def shown(rows: list[list[Any]]) -> Page[Deployment]:
        found = [_released(row) for row in rows[0]]
        made = [Deployment(r.id, r.app, r.n, r.created_at, r.by_name or r.by_kind, r.message, r.files, r.bytes)
                for r in found]  # fmt: skip
        return page(made, offset, limit, rows[1][0][0])

    return call.store.scan((RECENT, {"limit": limit, "offset": offset}), (ALL, {}), then=shown)


@syscall(
    "releases.rollback",
    http="POST /api/apps/{app}/rollback",
    cli="rollback <release?>",
    js=False,
    weight=6,
    scope="deploy",
)
async def rollback(call: Call, release: ReleaseRef | None = None) -> Write[Moved]:
    """Make a release live again: the one said, else the one that was live before. Rolling back once more undoes it."""
    app = call.app or ""
    live = live_of(call, app)
    if live is None:
        raise FaztError("CONFLICT", "The app has no release yet.", "Deploy one: `fazt deploy`.")
    store = call.use(Store)
    if release is None:
        rows = store.rows(LEFT_LAST, of=app, live=live)
        if not rows:
            raise FaztError("CONFLICT", "There is no release before the live one.", "`fazt releases` shows all.")
        return await _move(call, app, str(rows[0][0]), live)
    return await _move(call, app, find(store, app, release), live)


@syscall(
    "releases.promote",
    http="POST /api/apps/{app}/promote",
    cli="promote <release>",
    js=False,
    weight=6,
    scope="deploy",
)
async def promote(call: Call, release: ReleaseRef) -> Write[Moved]:
    """Make a release live: for instance one that was looked at by its preview address."""
    app = call.app or ""
    return await _move(call, app, find(call.use(Store), app, release), live_of(call, app))


def _number(store: Store, id: str) -> int:
    found = one(store, id)
    return found.n if found else 0


async def _move(call: Call, app: str, id: str, live: str | None) -> Write[Moved]:
    store = call.use(Store)
    target = one(store, id)
    if target is None:
        raise _unknown(id)
    name = label(call, app)
    undo = f"fazt rollback v{_number(store, live)} --app {name}" if live and live != id else None
    url = call.use(Site).app_url(name)
    if live == id:
        same = Moved(id, target.n, None, url, undo)
        return Write((), lambda _: same)
    await call.use(Streams).flush_app(app)
    said = call.use(Declared).of(app, id)  # type: ignore[type-abstract]
    warnings = await store.aside(lambda: declared_changes.changed(call, app, said))
    answer = Moved(id, target.n, live, url, undo, warnings)
    return pointed(call.store, app, id, target.spa, call.now).giving(lambda _: answer)


@syscall("releases.diff", http="GET /api/apps/{app}/releases/{release}/diff", cli="app diff <release>", js=False,
         scope="deploy")  # fmt: skip
async def diff(call: Call, release: ReleaseRef, *, from_: ReleaseRef | None = None) -> Changes:
    """Which files a release changes: against the live one, or the one said as `from`."""
    app, store = call.app or "", call.use(Store)
    new = one(store, find(store, app, release))
    other = find(store, app, from_) if from_ else live_of(call, app)
    old = one(store, other) if other else None
    assert new

    def compared() -> Changes:
        before = {path: file.cid for path, (file, _) in trees.files(store, old.tree).items()} if old else {}
        after = {path: file.cid for path, (file, _) in trees.files(store, new.tree).items()}
        added, changed, removed = compare(before, after)
        return Changes(old.id if old else None, new.id, added, changed, removed)

    return await store.aside(compared)


def compare(before: dict[str, str], after: dict[str, str]) -> tuple[list[str], list[str], list[str]]:
    """Paths added, changed and removed between two lists of files and their content."""
    added = [path for path in after if path not in before]
    changed = [path for path in after if path in before and before[path] != after[path]]
    removed = [path for path in before if path not in after]
    return sorted(added), sorted(changed), sorted(removed)


def new_release() -> str:
    return new_id("rel")
