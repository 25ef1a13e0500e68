"""The built program from outside: processes, sockets, files and exit codes; nothing of its Python is imported.

A `Machine` is a folder with a home of its own and a Python that has nothing installed. `machine.fazt(…)` runs a
command to its end, `machine.up(…)` starts a node, which ends with the machine at the latest. Nothing here sleeps for
a guessed time: what is waited for is looked at, a bounded number of times.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

PATIENCE = 120.0
READY_FIELDS = ["event", "url", "admin_url", "signin_url", "db", "pid", "version", "https"]
NOTHING: dict[str, str | None] = dict.fromkeys(("PATH", "HOME", "FAZT_HOME", "FAZT_CACHE"))  # no environment at all
T = TypeVar("T")
# what a process does to itself before it becomes the program: limits; "mortal" is without root's right to every file
_BECOME = """
import ctypes, json, os, resource, sys
for name, value in json.loads(sys.argv[1]).items():
    if name == "mortal":
        for right in (1, 2):
            ctypes.CDLL(None).prctl(24, right)
    else:
        resource.setrlimit(getattr(resource, name), (value, resource.getrlimit(getattr(resource, name))[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""


def until(look: Callable[[], T], what: str) -> T:
    """The first true answer of `look`, asked again and again, but not for ever."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.005)
    raise AssertionError(f"waited in vain for {what}")


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def data(self) -> Any:
        assert self.code == 0, self
        return self.json["data"]

    @property
    def error(self) -> Any:
        assert self.code != 0, self
        return self.json["error"]


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        assert self.status < 300, self
        return self.json["data"]

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


def ask(
    port: int,
    method: str,
    path: str,
    *,
    host: str = "admin.localhost",
    key: str | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    connection: http.client.HTTPConnection | None = None,
) -> Answer:
    """One request; on a connection of its own, if none is given."""
    sent = {"Host": f"{host}:{port}", **(headers or {})}
    if key:
        sent["Authorization"] = f"Bearer {key}"
    used = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        used.request(method, path, None if body is None else json.dumps(body), sent)
        answer = used.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())
    finally:
        if connection is None:
            used.close()


def kv_path(app: str, key: str = "", **query: Any) -> str:
    """The address of an app's store, or of one entry of it."""
    if key:
        return f"/api/apps/{app}/storage/kv/entry?key={quote(key)}"
    return f"/api/apps/{app}/storage/kv" + (f"?{urlencode(query)}" if query else "")


class Own(http.client.HTTPConnection):
    """A connection over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Ended(Exception):
    """The process ended instead of saying something."""


class Node:
    """A node in a process of its own."""

    def __init__(self, machine: Machine, process: subprocess.Popen[bytes], log: Path) -> None:
        self.machine, self.process, self.log = machine, process, log
        self.ready: dict[str, Any] = {}
        self._unread = b""
        self.keys: dict[str, str] = {}

    def event(self) -> dict[str, Any]:
        """The next line of its standard output."""
        assert self.process.stdout
        end = time.monotonic() + PATIENCE
        while b"\n" not in self._unread:
            if not select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
                raise AssertionError(f"no line from the node; its log: {self.said}")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise Ended(f"exit {self.process.wait(PATIENCE)}; its log: {self.said}")
            self._unread += more
        line, _, self._unread = self._unread.partition(b"\n")
        told: dict[str, Any] = json.loads(line)
        return told

    @property
    def said(self) -> str:
        """All it has written to standard error."""
        return self.log.read_text(errors="replace")

    @property
    def port(self) -> int:
        return int(urlsplit(self.ready["url"]).port or 0)

    @property
    def pid(self) -> int:
        return int(self.ready["pid"])

    @property
    def db(self) -> Path:
        return Path(self.ready["db"])

    def ask(self, method: str, path: str, **how: Any) -> Answer:
        if scope := how.pop("scope", None):
            how["key"] = self.key(scope)
        return ask(self.port, method, path, **how)

    def as_owner(self, method: str, path: str, body: Any = None) -> Answer:
        """Over the owner's own socket, as a command of this machine does it."""
        connection = Own(json.loads(Path(f"{self.db}.lock").read_text())["socket"])
        try:
            return ask(self.port, method, path, body=body, connection=connection)
        finally:
            connection.close()

    def link(self) -> str:
        """A new sign-in link."""
        return str(self.as_owner("POST", "/api/cmd", {"command": "signin-link"}).data["data"]["url"])

    def key(self, scope: str = "*") -> str:
        """The secret of a key with this scope, made at first use."""
        if scope not in self.keys:
            made = self.as_owner("POST", "/api/keys", {"name": f"test {scope}", "scopes": [scope]})
            self.keys[scope] = str(made.data["key"])
        return self.keys[scope]

    def app(self, slug: str) -> str:
        made = self.ask("POST", "/api/apps", body={"slug": slug}, scope="*")
        assert made.status == 201, made
        return slug

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """As `kill` the command does; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()


class Machine:
    """A user's machine: a home, a Python and the program."""

    def __init__(self, folder: Path, program: Path, python: str | Path, cache: Path | None = None) -> None:
        self.folder, self.program, self.python = folder, program, str(python)
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.cache = cache or self.home / "cache"
        self._nodes: list[Node] = []
        self._others: list[int] = []

    def env(self, **changes: str | None) -> dict[str, str]:
        own = {
            "PATH": os.defpath,
            "HOME": str(self.home),
            "FAZT_HOME": str(self.home / ".fazt"),
            "FAZT_CACHE": str(self.cache),
        }
        return {name: value for name, value in {**own, **changes}.items() if value is not None}

    def command(self, *words: str, limits: Mapping[str, Any] | None = None) -> list[str]:
        plain = [self.python, str(self.program), *words]
        return [sys.executable, "-I", "-c", _BECOME, json.dumps(limits), *plain] if limits else plain

    def fazt(
        self, *words: str, stdin: str | None = None, env: Mapping[str, str | None] | None = None, **how: Any
    ) -> Done:
        """Run a command to its end."""
        ended = subprocess.run(
            self.command(*words, **how),
            env=self.env(**(env or {})),
            cwd=self.folder,
            input=(stdin or "").encode(),
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
        return Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def launch(
        self, db: str | Path = "data.db", *words: str, env: Mapping[str, str | None] | None = None, **how: Any
    ) -> Node:
        """Start a node and do not wait for it."""
        path = self.folder / db
        log = self.folder / f"node-{len(self._nodes)}.log"
        for option, usual in (("--port", "0"), ("--domain", "localhost")):
            words = words if any(word.startswith(option) for word in words) else (option, usual, *words)
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                self.command("up", "--db", str(path), "--json", *words, **how),
                env=self.env(**(env or {})),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        node = Node(self, process, log)
        self._nodes.append(node)
        return node

    def up(self, db: str | Path = "data.db", *words: str, known: Node | None = None, **how: Any) -> Node:
        """Start a node; back when it is ready. It takes over the keys of one that was there before."""
        node = self.launch(db, *words, **how)
        node.keys = known.keys if known else {}
        node.ready = node.event()
        assert node.ready["event"] == "ready", node.ready
        return node

    def refused(self, db: str | Path = "data.db", *words: str, **how: Any) -> dict[str, Any]:
        """Start a node that does not start: its one line says why, it ends with 1 and shows nothing internal."""
        node = self.launch(db, *words, **how)
        told = node.event()
        assert told.get("event") == "failed", told
        assert list(told) == ["event", "error"]
        assert node.wait() == 1
        assert "Traceback" not in node.said, node.said
        error: dict[str, Any] = told["error"]
        return error

    def adopt(self, pid: int) -> int:
        """A process that is not our child ends with the machine too."""
        self._others.append(pid)
        return pid

    def kill_command(self, pid: int) -> None:
        """kill -9 a command of this machine, if it still runs."""
        if runs(pid, str(self.program)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        for node in self._nodes:
            if node.process.poll() is None:
                node.kill()
            if node.process.stdout:
                node.process.stdout.close()
        for pid in self._others:
            self.kill_command(pid)


def runs(pid: int, what: str) -> bool:
    """Does this process run this program? A number alone may have gone to another."""
    try:
        return what in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False


def refuses(port: int) -> bool:
    """Does nobody listen on the port?"""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False
