"""Clients that are no load but take room: connections that say nothing more, and such as read slowly."""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import time
from collections.abc import Iterator

PATIENCE = 30.0
SPARE_FILES = 300
SMALL_BUFFER = 16 * 1024  # what a slow reader's side may hold for it
PAUSE = 0.05


def most_connections(wanted: int) -> int:
    """As many as are wanted, where the system lets a process have them open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE_FILES)


def request(path: str, host: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@contextlib.contextmanager
def idle(port: int, asks: bytes, count: int) -> Iterator[None]:
    """Connections that each were answered once and stay open."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            one.sendall(asks)
            _answer(one)
        yield


def _answer(one: socket.socket) -> None:
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        head += _some(one)
    head, _, body = head.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"answered with {head[:200]!r}")
    lines = head.lower().split(b"\r\n")
    length = int(next(line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")))
    while len(body) < length:
        body += _some(one)


def _some(one: socket.socket) -> bytes:
    data = one.recv(1 << 16)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


class Slow:
    """Readers that take a little of a large file now and then."""

    def __init__(self, port: int, asks: bytes, count: int) -> None:
        self._open: list[socket.socket] = []
        self.received = 0
        for _ in range(count):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            one.connect(("127.0.0.1", port))
            one.sendall(asks)
            self._open.append(one)

    def read(self) -> None:
        """Some bytes each, and a pause."""
        ready, _, _ = select.select(self._open, [], [], 0)
        for one in ready:
            self.received += len(one.recv(SMALL_BUFFER))
        time.sleep(PAUSE)

    def close(self) -> None:
        for one in self._open:
            one.close()
