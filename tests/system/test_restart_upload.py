"""A restart answers what has arrived, also what is still on its way."""

from __future__ import annotations

import http.client
import json
import signal
from pathlib import Path

from tests.kernel.fs.site import body, frame
from tests.system.harness import Machine, until


def begun(port: int, key: str, path: str, length: int) -> http.client.HTTPConnection:
    """A request whose head is sent, and nothing of its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", path, skip_host=True)
    for name, value in (
        ("Host", f"admin.localhost:{port}"),
        ("Authorization", f"Bearer {key}"),
        ("Content-Length", str(length)),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    return connection


def test_a_body_on_its_way_is_waited_for(machine: Machine) -> None:
    node = machine.up()
    key = node.key("*")
    page = b"<h1>late</h1>" * 1000
    sent = frame(page)
    connection = begun(node.port, key, "/api/deploy/pieces", len(sent))
    connection.send(sent[:5000])
    assert node.ask("GET", "/health").status == 200
    node.signal(signal.SIGTERM)
    # the port is closed: the node is stopping, and waits for what has begun
    until(lambda: not listening(node.port), "the port to close")
    connection.send(sent[5000:])
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["data"]) == (200, {"stored": 1})
    assert node.wait() == 0
    again = machine.up(known=node)
    finish = body("late", {"index.html": page})
    connection = begun(again.port, key, "/api/deploy/finish", len(finish))
    connection.send(finish)
    assert connection.getresponse().status == 200


def listening(port: int) -> bool:
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(int(line.split()[1].rpartition(":")[2], 16) == port and line.split()[3] == "0A" for line in lines)
