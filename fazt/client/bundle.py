"""npm packages in a handler: the entry is bundled on the author's machine, as a node has no node_modules.

Only where it is needed: a handler that imports nothing but its own files and the libraries every node has is sent as
it is. The author's files stay as they are; what is made takes their place in what is sent.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fazt.client.folder import File, Folder, stamp
from kernel.fs.paths import HANDLERS

STDLIB = frozenset(("lodash", "cheerio", "uuid", "zod", "marked", "dayjs", "validator"))
OURS = frozenset(("fazt",))
BUILTINS = frozenset(
    """assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain
    events fs http http2 https inspector module net os path perf_hooks process punycode querystring readline repl stream
    string_decoder sys timers tls trace_events tty url util v8 vm wasi worker_threads zlib""".split()  # noqa: SIM905
)
ENDINGS = ("", ".js", ".mjs", ".cjs", ".ts", ".mts", ".cts", ".tsx", ".jsx", ".json", "/index.js", "/index.ts")
OUTPUT = "api/main.js"
MOST_BYTES = 1 << 20
MOST_FILES = 2000

COMMENTS = re.compile(r"/\*.*?\*/|(?:^|(?<=[\s;{}]))//[^\n]*", re.S)
_IMPORTS = re.compile(
    r"""(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s*|\brequire\s*\(\s*)(["'])([^"'\n]{1,500})\1""",
)
_NAME = re.compile(r"(?:@[\w.~-]+/)?[\w.~-]+(?:/.*)?")


@dataclass(frozen=True)
class Bundle:
    """What was made of the entry and all that it imports."""

    entry: str
    modules: int
    size: int
    esbuild: str

    @property
    def told(self) -> str:
        return f"bundled {self.entry} with esbuild: {self.modules} modules, {-(-self.size // 1024)} KB"

    @property
    def facts(self) -> dict[str, Any]:
        return {"entry": self.entry, "modules": self.modules, "bytes": self.size, "esbuild": self.esbuild}


class BundledFolder(Folder):
    """A folder whose handler is bundled if it has to be."""

    def __init__(self, top: Path, include_private: bool = False) -> None:
        super().__init__(top, include_private)
        self.bundle = self._bundled()

    def again(self) -> BundledFolder:
        return BundledFolder(Path(self.top), self.include_private)

    def _bundled(self) -> Bundle | None:
        entry = entry_of(self.files)
        if entry is None or not (needed := packages(self.top, entry)):
            return None
        # most sites need none of this
        import shutil
        import tempfile
        import weakref

        from fazt.client.project import Project

        work = Path(tempfile.mkdtemp(prefix="fazt-bundle-"))
        weakref.finalize(self, shutil.rmtree, work, ignore_errors=True)
        size, modules, version = Project(self.top, entry, work).bundled(needed)
        made = (OUTPUT, f"{OUTPUT}.map")
        self.files = [file for file in self.files if file.path not in HANDLERS and file.path not in made]
        for path in made:
            source = os.path.join(work, path)
            status = os.lstat(source)
            self.files.append(File(path, source, status.st_size, stamp(status)))
        self.files.sort()
        return Bundle(entry, modules, size, version)


def bundle_of(folder: Folder) -> Bundle | None:
    return folder.bundle if isinstance(folder, BundledFolder) else None


def entry_of(files: list[File]) -> str | None:
    return min((file.path for file in files if file.path in HANDLERS), key=ENTRIES.index, default=None)


ENTRIES = ("api/main.js", "api/main.mjs", "api/main.ts", "api/main.tsx")


# --- what is imported -------------------------------------------------------------------------------------------------


def packages(top: str, entry: str) -> list[str]:
    """The packages that the entry and its own files import and that no node has."""
    found: dict[str, None] = {}
    waiting, seen = [entry], {entry}
    while waiting and len(seen) < MOST_FILES:
        path = waiting.pop()
        for name in imports(text_of(top, path)):
            if not name.startswith("."):
                if _NAME.fullmatch(name) and ":" not in name and package_of(name) not in OURS:
                    found[package_of(name)] = None
            elif (inner := _own_file(top, posixpath.dirname(path), name)) and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    # what Node.js brings is left to the node to refuse, unless a package of that name was installed
    return sorted(name for name in found if name not in STDLIB | BUILTINS or is_own(top, name))


def imports(text: str) -> Iterator[str]:
    return (found[2] for found in _IMPORTS.finditer(COMMENTS.sub(" ", text)))


def package_of(name: str) -> str:
    return "/".join(name.split("/")[: 2 if name.startswith("@") else 1])


def is_own(top: str, name: str) -> bool:
    """Whether the project brings this package: then its version is the one that was meant."""
    if any(os.path.isdir(os.path.join(folder, "node_modules", name)) for folder in upwards(top)):
        return True
    return any(name in listed(folder) for folder in upwards(top)[:1])


def upwards(top: str) -> list[str]:
    """A folder and those above it: where packages are looked for."""
    return [top, *map(str, Path(top).parents)]


def listed(folder: str) -> set[str]:
    try:
        said = json.loads(Path(folder, "package.json").read_bytes()[: 1 << 20])
    except (OSError, ValueError, RecursionError):
        return set()
    groups = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
    lists = [said.get(group) for group in groups] if isinstance(said, dict) else []
    return {name for listed in lists if isinstance(listed, dict) for name in listed}


def _own_file(top: str, folder: str, name: str) -> str | None:
    base = posixpath.normpath(posixpath.join(folder, name))
    # TypeScript's authors write .js for what is a .ts file
    stems = [base, *([base[:-3]] if base.endswith(".js") else [])]
    for path in (stem + ending for stem in stems for ending in ENDINGS):
        if not path.startswith("..") and os.path.isfile(os.path.join(top, path)):
            return path
    return None


def text_of(top: str, path: str) -> str:
    if path.endswith(".json"):
        return ""
    try:
        with open(os.path.join(top, path), "rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
