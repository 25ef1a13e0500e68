"""Files from the built program beside nginx with one worker and Caddy: a page, idle connections, a large file.

Rates are per second of the server's own processor time: on a machine that the load shares, the clock tells more about
the load.
"""

from __future__ import annotations

import contextlib
import gzip
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench import caddy, content, nginx, nodes, readers, wrk
from tests.bench.house import memory
from tests.bench.measure import (
    MB,
    PAIRS,
    Bench,
    Better,
    Row,
    Turn,
    alone,
    compared,
    cpu_seconds,
    not_compared,
    rounds,
)
from tests.bench.nodes import Host, name_of

PAGE, LARGE = "/page.html", "/large.bin"
PAGE_BYTES, LARGE_BYTES = 5000, 5 << 20
CONNECTIONS, FAST, SLOW = 64, 8, 32
IDLE, IDLE_BEFORE = 4000, 200
KB = 1000
# a reader may hold one piece of the file, never the file
FLAT = (FAST + SLOW) * (256 << 10) / MB
NGINX, CADDY = "nginx-1w", "caddy"
BROWSER = {
    "Connection": "keep-alive",
    "sec-ch-ua": '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
    "Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-US,en;q=0.9,de;q=0.8",
    "Cookie": "session=7d0f7a1cbe1f4b0c9a3e5d2f8b6a4c1e; theme=dark; seen=1759300000",
}


@dataclass(frozen=True)
class Side:
    """A running server: where it listens, the process that works, the Host header it wants."""

    name: str
    port: int
    pid: int
    host: str


@dataclass
class Served(Turn):
    """A turn whose value is per processor second; `rate` is per second of the clock."""

    rate: float = 0.0


def rows(bench: Bench) -> Iterator[Row]:
    if wrk.find() is None:
        raise RuntimeError(wrk.MISSING)
    site = _site(bench.place("site"))
    with nodes.host(bench) as host:
        with _sides(host, site) as sides:
            for side in sides.values():
                _check(side, site)
            yield from _hot(bench, sides)
            yield from _browser(bench, sides)
            yield from _large(bench, sides)
            yield _flat(bench, sides["fazt"])
        yield from _idle(host, site)


def _site(place: Path) -> Path:
    page = content.page(PAGE_BYTES)
    place.joinpath(PAGE[1:]).write_bytes(page)
    # what browsers are given: the node compresses by itself
    place.joinpath(PAGE[1:] + ".gz").write_bytes(gzip.compress(page, 9, mtime=0))
    place.joinpath(LARGE[1:]).write_bytes(content.block(LARGE_BYTES))
    return place


@contextlib.contextmanager
def _sides(host: Host, site: Path) -> Iterator[dict[str, Side]]:
    """All servers that this machine has, beside each other."""
    with contextlib.ExitStack() as stack:
        node = stack.enter_context(host.node())
        host.deploy(node, site)
        sides = {"fazt": Side("fazt", node.port, node.pid, name_of(node))}
        if nginx.find():
            one = stack.enter_context(nginx.running(site, extra="gzip_static on;"))
            sides[NGINX] = Side(NGINX, one.port, one.worker, "localhost")
        if caddy.find():
            other = stack.enter_context(caddy.running(site))
            sides[CADDY] = Side(CADDY, other.port, other.pid, "localhost")
        yield sides


def _check(side: Side, site: Path) -> None:
    """Everybody serves the same."""
    for path in (PAGE, LARGE):
        asked = urllib.request.Request(f"http://127.0.0.1:{side.port}{path}", headers={"Host": side.host})
        with urllib.request.urlopen(asked, timeout=readers.PATIENCE) as answer:
            if answer.read() != site.joinpath(path[1:]).read_bytes():
                raise RuntimeError(f"{side.name} serves another {path}")


def _turn(bench: Bench, side: Side, path: str, connections: int, headers: Mapping[str, str]) -> Served:
    before = cpu_seconds(side.pid)
    found = wrk.load(
        bench.folder, side.port, path, bench.seconds, connections=connections, headers={"Host": side.host, **headers}
    )
    spent = max(cpu_seconds(side.pid) - before, 0.01)
    return Served(found.requests / spent, p50_ms=found.p50_ms, p99_ms=found.p99_ms, rate=found.requests / found.seconds)


def _taken(
    bench: Bench, sides: Mapping[str, Side], path: str, connections: int, headers: Mapping[str, str]
) -> dict[str, list[Served]]:
    def of(side: Side) -> Callable[[], Served]:
        return lambda: _turn(bench, side, path, connections, headers)

    return rounds({name: of(side) for name, side in sides.items()})


