"""Hostile clients of apps, and what apps try by what they send: over the wire, byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.runtime.apps import Apps
from tests.runtime.hostile.trial import resident
from tests.system.harness import PATIENCE, Machine, until

ECHO = """
export default {
  async fetch(request) {
    const url = new URL(request.url);
    const form = url.searchParams.has("form") ? [...(await request.formData())].length : null;
    const text = form === null && request.method === "POST" ? (await request.text()).length : 0;
    return Response.json({ path: url.pathname, text, form, polluted: {}.polluted ?? null });
  },
};
"""
CLASSIC = """
module.exports = (request) => {
  const merged = {};
  for (const [name, value] of Object.entries({ ...request.query, ...request.headers, ...(request.json ?? {}) })) {
    merged[name] = value;
  }
  return {
    polluted: {}.polluted ?? null,
    own: [request.query, request.headers].map((one) => Object.getPrototypeOf(one)?.polluted ?? null),
  };
};
"""
ENDLESS = """
export default {
  fetch(request) {
    request.signal.addEventListener("abort", () => fazt.storage.kv.set("gone:" + new URL(request.url).search, true));
    const chunk = new TextEncoder().encode("data: " + "x".repeat(8000) + "\\n\\n");
    const body = new ReadableStream({
      pull(controller) { controller.enqueue(chunk); },
      cancel() { fazt.storage.kv.set("cancelled:" + new URL(request.url).search, true); },
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  },
};
"""
SECRET = "s3cr3t-of-the-nest"
TALKS = """
module.exports = (request) => {
  const secret = fazt.env.get("TOKEN");
  console.log("the token is " + secret);
  console.log("\\u001b[31mred\\u001b[0m\\r\\nforged", { secret });
  if (request.query.fail) throw new Error("cannot use " + secret);
  return { length: secret.length };
};
"""


@pytest.fixture(scope="module")
def wire(apps: Apps) -> Apps:
    apps.write("echo", {"api/main.mjs": ECHO})
    apps.write("classic", {"api/main.js": CLASSIC})
    apps.write("endless", {"api/main.mjs": ENDLESS})
    return apps


def head_of(apps: Apps, app: str, method: str = "POST", path: str = "/api", *lines: str) -> bytes:
    first = (f"{method} {path} HTTP/1.1", f"Host: {apps.host(app)}:{apps.node.port}", "Connection: close", *lines)
    return "\r\n".join(first).encode() + b"\r\n\r\n"


def exchange(apps: Apps, sent: bytes, *, ends: bool = False, head: bool = False) -> tuple[int, bytes]:
    """The bytes on a connection of their own; the status that comes, 0 for none, and all up to the end.

    `ends`: the client says that there is no more, and is not there for an answer. `head`: up to the end of the head.
    """
    with closing(socket.create_connection(("127.0.0.1", apps.node.port), PATIENCE)) as wire:
        wire.sendall(sent)
        if ends:
            wire.shutdown(socket.SHUT_WR)
        got = b""
        while not (head and b"\r\n\r\n" in got) and (more := wire.recv(65536)):
            got += more
    return (int(got.split(b" ", 2)[1]) if got else 0), got


def well(apps: Apps) -> None:
    """Everybody is still answered right."""
    assert apps.ask("echo").json == {"path": "/api", "text": 0, "form": None, "polluted": None}


BODIES: list[tuple[str, tuple[str, ...], bytes, set[int]]] = [
    ("a gigabyte is promised", ("Content-Length: 1000000000",), b"x", {413}),
    ("more than a body is sent", (f"Content-Length: {11 << 20}",), b"x" * (11 << 20), {413}),
    ("less than is promised", ("Content-Length: 100",), b"x" * 10, {0, 400}),
    ("two lengths", ("Content-Length: 1", "Content-Length: 2"), b"xx", {400}),
    ("a length and chunks", ("Content-Length: 1", "Transfer-Encoding: chunked"), b"0\r\n\r\n", {400}),
    ("a length below nothing", ("Content-Length: -1",), b"", {400}),
    ("a bad chunk", ("Transfer-Encoding: chunked",), b"zz\r\nxx\r\n0\r\n\r\n", {400, 0}),
    ("no last chunk", ("Transfer-Encoding: chunked",), b"2\r\nxx\r\n", {400, 0}),
    ("no such charset", ("Content-Length: 2", "Content-Type: text/plain; charset=nest"), b"xx", {200}),
]


@pytest.mark.parametrize(("what", "lines", "body", "statuses"), BODIES, ids=[what for what, *_ in BODIES])
def test_bodies_that_lie(wire: Apps, what: str, lines: tuple[str, ...], body: bytes, statuses: set[int]) -> None:
    try:
        # by an app that is given bodies whole
        sent = head_of(wire, "classic", "POST", "/api", *lines) + body
        status, _ = exchange(wire, sent, ends=0 in statuses, head=True)
    except (ConnectionResetError, BrokenPipeError):
        status = 413  # the node did not listen to the end
    assert status in statuses
    well(wire)


FORMS: list[tuple[str, bytes, set[int]]] = [
    ("no edge", b"no form", {200, 500, 400}),
    ("no end", b'--e\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', {500, 400}),
    ("no name", b"--e\r\nContent-Disposition: form-data\r\n\r\nx\r\n--e--\r\n", {200, 500, 400}),
    ("no head", b"--e\r\n\r\nx\r\n--e--\r\n", {200, 500, 400}),
    (
        "many parts",
        b'--e\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 5000 + b"--e--\r\n",
        {200, 413, 500, 400},
    ),
    ("a long head", b"--e\r\nX: " + b"y" * 200_000 + b"\r\n\r\nx\r\n--e--\r\n", {500, 413, 400}),
    (
        "a long name",
        b'--e\r\nContent-Disposition: form-data; name="' + b"n" * 5000 + b'"\r\n\r\nx\r\n--e--\r\n',
        {200, 500, 413, 400},
    ),
    (
        "a file that climbs",
        b'--e\r\nContent-Disposition: form-data; name="a"; filename="../../../etc/x\x00y"\r\n\r\nx\r\n--e--\r\n',
        {200, 400, 500},
    ),
    ("edges only", b"--e\r\n" * 1000, {200, 500, 400}),
]


@pytest.mark.parametrize("path", ["/api?form=1", "/api"])
@pytest.mark.parametrize(("what", "body", "statuses"), FORMS, ids=[what for what, *_ in FORMS])
def test_forms_that_are_none(wire: Apps, what: str, body: bytes, statuses: set[int], path: str) -> None:
    """Read by the app, and by the node for it."""
    kind = "Content-Type: multipart/form-data; boundary=e"
    for app in ("echo", "classic"):
        status, _ = exchange(wire, head_of(wire, app, "POST", path, kind, f"Content-Length: {len(body)}") + body)
        assert status in statuses | {200}
    well(wire)


POLLUTING = [
    ("/api?__proto__=x&__proto__[polluted]=1&constructor.prototype.polluted=1", {}, None),
    ("/api?polluted.__proto__.polluted=1", {"__proto__": "x", "constructor": "x", "toString": "x"}, None),
    ("/api", {}, {"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}),
]


@pytest.mark.parametrize(("path", "headers", "body"), POLLUTING)
def test_nothing_is_polluted(wire: Apps, path: str, headers: dict[str, str], body: object) -> None:
    for app in ("classic", "echo"):
        kind = {"Content-Type": "application/json"} if body else {}
        answer = wire.ask(app, "POST" if body else "GET", path, headers={**headers, **kind}, body=body)
        assert answer.status == 200
        assert answer.json["polluted"] is None
        assert answer.json.get("own", [None, None]) == [None, None]


PATHS = [
    "/api/../../etc/passwd",
    "/api/%2e%2e/%2e%2e/x",
    "/api/..%2f..%2fx",
    "/api/%00",
    "/api/%zz",
    "/api/" + "a/" * 2000,
    "/api/%f0%9f",
    "/api?" + "a=b&" * 3000,
    "/api/\\..\\x",
    "/api//evil.example/x",
    "//evil.example/api",
    "/api;x=1",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path)[:30])
def test_paths_that_climb(wire: Apps, path: str) -> None:
    status, answer = exchange(wire, head_of(wire, "echo", "GET", path))
    assert status in (200, 301, 308, 400, 404, 414)
    assert b"root:" not in answer
    assert b"Location: //" not in answer
    well(wire)


def streaming(apps: Apps, query: str) -> socket.socket:
    """A client that has read the first bytes of a stream without an end."""
    wire = socket.create_connection(("127.0.0.1", apps.node.port), PATIENCE)
    wire.sendall(head_of(apps, "endless", "GET", f"/api?{query}"))
    assert wire.recv(1000).startswith(b"HTTP/1.1 200")
    return wire


def kept(apps: Apps, key: str) -> bool:
    return apps.node.ask("GET", f"/api/apps/endless/storage/kv/entry?key={key}", scope="read").status == 200


def test_a_client_that_goes_ends_the_stream(wire: Apps) -> None:
    streaming(wire, "gone").close()
    until(lambda: kept(wire, "gone:%3Fgone") or kept(wire, "cancelled:%3Fgone"), "the app to hear of it")
    well(wire)


def test_clients_that_never_read_cost_little(wire: Apps) -> None:
    before = resident(wire.node)
    clients = [streaming(wire, f"slow{n}") for n in range(20)]
    for _ in range(50):
        well(wire)
    grown = resident(wire.node) - before
    for client in clients:
        client.close()
    print(f"20 clients that do not read: {grown:.0f} MB")
    # each may have an instance of its own and a buffer, never what an endless stream gives
    assert grown < 20 * 16
    for n in range(20):
        until(lambda n=n: kept(wire, f"gone:%3Fslow{n}") or kept(wire, f"cancelled:%3Fslow{n}"), "the end")  # type: ignore[misc]
    well(wire)


@pytest.fixture(scope="module")
def talks(apps: Apps) -> Iterator[Apps]:
    """An app with a secret, which it cannot keep to itself."""
    apps.write("talks", {"api/main.js": TALKS})
    told = apps.machine.fazt("env", "set", "TOKEN", "--app", "talks", "--db", str(apps.node.db), stdin=SECRET)
    assert told.code == 0, told
    yield apps


def test_secrets_and_control_characters_stay_out_of_logs(talks: Apps) -> None:
    assert talks.ask("talks").json == {"length": len(SECRET)}
    failed = talks.ask("talks", path="/api?fail=1")
    assert failed.status == 500
    assert SECRET.encode() not in failed.body
    lines = talks.node.ask("GET", "/api/apps/talks/logs?limit=100", scope="*")
    assert SECRET not in lines.body.decode()
    assert len(lines.data) >= 5
    shown = talks.machine.fazt("app", "logs", "talks", "--db", str(talks.node.db))
    assert shown.code == 0, shown
    assert SECRET not in shown.out
    assert "\x1b" not in shown.out
    assert "\r" not in shown.out
    assert not any(line.startswith("forged") for line in shown.out.splitlines())


def test_too_many_at_once_are_told_to_come_again(machine: Machine) -> None:
    """One request at a time, one that waits: the third is refused, and both others are answered."""
    node = machine.up()
    apps = Apps(machine, node)
    for name in ("limits.runtime.maxConcurrentPerApp", "limits.runtime.maxQueue"):
        told = machine.fazt("config", "set", name, "1", "--db", str(node.db))
        assert told.code == 0, told
    slow = "module.exports = async () => { await new Promise((done) => setTimeout(done, 700)); return 'slow'; };"
    apps.write("slow", {"api/main.js": slow})
    clients = [socket.create_connection(("127.0.0.1", node.port), PATIENCE) for _ in range(5)]
    for client in clients:
        client.sendall(head_of(apps, "slow", "GET", "/api"))
    answers = []
    for client in clients:
        got = b""
        while more := client.recv(65536):
            got += more
        answers.append(got)
        client.close()
    statuses = sorted(int(answer.split(b" ", 2)[1]) for answer in answers)
    assert statuses == [200, 200, 503, 503, 503]
    assert all(b"retry-after: 1\r\n" in answer.lower() for answer in answers if b" 503 " in answer)
