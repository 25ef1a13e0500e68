"""What apps say of their storage, read from the file of their live release, or of the one that runs."""

from __future__ import annotations

from kernel.data.collections import NOTHING, Declared, StorageSaid
from kernel.fs.edition import Editions
from kernel.storage.store import Store

MOST = 4096


class DeclaredByFiles(Declared):
    """Asked by every call of a store, so it remembers, also of apps that say nothing."""

    def __init__(self, store: Store, editions: Editions) -> None:
        self._store, self._editions = store, editions
        self._known: dict[tuple[str, str], tuple[int, StorageSaid]] = {}

    def of(self, app: str, release: str = "") -> StorageSaid:
        generation = self._store.generation
        known = self._known.get((app, release))
        # what a release says never changes, also where it was removed while its code runs
        if known is not None and (release or known[0] == generation):
            return known[1]
        edition = self._editions.of(app, release or None) or self._editions.of(app)
        said = edition.said.storage if edition is not None else NOTHING
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[app, release] = (generation, said)
        return said
