"""A node that knows nothing but deploys, keeps them in memory, and fails when it is told to."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FRAME = struct.Struct(">32sQIIB")
CHUNK = 262_144
MOST_BODY = 8 * 1024 * 1024


@dataclass
class FakeNode:
    """`before` sees every request and may answer it: a status and a body, or "cut" to close the connection."""

    url: str = ""
    chunks: dict[str, dict[int, bytes]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    codecs: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)
    releases: list[dict[str, bytes]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    before: Callable[[str, bytes], Any] = lambda path, body: None
    arrived: Callable[[str], None] = lambda path: None
    lock: Any = field(default_factory=threading.Lock)
    active: int = 0
    address: Any = None

    def quiet(self) -> None:
        """Wait until nothing that was sent is still worked on, or lies unread: whoever sent it has hung up."""
        # connections are accepted in turn: those before this one are counted when it is answered
        with socket.create_connection(self.address) as last:
            last.shutdown(socket.SHUT_WR)
            assert last.recv(1) == b""
        with self.nobody:
            assert self.nobody.wait_for(lambda: self.active == 0, 20)

    def __post_init__(self) -> None:
        self.nobody = threading.Condition()

    def count(self, change: int) -> None:
        with self.nobody:
            self.active += change
            self.nobody.notify_all()

    def missing(self, files: list[Any]) -> dict[str, list[int]]:
        found = {}
        for _, sha256, size in files:
            numbers = range(max(1, -(-size // CHUNK)))
            lacking = [n for n in numbers if n not in self.chunks.get(sha256, {})]
            if lacking:
                found[sha256] = lacking
        return found

    def plan(self, body: bytes) -> tuple[int, Any]:
        said = json.loads(body)
        missing = self.missing(said["files"])
        sizes = {sha256: size for _, sha256, size in said["files"]}
        waiting = sum(min(CHUNK, sizes[sha256] - n * CHUNK) for sha256, ns in missing.items() for n in ns)
        return 200, {
            "data": {
                "app_id": "app_0" if self.releases else None,
                "live": None,
                "missing": missing,
                "bytes_missing": waiting,
                "added": len(said["files"]),
                "changed": 0,
                "removed": 0,
                "unchanged": False,
                "warnings": [],
            }
        }

    def pieces(self, body: bytes) -> tuple[int, Any]:
        assert len(body) <= MOST_BODY
        self.bodies.append(len(body))
        at = stored = 0
        while at < len(body):
            sha256, size, n, length, codec = FRAME.unpack_from(body, at)
            at += FRAME.size
            data = body[at : at + length]
            at += length
            self.codecs.append(codec)
            data = zlib.decompress(data) if codec else data
            assert len(data) == (min(CHUNK, size - n * CHUNK) if size else 0)
            self.chunks.setdefault(sha256.hex(), {})[n] = data
            stored += 1
        return 200, {"data": {"stored": stored}}

    def finish(self, body: bytes) -> tuple[int, Any]:
        said = json.loads(body)
        if self.missing(said["files"]):
            return 409, {"error": {"code": "CONFLICT", "message": "missing", "details": {"missing": True}}}
        made = {}
        for path, sha256, size in said["files"]:
            content = b"".join(self.chunks[sha256][n] for n in sorted(self.chunks[sha256]))
            assert hashlib.sha256(content).hexdigest() == sha256 and len(content) == size
            made[path] = content
        self.releases.append(made)
        self.said.append(said)
        n = len(self.releases)
        name = said["name"]
        return 201, {
            "data": {
                "app_id": "app_0",
                "name": name,
                "url": f"http://{name}.test",
                "release": f"rel_{n}",
                "n": n,
                "preview_url": f"http://{n}--{name}.test",
                "root_cid": "Qm",
                "added": len(made),
                "changed": 0,
                "removed": 0,
                "files": len(made),
                "bytes": sum(map(len, made.values())),
                "unchanged": False,
                "previous": f"rel_{n - 1}" if n > 1 else None,
                "undo": f"fazt rollback v{n - 1} --app {name}" if n > 1 else None,
                "warnings": [],
                "changes": {"added": sorted(made), "changed": [], "removed": []},
            }
        }


@contextmanager
def fake_node() -> Iterator[FakeNode]:
    node = FakeNode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            node.arrived(self.path)
            with node.lock:
                node.asked.append(self.path)
                node.headers.append(dict(self.headers))
                node.connections.add(self.connection)
                answer = node.before(self.path, body)
                if answer is None:
                    answer = getattr(node, self.path.rpartition("/")[2])(body)
            if answer == "cut":
                self.close_connection = True
                return
            status, said = answer
            content = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def process_request(self, *of: Any) -> None:
            node.count(1)
            super().process_request(*of)

        def process_request_thread(self, *of: Any) -> None:
            try:
                super().process_request_thread(*of)
            finally:
                node.count(-1)

    server = Server(("127.0.0.1", 0), Handler)
    noisy = server.handle_error

    def handle_error(*about: Any) -> None:
        # whoever stops a deploy leaves in the middle
        if not isinstance(sys.exception(), ConnectionError):
            noisy(*about)

    server.handle_error = handle_error  # type: ignore[method-assign]
    node.address = server.server_address[:2]
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield node
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
