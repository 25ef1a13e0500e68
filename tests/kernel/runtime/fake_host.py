"""An app in the real engine with a host of a few lines: what the prelude says is taken literally, as the host does.

Nothing waits here: timers fire in the order of their time, calls are answered by functions of the test.
"""

from __future__ import annotations

import itertools
import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from kernel.base.errors import FaztError
from kernel.runtime.engine.instance import Bytes, Code, Instance, Reply
from tests.kernel.runtime.engine.driver import limits, real_engine

PLAIN = "(function (exports, require, module, __filename, __dirname, fazt) {\n"
SCRIPT = "(function (exports, require, module, __filename, __dirname, fazt, request, respond, response) {\n"
MOST_TURNS = 200


def described(op: int, path: str, *args: str, **more: Any) -> dict[str, Any]:
    shape = {
        "op": op,
        "path": path,
        "alias": [],
        "async": False,
        "stream": False,
        "void": False,
        "args": list(args),
        "defaults": [None] * len(args),
        "required": len(args),
        "options": [],
        "bytes": -1,
        "rest": False,
    }
    return shape | more


DESCRIPTORS = [
    described(1, "storage.kv.get", "key"),
    described(2, "storage.kv.set", "key", "value", "ttl", required=2, void=True),
    described(3, "storage.kv.list", "prefix", "depth", defaults=["", 7], required=0, options=["limit", "after"]),
    described(4, "storage.s3.put", "key", "data", "mime", defaults=[None, "x"], required=2, bytes=1),
    described(5, "net.ask", "url", **{"async": True}),
    described(6, "net.send", "url", "data", defaults=[None], bytes=1, **{"async": True}),
    described(7, "net.watch", "url", stream=True),
    described(8, "util.all", rest=True, required=0, alias=["tools.all"]),
    described(9, "storage.batch", "operations", options=["once"]),
]


@dataclass
class Result:
    """What one invocation said, in all its steps."""

    lines: list[str] = field(default_factory=list)
    status: int = 0
    headers: list[list[str]] = field(default_factory=list)
    body: bytes = b""
    value: Any = None
    error: dict[str, Any] | None = None
    ended: bool = False
    logs: list[tuple[str, str]] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def all_logs(self) -> str:
        return "\n".join(text for _, text in self.logs)


_open: list[App] = []


