"""What lies in an edition beside its pages: its code, its manifest, its private files. Any thread may ask."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from kernel.apps import manifest
from kernel.base.errors import FaztError
from kernel.fs import trees
from kernel.fs.blobs import Content
from kernel.fs.edition import Edition, Editions
from kernel.fs.mounts import HostFile
from kernel.fs.trees import File
from kernel.runtime.lower.lowering import can_lower
from kernel.storage.store import Store

MOST_FILES = 500  # of code
MOST_LISTED = 20_000  # of whatever lies beside it
MOST_CODE = 16 << 20
MOST_PRIVATE = 1000
MOST_PRIVATE_BYTES = 10 << 20


class Code(NamedTuple):
    """A file as its author wrote it."""

    sha256: bytes
    content: bytes


class Sources:
    def __init__(self, store: Store, editions: Editions, content: Content) -> None:
        self._store, self._editions, self._content = store, editions, content

    def code(self, edition: Edition) -> dict[str, Code]:
        """All code of an edition, and what decides how it is lowered."""
        found: dict[str, Code] = {}
        size = 0
        wanted: dict[str, File | HostFile] = dict(self._listed(edition, "api", MOST_LISTED))
        for mount in edition.mounts:
            for path, _ in mount.below("api/", MOST_LISTED):
                if over := mount.find(path):
                    wanted[path] = over
        config = self._file(edition, "tsconfig.json")
        if config:
            wanted["tsconfig.json"] = config
        for path, file in wanted.items():
            if not matters(path):
                continue
            if len(found) >= MOST_FILES:
                raise FaztError("LIMIT_EXCEEDED", f"The app's code has more than {MOST_FILES} files.")
            try:
                data = self._whole(file, MOST_CODE)
            except FileNotFoundError:
                # it was deleted from a mounted folder this moment
                continue
            size += len(data)
            if size > MOST_CODE:
                raise FaztError("LIMIT_EXCEEDED", f"The app's code is larger than {MOST_CODE >> 20} MiB.")
            found[path] = Code(hashlib.sha256(data).digest(), data)
        return found

    def _file(self, edition: Edition, path: str) -> File | HostFile | None:
        for mount in edition.mounts:
            if file := mount.find(path):
                return file
        return self._editions.file(edition.tree, path)

    def _listed(self, edition: Edition, folder: str, most: int) -> list[tuple[str, File]]:
        rows = self._store.rows(trees.FILES, tree=edition.tree, limit=most, offset=0, **trees.below(folder))
        return [(path, File(id, cid, size)) for path, id, cid, size, _ in rows]

    def _whole(self, file: File | HostFile, most: int) -> bytes:
        """The content of a file; one that is larger than `most` is refused."""
        data = b""
        if isinstance(file, HostFile):
            data = file.read(most)
        if len(data) > most or (isinstance(file, File) and file.size > most):
            raise FaztError("LIMIT_EXCEEDED", f"A file of the app is larger than {most >> 20} MiB.")
        return self._content.whole(file.id, file.size) if isinstance(file, File) else data

    def raw_manifest(self, edition: Edition) -> dict[str, Any]:
        def find(name: str) -> File | HostFile | None:
            return self._file(edition, name)

        chosen = manifest.chosen(find)
        if chosen is None:
            return {}
        try:
            file: Any = chosen[1]
            said = msgspec.json.decode(self._whole(file, manifest.LARGEST))
        except (msgspec.DecodeError, ValueError, RecursionError, FaztError):
            return {}
        return said if isinstance(said, dict) else {}

    def private(self, edition: Edition, path: str) -> bytes | None:
        file = self._file(edition, path)
        return None if file is None else self._whole(file, MOST_PRIVATE_BYTES)

    def private_paths(self, edition: Edition) -> list[str]:
        found = {path for path, _ in self._listed(edition, "private", MOST_PRIVATE)}
        for mount in edition.mounts:
            found.update(path for path, _ in mount.below("private/", MOST_PRIVATE))
        return sorted(path.removeprefix("private/") for path in found)


def matters(path: str) -> bool:
    """Is it code, or does it decide how code is lowered?"""
    named = path == "tsconfig.json" or path.endswith((".map", "/tsconfig.json"))
    return path == "tsconfig.json" or (path.startswith("api/") and (can_lower(path) or named))
