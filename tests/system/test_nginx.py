"""The same files as nginx, asked the same things: the same answers, but where we are stricter on purpose."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.bench import nginx
from tests.kernel.fs.site import deploy
from tests.support import running
from tests.system import nginx_table
from tests.system.nginx_table import STRICTER, Server, ask


@pytest.mark.skipif(nginx.find() is None, reason="nginx is not installed here")
async def test_every_request_of_the_table_is_answered_as_nginx_does(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    nginx_table.write_tree(folder)
    with nginx.running(folder) as other:
        async with running(tmp_path / "data.db") as node:
            await deploy(node, "table", nginx_table.tree())
            host = f"table.localhost:{node.site.port}"
            found = await asyncio.to_thread(
                nginx_table.compare, other.port, f"127.0.0.1:{other.port}", node.site.port, host
            )
    assert not found, "\n".join(found)


async def test_where_we_are_stricter_than_nginx(tmp_path: Path) -> None:
    async with running(tmp_path / "data.db") as node:
        await deploy(node, "table", nginx_table.tree())
        server = Server(node.site.port, f"table.localhost:{node.site.port}")
        wrong = []
        for row in STRICTER:
            answers = await asyncio.to_thread(ask, node.site.port, server.filled(row.sent, ""))
            status = answers[0].status if answers else 0
            expected = row.expected if isinstance(row.expected, tuple) else (row.expected,)
            if status not in expected:
                wrong.append(f"{row.sent[:80]!r}: {status}, not {row.expected} ({row.reason})")
    assert wrong == []
