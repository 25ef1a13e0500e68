"""Receiving a webhook: from whom it is, what it says, and that it came."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
from aiohttp import web

from kernel.base.errors import FaztError, not_found
from kernel.net.analytics import EventBuffer
from kernel.net.asked import Asked
from kernel.net.envelope import success
from kernel.net.router import Endpoint
from kernel.net.webhooks import BY_ENDPOINT, PURPOSE
from kernel.security.seal import Seal
from kernel.storage.store import Store

MOST_BODY = 1 << 20
SIGNATURE = "X-Webhook-Signature"
UNNAMED = "webhook"


class _Named(msgspec.Struct):
    """The two fields that may name an event; the rest is walked over."""

    event: msgspec.Raw = msgspec.Raw(b"")
    type: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Named).decode


class Received(msgspec.Struct):
    message: str
    webhook: str


class Hook:
    """POST /webhook/{endpoint} on the node's own domain."""

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("POST", "/webhook/{endpoint}", self, "Receive a webhook.")

    def __init__(self, store: Store, seal: Seal, events: EventBuffer, domain: str) -> None:
        self._store, self._seal, self._events, self._domain = store, seal, events, domain

    async def __call__(self, asked: Asked) -> web.StreamResponse:
        endpoint = asked.words["endpoint"]
        self._open(endpoint)
        body = await asked.body(MOST_BODY)
        # a body may take its time: what holds is what holds now
        id, name, sealed, _ = self._open(endpoint)
        if sealed is not None:
            secret = self._seal.unseal(PURPOSE, sealed, id)
            _check_signature(asked, secret, body)
        self._events.note(
            "webhook",
            event_name(body),
            self._domain,
            path=f"/webhook/{endpoint}",
            user_agent=asked.agent,
            address=asked.address,
        )
        return success(Received("The webhook was received.", name))

    def _open(self, endpoint: str) -> Any:
        row = self._store.scoped("").one(BY_ENDPOINT, endpoint=endpoint)
        if row is None:
            raise not_found("webhook", endpoint[:100])
        if not row[3]:
            raise FaztError("FORBIDDEN", f"The webhook {endpoint} is switched off.")
        return row


def _check_signature(asked: Asked, secret: bytes, body: bytes) -> None:
    sent = asked.request.headers.getall(SIGNATURE, [])
    wanted = hmac.new(secret, body, hashlib.sha256).hexdigest()
    # bytes: what is not ASCII is wrong like anything else
    given = sent[0].removeprefix("sha256=").lower().encode("utf-8", "replace") if len(sent) == 1 else b""
    if not hmac.compare_digest(given, wanted.encode()):
        hint = f"Send {SIGNATURE}: the HMAC-SHA256 of the body with the webhook's secret, as hex."
        raise FaztError("UNAUTHORIZED", "The signature is missing or wrong.", hint)


def event_name(body: bytes) -> str:
    """What a JSON body calls its event (`event`, else `type`); any other body has no name of its own."""
    try:
        said = _decode(body)
        texts = [raw for raw in (said.event, said.type) if bytes(raw).startswith(b'"')]
        names = [msgspec.json.decode(raw, type=str) for raw in texts]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UNNAMED
    return next((name for name in names if name.strip()), UNNAMED)
