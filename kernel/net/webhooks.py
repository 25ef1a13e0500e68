"""Webhooks: addresses of this node that other services call. A secret, where there is one, is sealed in the file."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kernel.base.errors import FaztError, not_found
from kernel.base.ids import new_id
from kernel.base.site import Site
from kernel.base.tables import Migration, Patch, Read, Remove, Table
from kernel.security.seal import Seal
from kernel.syscall import Call, Limit, Line, Offset, Page, Scan, Write, syscall
from kernel.syscall.plan import page
from kernel.syscall.words import Secret

PURPOSE = "fazt/webhook-secret"
WEBHOOKS = Table(
    "webhooks",
    ("id", "name", "endpoint", "secret", "is_active", "updated_at", "created_at"),
    key=("id",),
    scope="node",
)
MIGRATIONS = (
    Migration(
        "webhooks_0001",
        """
create table webhooks (id text primary key, name text not null, endpoint text not null unique, secret blob,
  is_active integer not null default 1, updated_at integer not null, created_at integer not null)
  strict, without rowid""",
    ),
)
_SHOWN = "id, name, endpoint, secret is not null, is_active, created_at, updated_at"
LIST = Read(f"select {_SHOWN} from {{webhooks}} order by created_at desc, id limit :limit offset :offset")
COUNT = Read("select count(*) from {webhooks}")
BY_ENDPOINT = Read("select id, name, secret, is_active from {webhooks} where endpoint = :endpoint")
UPDATE = Patch(
    WEBHOOKS,
    set="""name = coalesce(:name, name), endpoint = coalesce(:endpoint, endpoint),
  is_active = coalesce(:is_active, is_active), updated_at = :now,
  secret = case when :no_secret then null else coalesce(:secret, secret) end""",
    where="id = :id",
    returning=_SHOWN,
)
DELETE = Remove(WEBHOOKS, where="id = :id")


class WebhookName(Line):
    least, most = 1, 200


class WebhookEndpoint(Line):
    least, most = 1, 100
    pattern = "[A-Za-z0-9_-]+"
    explain = "must be letters, digits, _ and -"


class WebhookId(Line):
    most = 16
    pattern = "whk_[0-9a-z]{12}"
    explain = "must be the id of a webhook: whk_ and 12 characters"


class WebhookSecret(Secret):
    most = 1000


class Webhook(Struct):
    id: str
    name: str
    endpoint: str
    has_secret: bool
    is_active: bool
    created_at: int
    updated_at: int
    url: str = ""


def _webhook(call: Call, row: Any) -> Webhook:
    id, name, endpoint, has_secret, is_active, created, updated = row
    url = f"{call.use(Site).url}/webhook/{endpoint}"
    return Webhook(id, name, endpoint, bool(has_secret), bool(is_active), created, updated, url)


def _sealed(call: Call, id: str, secret: str | None) -> bytes | None:
    return None if secret is None else call.use(Seal).seal(PURPOSE, secret.encode(), id)


def _taken(endpoint: str | None) -> FaztError:
    hint = "Choose another endpoint, or delete that webhook first."
    return FaztError("CONFLICT", f"/webhook/{endpoint} exists already.", hint, field="endpoint")


@syscall("webhooks.list", http="GET /api/webhooks", cli="webhooks list", js=False)
def webhooks_list(call: Call, *, offset: Offset = 0, limit: Limit = 20) -> Scan[Page[Webhook]]:
    """The webhooks of this node, newest first."""

    def shown(rows: list[list[Any]]) -> Page[Webhook]:
        return page([_webhook(call, row) for row in rows[0]], offset, limit, rows[1][0][0])

    return call.store.scan((LIST, {"limit": limit, "offset": offset}), (COUNT, {}), then=shown)


@syscall("webhooks.create", http="POST /api/webhooks -> 201", cli="webhooks create <name> <endpoint>", js=False)
def webhooks_create(
    call: Call, name: WebhookName, endpoint: WebhookEndpoint, *, secret: WebhookSecret | None = None
) -> Write[Webhook]:
    """Open /webhook/<endpoint> on the node's own domain; with a secret, only signed calls are taken."""
    id = new_id("whk")
    made = _webhook(call, (id, name, endpoint, secret is not None, True, call.now, call.now))
    return call.store.insert(
        WEBHOOKS,
        _taken(endpoint),
        id=id,
        name=name,
        endpoint=endpoint,
        secret=_sealed(call, id, secret),
        is_active=True,
        updated_at=call.now,
    ).giving(lambda _: made)


@syscall("webhooks.update", http="PUT /api/webhooks/{id}", cli="webhooks update <id>", js=False)
def webhooks_update(
    call: Call,
    id: WebhookId,
    *,
    name: WebhookName | None = None,
    endpoint: WebhookEndpoint | None = None,
    secret: WebhookSecret | None = None,
    no_secret: bool = False,
    is_active: bool | None = None,
) -> Write[Webhook]:
    """Change a webhook; what is left out stays. `no_secret` takes its secret away."""
    if no_secret and secret is not None:
        raise FaztError("VALIDATION_FAILED", "no_secret: not together with a secret.", field="no_secret")
    plan = call.store.do(
        UPDATE,
        id=id,
        name=name,
        endpoint=endpoint,
        is_active=is_active,
        secret=_sealed(call, id, secret),
        no_secret=no_secret,
        now=call.now,
    )
    changed: Write[None] = Write([plan.steps[0]._replace(error=_taken(endpoint))])
    found = changed.expect(1, not_found("webhook", id))
    return found.giving(lambda rows: _webhook(call, rows[0][0]))


@syscall("webhooks.delete", http="DELETE /api/webhooks/{id} -> 204", cli="webhooks delete <id>", js=False)
def webhooks_delete(call: Call, id: WebhookId) -> Write[None]:
    """Delete a webhook; its address is not found from then on."""
    return call.store.do(DELETE, id=id).expect(1, not_found("webhook", id))
