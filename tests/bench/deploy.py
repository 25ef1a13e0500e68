"""Deploying 2 000 files to a node on this machine: the first time, again without a change, and what visitors notice."""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import content, nodes, paced
from tests.bench.measure import MB, Bench, Row, Turn, alone, compared, rounds
from tests.bench.nodes import Host, get, name_of
from tests.system.harness import Node

FILES, BYTES = 2000, 50 * MB
PACE, CONNECTIONS = 5000, 64
# what was written a moment ago is read again by everybody who wants to be sure of it
SETTLED = 2.5
PAGE = "/index.html"


@dataclass
class Noticed(Turn):
    """What visitors waited at most but for one in a hundred: during a deploy of some seconds, and before it."""

    before: float = 0.0
    seconds: float = 0.0


def rows(bench: Bench) -> Iterator[Row]:
    site = content.folder(bench.place("site"), FILES, BYTES)
    time.sleep(SETTLED)
    with nodes.host(bench) as host:
        yield from _first(bench, host, site)
        with host.node() as node:
            host.deploy(node, site)
            yield _unchanged(bench, host, node, site)
            yield _noticed(bench, host, node)


def _first(bench: Bench, host: Host, site: Path) -> Iterator[Row]:
    """Everything is sent, to a new node; beside it a copy of the folder that is on the disk when it is done."""

    def ours() -> Turn:
        host.forget_hashes()
        with host.node() as node:
            os.sync()
            began = time.perf_counter()
            told = host.deploy(node, site)
            took = time.perf_counter() - began
            if told["added"] != FILES + 1 or told["bytes_sent"] < BYTES * 0.9:
                raise RuntimeError(f"not everything was sent: {told}")
            return Turn(took)

    def theirs() -> Turn:
        copy = bench.place("copy")
        os.sync()
        began = time.perf_counter()
        subprocess.run(["cp", "-r", site, copy / "site"], check=True)
        subprocess.run(["sync", "-f", copy], check=True)
        took = time.perf_counter() - began
        shutil.rmtree(copy)
        return Turn(took)

    taken = rounds({"ours": ours, "theirs": theirs})
    yield alone("deploy.first", "s", taken["ours"], better="lower", target=2)
    pairs = list(zip(taken["ours"], taken["theirs"], strict=True))
    yield compared("deploy.first_copy", "s", pairs, rival="cp -r, sync -f", better="lower", target=4)


def _unchanged(bench: Bench, host: Host, node: Node, site: Path) -> Row:
    """Nothing is sent; beside it the comparison of the folder with a copy."""
    copy = bench.place("same") / "site"
    shutil.copytree(site, copy)

    def ours() -> Turn:
        began = time.perf_counter()
        told = host.deploy(node, site)
        took = time.perf_counter() - began
        if not told["unchanged"] or told["bytes_sent"]:
            raise RuntimeError(f"something was sent: {told}")
        return Turn(took)

    def theirs() -> Turn:
        began = time.perf_counter()
        subprocess.run(["diff", "-rq", site, copy], check=True)
        return Turn(time.perf_counter() - began)

    taken = rounds({"ours": ours, "theirs": theirs})
    pairs = list(zip(taken["ours"], taken["theirs"], strict=True))
    return compared("deploy.unchanged", "s", pairs, rival="diff -rq", better="lower", target=0.3, alone=True)


def _noticed(bench: Bench, host: Host, node: Node) -> Row:
    """The slowest hundredth of a page's visitors at a fixed rate, while all files of its site are replaced."""
    editions = itertools.count(1)

    def turn() -> Noticed:
        folder = content.folder(bench.place("edition"), FILES, BYTES, edition=next(editions))
        os.sync()
        get(node, PAGE)
        with paced.running(node.port, name_of(node), PAGE, PACE, CONNECTIONS) as load:
            time.sleep(0.5 + bench.seconds / 4)
            quiet = time.monotonic()
            time.sleep(max(0.2, bench.seconds))
            began = time.monotonic()
            told = host.deploy(node, folder)
            ended = time.monotonic()
        shutil.rmtree(folder)
        if told["changed"] < FILES:
            raise RuntimeError(f"not everything was replaced: {told}")
        before, during = _ordered_ms(load.between(quiet, began)), _ordered_ms(load.between(began, ended))
        middle, slow = during[len(during) // 2], _hundredth(during)
        return Noticed(slow, p50_ms=middle, p99_ms=slow, before=_hundredth(before), seconds=ended - began)

    turns = rounds({"turn": turn})["turn"]
    pairs = [(turn, Turn(turn.before)) for turn in turns]
    row = compared("deploy.p99", "ms", pairs, rival="before it", better="lower", target=3)
    row.note = f"{PACE} requests/s, deploys of {statistics.median(turn.seconds for turn in turns):.2f} s"
    return row


def _ordered_ms(latencies: list[float]) -> list[float]:
    if not latencies:
        raise RuntimeError("nothing was asked meanwhile")
    return [1000 * seconds for seconds in sorted(latencies)]


def _hundredth(ordered: list[float]) -> float:
    return ordered[len(ordered) * 99 // 100]
