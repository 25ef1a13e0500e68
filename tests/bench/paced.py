"""Load at a fixed rate, in a process of its own: `python -m tests.bench.paced PORT HOST PATH RATE CONNECTIONS`.

Every request is due at a time that nothing can move, and is timed from there: when the server stops for a moment, those
that had to wait for it count as slow too. It runs until its standard input ends, then writes pairs of doubles: when a
request was due (CLOCK_MONOTONIC) and how many seconds later its answer was whole.
"""

from __future__ import annotations

import array
import collections
import contextlib
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30.0
# the clients of a real node are other machines: they do not wait for a processor because the node is busy
PRIORITY = -10
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Waiting:
    """A connection with a request on its way."""

    __slots__ = ("due", "left", "unread", "wire")

    def __init__(self, wire: socket.socket) -> None:
        self.wire, self.due, self.left, self.unread = wire, 0.0, -1, b""

    def take(self) -> bool:
        """Read what has come; is the answer whole?"""
        data = self.wire.recv(1 << 16)
        if not data:
            raise ConnectionError("the server closed the connection")
        if self.left < 0:
            self.unread += data
            head, found, body = self.unread.partition(b"\r\n\r\n")
            if not found:
                return False
            length = _LENGTH.search(head)
            if not head.startswith(b"HTTP/1.1 200") or length is None:
                raise RuntimeError(f"answered with {head[:200]!r}")
            self.left, data, self.unread = int(length[1]), body, b""
        self.left -= len(data)
        return self.left == 0


def drive(port: int, asks: bytes, rate: float, connections: int) -> array.array[float]:
    """Ask until standard input ends; all that was asked is waited for."""
    idle = collections.deque(Waiting(socket.create_connection(("127.0.0.1", port))) for _ in range(connections))
    busy: dict[int, Waiting] = {}
    found = array.array("d")
    gap, told = 1 / rate, sys.stdin.fileno()
    due, open_ = time.monotonic(), True
    while open_ or busy:
        now = time.monotonic()
        while open_ and due <= now and idle:
            one = idle.popleft()
            one.due, one.left = due, -1
            one.wire.send(asks)
            busy[one.wire.fileno()] = one
            due += gap
        waits = max(0.0, due - time.monotonic()) if open_ and idle else PATIENCE
        ready, _, _ = select.select([*busy, told] if open_ else list(busy), [], [], waits)
        now = time.monotonic()
        if not ready and waits == PATIENCE:
            raise TimeoutError("the server does not answer")
        for source in ready:
            if source is told:
                open_ = False
            elif busy[source].take():
                one = busy.pop(source)
                found.extend((one.due, now - one.due))
                idle.append(one)
    return found


# --- the side that starts it


class Paced:
    """The load while it runs, and what came of it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.due: Sequence[float] = ()
        self.took: Sequence[float] = ()

    def end(self) -> None:
        said, errors = self._process.communicate(timeout=PATIENCE)
        if self._process.returncode:
            raise RuntimeError(f"the load failed: {errors.decode().strip()[-500:]}")
        found = array.array("d", said)
        self.due, self.took = found[::2], found[1::2]

    def between(self, start: float, end: float) -> list[float]:
        """The seconds that requests took which were due then."""
        return [took for due, took in zip(self.due, self.took, strict=True) if start <= due < end]


@contextlib.contextmanager
def running(port: int, host: str, path: str, rate: float, connections: int) -> Iterator[Paced]:
    """The load, from the beginning of the block to its end."""
    words = [sys.executable, "-m", "tests.bench.paced", str(port), host, path, str(rate), str(connections)]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        paced = Paced(process)
        try:
            yield paced
            paced.end()
        finally:
            process.kill()


def main(port: str, host: str, path: str, rate: str, connections: str) -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    asks = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    sys.stdout.buffer.write(drive(int(port), asks, float(rate), int(connections)).tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
