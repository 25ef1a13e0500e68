"""The code of one app at one release, ready to run: its modules, what it is told about itself, how far it may go."""

from __future__ import annotations

import collections
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.fs import paths
from kernel.observe.lines import MOST_LINE
from kernel.runtime.limits import RuntimeLimits
from kernel.runtime.lower.lowered import Lowered
from kernel.runtime.opened import OPENED, Effort, TooMuch
from kernel.runtime.positions import MOST_FRAMES, MOST_STACK, Positions, Trace, told
from kernel.runtime.quick import Routes

ROOT = "api/"
# what may be required without its ending, in this order
ENDINGS = ("", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".mts", ".cts", ".json")
INDEX = tuple(f"/index{ending}" for ending in ENDINGS if ending)
# TypeScript's own habit: `./db.js` is written where db.ts lies
TYPED = {".js": (".ts", ".tsx"), ".jsx": (".tsx",), ".mjs": (".mts", ".ts"), ".cjs": (".cts", ".ts")}
LIBRARIES = frozenset(
    (
        *("lodash", "cheerio", "uuid", "zod", "marked", "dayjs", "validator"),
        *(f"dayjs/plugin/{name}" for name in ("advancedFormat", "customParseFormat", "duration", "isBetween")),
        *(f"dayjs/plugin/{name}" for name in ("isoWeek", "relativeTime", "timezone", "utc")),
    )
)
FRAME = "    at "
_STACK = re.compile(rf"(?:^ *{FRAME}[^\n]*\n?)+", re.MULTILINE)
_BEFORE = b"(function (exports, require, module, __filename, __dirname, fazt) {\n"
_BEFORE_SCRIPT = b"(function (exports, require, module, __filename, __dirname, fazt, request, respond, response) {\n"


class Module(NamedTuple):
    path: str
    kind: str  # js | lib
    is_async: bool = False
    style: str = "module"

    def said(self) -> dict[str, Any]:
        return {"path": self.path, "kind": self.kind, "async": self.is_async, "style": self.style}


class About(NamedTuple):
    """What an app is told about itself."""

    id: str
    name: str
    source: str
    version: str
    manifest: Mapping[str, Any]


