"""Carrying a command out where it belongs: a node far away, the one running here, or the file itself."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

from fazt.boot import Node
from fazt.cli import output
from fazt.cli.gateway import carry_out
from fazt.cli.options import style_of
from fazt.cli.project import Invocation
from fazt.client import http, target
from kernel.base.errors import FaztError
from kernel.storage.lock import hold, holder
from kernel.syscall import Page
from kernel.syscall.call import LOCAL

# what only a running node can tell
LIVE = ("kernel.status", "system.health")


def execute(invocation: Invocation, options: dict[str, Any]) -> int:
    """Carry a command out where it belongs, and show the answer."""
    chosen = target.choose(server=options.get("server"), token=options.get("token"), database=options.get("db"))
    if options.get("verbose"):
        output.say(f"node: {chosen.database or chosen.url} (by {chosen.why})")
    name, style = invocation.entry.declared.name, style_of(options)
    for word in invocation.doubtful():
        output.say(f"{word} is not JSON, so it is taken as text.")
    if chosen.database is None:
        done = ask(invocation.words(), invocation.files, url=chosen.url, token=chosen.token)
    else:
        done = _on_file(chosen.database, invocation)
    output.show(name, done.get("data"), done.get("meta"), style)
    return 0


def _on_file(database: Path, invocation: Invocation) -> dict[str, Any]:
    """Through the running node, so that its memory stays right; through the file when none runs."""
    held = holder(Path(database).resolve())
    if held and held.get("socket"):
        return ask(invocation.words(), invocation.files, own_socket=Path(held["socket"]))
    if invocation.entry.declared.name in LIVE:
        raise FaztError("NOT_FOUND", f"No node runs on {database}.", f"Start one: fazt up --db {database}")
    try:
        return _in_process(database, invocation)
    except FaztError as error:
        # a node that started meanwhile knows better
        held = holder(Path(database).resolve())
        if error.code != "NODE_RUNNING" or not held or not held.get("socket"):
            raise
        return ask(invocation.words(), invocation.files, own_socket=Path(held["socket"]))


def _in_process(database: Path, invocation: Invocation) -> dict[str, Any]:
    path = Path(database).resolve()
    if not path.exists():
        raise FaztError(
            "NOT_FOUND", f"There is no data file {path}.", f"`fazt up --db {path}` makes one and starts the node."
        )

    async def work(node: Node) -> Any:
        call = node.driver.call(LOCAL, "cli")
        try:
            return await carry_out(node.caller, call, invocation, {})
        finally:
            await node.stop()

    with hold(path):
        node = Node(path)
        node.temp.lasting = False
        try:
            result = asyncio.run(work(node))
        finally:
            node.close()
    return {"data": result.items, "meta": result.meta} if isinstance(result, Page) else {"data": result}


def ask(words: list[str], files: dict[str, tuple[str, bytes]], **where: Any) -> dict[str, Any]:
    sent = {name: {"name": file, "data": base64.b64encode(data).decode()} for name, (file, data) in files.items()}
    body = {"command": words[0], "args": words[1:], **({"files": sent} if sent else {})}
    done = http.post("/api/cmd", body, **where)
    if not done.get("success"):
        error = done.get("error") or {"code": "INTERNAL_ERROR", "message": done.get("output", "")}
        raise FaztError(error["code"], error["message"], error.get("hint"), **error.get("details", {}))
    return dict(done)
