"""npm packages and the code that imports them, made into one file, or a word on why that cannot be."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from fazt.client.bundle import (
    BUILTINS,
    COMMENTS,
    MOST_BYTES,
    OURS,
    OUTPUT,
    STDLIB,
    is_own,
    listed,
    package_of,
    text_of,
    upwards,
)
from fazt.client.esbuild import Esbuild, Failed
from kernel.base.errors import FaztError

_EXPORTS = re.compile(r"\bmodule\s*\.\s*exports\b|\bexports\s*[.\[]|\bdefineProperty\s*\(\s*exports\b")


class Chain(NamedTuple):
    """How a module comes to be imported, from the entry on."""

    files: list[str]

    def __str__(self) -> str:
        return " → ".join(_short(file) for file in self.files)


class Project:
    def __init__(self, top: str, entry: str, work: Path) -> None:
        self.top, self.entry, self.work = top, entry, work

    def bundled(self, needed: list[str]) -> tuple[int, int, str]:
        """Its size, how many files it is made of, and the version of the bundler."""
        if not any(os.path.isdir(os.path.join(folder, "node_modules")) for folder in upwards(self.top)):
            raise FaztError(
                "USAGE",
                f"{self.entry} imports {_named(needed)}, but there is no node_modules.",
                f"Run `npm install` in {self.top} first." if listed(self.top) else f"npm install {' '.join(needed)}",
            )
        esbuild = Esbuild.found(self.top)
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
        return size, len(meta["inputs"]), esbuild.version

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
        text = COMMENTS.sub(" ", text_of(self.top, self.entry))
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
