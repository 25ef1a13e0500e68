"""Looking after the file by hand: giving back the space of what was deleted, and what was done to its shape."""

from __future__ import annotations

import apsw
from msgspec import Struct

from kernel.storage.store import Store
from kernel.syscall import Call, syscall


class Compacted(Struct):
    bytes_before: int
    bytes_after: int


class Applied(Struct):
    name: str
    applied_at: int
    program_version: str


def _compact(connection: apsw.Connection) -> bool:
    """Rewritten page by page, so nothing is left of what was deleted; the log that did it is emptied as well."""
    # what it needs meanwhile is as large as the file: not memory
    connection.pragma("temp_store", 1)
    try:
        connection.execute("vacuum")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        connection.pragma("temp_store", 2)
    return False


@syscall("storage.vacuum", role="owner", http="POST /api/storage/vacuum", cli="storage vacuum", js=False, weight=6)
async def storage_vacuum(call: Call) -> Compacted:
    """Rewrite the data file without what was deleted. Writes wait until it is done; reads do not.

    It needs as much free disk as the file takes. Copies that were made before hold what they held.
    """
    store = call.use(Store)
    before = store.size()
    await store.errand(_compact)
    return Compacted(before, store.size())


@syscall("storage.migrate", role="owner", http="GET /api/storage/migrations", cli="storage migrate", js=False)
def storage_migrate(call: Call) -> list[Applied]:
    """The steps that made the file's shape, oldest first. Those of a new program are taken when it opens the file."""
    rows = (
        call.use(Store).reader().execute("select name, applied_at, program_version from schema_migrations order by id")
    )
    return [Applied(*row) for row in rows]
