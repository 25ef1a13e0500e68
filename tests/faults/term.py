"""A node that is told to stop while a hundred requests are in flight."""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import signal
import socket
from dataclasses import dataclass, field
from typing import Any

from tests.faults.load import stored
from tests.system.harness import PATIENCE, Machine, Node, kv_path, refuses


class Client:
    """A connection that says when it sends and when it reads."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, method: str, path: str, key: str = "", body: Any = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: admin.localhost:{self.port}", f"Content-Length: {len(content)}"]
        if key:
            lines.append(f"Authorization: Bearer {key}")
        self.send("\r\n".join([*lines, "", ""]).encode() + content)

    def answer(self) -> int:
        """The status of a whole answer; one that is cut off is an error."""
        with http.client.HTTPResponse(self.socket) as response:
            response.begin()
            response.read()
            return response.status

    def ended(self) -> bool:
        """Did the other side close in good order?"""
        try:
            return self.socket.recv(1) == b""
        except OSError:
            return False

    def close(self) -> None:
        self.socket.close()


@dataclass
class Told:
    requests: int = 0
    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    unanswered: list[str] = field(default_factory=list)
    idle_closed: int = 0
    acknowledged: int = 0
    lost: int = 0
    exit: int = -1


def terminate(machine: Machine, node: Node, frozen: bool, slug: str = "term") -> Told:
    """100 requests: 60 writes (half on connections that were used before), 20 reads, 20 slow sign-ins.

    Frozen: the node is stopped (SIGSTOP) while they are sent, so that it finds all of them and the signal at once.
    """
    key, app, told = node.key(), node.app(slug), Told()
    used = [Client(node.port) for _ in range(30)]
    idle = [Client(node.port) for _ in range(10)]
    for client in (*used, *idle):
        client.request("GET", "/health")
        assert client.answer() == 200
    if frozen:
        node.signal(signal.SIGSTOP)
    fresh = [Client(node.port) for _ in range(70)]
    sent: list[tuple[Client, str]] = []
    for n, client in enumerate((*used, *fresh)):
        if n < 60:
            client.request("POST", kv_path(app), key, {"key": f"k{n}", "value": n})
            sent.append((client, f"k{n}"))
        elif n < 80:
            client.request("GET", "/api/apps", key)
            sent.append((client, "a read"))
        else:
            client.request("POST", "/api/login", body={"username": f"nobody{n}", "password": "a wrong password"})
            sent.append((client, "a sign-in"))
    node.signal(signal.SIGTERM)
    if frozen:
        node.signal(signal.SIGCONT)
    promised: list[str] = []
    for client, what in sent:
        told.requests += 1
        try:
            status = client.answer()
        except (OSError, http.client.HTTPException) as error:
            told.unanswered.append(f"{what}: {error!r}")
            continue
        told.statuses[status] += 1
        if status == 201:
            promised.append(what)
    told.exit = node.wait()
    told.idle_closed = sum(client.ended() for client in idle)
    for client in (*used, *fresh, *idle):
        with contextlib.suppress(OSError):
            client.close()
    assert refuses(node.port)
    again = machine.up(known=node)
    found = stored(again, app)
    told.acknowledged = len(promised)
    told.lost = sum(found.get(name) != int(name[1:]) for name in promised)
    assert again.stop() == 0
    return told
