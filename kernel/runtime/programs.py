"""The programs of the apps that are asked for: read from their releases, lowered, and kept until they change."""

from __future__ import annotations

import asyncio
import collections
import os
from collections.abc import Callable, Iterable
from typing import Any

from kernel.apps import apps, manifest
from kernel.apps.env import EnvValues
from kernel.base.errors import FaztError, not_found
from kernel.base.settings import Settings
from kernel.fs import paths
from kernel.fs.blobs import Content
from kernel.fs.edition import Edition, Editions
from kernel.fs.mounts import HostFile
from kernel.runtime.limits import limits_of
from kernel.runtime.lower.lowered import Lowered, Problem
from kernel.runtime.lower.lowering import NOTHING, Beside, Lowering, beside, can_lower
from kernel.runtime.program import About, Program
from kernel.runtime.sources import MOST_LISTED, Code, Sources
from kernel.storage.store import Store

MOST_KEPT = 512
MOST_KEPT_BYTES = 256 << 20


class Programs:
    """Used on the event loop; what it makes is read on app threads."""

    def __init__(
        self, store: Store, settings: Settings, editions: Editions, content: Content, lowering: Lowering, env: EnvValues
    ) -> None:
        self._store, self._settings, self.editions = store, settings, editions
        self._lowering, self._env = lowering, env
        self._sources = Sources(store, editions, content)
        self._known: collections.OrderedDict[tuple[str, str, str], Program] = collections.OrderedDict()
        self._kept = 0  # bytes of their code
        self._making: dict[tuple[Any, ...], asyncio.Future[Program]] = {}
        self._looked = -1  # the generation of the last sweep
        self.retire: Any = lambda program: None
        # hears the id of an app that was deleted or stopped: nothing of it may go on running
        self.gone: Callable[[str], None] = lambda app: None

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
        sources = await self.lowered(await self._store.aside(lambda: self._sources.code(edition)))
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

    def sweep(self, running: Iterable[str] = ()) -> None:
        """Let go of the apps that were deleted or stopped. `running`: whose code runs, be its program kept or not."""
        generation = self._store.generation
        looked_at = set(running)
        if generation != self._looked:
            self._looked = generation
            looked_at.update(name[0] for name in self._known)
        for app in looked_at:
            rows = self._store.rows(apps.LIVE, id=app)
            if not rows or rows[0][2] != "active":
                for name in [name for name in self._known if name[0] == app]:
                    self._forget(name)
                self.gone(app)

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

    def _program(self, edition: Edition, entry: str, key: tuple[Any, ...], sources: dict[str, Lowered]) -> Program:
        rows = self._store.rows(apps.SAID, id=edition.app)
        if not rows:
            raise not_found("app", edition.app)
        if entry not in sources:
            raise FaztError("MODULE_NOT_FOUND", f"Cannot find module '{entry}'")
        name, source = rows[0]
        said = self._sources.raw_manifest(edition)
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
            read_private=lambda path: self._sources.private(edition, path),
            list_private=lambda: self._sources.private_paths(edition),
        )


def handler_of(edition: Edition) -> str:
    """The file that answers under /api, if the app has one; a mounted folder is looked at each time."""
    for path in paths.HANDLERS if edition.mounts else ():
        if any(mount.find(path) for mount in edition.mounts):
            return path
    return edition.handler


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
