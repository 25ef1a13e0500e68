"""The node's own socket in the file system: being able to open it is being the owner."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import Answer, Running

GET = "GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\n"


@pytest.fixture
async def own(running: Running) -> AsyncIterator[Path]:
    path = running.node.path.with_name("own.sock")
    await running.server.listen_here(path)
    yield path


async def ask(running: Running, own: Path, path: str, host: str = "node", more: str = "") -> Answer:
    return await running.raw(GET.format(path, host, more).encode(), over=own)


async def test_only_its_user_can_open_it(running: Running, own: Path) -> None:
    mode = os.stat(own).st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_it_speaks_for_the_owner(running: Running, own: Path) -> None:
    assert (await ask(running, own, "/api/user/me")).data["role"] == "owner"
    assert (await ask(running, own, "/api/keys")).data == []


@pytest.mark.parametrize("host", ["admin.localhost", "evil.example", "a_b", "", "localhost:80@evil"])
async def test_its_host_does_not_matter(running: Running, own: Path, host: str) -> None:
    assert (await ask(running, own, "/api/keys", host)).status == 200


async def test_a_key_narrows_it(running: Running, own: Path) -> None:
    key = f"Authorization: Bearer {await running.key('read')}\r\n"
    assert (await ask(running, own, "/api/apps", more=key)).status == 200
    assert (await ask(running, own, "/api/keys", more=key)).status == 403
    assert (await ask(running, own, "/api/keys", more="Authorization: Bearer x\r\n")).status == 401


async def test_the_network_does_not_become_it(running: Running, own: Path) -> None:
    """No header makes a request from a port one from the socket."""
    for header in ("X-Forwarded-For: unix", "Forwarded: for=unix:", "X-Real-IP: ", "X-Fazt-Local: 1"):
        sent = f"GET /api/keys HTTP/1.1\r\nHost: admin.localhost:{{port}}\r\n{header}\r\n\r\n"
        assert (await running.raw(sent.encode())).status == 401


async def test_what_it_changes_is_remembered_as_local(running: Running, own: Path) -> None:
    body = '{"name":"ci","scopes":["read"]}'
    sent = f"POST /api/keys HTTP/1.1\r\nHost: node\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    assert (await running.raw(sent.encode(), over=own)).status == 201
    entry = (await ask(running, own, "/api/audit")).data[0]
    assert (entry["action"], entry["actor_type"], entry["actor_id"]) == ("keys.create", "local", "local")


async def test_it_replaces_what_a_dead_node_left(running: Running, tmp_path: Path) -> None:
    path = tmp_path / "left.sock"
    os.close(os.open(path, os.O_CREAT, 0o644))
    await running.server.listen_here(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert (await ask(running, path, "/api/keys")).status == 200
