"""Apps on a node of the built program: deployed by its command, asked by HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.system.harness import Answer, Machine, Node, ask

SAMPLES = Path(__file__).resolve().parent


class Apps:
    """What is deployed on one node."""

    def __init__(self, machine: Machine, node: Node) -> None:
        self.machine, self.node = machine, node
        self._made = 0

    def host(self, name: str) -> str:
        return f"{name}.localhost"

    def deploy(self, name: str, folder: Path) -> dict[str, Any]:
        """The folder becomes what the app is."""
        told = self.machine.fazt("deploy", str(folder), "--name", name, "--db", str(self.node.db), "--json")
        assert told.code == 0, told
        return dict(told.json["data"])

    def write(self, name: str, files: Mapping[str, str], manifest: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """An app of some files, made where nothing else is."""
        self._made += 1
        folder = self.machine.folder / f"app-{self._made}"
        for path, text in {**files, **({"app.json": json.dumps(manifest)} if manifest else {})}.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return self.deploy(name, folder)

    def ask(self, name: str, method: str = "GET", path: str = "/api", **how: Any) -> Answer:
        return ask(self.node.port, method, path, host=self.host(name), **how)
