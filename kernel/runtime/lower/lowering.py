"""Every file that a handler needs, as CommonJS; what was lowered once is kept with the data.

The key of what is kept is what it depends on: the content, the kind of file, the source map beside it, `tsconfig.json`,
and the version of this room. The path is not part of it, so a file that moves is not lowered again.
"""

from __future__ import annotations

import asyncio
import collections
import hashlib
import json
import posixpath
import re
import zlib
from base64 import b64decode
from urllib.parse import unquote_to_bytes

import msgspec

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.tables import Append, Migration, Patch, Read, Sweep, Table
from kernel.runtime.lower.compiler import Compiler, Reply
from kernel.runtime.lower.lowered import Lowered, Problem, Style
from kernel.runtime.positions import MOST_MAP
from kernel.storage.store import Store
from kernel.syscall.plan import Step

VERSION = 1
MOST_BYTES = 1 << 20
MOST_OPTIONS = 64 << 10
MOST_CODE = 8 << 20
DAY = 86_400_000
KEPT = 60 * DAY  # as the migration below says
# a file that could not be compiled is not tried again for a while: each try costs seconds of the node's time
REFUSED_SECONDS = 300
MOST_REFUSED = 1000
# ending -> the name by which the compiler knows what is in it
KINDS = {".js": "x.js", ".mjs": "x.js", ".cjs": "x.js", ".jsx": "x.js", ".ts": "x.ts", ".mts": "x.ts", ".cts": "x.ts"}
KINDS |= {".tsx": "x.tsx", ".json": "x.json"}
TSCONFIG = "tsconfig.json"

LOWERED = Table(
    "lowered",
    ("key", "code", "positions", "style", "is_async", "problems", "used_at", "created_at"),
    key=("key",),
    scope="node",
)
MIGRATIONS = (
    Migration(
        "lowered_0001",
        """
create table lowered (key blob not null primary key, code blob not null, positions blob not null, style text not null,
  is_async integer not null, problems text not null, used_at integer not null, created_at integer not null,
  expires_at integer generated always as (used_at + 5184000000) virtual) strict;
create index lowered_expiry on lowered (expires_at);
""",
    ),
)
ONE = Read("select code, positions, style, is_async, problems, used_at from {lowered} where key = :key")
KEEP = Append("""insert into {lowered} (key, code, positions, style, is_async, problems, used_at, created_at)
values (:key, :code, :positions, :style, :is_async, :problems, :at, :at) on conflict (key) do nothing""")
USED = Patch(LOWERED, set="used_at = :at", where="key = :key")
UNUSED = Sweep(LOWERED, due="expires_at")

_INLINE = re.compile(rb"//[#@] ?sourceMappingURL=data:application/json(?:;charset=[\w-]+)?(;base64)?,(\S*)[ \t\r\n]*\Z")


class Beside(msgspec.Struct, frozen=True):
    """What lies beside a file and decides how it is lowered: its source map, and the app's tsconfig.json."""

    map: bytes = b""
    tsconfig: bytes = b""


NOTHING = Beside()


def beside(path: str) -> tuple[str, str, str]:
    """Where to look for that: the map, then tsconfig.json, of which the first one counts."""
    return f"{path}.map", f"{posixpath.dirname(path)}/{TSCONFIG}", TSCONFIG


def can_lower(path: str) -> bool:
    return posixpath.splitext(path)[1] in KINDS


class Lowering:
    def __init__(self, store: Store, *, clock: Clock | None = None, compiler: Compiler | None = None) -> None:
        self._store, self._clock = store, clock or store.clock
        self.compiler = compiler or Compiler(self._clock)
        self._making: dict[bytes, asyncio.Future[Lowered]] = {}
        self._refused: collections.OrderedDict[bytes, tuple[float, FaztError]] = collections.OrderedDict()

    async def warm(self) -> None:
        await self.compiler.warm()

    async def close(self) -> None:
        await self.compiler.close()

    async def of(self, path: str, sha256: bytes, content: bytes, beside: Beside = NOTHING) -> Lowered:
        """A file as it runs. `sha256` is that of the content. LIMIT_EXCEEDED: no compiler can cope with it."""
        if len(content) > MOST_BYTES:
            raise FaztError(
                "LIMIT_EXCEEDED",
                f"{path} is larger than {MOST_BYTES >> 20} MiB.",
                "Code that runs on the node must be smaller; a bundle can be minified.",
                path=path,
            )
        # aside: there may be megabytes to read, to hash and to open
        key, kept, used_at = await self._store.aside(lambda: self._kept(path, sha256, beside))
        if kept is not None:
            await self._touch(key, used_at)
            return kept
        until, refusal = self._refused.get(key, (0.0, None))
        if refusal and until > self._clock.monotonic():
            raise refusal.again()
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = asyncio.ensure_future(self._made(key, path, content, beside))
            making.add_done_callback(lambda done: self._finished(key, done))
        made = await asyncio.shield(making)
        return _at(path, made)

    def _kept(self, path: str, sha256: bytes, beside: Beside) -> tuple[bytes, Lowered | None, int]:
        """The key of a file, and what was lowered before; when it was last used."""
        key = _key(path, sha256, beside)
        rows = self._store.rows(ONE, key=key)
        return (key, _opened(rows[0], path), rows[0][5]) if rows else (key, None, 0)

    def _finished(self, key: bytes, done: asyncio.Future[Lowered]) -> None:
        self._making.pop(key, None)
        if not done.cancelled():
            done.exception()  # heard, even if whoever asked has left

    async def _made(self, key: bytes, path: str, content: bytes, beside: Beside) -> Lowered:
        try:
            made = await self._lowered(path, content, beside)
        except FaztError as error:
            if error.code == "LIMIT_EXCEEDED":
                self._refused[key] = (self._clock.monotonic() + REFUSED_SECONDS, error)
                if len(self._refused) > MOST_REFUSED:
                    self._refused.popitem(last=False)
            raise
        row = await asyncio.to_thread(_row, key, made, self._clock.now())
        await self._store.write([Step(KEEP.sql, row)])
        return made

    async def _lowered(self, path: str, content: bytes, beside: Beside) -> Lowered:
        kind = kind_of(path)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return _broken(path, content[: error.start], "is not UTF-8 text")
        if kind == "x.json":
            return from_json(path, text)
        if text.startswith("#!"):
            text = "//" + text[2:]
        tsconfig = beside.tsconfig[:MOST_OPTIONS].decode("utf-8-sig", "replace")
        known_map = inline_map(content) or beside.map[: MOST_MAP + 1]
        reply = await self.compiler.lower(path, kind, text, tsconfig, known_map.decode("utf-8-sig", "replace"))
        return understood(path, text, reply)

    async def _touch(self, key: bytes, used_at: int) -> None:
        now = self._clock.now()
        if now - used_at > DAY:
            await self._store.write([Step(USED.sql, {"key": key, "at": now})])


