"""Apps on a node of the built program: deployed by its command, asked by HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.kernel.fs.site import body, frames
from tests.system.harness import PATIENCE, Answer, Machine, Node, ask

SAMPLES = Path(__file__).resolve().parent


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


class Apps:
    """What is deployed on one node."""

    def __init__(self, machine: Machine, node: Node) -> None:
        self.machine, self.node = machine, node

    def host(self, name: str) -> str:
        return f"{name}.localhost"

    def deploy(self, name: str, folder: Path) -> dict[str, Any]:
        """The folder becomes what the app is."""
        told = self.machine.fazt("deploy", str(folder), "--name", name, "--db", str(self.node.db), "--json")
        assert told.code == 0, told
        return dict(told.json["data"])

    def write(self, name: str, files: Mapping[str, str], manifest: Mapping[str, Any] | None = None) -> None:
        """An app of some files."""
        deploy(self.node, name, {**files, **({"app.json": json.dumps(manifest)} if manifest else {})})

    def ask(self, name: str, method: str = "GET", path: str = "/api", **how: Any) -> Answer:
        return ask(self.node.port, method, path, host=self.host(name), **how)
