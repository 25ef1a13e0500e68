"""What is wrong with an app's code before anybody asks for it: said when it is deployed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from kernel.apps import manifest
from kernel.apps.env import EnvValues
from kernel.apps.manifest import Manifest
from kernel.base.errors import FaztError
from kernel.base.settings import Settings
from kernel.fs import blobs, paths
from kernel.fs.blobs import Content
from kernel.fs.deploy import Checks
from kernel.runtime.limits import CPU, MEMORY, WALL
from kernel.runtime.lower.lowering import MOST_BYTES, can_lower
from kernel.runtime.programs import Programs
from kernel.runtime.sources import Code, matters
from kernel.storage.store import Store

MOST_SHOWN = 10
_OF_RUNTIME = {"maxExecutionSeconds": WALL.name, "maxCpuSeconds": CPU.name, "maxMemoryMB": MEMORY.name}


class CodeChecks(Checks):
    def __init__(self, store: Store, settings: Settings, content: Content, programs: Programs, env: EnvValues) -> None:
        self._store, self._settings, self._content = store, settings, content
        self._programs, self._env = programs, env
        self.expect_code: Callable[[], None] = lambda: None  # told when code is deployed: it will be asked for next

    async def warnings(self, app: str | None, files: Mapping[str, tuple[str, int]]) -> list[str]:
        """What its author should know; what cannot be allowed is refused."""
        said, found = await self._store.aside(lambda: self._read(files))
        self._refuse_limits(said)
        warnings = self._missing(app, said)
        if paths.has_handler(files):
            self.expect_code()
            warnings += _too_large(files)
            try:
                lowered = await self._programs.lowered(found)
            except FaztError as error:
                # it is tried again when somebody asks for it
                return [*warnings, f"The code could not be looked at: {error.message}"]
            warnings += [
                f"{problem.path}:{problem.line}:{problem.column}: {problem.message}"
                for one in lowered.values()
                for problem in one.problems[:1]
            ]
        return warnings[:MOST_SHOWN]

    def _read(self, files: Mapping[str, tuple[str, int]]) -> tuple[Manifest, dict[str, Code]]:
        wanted = {path: said for path, said in files.items() if matters(path) and said[1] <= MOST_BYTES}
        chosen = manifest.chosen(files.get)
        hashes = [sha256 for sha256, _ in wanted.values()] + ([chosen[1][0]] if chosen else [])
        known = blobs.known(self._store, hashes)
        said = Manifest()
        if chosen and chosen[1][0] in known and chosen[1][1] <= manifest.LARGEST:
            there = known[chosen[1][0]]
            said = manifest.parse(self._content.whole(there.id, there.size), chosen[0])[0]
        found = {}
        for path, (sha256, size) in wanted.items():
            if sha256 in known:
                data = self._content.whole(known[sha256].id, size)
                found[path] = Code(hashlib.sha256(data).digest(), data)
        return said, found

    def _refuse_limits(self, said: Manifest) -> None:
        for name, setting in _OF_RUNTIME.items():
            value, most = getattr(said.limits.runtime, name), self._settings[setting]
            if value is None:
                continue
            least = self._settings.find(setting).least or 0
            if value < least:
                raise FaztError(
                    "VALIDATION_FAILED", f"app.json: {setting} must be {least:g} at least, is {value:g}.", field=setting
                )
            if value > most:
                raise FaztError(
                    "VALIDATION_FAILED",
                    f"app.json: {setting} is {value:g}, but this node allows {most:g}.",
                    f"Lower it, or let the owner raise it: fazt config set {setting} {value:g}",
                    field=setting,
                )

    def _missing(self, app: str | None, said: Manifest) -> list[str]:
        there = set(self._env.names(app)) if app else set()
        wanted = [wish.name for wish in said.env if wish.required and wish.default is None and wish.name not in there]
        return [f"{name} is not set yet: fazt env set {name}=…" for name in wanted]


def _too_large(files: Mapping[str, tuple[str, int]]) -> list[str]:
    large = [path for path, (_, size) in files.items() if size > MOST_BYTES and can_lower(path) and matters(path)]
    return [f"{path} is larger than {MOST_BYTES >> 20} MiB: no code can require it." for path in sorted(large)]
