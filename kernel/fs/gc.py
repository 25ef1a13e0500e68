"""Collecting what nothing refers to any more: old releases, then trees without one, then content that no tree holds
and no object of an app.

Nothing younger than a day goes (a deploy may be on its way to refer to it), nothing that is live, split to, pinned or
just being read. Each slice is a batch that looks at its conditions again.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kernel.apps import aliases
from kernel.base.json import to_text
from kernel.base.tables import Migration, Read, Remove, Table
from kernel.fs.blobs import BLOBS, CHUNKS, Content
from kernel.fs.releases import RELEASES
from kernel.fs.trees import TREE_FILES, TREE_FOLDERS, TREES
from kernel.fs.variants import VARIANTS
from kernel.storage.store import Store
from kernel.syscall import Call, Duration, syscall
from kernel.syscall.call import Scoped

DAY = 24 * 3_600_000
KEPT_RELEASES, KEPT_TIME = 100, 30 * DAY
SLICE = 50
A_DAY = Duration.parse("24h")

# what the objects of apps are made of, whosever they are
HELD = Table("held_by_objects", ("content",), key=("content",), scope="node")
MIGRATIONS = (Migration("gc_0001", "create view held_by_objects as select blob as content from app_objects"),)

# both old and not among the newest of its app; one that is live has not left
_OLD = """left_at is not null and left_at < :left and created_at < :made
  and id not in (select value from json_each(:kept))"""
OLD_RELEASES = Read(
    f"""select id from (select id, left_at, created_at, row_number() over (partition by app_id order by n desc) as place
  from {{releases}}) where place > :newest and {_OLD} limit :limit"""
)
DROP_RELEASES = Remove(RELEASES, where=f"id in (select value from json_each(:ids)) and {_OLD}")
_BARE = """pinned_at is null and touched_at < :before
  and id not in (select tree_id from {releases})"""
BARE_TREES = Read(f"select id from {{trees}} where {_BARE} limit :limit")
DROP_TREES = Remove(TREES, where=f"id in (select value from json_each(:ids)) and {_BARE}")
_GONE = "tree_id in (select value from json_each(:ids)) and tree_id not in (select id from {trees})"
DROP_FILES = Remove(TREE_FILES, where=_GONE)
DROP_FOLDERS = Remove(TREE_FOLDERS, where=_GONE)
_LOOSE = """pinned_at is null and touched_at < :before
  and not exists (select 1 from {tree_files} f where f.blob_id = id)
  and not exists (select 1 from {held_by_objects} where content = sha256)"""
LOOSE_BLOBS = Read(f"select id, size from {{blobs}} where {_LOOSE} and id > :after order by id limit :limit")
DROP_BLOBS = Remove(BLOBS, where=f"id in (select value from json_each(:ids)) and {_LOOSE}")
DROP_CHUNKS = Remove(
    CHUNKS,
    where="blob_id in (select value from json_each(:ids)) and blob_id not in (select id from {blobs})",
)
DROP_VARIANTS = Remove(VARIANTS, where="cid not in (select cid from {blobs} where cid is not null)")


class Collected(Struct):
    releases: int
    trees: int
    blobs: int
    bytes: int
    dry_run: bool


@syscall("storage.gc", role="admin", http="POST /api/system/gc", cli="storage gc", js=False)
async def storage_gc(call: Call, *, dry_run: bool = False, grace: Duration = A_DAY) -> Collected:
    """Remove content that nothing refers to: no release, no upload. With --dry-run only say what would go."""
    return await collect(call.use(Store), call.use(Content), call.store, max(0, grace), dry_run)


async def collect(store: Store, content: Content, scoped: Scoped, grace: int = DAY, dry_run: bool = False) -> Collected:
    now = store.clock.now()
    found = Collected(0, 0, 0, 0, dry_run)
    found.releases = await _releases(store, scoped, now, grace, dry_run)
    found.trees = await _trees(store, scoped, now - grace, dry_run)
    await _blobs(store, content, scoped, now - grace, found)
    return found


async def _releases(store: Store, scoped: Scoped, now: int, grace: int, dry_run: bool) -> int:
    wanted: dict[str, Any] = {"left": now - max(grace, DAY), "made": now - KEPT_TIME}
    most = -1 if dry_run else SLICE
    done = 0
    while True:
        wanted["kept"] = to_text(await store.aside(lambda: aliases.split_releases(store)))
        rows = await store.aside(lambda: store.rows(OLD_RELEASES, **wanted, newest=KEPT_RELEASES, limit=most))
        done += len(rows)
        if dry_run or not rows:
            return done
        await store.write(scoped.do(DROP_RELEASES, ids=to_text([id for (id,) in rows]), **wanted).steps)


async def _trees(store: Store, scoped: Scoped, before: int, dry_run: bool) -> int:
    most = -1 if dry_run else SLICE
    done = 0
    while True:
        rows = await store.aside(lambda: store.rows(BARE_TREES, before=before, limit=most))
        done += len(rows)
        if dry_run or not rows:
            return done
        ids = to_text([id for (id,) in rows])
        plan = scoped.do(DROP_TREES, ids=ids, before=before)
        await store.write((plan + scoped.do(DROP_FILES, ids=ids) + scoped.do(DROP_FOLDERS, ids=ids)).steps)


async def _blobs(store: Store, content: Content, scoped: Scoped, before: int, found: Collected) -> None:
    after = 0
    while True:
        start = after
        rows = await store.aside(lambda: store.rows(LOOSE_BLOBS, before=before, after=start, limit=SLICE))  # noqa: B023
        if not rows:
            return
        after = rows[-1][0]
        rows = [(id, size) for id, size in rows if not content.reading[id]]
        found.blobs += len(rows)
        found.bytes += sum(size for _, size in rows)
        if not found.dry_run and rows:
            ids = to_text([id for id, _ in rows])
            plan = scoped.do(DROP_BLOBS, ids=ids, before=before) + scoped.do(DROP_CHUNKS, ids=ids)
            await store.write((plan + scoped.do(DROP_VARIANTS)).steps)
