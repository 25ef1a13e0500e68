"""npm packages in a handler: the entry is bundled on the author's machine, as a node has no node_modules.

Only where it is needed: a handler that imports nothing but its own files and the libraries every node has is sent as
it is. The author's files stay as they are; what is made takes their place in what is sent.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fazt.client.esbuild import Esbuild, Failed
from fazt.client.folder import File, Folder, stamp
from kernel.base.errors import FaztError
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

_COMMENTS = re.compile(r"/\*.*?\*/|(?:^|(?<=[\s;{}]))//[^\n]*", re.S)
_IMPORTS = re.compile(
    r"""(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s*|\brequire\s*\(\s*)(["'])([^"'\n]{1,500})\1""",
)
_EXPORTS = re.compile(r"\bmodule\s*\.\s*exports\b|\bexports\s*[.\[]|\bdefineProperty\s*\(\s*exports\b")
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
        self._work = tempfile.mkdtemp(prefix="fazt-bundle-")
        weakref.finalize(self, shutil.rmtree, self._work, ignore_errors=True)
        self.bundle = self._bundled()

    def again(self) -> BundledFolder:
        return BundledFolder(Path(self.top), self.include_private)

    def _bundled(self) -> Bundle | None:
        entry = entry_of(self.files)
        if entry is None or not (needed := packages(self.top, entry)):
            return None
        bundle = Project(self.top, entry, Path(self._work)).bundled(needed)
        made = (OUTPUT, f"{OUTPUT}.map")
        self.files = [file for file in self.files if file.path not in HANDLERS and file.path not in made]
        for path in made:
            source = os.path.join(self._work, path)
            status = os.lstat(source)
            self.files.append(File(path, source, status.st_size, stamp(status)))
        self.files.sort()
        return bundle


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
        for name in imports(_text(top, path)):
            if not name.startswith("."):
                if _NAME.fullmatch(name) and ":" not in name and package_of(name) not in OURS:
                    found[package_of(name)] = None
            elif (inner := _own_file(top, posixpath.dirname(path), name)) and inner not in seen:
                seen.add(inner)
                waiting.append(inner)
    # what Node.js brings is left to the node to refuse, unless a package of that name was installed
    return sorted(name for name in found if name not in STDLIB | BUILTINS or is_own(top, name))


def imports(text: str) -> Iterator[str]:
    return (found[2] for found in _IMPORTS.finditer(_COMMENTS.sub(" ", text)))


def package_of(name: str) -> str:
    return "/".join(name.split("/")[: 2 if name.startswith("@") else 1])


def is_own(top: str, name: str) -> bool:
    """Whether the project brings this package: then its version is the one that was meant."""
    if any(os.path.isdir(os.path.join(folder, "node_modules", name)) for folder in upwards(top)):
        return True
    return any(name in _listed(folder) for folder in upwards(top)[:1])


def upwards(top: str) -> list[str]:
    """A folder and those above it: where packages are looked for."""
    return [top, *map(str, Path(top).parents)]


def _listed(folder: str) -> set[str]:
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


def _text(top: str, path: str) -> str:
    if path.endswith(".json"):
        return ""
    try:
        with open(os.path.join(top, path), "rb") as file:
            return file.read(MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


# --- the bundle -------------------------------------------------------------------------------------------------------


class Chain(NamedTuple):
    """How a module comes to be imported, from the entry on."""

    files: list[str]

    def __str__(self) -> str:
        return " → ".join(_short(file) for file in self.files)


class Project:
    def __init__(self, top: str, entry: str, work: Path) -> None:
        self.top, self.entry, self.work = top, entry, work

    def bundled(self, needed: list[str]) -> Bundle:
        if not any(os.path.isdir(os.path.join(folder, "node_modules")) for folder in upwards(self.top)):
            raise FaztError(
                "USAGE",
                f"{self.entry} imports {_named(needed)}, but there is no node_modules.",
                f"Run `npm install` in {self.top} first." if _listed(self.top) else f"npm install {' '.join(needed)}",
            )
        esbuild = Esbuild.found(upwards(self.top))
        try:
            meta = self._build(esbuild, "cjs")
        except Failed as failed:
            if "Top-level await" not in failed.said:
                raise self._understood(esbuild, failed) from None
            try:
                meta = self._build(esbuild, "esm")
            except FaztError:
                raise
            except Failed as again:
                raise self._understood(esbuild, again) from None
        self._refuse_scripts(meta)
        self._rewrite_map()
        size = (self.work / OUTPUT).stat().st_size
        if size > MOST_BYTES:
            raise FaztError(
                "LIMIT_EXCEEDED",
                f"The bundle of {self.entry} has {size >> 10} KB; a node takes at most {MOST_BYTES >> 10} KB.",
                f"The largest parts: {', '.join(_largest(meta))}.",
            )
        return Bundle(self.entry, len(meta["inputs"]), size, esbuild.version)

    def _build(self, esbuild: Esbuild, format: str, externals: tuple[str, ...] = ()) -> dict[str, Any]:
        meta = self.work / "meta.json"
        outside = [*OURS, *(name for name in sorted(STDLIB) if not is_own(self.top, name)), *externals]
        esbuild.run(
            self.top,
            self.entry,
            "--bundle",
            f"--format={format}",
            "--platform=neutral",
            "--main-fields=module,main",
            "--conditions=worker,browser",
            "--target=es2022",
            '--define:process.env.NODE_ENV="production"',
            # names stay: they are what a stack shows
            "--minify-whitespace",
            "--minify-syntax",
            "--charset=utf8",
            "--sourcemap=external",
            "--sources-content=false",
            f"--outfile={self.work / OUTPUT}",
            f"--metafile={meta}",
            *(f"--external:{name}" for name in outside),
        )
        said: dict[str, Any] = json.loads(meta.read_bytes())
        return said

    def _refuse_scripts(self, meta: dict[str, Any]) -> None:
        """A script runs anew for each request; a bundle runs once."""
        if meta["inputs"].get(self.entry, {}).get("format") == "esm":
            return
        text = _COMMENTS.sub(" ", _text(self.top, self.entry))
        if not _EXPORTS.search(text):
            raise FaztError(
                "USAGE",
                f"{self.entry} uses npm packages but exports no handler.",
                "Write `export default { fetch(request) { … } }` or `module.exports = (request) => …`.",
            )

    def _rewrite_map(self) -> None:
        """Sources as seen from api/, wherever the bundle was made: the same files give the same bytes."""
        file = self.work / f"{OUTPUT}.map"
        said = json.loads(file.read_bytes())
        here, made = os.path.join(self.top, "api"), os.path.realpath(self.work / "api")
        said["sources"] = [
            os.path.relpath(os.path.normpath(os.path.join(made, source)), here).replace(os.sep, "/")
            for source in said["sources"]
        ]
        said["names"] = []
        file.write_text(json.dumps(said, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")

    # --- what went wrong

    def _understood(self, esbuild: Esbuild, failed: Failed) -> FaztError:
        missing = failed.missing
        builtin = [name for name, _ in missing if package_of(name.removeprefix("node:")) in BUILTINS]
        if builtin:
            chain = self._chain(esbuild, builtin[0], [name for name, _ in missing])
            return FaztError(
                "USAGE",
                f"{_imported(chain, builtin[0])} needs {builtin[0]!r}, a module of Node.js, which no node of Fazt has: "
                f"{chain} → {builtin[0]}.",
                "Choose a package for browsers or workers, or another way to do it.",
            )
        if missing:
            name, where = missing[0]
            hint = f"npm install {package_of(name)}" if not name.startswith(".") else "Is the path right?"
            return FaztError("USAGE", f"{where} imports {name!r}, which is not there.", hint)
        return FaztError("USAGE", f"{self.entry} cannot be bundled: {failed.first}.")

    def _chain(self, esbuild: Esbuild, name: str, missing: list[str]) -> Chain:
        """From the entry to the file that imports `name`: built once more, without all that cannot be found."""
        try:
            meta = self._build(esbuild, "esm", tuple(missing))
        except Failed:
            return Chain([self.entry])
        inputs, came_from = meta["inputs"], {self.entry: ""}
        waiting = [self.entry]
        for path in waiting:
            for found in inputs.get(path, {}).get("imports", ()):
                if found.get("external") and found["path"] == name:
                    return Chain(list(_back(came_from, path)))
                if found["path"] not in came_from:
                    came_from[found["path"]] = path
                    waiting.append(found["path"])
        return Chain([self.entry])


def _back(came_from: dict[str, str], path: str) -> list[str]:
    files = []
    while path:
        files.append(path)
        path = came_from[path]
    return files[::-1]


def _imported(chain: Chain, name: str) -> str:
    last = chain.files[-1]
    return package_of(last.rpartition("node_modules/")[2]) if "node_modules/" in last else last


def _short(file: str) -> str:
    return file.rpartition("node_modules/")[2]


def _named(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _largest(meta: dict[str, Any]) -> list[str]:
    """The packages that weigh most in the bundle."""
    weights: dict[str, int] = {}
    for output in meta["outputs"].values():
        for path, part in output.get("inputs", {}).items():
            inner = path.rpartition("node_modules/")
            name = package_of(inner[2]) if inner[1] else path
            weights[name] = weights.get(name, 0) + int(part["bytesInOutput"])
    heaviest = sorted(weights, key=lambda name: -weights[name])[:3]
    return [f"{name} ({weights[name] >> 10} KB)" for name in heaviest]
