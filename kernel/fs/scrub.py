"""Looking through stored content: is each file still what its hash says?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kernel.base.tables import Read
from kernel.fs import blobs
from kernel.fs.releases import RELEASES
from kernel.fs.trees import TREE_FILES

SLICE = 100
NEXT = Read(f"""select id, lower(hex(sha256)), size from {{{blobs.BLOBS.name}}}
where complete = 1 and id > :after order by id limit {SLICE}""")
STILL = Read(f"select 1 from {{{blobs.BLOBS.name}}} where id = :id and complete = 1")
USED = Read(f"""select r.app_id, f.path from {{{TREE_FILES.name}}} f join {{{RELEASES.name}}} r on r.tree_id = f.tree_id
where f.blob_id = :id order by r.n desc limit 1""")


def damaged(store: blobs.Rows, wanted: Callable[[], bool]) -> Iterator[str]:
    """What is not: where it is used, or its hash. Ends when nobody wants it any more."""
    after = 0
    while rows := store.rows(NEXT, after=after):
        for id, sha256, size in rows:
            if not wanted():
                return
            # collected meanwhile is not damaged
            if blobs.verified(store, sha256, id, size) is None and store.rows(STILL, id=id):
                used = store.rows(USED, id=id)
                yield f"{used[0][1]} of {used[0][0]}" if used else f"the content {sha256[:16]}…"
        after = rows[-1][0]