def kind_of(path: str) -> str:
    try:
        return KINDS[posixpath.splitext(path)[1]]
    except KeyError:
        raise FaztError("INVALID_ARGUMENT", f"{path} is no code.", f"Code ends in {', '.join(KINDS)}.") from None


def understood(path: str, text: str, reply: Reply) -> Lowered:
    problems = [Problem(path, found.line, found.column, found.message) for found in reply.problems]
    if problems:
        return Lowered(b"", reply.style, reply.is_async, b"", problems)
    code = (text if reply.code is None else reply.code).encode()
    if len(code) > MOST_CODE:
        raise FaztError("LIMIT_EXCEEDED", f"{path} becomes larger than {MOST_CODE >> 20} MiB.", path=path)
    return Lowered(code, reply.style, reply.is_async, _bytes(reply.positions))


def _bytes(positions: str) -> bytes:
    try:
        return bytes.fromhex(positions)
    except ValueError:
        return b""


def from_json(path: str, text: str) -> Lowered:
    """A module that is the value of a JSON file."""
    try:
        # only looked at: numbers need not be made
        json.loads(text, parse_int=len, parse_float=len, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        return Lowered(b"", "module", problems=[Problem(path, error.lineno, error.colno, error.msg)])
    except (ValueError, RecursionError) as error:
        said = "is nested too deep" if isinstance(error, RecursionError) else str(error)
        return Lowered(b"", "module", problems=[Problem(path, 1, 1, said)])
    # not as an object literal: there, `__proto__` is no ordinary key
    return Lowered(f"module.exports = JSON.parse({json.dumps(text, ensure_ascii=False)});".encode(), "module")


def inline_map(content: bytes) -> bytes:
    """The source map at the end of a file, if it carries one."""
    start = content.rfind(b"sourceMappingURL=data:")
    found = _INLINE.search(content, max(0, start - 4)) if start >= 0 else None
    if not found:
        return b""
    try:
        return b64decode(found[2]) if found[1] else unquote_to_bytes(found[2])
    except ValueError:
        return b""


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _broken(path: str, before: bytes, why: str) -> Lowered:
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    return Lowered(b"", "script", problems=[Problem(path, line, column, why)])


def _key(path: str, sha256: bytes, beside: Beside) -> bytes:
    parts = [b"%d" % VERSION, kind_of(path).encode(), sha256]
    parts += [hashlib.sha256(said).digest() if said else b"" for said in (beside.map, beside.tsconfig)]
    return hashlib.sha256(b"\0".join(b"%d:%s" % (len(part), part) for part in parts)).digest()


def _row(key: bytes, made: Lowered, now: int) -> dict[str, object]:
    return {
        "key": key,
        "code": zlib.compress(made.code, 6),
        "positions": made.positions,
        "style": made.style,
        "is_async": int(made.is_async),
        "problems": msgspec.json.encode(made.problems).decode(),
        "at": now,
    }


def _opened(row: tuple[bytes, bytes, Style, int, str, int], path: str) -> Lowered:
    code, positions, style, is_async, problems, _ = row
    opened = zlib.decompressobj().decompress(code, MOST_CODE)
    found = msgspec.json.decode(problems, type=list[Problem])
    return _at(path, Lowered(opened, style, bool(is_async), positions, found))


def _at(path: str, made: Lowered) -> Lowered:
    """The same content may lie at several paths."""
    if not made.problems:
        return made
    return msgspec.structs.replace(made, problems=[msgspec.structs.replace(one, path=path) for one in made.problems])
