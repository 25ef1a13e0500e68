"""A tree: the paths of a site and the content each leads to. Immutable, and called by the id of its root folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kernel.base.errors import FaztError
from kernel.base.json import to_text
from kernel.base.tables import Append, Migration, Patch, Read, Remove, Table
from kernel.fs import cid
from kernel.fs.blobs import Known
from kernel.storage.store import Store
from kernel.syscall.call import Scoped
from kernel.syscall.plan import Step, Write

TREES = Table(
    "trees", ("id", "cid", "files", "bytes", "pinned_at", "touched_at", "created_at"), key=("cid",), scope="node"
)
TREE_FILES = Table("tree_files", ("tree_id", "path", "blob_id"), key=("tree_id", "path"), scope="node")
TREE_FOLDERS = Table("tree_folders", ("cid", "tree_id", "path"), key=("cid", "tree_id", "path"), scope="node")
MIGRATIONS = (
    Migration(
        "trees_0001",
        """
create table trees (id integer primary key, cid text not null unique, files integer not null, bytes integer not null,
  pinned_at integer, touched_at integer not null, created_at integer not null) strict;
create table tree_files (tree_id integer not null, path text not null, blob_id integer not null,
  primary key (tree_id, path)) strict, without rowid;
create index tree_files_blob on tree_files (blob_id);
create table tree_folders (cid text not null, tree_id integer not null, path text not null,
  primary key (cid, tree_id, path)) strict, without rowid;
create index tree_folders_tree on tree_folders (tree_id);
""",
    ),
)
BY_CID = Read("select id, files, bytes from {trees} where cid = :cid")
# one step from tree to tree, however often each holds what is looked for
_TREES_WITH = """with recursive held(tree) as (
  select min(tree_id) from {{{table}}} where {what} and tree_id > :after
  union all select (select min(tree_id) from {{{table}}} where {what} and tree_id > held.tree)
  from held where held.tree is not null limit :limit) select tree from held where tree is not null"""
WITH_FOLDER = Read(_TREES_WITH.format(table="tree_folders", what="cid = :cid"))
WITH_BLOB = Read(_TREES_WITH.format(table="tree_files", what="blob_id = :blob"))
FOLDER_IN = Read("""select path from {tree_folders} where cid = :cid and tree_id = :tree and path >= :first
order by path limit :limit""")
BLOB_IN = Read("""select path from {tree_files} where blob_id = :blob and tree_id = :tree and path >= :first
order by path limit :limit""")
PINNED = Read("select id from {trees} where id in (select value from json_each(:trees)) and pinned_at is not null")
HOLDING = Read("""select distinct tree_id from {tree_files}
where tree_id in (select value from json_each(:trees)) and path in (select value from json_each(:paths))""")
PATHS = Read(
    "select path from {tree_files} where tree_id = :tree and path >= :first and path < :last order by path limit :limit"
)
_FILE = "b.id, b.cid, b.size"
FILE = Read(
    f"""select {_FILE} from {{tree_files}} f join {{blobs}} b on b.id = f.blob_id
where f.tree_id = :tree and f.path = :path"""
)
FILES = Read(
    """select f.path, b.id, b.cid, b.size, lower(hex(b.sha256)) from {tree_files} f join {blobs} b on b.id = f.blob_id
where f.tree_id = :tree and f.path >= :first and f.path < :last order by f.path limit :limit offset :offset"""
)
COUNT = Read("select count(*) from {tree_files} where tree_id = :tree and path >= :first and path < :last")

MAKE = Append("""insert into {trees} (cid, files, bytes, touched_at, created_at) values (:cid, :files, :bytes, :at, :at)
on conflict (cid) do update set touched_at = :at""")
CLEAR = Remove(TREE_FILES, where="tree_id = (select id from {trees} where cid = :cid)")
FILL = Append("""insert into {tree_files} (tree_id, path, blob_id)
select t.id, j.value ->> 0, b.id from json_each(:files) j
join {trees} t on t.cid = :cid
join {blobs} b on b.id = j.value ->> 1 and b.complete = 1 and b.cid = j.value ->> 2""")
FOLD = Append("""insert into {tree_folders} (cid, tree_id, path)
select j.value ->> 1, t.id, j.value ->> 0 from json_each(:folders) j join {trees} t on t.cid = :cid where true
on conflict do nothing""")
TOUCH = Patch(TREES, set="touched_at = :at", where="cid = :cid")
PIN = Patch(TREES, set="pinned_at = :at, touched_at = :at", where="cid = :cid")

# behind every path there can be
LAST = "\U0010ffff" * 257


class File(NamedTuple):
    """Where a path leads."""

    id: int
    cid: str
    size: int


class Tree(NamedTuple):
    """A tree that is about to be written."""

    cid: str
    files: Mapping[str, Known]
    folders: Mapping[str, str]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files.values())


def below(folder: str) -> dict[str, str]:
    """The range of paths under a folder; of all paths, for the root."""
    return {"first": f"{folder}/", "last": f"{folder}0"} if folder else {"first": "", "last": LAST}


def made_of(files: Mapping[str, Known]) -> Tree:
    """The tree of these files. Pure, but not quick: for thousands of files, on another thread."""
    folders = cid.folders({path: (file.cid, file.size) for path, file in files.items()})
    return Tree(folders[""], files, folders)


def kept(store: Scoped, tree: Tree, there: bool, at: int) -> Write[None]:
    """Write the tree down; every blob is looked at again in the same batch. `there`: it was found to exist."""
    if there:
        return store.do(TOUCH, cid=tree.cid, at=at).expect(1, gone())
    rows = to_text([[path, file.id, file.cid] for path, file in tree.files.items()])
    folders = to_text([[path, id] for path, id in tree.folders.items()])
    made = {"cid": tree.cid, "files": len(tree.files), "bytes": tree.bytes, "at": at}
    filled: Write[None] = Write([Step(FILL.sql, {"cid": tree.cid, "files": rows})])
    return (
        Write[None]([Step(MAKE.sql, made)])
        + store.do(CLEAR, cid=tree.cid)
        + filled.expect(len(tree.files), gone())
        + Write([Step(FOLD.sql, {"cid": tree.cid, "folders": folders})])
    )


def gone() -> FaztError:
    return FaztError(
        "CONFLICT",
        "Some of the content was removed meanwhile.",
        "Deploy again: only what is missing is sent.",
        missing=True,
    )


def find(store: Store, tree: int, path: str) -> File | None:
    rows = store.rows(FILE, tree=tree, path=path)
    return File(*rows[0]) if rows else None


def files(store: Store, tree: int) -> dict[str, tuple[Known, str]]:
    """All of a tree: {path: (file, sha256)}. A scan."""
    rows = store.rows(FILES, tree=tree, limit=-1, offset=0, **below(""))
    return {path: (Known(id, cid, size), sha256) for path, id, cid, size, sha256 in rows}
