"""What apps say of their storage, read from the file of their live release."""

from __future__ import annotations

from kernel.data.collections import NOTHING, Declared, StorageSaid
from kernel.fs.edition import Editions


class DeclaredByFiles(Declared):
    def __init__(self, editions: Editions) -> None:
        self._editions = editions

    def of(self, app: str) -> StorageSaid:
        edition = self._editions.of(app)
        return edition.said.storage if edition is not None else NOTHING