class Program:
    def __init__(
        self,
        key: tuple[Any, ...],
        about: About,
        entry: str,
        sources: Mapping[str, Lowered],
        limits: RuntimeLimits,
        env: Mapping[str, str],
        *,
        release: str = "",
        env_version: int = 0,
        locked: bool = False,
        read_private: Callable[[str], bytes | None] = lambda path: None,
        list_private: Callable[[], list[str]] = list,
        libraries: frozenset[str] = LIBRARIES,
    ) -> None:
        self.key, self.about, self.entry, self.sources, self.limits = key, about, entry, sources, limits
        self.env, self.release, self.env_version, self.locked = env, release, env_version, locked
        self._read_private, self._list_private, self._libraries = read_private, list_private, libraries
        self._owner = object()  # of its open maps, which may stay longer than it does
        self.retired = False
        self.routes = Routes()
        self.idle: collections.deque[Any] = collections.deque()  # its guests that wait (see `Guests`)
        self.load_seconds = 1.0  # of computing, until a new guest can serve; not known yet

    @property
    def app(self) -> str:
        return self.about.id

    @property
    def size(self) -> int:
        """Bytes of its code."""
        return sum(len(one.code) + len(one.positions) for one in self.sources.values())

    @property
    def style(self) -> str:
        return self.sources[self.entry].style

    def introduction(self, version: str, login: str = "", logout: str = "") -> bytes:
        """What a new instance is told first."""
        about = self.about
        return b"I" + encode(
            {
                "app": {
                    "id": about.id,
                    "name": about.name,
                    "source": about.source,
                    "version": about.version,
                    "manifest": about.manifest,
                },
                "env": self.env,
                "entry": self.entry,
                "style": self.style,
                "version": version,
                "locked": self.locked,
                "login": login,
                "logout": logout,
            }
        )

    # --- modules

    def resolve(self, origin: str, wanted: str) -> dict[str, Any]:
        """Which module is meant by what stands in a `require`."""
        if not wanted or len(wanted) > 1024 or len(origin) > 1024:
            raise _no_module(wanted)
        if wanted.startswith("/") or "\\" in wanted or "\0" in wanted:
            raise FaztError("MODULE_FORBIDDEN", f"'{wanted[:200]}' lies outside of the app's code.")
        if wanted.startswith(("./", "../")) or wanted in (".", ".."):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), wanted))
            if not f"{path}/".startswith(ROOT):
                raise FaztError("MODULE_FORBIDDEN", f"'{wanted[:200]}' lies outside of the app's code.")
            # what ends like a folder is one, even beside a file of its name
            is_folder = posixpath.basename(wanted) in ("", ".", "..")
            found = self._at(path, INDEX) if is_folder else self._at(path)
            if found is None:
                raise _no_module(wanted)
            return found.said()
        if wanted in self._libraries or wanted == "fazt":
            return Module(wanted, "lib").said()
        if wanted == self.entry and wanted in self.sources:
            # how the guest names the file it begins with
            return self._of(wanted).said()
        own = self._at(posixpath.normpath(ROOT + wanted)) if not wanted.startswith(".") else None
        if own and own.path.startswith(ROOT):
            return own.said()
        raise _no_module(wanted)

    def _at(self, path: str, endings: tuple[str, ...] = (*ENDINGS, *INDEX)) -> Module | None:
        for ending in endings:
            if path + ending in self.sources:
                return self._of(path + ending)
        stem, ending = posixpath.splitext(path)
        typed = (stem + other for other in TYPED.get(ending, ()))
        return next((self._of(path) for path in typed if path in self.sources), None)

    def _of(self, path: str) -> Module:
        lowered = self.sources[path]
        return Module(path, "js", lowered.is_async and path == self.entry, lowered.style)

    def module(self, path: str) -> tuple[bytes, bytes]:
        """The text whose value is the module's function, and the name it runs under."""
        lowered = self.sources.get(path)
        if lowered is None:
            raise _no_module(path)
        if lowered.problems:
            first = lowered.problems[0]
            raise FaztError(
                lowered.refused,
                f"{first.path}:{first.line}:{first.column}: {first.message}",
                file=first.path,
                line=first.line,
                column=first.column,
            )
        if lowered.is_async and path != self.entry:
            raise FaztError(
                "SYNTAX_ERROR",
                f"{path}: `await` stands outside of any function. Only {self.entry}, which begins, may do that.",
                file=path,
            )
        before = _BEFORE_SCRIPT if lowered.style == "script" and path == self.entry else _BEFORE
        if lowered.is_async:
            before = b"(async " + before[1:]
        return before + lowered.code + b"\n})", path.encode()

    # --- where things went wrong

    def trace_of(self, stack: str) -> Trace:
        """A stack in the author's lines; on an app thread, as maps may have to be opened."""
        try:
            return self._told(stack, Effort(), MOST_FRAMES)
        except TooMuch:
            return Trace(stack[:MOST_STACK], None)

    def retold(self, text: str, effort: Effort | None = None) -> str:
        """A text, with the stacks in it in the author's lines, as far as a line of the log shows them and the effort
        goes; on an app thread."""
        effort = effort or Effort()
        end = text.find("\n", MOST_LINE)
        # the rest stays: where the text ends is for those to say who know what is secret in it
        head, rest = (text, "") if end < 0 else (text[:end], text[end:])
        return _STACK.sub(lambda found: self._retold(found[0], effort), head) + rest

    def _retold(self, stack: str, effort: Effort) -> str:
        lines = stack.count("\n") + 1
        try:
            effort.spend(lines)
            return stack if len(stack) > MOST_STACK else self._told(stack, effort, lines).text
        except TooMuch:
            return stack

    def _told(self, stack: str, effort: Effort, most: int) -> Trace:
        return told(stack, self._positions_of, lambda path, packed: self._opened(path, packed, effort), most)

    def _opened(self, path: str, packed: bytes, effort: Effort) -> Positions | None:
        return OPENED.of(self._owner, path, packed, effort)

    def _positions_of(self, path: str) -> bytes | None:
        lowered = self.sources.get(path)
        return None if lowered is None else lowered.positions

    # --- its private files

    def private(self, path: str) -> bytes | None:
        clean = _private_path(path)
        return self._read_private(clean) if clean else None

    def has_private(self, path: str) -> bool:
        clean = _private_path(path)
        return bool(clean) and clean.removeprefix("private/") in self._list_private()

    def private_paths(self) -> list[str]:
        return self._list_private()


def _private_path(path: str) -> str:
    """Where it lies in the release; nothing for what cannot lie there."""
    path = path.removeprefix("private/").removeprefix("/")
    full = f"private/{path}"
    return "" if not path or paths.why_refused(full) else full


def _no_module(wanted: str) -> FaztError:
    return FaztError("MODULE_NOT_FOUND", f"Cannot find module '{wanted[:200]}'")
