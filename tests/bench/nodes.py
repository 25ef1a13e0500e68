"""Nodes of the built program with a site on them, for the suites that ask them over HTTP."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.house import Program
from tests.bench.measure import Bench
from tests.system.harness import Answer, Node

SITE = "bench"


class Host:
    """A machine on which one node after the other is started."""

    def __init__(self, bench: Bench) -> None:
        self.machine = Program(bench)
        self._made = 0

    @contextlib.contextmanager
    def node(self) -> Iterator[Node]:
        """A node with a new data file in a new folder."""
        self._made += 1
        folder = f"node-{self._made}"
        self.machine.folder.joinpath(folder).mkdir()
        node = self.machine.up(f"{folder}/data.db", "--port", "0", "--listen", "127.0.0.1")
        try:
            yield node
        finally:
            node.stop()
            shutil.rmtree(self.machine.folder / folder, ignore_errors=True)

    def deploy(self, node: Node, folder: Path) -> dict[str, Any]:
        """The folder becomes what the site shows; what was told of it."""
        told = self.machine.fazt("deploy", str(folder), "--name", SITE, "--db", str(node.db), "--json").data
        return dict(told)

    def forget_hashes(self) -> None:
        """As if no folder of this machine had ever been deployed."""
        shutil.rmtree(self.machine.cache / "hashes", ignore_errors=True)

    def close(self) -> None:
        self.machine.close()


@contextlib.contextmanager
def host(bench: Bench) -> Iterator[Host]:
    made = Host(bench)
    try:
        yield made
    finally:
        made.close()


def name_of(node: Node) -> str:
    """The site's Host header."""
    return f"{SITE}.localhost:{node.port}"


def get(node: Node, path: str, headers: dict[str, str] | None = None) -> Answer:
    answer = node.ask("GET", path, host=f"{SITE}.localhost", headers=headers)
    if answer.status != 200:
        raise RuntimeError(f"{path} is answered with {answer.status}: {answer.body[:200]!r}")
    return answer