def _nothing(arguments: list[Any]) -> None:
    """What a syscall answers unless the test says otherwise."""


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Import this where apps are made: their memory is given back after each test."""
    yield
    while _open:
        _open.pop().close()


class App:
    """`files` are what the host would have lowered: CommonJS by path."""

    def __init__(
        self,
        code: str = "",
        style: str = "module",
        files: dict[str, str] | None = None,
        env: dict[str, str] | None = None,
        waits: bool = False,
        private: dict[str, str] | None = None,
        answers: dict[str, Callable[[list[Any]], Any]] | None = None,
        locked: bool = False,
    ) -> None:
        self.files = {"api/main.js": code, **(files or {})}
        self.style, self.waits, self.private = style, waits, private or {}
        self.answers = answers or {}
        self.asked: list[tuple[str, Any, bytes | None]] = []
        self.body = b""
        self.parts: list[bytes] = []
        self.chunks: list[bytes] = []
        self.gone = False
        self.full = self.headed = False
        self.early = 0
        self.given = b""
        self.pending: dict[int, tuple[str, Any]] = {}
        self.stash: dict[int, bytes] = {}
        self.handles = itertools.count(1)
        self.log: list[tuple[str, str]] = []
        _open.append(self)
        self.instance = Instance(real_engine(msgspec.json.encode(DESCRIPTORS)), self)
        facts = {
            "app": {
                "id": "app_1",
                "name": "notes",
                "source": "deploy",
                "version": "1.2.0",
                "manifest": {"a": {"b": 1}},
            },
            "env": env or {},
            "entry": "api/main.js",
            "style": style,
            "version": "0.1.0",
            "locked": locked,
            "login": "https://admin.example.com/login?app=notes",
            "logout": "https://admin.example.com/logout",
        }
        self.loaded = self.go("I" + json.dumps(facts))

    def close(self) -> None:
        self.instance.close()

    # --- one invocation

    def request(
        self,
        method: str = "GET",
        path: str = "/api",
        headers: dict[str, str] | list[list[str]] | None = None,
        body: bytes | str = b"",
        *,
        host: str = "notes.example.com",
        **more: Any,
    ) -> Result:
        self.body = body.encode() if isinstance(body, str) else body
        return self.go(self.started(method, path, headers, host=host, **more))

    def started(
        self,
        method: str = "GET",
        path: str = "/api",
        headers: dict[str, str] | list[list[str]] | None = None,
        body_kind: str = "",
        host: str = "notes.example.com",
        **more: Any,
    ) -> str:
        """The message an invocation begins with."""
        pairs = headers if isinstance(headers, list) else [[k.lower(), v] for k, v in (headers or {}).items()]
        seed = ",".join(map(str, more.pop("seed", [1, 2, 3, 4])))
        kind = more.pop("body", body_kind or ("bytes" if self.body else "none"))
        parts = ("req_1", method, f"https://{host}{path}", more.pop("ip", "192.0.2.7"), seed, kind)
        rest = json.dumps(more) if more else ""
        return "S" + "\x1f".join((*parts, json.dumps(pairs), rest))

    def go(self, message: str, turns: int = MOST_TURNS) -> Result:
        """Step and answer until nothing is outstanding."""
        result = Result()
        self.log = result.logs
        self.chunks, self.given, self.early, self.headed = [], b"", 0, False
        self.step(message, result)
        while self.pending and turns and "G" not in result.lines:
            turns -= 1
            self.step(self.settle(self.next()), result)
        return result

    def step(self, message: str, result: Result) -> None:
        said = self.instance.step(message.encode("utf-8", "surrogatepass"), limits()).decode("utf-8", "replace")
        while said:
            line, _, said = said.partition("\n")
            kind, rest = line[:1], line[1:]
            result.lines.append(line)
            if kind == "C":
                number, op, arguments = rest.split(" ", 2)
                self.pending[int(number)] = (op, json.loads(arguments))
            elif kind == "N":
                result.cancelled.append(int(rest))
                self.pending.pop(int(rest), None)
            elif kind in "DBH":
                status, _, listed = rest.partition(" ")
                result.status, result.headers = int(status), json.loads(listed)
                self.headed = True
                if kind == "D":
                    result.body, said = said.encode(), ""
                elif kind == "B":
                    result.body = self.given
            elif kind == "Z":
                result.ended, result.body = True, b"".join(self.chunks)
            elif kind == "V":
                result.value = json.loads(rest)
            elif kind == "E":
                result.error = json.loads(rest)
            elif kind not in "WG":
                raise AssertionError(f"no line of the protocol: {line!r}")

    def next(self) -> int:
        def when(number: int) -> tuple[float, int]:
            op, arguments = self.pending[number]
            return (arguments[0] if op == "timer" else -1, number)

        return min(self.pending, key=when)

    def settle(self, number: int) -> str:
        op, arguments = self.pending.pop(number)
        try:
            if op == "timer":
                return f"R{number} v"
            if op == "drain":
                self.full = False
                return f"R{number} v"
            answer = self.answers[op.partition(":")[0]](arguments)
        except FaztError as error:
            return f"R{number} e {json.dumps(error.public())}"
        if isinstance(answer, bytes):
            return f"R{number} b {self.keep(answer)}"
        return f"R{number} v " + ("" if answer is None else json.dumps(answer))

    # --- the host's side

    def keep(self, data: bytes) -> int:
        handle = next(self.handles)
        self.stash[handle] = data
        return handle

    def ask(self, op: str, arg: bytes, data: bytes | memoryview | None) -> Reply:
        text = arg.decode("utf-8", "replace")
        taken = None if data is None else bytes(data)
        if op.isdigit():
            self.asked.append((op, json.loads(text), taken))
            act: Callable[[list[Any]], Any] = self.answers.get(op, _nothing)
            answer = act(json.loads(text))
            return answer if answer is None or isinstance(answer, Bytes) else json.dumps(answer)
        operation: Callable[[str, bytes | None], Reply] = getattr(self, "op_" + op.replace(".", "_"), self.unknown)
        return operation(text, taken)

    def unknown(self, text: str, data: bytes | None) -> Reply:
        raise FaztError("INVALID_ARGUMENT", "There is no such operation.")

    def op_resolve(self, text: str, data: bytes | None) -> Reply:
        origin, wanted = json.loads(text)
        if wanted in ("lodash", "uuid", "marked", "dayjs"):
            return json.dumps({"path": wanted, "kind": "lib", "async": False, "style": "module"})
        base = posixpath.normpath(posixpath.join(posixpath.dirname(origin), wanted))
        for path in (wanted, base, f"{base}.js", f"{base}.json"):
            if path in self.files:
                style = self.style if path == "api/main.js" else "module"
                waits = self.waits and path == "api/main.js"
                return json.dumps({"path": path, "kind": "js", "async": waits, "style": style})
        raise FaztError("NOT_FOUND", f"Cannot find module '{wanted}'")

    def op_module(self, text: str, data: bytes | None) -> Reply:
        code = self.files[text]
        if text.endswith(".json"):
            code = f"module.exports = {code}"
        script = self.style == "script" and text == "api/main.js"
        start = "(async " + (SCRIPT if script else PLAIN)[1:] if self.waits and text == "api/main.js" else ""
        return Code(f"{start or (SCRIPT if script else PLAIN)}{code}\n}})".encode(), text.encode())

    def op_body(self, text: str, data: bytes | None) -> Reply:
        return Bytes(self.body)

    def op_part(self, text: str, data: bytes | None) -> Reply:
        return Bytes(self.parts[json.loads(text)[0]])

    def op_out(self, text: str, data: bytes | None) -> Reply:
        if self.gone:
            raise FaztError("CLOSED", "The client has gone.")
        assert data is not None
        self.chunks.append(data)
        self.early += 0 if self.headed else len(data)
        self.given = data
        return "0" if self.full else "1"

    def op_log(self, text: str, data: bytes | None) -> Reply:
        self.log.append((text, (data or b"").decode("utf-8", "replace")))
        return None

    def op_random(self, text: str, data: bytes | None) -> Reply:
        return Bytes(bytes(range(1, int(text) + 1)))

    def op_stash(self, text: str, data: bytes | None) -> Reply:
        return str(self.keep(data or b""))

    def op_take(self, text: str, data: bytes | None) -> Reply:
        return Bytes(self.stash.pop(int(text)))

    def op_private_read(self, text: str, data: bytes | None) -> Reply:
        return json.dumps(self.private[text]) if text in self.private else None

    def op_private_exists(self, text: str, data: bytes | None) -> Reply:
        return json.dumps(text in self.private)

    def op_private_list(self, text: str, data: bytes | None) -> Reply:
        return json.dumps(sorted(self.private))
