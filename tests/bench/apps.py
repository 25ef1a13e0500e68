"""Nodes with apps on them, for the suites that ask apps' code."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator

from tests.runtime.apps import deploy
from tests.system.harness import PATIENCE, Node

__all__ = ["Asking", "asking", "deploy", "host_of"]


def host_of(node: Node, app: str) -> str:
    return f"{app}.localhost:{node.port}"


@contextlib.contextmanager
def asking(node: Node, app: str) -> Iterator[Asking]:
    made = Asking(node, app)
    try:
        yield made
    finally:
        made.connection.close()


class Asking:
    """One connection to an app, which stays open."""

    def __init__(self, node: Node, app: str) -> None:
        self.host = host_of(node, app)
        self.connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=PATIENCE)

    def __call__(self, path: str = "/api", right: int | None = 200) -> bytes:
        self.connection.request("GET", path, headers={"Host": self.host})
        answer = self.connection.getresponse()
        said = answer.read()
        if right is not None and answer.status != right:
            raise RuntimeError(f"{path} is answered with {answer.status}: {said[:300]!r}")
        return said
