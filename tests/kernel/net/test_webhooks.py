"""Webhooks: made on the admin host, called on the node's own domain by whoever knows the secret."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import apsw
import pytest

from kernel.net.hooks import event_name
from kernel.security.seal import Seal
from tests.support import Answer, Running

APEX = "localhost"
SECRET = "a secret of nobody else"
BODY = b'{"event":"push","n":1}'


@pytest.fixture
async def node(running: Running) -> Running:
    await running.key("*")
    return running


async def make(node: Running, endpoint: str = "ci", **more: Any) -> Any:
    answer = await node.ask("POST", "/api/webhooks", key="*", body={"name": "CI", "endpoint": endpoint, **more})
    assert answer.status == 201, answer.body
    return answer.data


async def change(node: Running, id: str, **what: Any) -> Answer:
    return await node.ask("PUT", f"/api/webhooks/{id}", key="*", body=what)


def signed(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def deliver(
    node: Running, body: bytes = BODY, signature: str | None = None, endpoint: str = "ci", host: str = APEX
) -> Answer:
    headers = {} if signature is None else {"X-Webhook-Signature": signature}
    return await node.ask("POST", f"/webhook/{endpoint}", host=host, raw=body, headers=headers)


def noted(node: Running) -> list[dict[str, Any]]:
    return list(node.node.events.waiting)


# --- making and changing


async def test_a_webhook_is_made_listed_changed_and_deleted(node: Running) -> None:
    made = await make(node, secret=SECRET)
    id, now = made["id"], node.clock.now()
    assert id.startswith("whk_")
    whole = {
        "id": id,
        "name": "CI",
        "endpoint": "ci",
        "has_secret": True,
        "is_active": True,
        "created_at": now,
        "updated_at": now,
        "url": f"http://localhost:{node.site.port}/webhook/ci",
    }
    assert made == whole
    listed = await node.ask("GET", "/api/webhooks", key="*")
    assert (listed.data, listed.json["meta"]["total"]) == ([whole], 1)
    node.clock.advance(1)
    changed = await change(node, id, name="Build", is_active=False)
    whole |= {"name": "Build", "is_active": False, "updated_at": now + 1000}
    assert (changed.status, changed.data) == (200, whole)
    assert (await node.ask("DELETE", f"/api/webhooks/{id}", key="*")).status == 204
    for again in (await node.ask("DELETE", f"/api/webhooks/{id}", key="*"), await change(node, id, name="x")):
        assert (again.status, again.code) == (404, "NOT_FOUND")
    assert (await node.ask("GET", "/api/webhooks", key="*")).data == []


async def test_an_endpoint_is_taken_once(node: Running) -> None:
    await make(node)
    other = await make(node, endpoint="other")
    before = node.content()
    again = await node.ask("POST", "/api/webhooks", key="*", body={"name": "x", "endpoint": "ci"})
    moved = await change(node, other["id"], name="y", endpoint="ci")
    for answer in (again, moved):
        assert (answer.status, answer.code, answer.json["error"]["details"]["field"]) == (409, "CONFLICT", "endpoint")
    assert node.content() == before
    assert (await change(node, other["id"], endpoint="other")).status == 200
    assert (await change(node, other["id"], endpoint="moved")).data["endpoint"] == "moved"
    assert (await deliver(node, endpoint="other")).status == 404
    assert (await deliver(node, endpoint="moved")).status == 200


@pytest.mark.parametrize("endpoint", ["", "a/b", "a b", "ä", "..", "a\r\nb", "x" * 101, "%2e", None, 1, ["a"]])
async def test_an_endpoint_is_one_plain_word(node: Running, endpoint: Any) -> None:
    answer = await node.ask("POST", "/api/webhooks", key="*", body={"name": "x", "endpoint": endpoint})
    assert (answer.status, answer.json["error"]["details"]["field"]) == (400, "endpoint")


async def test_a_secret_is_nowhere_to_be_read(node: Running) -> None:
    made = await make(node, secret=SECRET)
    await change(node, made["id"], secret=SECRET + "!")
    await node.node._flush(node.node.journal)
    paths = ("/api/webhooks", "/api/system/logs", "/api/audit")
    for answer in [await node.ask("GET", path, key="*") for path in paths]:
        assert SECRET.encode() not in answer.body
    assert SECRET not in json.dumps(made)
    node.node.store.write_blocking([])
    for file in node.node.path.parent.iterdir():
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file.name


async def test_a_sealed_secret_opens_in_its_own_row_only(node: Running) -> None:
    """Who can write the file cannot give a webhook the secret of another one he knows."""
    await make(node, secret=SECRET)
    await make(node, endpoint="mine", secret="mine")
    file = apsw.Connection(str(node.node.path))
    file.execute("update webhooks set secret = (select secret from webhooks where endpoint = 'mine')")
    file.close()
    answer = await deliver(node, signature=signed(BODY, "mine"))
    assert (answer.status, answer.code) == (503, "LOCKED")
    assert noted(node) == []


async def test_while_secrets_are_locked_none_is_kept_and_none_is_checked(node: Running) -> None:
    made = await make(node, secret=SECRET)
    node.node.seal._seed = None
    before = node.content()
    kept = await node.ask("POST", "/api/webhooks", key="*", body={"name": "x", "endpoint": "x", "secret": "y"})
    for answer in (kept, await change(node, made["id"], secret="y"), await deliver(node, signature=signed(BODY))):
        assert (answer.status, answer.code) == (503, "LOCKED")
        assert answer.headers["Retry-After"]
    assert node.content() == before and noted(node) == []
    assert isinstance(node.node.seal, Seal)
    # what needs no secret goes on
    await make(node, endpoint="open")
    assert (await deliver(node, endpoint="open")).status == 200
    assert (await change(node, made["id"], is_active=False)).status == 200


async def test_a_secret_is_changed_taken_away_and_set_again(node: Running) -> None:
    id = (await make(node, secret=SECRET))["id"]
    assert (await change(node, id, name="still")).data["has_secret"] is True
    assert (await deliver(node, signature=signed(BODY))).status == 200
    assert (await change(node, id, secret="new")).data["has_secret"] is True
    assert (await deliver(node, signature=signed(BODY))).status == 401
    assert (await deliver(node, signature=signed(BODY, "new"))).status == 200
    assert (await change(node, id, no_secret=True)).data["has_secret"] is False
    assert (await deliver(node)).status == 200
    assert (await change(node, id, secret="newer")).data["has_secret"] is True
    assert (await deliver(node)).status == 401
    both = await change(node, id, secret="x", no_secret=True)
    assert (both.status, both.json["error"]["details"]["field"]) == (400, "no_secret")


@pytest.mark.parametrize("secret", ["", 1, ["x"], "x" * 1001])
async def test_a_secret_is_some_text(node: Running, secret: Any) -> None:
    id = (await make(node))["id"]
    before = node.content()
    made = await node.ask("POST", "/api/webhooks", key="*", body={"name": "x", "endpoint": "x", "secret": secret})
    for answer in (made, await change(node, id, secret=secret)):
        assert (answer.status, answer.json["error"]["details"]["field"]) == (400, "secret")
    assert node.content() == before


# --- receiving


@pytest.mark.parametrize("secret", [None, SECRET, "ß€ \x00"])
@pytest.mark.parametrize("prefix", ["", "sha256="])
async def test_what_is_received_is_noted(node: Running, secret: str | None, prefix: str) -> None:
    await make(node, **({"secret": secret} if secret else {}))
    before = node.content()
    answer = await deliver(node, signature=prefix + signed(BODY, secret) if secret else None)
    assert (answer.status, answer.json) == (
        200,
        {"data": {"message": "The webhook was received.", "webhook": "CI"}},
    )
    assert node.content() == before
    (event,) = noted(node)
    assert (event["source_type"], event["event_type"], event["domain"]) == ("webhook", "push", APEX)
    assert (event["path"], event["ip"], event["tags"]) == ("/webhook/ci", "127.0.0.0/24", "[]")


GOOD = signed(BODY)


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        GOOD[:-1],
        GOOD + "0",
        GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1"),
        signed(BODY, "another"),
        signed(BODY + b" "),
        signed(b""),
        "sha1=" + GOOD,
        "sha256=sha256=" + GOOD,
        "sha256 " + GOOD,
        "ü" * 64,
        "x" * 5000,
        f"{GOOD}, {GOOD}",
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_a_wrong_signature_is_refused(node: Running, signature: str | None) -> None:
    await make(node, secret=SECRET)
    answer = await deliver(node, signature=signature)
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED"), answer.body
    assert SECRET.encode() not in answer.body and GOOD.encode() not in answer.body
    assert noted(node) == []


async def test_letters_of_a_signature_may_be_large(node: Running) -> None:
    await make(node, secret=SECRET)
    assert (await deliver(node, signature=GOOD.upper())).status == 200


async def test_two_signatures_are_one_too_many(node: Running) -> None:
    await make(node, secret=SECRET)
    line = f"X-Webhook-Signature: {GOOD}\r\n".encode()
    head = b"POST /webhook/ci HTTP/1.1\r\nHost: localhost:{port}\r\n"
    rest = b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
    assert (await node.raw(head + line + rest)).status == 200
    assert (await node.raw(head + line * 2 + rest)).status == 401


@pytest.mark.parametrize("endpoint", ["nothing", "CI", "x" * 500, "%00", "a%2Fb", "%E2%80%AE", "'%20or%201=1"])
async def test_an_unknown_webhook_is_not_found(node: Running, endpoint: str) -> None:
    await make(node)
    assert (await deliver(node, endpoint=endpoint)).status in (400, 404)
    assert noted(node) == []


async def test_a_webhook_that_is_switched_off_takes_nothing(node: Running) -> None:
    id = (await make(node, secret=SECRET))["id"]
    await change(node, id, is_active=False)
    answer = await deliver(node, signature=GOOD)
    assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert noted(node) == []
    await change(node, id, is_active=True)
    assert (await deliver(node, signature=GOOD)).status == 200


async def test_a_mebibyte_is_taken_and_no_more(node: Running) -> None:
    await make(node, secret=SECRET)
    body = b'{"event":"' + b"x" * ((1 << 20) - 12) + b'"}'
    assert len(body) == 1 << 20
    assert (await deliver(node, body, signed(body))).status == 200
    assert noted(node)[0]["event_type"] == "x" * 500
    more = body + b" "
    answer = await deliver(node, more, signed(more))
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")
    assert len(noted(node)) == 1


@pytest.mark.parametrize("host", ["admin.localhost", "shop.localhost", "evil.example"])
async def test_webhooks_are_received_on_the_domain_only(node: Running, host: str) -> None:
    await make(node)
    assert (await deliver(node, host=host)).status in (404, 405)
    assert noted(node) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_a_webhook_is_posted(node: Running, method: str) -> None:
    await make(node)
    answer = await node.ask(method, "/webhook/ci", host=APEX)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"event":"push"}', "push"),
        (b'{"type":"paid"}', "paid"),
        (b'{"type":"paid","event":"push"}', "push"),
        (b'{"type":"paid","event":null}', "paid"),
        (b'{"type":"paid","event":{"a":1}}', "paid"),
        (b'{"type":"paid","event":" "}', "paid"),
        (b'{"event":1,"type":[]}', "webhook"),
        (b"{}", "webhook"),
        (b"", "webhook"),
        (b"[1]", "webhook"),
        (b'"push"', "webhook"),
        (b"not json", "webhook"),
        (b"event=push", "webhook"),
        (b"\xff\xfe\x00", "webhook"),
        (b'{"event":"\\ud800"}', "webhook"),
        (b'{"event":"push"', "webhook"),
        (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b',"event":"push"}', "webhook"),
        (b'{"event":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "webhook"),
        (b'{"event": "p\\u00fcsh" }', "p\u00fcsh"),
        (b'{"event":"a\\r\\nb"}', "a  b"),
        (b'{"event":"' + b"x" * 900 + b'"}', "x" * 500),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_body_names_its_event_or_has_none(node: Running, body: bytes, name: str) -> None:
    assert len(event_name(body)) >= len(name)
    await make(node)
    assert (await deliver(node, body)).status == 200
    assert [event["event_type"] for event in noted(node)] == [name]