def _row(
    name: str,
    unit: str,
    taken: Mapping[str, Sequence[Turn]],
    rival: str,
    target: float | None,
    *,
    better: Better = "higher",
    on_ours: bool = False,
) -> Row:
    if rival not in taken:
        why = nginx.MISSING if rival == NGINX else caddy.MISSING
        if on_ours:
            return alone(name, unit, taken["fazt"], better=better, target=target)
        return not_compared(name, unit, taken["fazt"], rival=rival, better=better, target=target, why=why)
    pairs = list(zip(taken["fazt"], taken[rival], strict=True))
    return compared(name, unit, pairs, rival=rival, better=better, target=target, alone=on_ours)


def _clocked(row: Row, taken: Mapping[str, Sequence[Served]], rival: str) -> Row:
    """With what the clock says."""
    if rival in taken:
        ours, theirs = (sorted(turn.rate for turn in taken[name])[len(taken[name]) // 2] for name in ("fazt", rival))
        row.note = f"{ours:,.0f}/s beside {theirs:,.0f}/s by the clock"
    return row


def _hot(bench: Bench, sides: Mapping[str, Side]) -> Iterator[Row]:
    taken = _taken(bench, sides, PAGE, CONNECTIONS, {})
    yield _clocked(_row("static.hot", "req/cpu-s", taken, NGINX, 1.2), taken, NGINX)
    yield _clocked(_row("static.hot_caddy", "req/cpu-s", taken, CADDY, 5), taken, CADDY)


def _browser(bench: Bench, sides: Mapping[str, Side]) -> Iterator[Row]:
    """A compressed page for a client that can read it; nginx has it ready as a file."""
    taken = _taken(bench, sides, PAGE, CONNECTIONS, BROWSER)
    yield _clocked(_row("static.browser", "req/cpu-s", taken, NGINX, 1.2), taken, NGINX)


def _large(bench: Bench, sides: Mapping[str, Side]) -> Iterator[Row]:
    """Throughput by the clock: what a file system call does for nginx, bytes of rows do for us."""
    taken = _taken(bench, sides, LARGE, FAST, {})
    moved = {
        name: [replace(turn, value=turn.rate * LARGE_BYTES / MB) for turn in turns] for name, turns in taken.items()
    }
    yield _row("static.large", "MB/s", moved, NGINX, 0.35)


def _flat(bench: Bench, side: Side) -> Row:
    """How much memory grows while slow and fast readers are at a large file, at its most."""
    asks = readers.request(LARGE, side.host)
    said, turns = "", []
    for _ in range(PAIRS):
        before = peak = memory(side.pid, "Rss")
        failed: list[Exception] = []

        def load(failed: list[Exception] = failed) -> None:
            try:
                _turn(bench, side, LARGE, FAST, {})
            except Exception as error:  # told by the thread that waits
                failed.append(error)

        slow = readers.Slow(side.port, asks, SLOW)
        fast = threading.Thread(target=load)
        fast.start()
        while fast.is_alive():
            slow.read()
            peak = max(peak, memory(side.pid, "Rss"))
        slow.close()
        if failed:
            raise failed[0]
        said = f"resident {before:.1f} MB before, {peak:.1f} at most, {memory(side.pid, 'Rss'):.1f} after"
        turns.append(Turn(peak - before))
    row = alone("static.large_memory", "MB", turns, better="lower", target=round(FLAT, 1))
    row.note = said
    return row


def _idle(host: Host, site: Path) -> Iterator[Row]:
    """What a connection takes that was answered once and stays open, in the server; the system's part is not in it."""
    count = readers.most_connections(IDLE)
    taken: dict[str, list[Turn]] = {"fazt": []}
    for _ in range(PAIRS):
        with host.node() as node:
            host.deploy(node, site)
            taken["fazt"].append(_grown(node.pid, node.port, name_of(node), count))
        if nginx.find():
            with nginx.running(site) as one:
                taken.setdefault(NGINX, []).append(_grown(one.worker, one.port, "localhost", count))
    row = _row("static.idle", "KB", taken, NGINX, 2, better="lower", on_ours=True)
    row.note = f"{count} connections; the kernel's own memory for them is not counted"
    yield row


def _grown(pid: int, port: int, host: str, count: int) -> Turn:
    asks = readers.request(PAGE, host)
    with readers.idle(port, asks, IDLE_BEFORE):
        pass
    before = memory(pid, "Rss")
    with readers.idle(port, asks, count):
        return Turn((memory(pid, "Rss") - before) * MB / KB / count)
