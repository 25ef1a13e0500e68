"""What a key that is made for one app has shown that it holds.

Content is kept once for all apps, so a hash alone would open any of it. Such a key is told that a content is here only
if its own app has it, or after it has sent all of it itself. Remembered in memory: after a restart it sends again.
"""

from __future__ import annotations

import collections

from kernel.base.json import to_text
from kernel.base.tables import Read
from kernel.fs import releases, trees  # noqa: F401 - their tables are named below
from kernel.fs.blobs import Known, Piece, pieces_of
from kernel.security.access import is_narrow
from kernel.storage.store import Store
from kernel.syscall import Call

MOST = 200_000
OF_APP = Read("""select lower(hex(b.sha256)) from {blobs} b
where b.sha256 in (select unhex(value) from json_each(:these)) and exists (
  select 1 from {tree_files} f join {releases} r on r.tree_id = f.tree_id where f.blob_id = b.id and r.app_id = :of)""")


class Proofs:
    def __init__(self) -> None:
        self._pieces: collections.OrderedDict[tuple[str, str], set[int]] = collections.OrderedDict()

    def note(self, key: str, piece: Piece) -> None:
        name = (key, piece.sha256.hex())
        self._pieces.setdefault(name, set()).add(piece.n)
        self._pieces.move_to_end(name)
        while len(self._pieces) > MOST:
            self._pieces.popitem(last=False)

    def note_whole(self, key: str, sha256: str, size: int) -> None:
        self._pieces[key, sha256] = set(range(pieces_of(size)))

    def of(self, key: str, sha256: str) -> set[int]:
        return self._pieces.get((key, sha256), set())


def withheld(call: Call, app: str | None, there: dict[str, Known]) -> dict[str, set[int]]:
    """The contents that are here but not for this caller, with the numbers of the pieces it has shown."""
    if not is_narrow(call.who) or not there:
        return {}
    proofs, store = call.use(Proofs), call.use(Store)
    these = to_text(list(there))
    own = {sha256 for (sha256,) in store.rows(OF_APP, these=these, of=app or "")}
    shown = {sha256: proofs.of(call.who.id, sha256) for sha256 in there if sha256 not in own}
    return {sha256: have for sha256, have in shown.items() if len(have) < pieces_of(there[sha256].size)}
