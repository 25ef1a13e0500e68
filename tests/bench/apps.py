"""Nodes with apps on them, for the suites that ask apps' code."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Mapping

from tests.kernel.fs.site import body, frames
from tests.system.harness import PATIENCE, Node


def deploy(node: Node, name: str, files: Mapping[str, str]) -> None:
    """As `fazt deploy` does it, without starting Python for each of them, and with a key for each: keys have a pace."""
    key = str(node.as_owner("POST", "/api/keys", {"name": name, "scopes": ["deploy"]}).data["key"])
    data = {path: text.encode() for path, text in files.items()}
    planned = _post(node, key, "plan", body(name, data))
    for one in frames(data, planned["missing"]):
        _post(node, key, "pieces", one)
    _post(node, key, "finish", body(name, data))


def _post(node: Node, key: str, step: str, sent: bytes) -> dict[str, dict[str, list[int]]]:
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=PATIENCE)
    headers = {"Host": f"admin.localhost:{node.port}", "Authorization": f"Bearer {key}"}
    connection.request("POST", f"/api/deploy/{step}", sent, headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{step} is answered with {answer.status}: {said}")
    found: dict[str, dict[str, list[int]]] = said["data"]
    return found


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
