"""A node for the moment of one command: when none runs, this process is it, on a socket that nobody else can open."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from fazt.boot import Node
from fazt.serve import attach
from kernel.base.site import Site
from kernel.net.server import Server
from kernel.storage.connection import in_words
from kernel.storage.lock import hold

DRAIN_SECONDS = 5.0


@contextlib.contextmanager
def node_inside(database: Path) -> Iterator[Path]:
    """The path of its socket, for as long as the block lasts."""
    with hold(database), tempfile.TemporaryDirectory(prefix="fazt-") as folder:
        with in_words(database):
            node = Node(database)
            node.temp.lasting = False
        try:
            with _loop() as run:
                own = Path(folder) / "s"
                server = run(_listening(node, own))
                try:
                    yield own
                finally:
                    run(server.drain(DRAIN_SECONDS, breath=0))
                    run(node.stop())
        finally:
            node.close()


async def _listening(node: Node, own: Path) -> Server:
    server = attach(node, node.ports.use(Site))
    await server.listen_here(own)
    return server


@contextlib.contextmanager
def _loop() -> Iterator[Any]:
    """An event loop on a thread of its own; gives what runs a coroutine on it to its end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        yield run
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
