"""The programs of the apps that are asked for: read from their releases, lowered, and kept until they change."""

from __future__ import annotations

import asyncio
import collections
import hashlib
import os
from typing import Any, NamedTuple

import msgspec

from kernel.apps import apps, manifest
from kernel.apps.env import EnvValues
from kernel.base.errors import FaztError, not_found
from kernel.base.settings import Settings
from kernel.fs import paths, trees
from kernel.fs.blobs import Content
from kernel.fs.edition import Edition, Editions
from kernel.fs.mounts import HostFile
from kernel.fs.trees import File
from kernel.runtime.limits import limits_of
from kernel.runtime.lower.lowered import Lowered, Problem
from kernel.runtime.lower.lowering import NOTHING, Beside, Lowering, beside, can_lower
from kernel.runtime.program import About, Program
from kernel.storage.store import Store

MOST_FILES = 500  # of code
MOST_LISTED = 20_000  # of whatever lies beside it
MOST_CODE = 16 << 20
MOST_KEPT = 512
MOST_KEPT_BYTES = 256 << 20
MOST_PRIVATE = 1000
MOST_PRIVATE_BYTES = 10 << 20


class Programs:
    """Used on the event loop; what it makes is read on app threads."""

    def __init__(
        self, store: Store, settings: Settings, editions: Editions, content: Content, lowering: Lowering, env: EnvValues
    ) -> None:
        self._store, self._settings, self.editions = store, settings, editions
        self._content, self._lowering, self._env = content, lowering, env
        self._known: collections.OrderedDict[tuple[str, str, str], Program] = collections.OrderedDict()
        self._kept = 0  # bytes of their code
        self._making: dict[tuple[Any, ...], asyncio.Future[Program]] = {}
        self.retire: Any = lambda program: None

    def ready(self, edition: Edition, entry: str = "") -> Program | None:
        """The program of an edition, if it is here and nothing of it has changed."""
        entry = entry or edition.handler
        program = self._known.get((edition.app, edition.release, entry))
        return program if program is not None and program.key == self._key(edition, entry) else None

    def unchanged(self, program: Program) -> bool:
        """Quicker than `ready`, where the edition and the settings are known to be those of before."""
        return not program.retired and self._env.version(program.app) == program.env_version

    async def of(self, edition: Edition, entry: str) -> Program:
        program = self.ready(edition, entry)
        if program is not None:
            return program
        key = self._key(edition, entry)
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.ensure_future(self._made(edition, entry, key))
            making.add_done_callback(lambda done: self._finished(key, done))
        return await asyncio.shield(making)

    def _finished(self, key: tuple[Any, ...], done: asyncio.Future[Program]) -> None:
        self._making.pop(key, None)
        if not done.cancelled():
            done.exception()  # heard, even if whoever asked has left

    def _key(self, edition: Edition, entry: str) -> tuple[Any, ...]:
        limits = limits_of(self._settings, edition.said)
        folders = tuple(_stamp(mount) for mount in edition.mounts)
        return (edition.app, edition.release, entry, edition.tree, self._env.version(edition.app), limits, folders)

    async def _made(self, edition: Edition, entry: str, key: tuple[Any, ...]) -> Program:
        sources = await self.lowered(await self._store.aside(lambda: self._read(edition)))
        program = self._program(edition, entry, key, sources)
        name = (edition.app, edition.release, entry)
        if name in self._known:
            self._forget(name)
        self._known[name] = program
        self._kept += program.size
        while len(self._known) > MOST_KEPT or (self._kept > MOST_KEPT_BYTES and len(self._known) > 1):
            self._forget(next(iter(self._known)))
        return program

    def _forget(self, name: tuple[str, str, str]) -> None:
        program = self._known.pop(name)
        self._kept -= program.size
        self.retire(program)

    async def lowered(self, found: dict[str, Code]) -> dict[str, Lowered]:
        """All code as it runs."""
        wanted = [path for path in found if can_lower(path) and path.startswith("api/")]
        return {path: await self._lowered(path, found[path], found) for path in wanted}

    async def _lowered(self, path: str, file: Code, found: dict[str, Code]) -> Lowered:
        near = [found[name].content for name in beside(path) if name in found]
        map_path = beside(path)[0]
        beside_it = NOTHING
        if near:
            map_ = found[map_path].content if map_path in found else b""
            configs = [found[name].content for name in beside(path)[1:] if name in found]
            beside_it = Beside(map_, configs[0] if configs else b"")
        try:
            return await self._lowering.of(path, file.sha256, file.content, beside_it)
        except FaztError as error:
            if error.code != "LIMIT_EXCEEDED":
                raise
            return Lowered(b"", "module", problems=[Problem(path, 1, 1, error.message)], refused=error.code)

    def _read(self, edition: Edition) -> dict[str, Code]:
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
        return self.editions.file(edition.tree, path)

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

    def _program(self, edition: Edition, entry: str, key: tuple[Any, ...], sources: dict[str, Lowered]) -> Program:
        rows = self._store.rows(apps.SAID, id=edition.app)
        if not rows:
            raise not_found("app", edition.app)
        if entry not in sources:
            raise FaztError("MODULE_NOT_FOUND", f"Cannot find module '{entry}'")
        name, source = rows[0]
        said = self._raw_manifest(edition)
        try:
            env, locked = self._env.values(edition.app, edition.said.env), False
        except FaztError as error:
            if error.code != "LOCKED":
                raise
            env, locked = {}, True
        about = About(edition.app, name or "", source or "", edition.said.version or "", said)
        return Program(
            key,
            about,
            entry,
            sources,
            limits_of(self._settings, edition.said),
            env,
            release=edition.release,
            env_version=key[4],
            locked=locked,
            read_private=lambda path: self._private(edition, path),
            list_private=lambda: self._private_paths(edition),
        )

    def _raw_manifest(self, edition: Edition) -> dict[str, Any]:
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

    # --- private files, on app threads

    def _private(self, edition: Edition, path: str) -> bytes | None:
        file = self._file(edition, path)
        return None if file is None else self._whole(file, MOST_PRIVATE_BYTES)

    def _private_paths(self, edition: Edition) -> list[str]:
        found = {path for path, _ in self._listed(edition, "private", MOST_PRIVATE)}
        for mount in edition.mounts:
            found.update(path for path, _ in mount.below("private/", MOST_PRIVATE))
        return sorted(path.removeprefix("private/") for path in found)


class Code(NamedTuple):
    """A file as its author wrote it."""

    sha256: bytes
    content: bytes


def handler_of(edition: Edition) -> str:
    """The file that answers under /api, if the app has one; a mounted folder is looked at each time."""
    for path in paths.HANDLERS if edition.mounts else ():
        if any(mount.find(path) for mount in edition.mounts):
            return path
    return edition.handler


def matters(path: str) -> bool:
    """Is it code, or does it decide how code is lowered?"""
    named = path == "tsconfig.json" or path.endswith((".map", "/tsconfig.json"))
    return path == "tsconfig.json" or (path.startswith("api/") and (can_lower(path) or named))


def _stamp(mount: Any) -> tuple[Any, ...]:
    """What changes with every change of a mounted folder's code, and of what decides how it runs."""
    beside = [(path, _seen(mount.find(path))) for path in ("tsconfig.json", manifest.FILE, manifest.PWA_FILE)]
    return (*mount.below("api/", MOST_LISTED), *beside)


def _seen(file: HostFile | None) -> tuple[int, int] | None:
    try:
        seen = os.stat(os.path.join(file.folder, file.inside)) if file else None
    except OSError:
        return None
    return (seen.st_mtime_ns, seen.st_size) if seen else None
