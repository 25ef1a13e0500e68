"""One request to two servers, and what they answer differently."""

from __future__ import annotations

import http.client
from collections import defaultdict
from dataclasses import dataclass

from tests.runtime.hono_requests import Asked
from tests.system.harness import PATIENCE

# about the connection and its moment, not about the answer
PASSING = {"date", "connection", "keep-alive", "transfer-encoding", "content-length"}
# what the front door says of every answer
OURS = {"x-request-id", "x-content-type-options", "referrer-policy", "server", "vary"}


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, list[str]]
    body: bytes


def ask(port: int, host: str, asked: Asked) -> Answered:
    """The request as it is: nothing is added but the host and the length."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.putrequest(asked.method, asked.path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": host, **asked.headers}.items():
            connection.putheader(name, value)
        if asked.body is not None:
            connection.putheader("Content-Length", str(len(asked.body)))
        connection.endheaders(asked.body)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    headers: dict[str, list[str]] = defaultdict(list)
    for name, value in answer.getheaders():
        headers[name.lower()].append(value)
    return Answered(answer.status, dict(headers), body)


def differences(ours: Answered, theirs: Answered) -> list[str]:
    """Nothing, where both say the same."""
    found = []
    if ours.status != theirs.status:
        found.append(f"status {ours.status}, not {theirs.status}")
    for name in sorted((ours.headers.keys() | theirs.headers.keys()) - PASSING):
        if name in OURS and name not in theirs.headers:
            continue
        mine, other = ours.headers.get(name), theirs.headers.get(name)
        if _same(name, mine) != _same(name, other):
            found.append(f"{name}: {mine}, not {other}")
    if ours.body != theirs.body:
        found.append(f"body {ours.body[:300]!r}, not {theirs.body[:300]!r}")
    return found


def _same(name: str, values: list[str] | None) -> object:
    """A list may be written as several lines or as one, but for cookies; media types know no case or space."""
    if values is None or name == "set-cookie":
        return values
    joined = ", ".join(values)
    return joined.replace(" ", "").lower() if name == "content-type" else joined
