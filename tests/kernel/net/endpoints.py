"""Every endpoint of the admin host, said a second time by hand: who may call it, with what, and what comes back.

The declarations say it too; that the two agree is what the tests are about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.support import Running

ROLES = {"public": 0, "user": 1, "admin": 2, "owner": 3}
Shape = Any
text, number, flag = str, int, bool
maybe_number, maybe_text = (int, type(None)), (str, type(None))

APP = {
    "id": text,
    "title": text,
    "slug": maybe_text,
    "description": text,
    "tags": [],
    "visibility": text,
    "status": text,
    "source": text,
    "spa": flag,
    "original_id": text,
    "forked_from_id": maybe_text,
    "created_at": number,
    "updated_at": number,
    "deleted_at": maybe_number,
    "url": text,
    "aliases": (list, type(None)),
}
PUBLIC_APP = {"id": text, "title": text, "slug": text, "description": text, "tags": [], "url": text}
CREATED = {"id": text, "title": text, "slug": text, "url": text}
SETTING = {"name": text, "value": Any, "default": Any, "type": text, "doc": text, "set": flag}
ACTIVITY = {
    "id": text,
    "at": number,
    "actor_type": text,
    "actor_id": text,
    "actor_ip": maybe_text,
    "action": text,
    "resource": text,
    "result": text,
    "weight": number,
    "request": maybe_text,
}
REDIRECT = {
    "id": text,
    "slug": text,
    "destination": text,
    "tags": list,
    "click_count": number,
    "created_at": number,
}
ME = {"id": text, "username": text, "role": text, "has_password": flag}
PAGE = {"offset", "limit", "total", "has_more"}
DONE = {"success": True, "output": text, "data": Any, "meta": dict}
STATUS = {"authenticated": flag, "username": maybe_text, "expiresAt": maybe_number}
STATE = {"state": text, "detail": text}


@dataclass(frozen=True)
class Endpoint:
    """`path` and `body` are what a successful request sends; `{…}` in the path is filled from what `furnish` made."""

    route: str
    role: str  # the least role that reaches it
    path: str
    shape: Shape = None
    status: int = 200
    body: dict[str, Any] | None = None
    meta: set[str] = field(default_factory=set)
    writes: bool = False
    deploy: bool = False  # a `deploy` key reaches it
    any_key: bool = False  # every key reaches it, whatever its scope
    methods: tuple[str, ...] = ()  # all that its path answers; its own, if empty

    @property
    def method(self) -> str:
        return self.route.split()[0]

    @property
    def of_app(self) -> bool:
        return "{app}" in self.route

    @property
    def allow(self) -> set[str]:
        methods = set(self.methods or (self.method,))
        return methods | ({"HEAD"} if "GET" in methods else set())


def endpoint(route: str, role: str, shape: Shape = None, **how: Any) -> Endpoint:
    return Endpoint(route, role, how.pop("path", route.split()[1]), shape, **how)


KV = ("GET", "POST", "DELETE")
ONE = ("GET", "PUT", "DELETE")
ENDPOINTS = (
    endpoint("GET /api/config", "owner", [SETTING]),
    endpoint(
        "GET /api/config/{name}", "owner", SETTING, path="/api/config/node.name", methods=("GET", "PUT", "DELETE")
    ),
    endpoint(
        "PUT /api/config/{name}",
        "owner",
        {**SETTING, "value": "attic", "set": True},
        path="/api/config/node.name",
        body={"value": "attic"},
        writes=True,
        methods=ONE,
    ),
    endpoint(
        "DELETE /api/config/{name}",
        "owner",
        path="/api/config/net.port",
        status=204,
        writes=True,
        methods=ONE,
    ),
    endpoint("GET /api/system/limits", "admin", dict),
    endpoint(
        "PUT /api/system/limits/{name}",
        "owner",
        {**SETTING, "value": 7},
        path="/api/system/limits/storage.kv.maxKeysPerApp",
        body={"value": 7},
        writes=True,
    ),
    endpoint("GET /api/auth/sessions", "user", list),
    endpoint(
        "DELETE /api/auth/sessions/{id}",
        "user",
        path="/api/auth/sessions/{session}",
        status=204,
        writes=True,
    ),
    endpoint(
        "GET /api/auth/status", "public", {"authenticated": flag, "username": maybe_text, "expiresAt": maybe_number}
    ),
    endpoint("GET /api/user/me", "user", ME),
    endpoint("POST /api/user/password", "owner", ME, body={"password": "correct horse"}, writes=True),
    endpoint(
        "GET /api/keys",
        "owner",
        [
            {
                "id": text,
                "name": text,
                "scopes": list,
                "prefix": text,
                "created_at": number,
                "last_used_at": maybe_number,
            }
        ],
        methods=("GET", "POST"),
    ),
    endpoint(
        "POST /api/keys",
        "owner",
        {"id": text, "key": text, "name": "ci", "scopes": ["deploy"]},
        body={"name": "ci", "scopes": ["deploy"]},
        status=201,
        writes=True,
        methods=("GET", "POST"),
    ),
    endpoint("DELETE /api/keys/{id}", "owner", path="/api/keys/{key}", status=204, writes=True),
    endpoint("GET /api/system/logs", "admin", [ACTIVITY], meta=PAGE),
    endpoint("GET /api/system/logs/stats", "admin", [{"action": text, "result": text, "count": number}]),
    endpoint("POST /api/system/logs/cleanup", "owner", {"matched": number, "deleted": 0}, body={}, writes=True),
    endpoint("GET /api/audit/verify", "owner", {"entries": number, "intact": True, "broken_at": type(None)}),
    endpoint("GET /api/audit", "owner", [ACTIVITY], meta=PAGE),
    endpoint("GET /api/apps", "public", list, meta=PAGE, deploy=True, methods=("GET", "POST")),
    endpoint(
        "POST /api/apps",
        "admin",
        {**CREATED, "slug": "blog"},
        body={"slug": "blog", "title": "A blog"},
        status=201,
        writes=True,
        methods=("GET", "POST"),
    ),
    endpoint("GET /api/apps/{app}", "admin", APP, deploy=True, methods=ONE),
    endpoint("GET /api/apps/{app}/status", "admin", {"id": text, "rows": dict, "calls": dict}),
    endpoint("PUT /api/apps/{app}", "admin", {"id": text}, body={"title": "New"}, writes=True, methods=ONE),
    endpoint("POST /api/apps/{app}/rename", "admin", {**CREATED, "slug": "store"}, body={"slug": "store"}, writes=True),
    endpoint("DELETE /api/apps/{app}", "admin", {"id": text, "purged": False, "undo": text}, writes=True, methods=ONE),
    endpoint(
        "POST /api/apps/{app}/restore",
        "admin",
        {"id": text, "slug": "attic", "warning": type(None)},
        path="/api/apps/{deleted}/restore",
        writes=True,
    ),
    endpoint(
        "GET /api/apps/{app}/storage/kv/entry",
        "admin",
        {"key": "a", "value": {"n": 1}},
        path="/api/apps/{app}/storage/kv/entry?key=a",
    ),
    endpoint(
        "POST /api/apps/{app}/storage/kv",
        "admin",
        {"key": "b"},
        body={"key": "b", "value": [1, None]},
        status=201,
        writes=True,
        methods=KV,
    ),
    endpoint(
        "DELETE /api/apps/{app}/storage/kv",
        "admin",
        path="/api/apps/{app}/storage/kv?key=a",
        status=204,
        writes=True,
        methods=KV,
    ),
    endpoint(
        "GET /api/apps/{app}/storage/kv",
        "admin",
        [{"key": "a", "value": {"n": 1}}],
        meta={"limit", "next"},
        methods=KV,
    ),
    endpoint("GET /api/redirects", "admin", [REDIRECT], meta=PAGE, methods=("GET", "POST")),
    endpoint(
        "POST /api/redirects",
        "admin",
        {**REDIRECT, "slug": "docs", "tags": ["x"], "click_count": 0},
        body={"slug": "docs", "destination": "https://example.com/docs", "tags": ["x"]},
        status=201,
        writes=True,
        methods=("GET", "POST"),
    ),
    endpoint("DELETE /api/redirects/{id}", "admin", path="/api/redirects/{redirect}", status=204, writes=True),
    endpoint(
        "GET /api/kernel/status",
        "admin",
        {
            "version": text,
            "node_id": text,
            "name": "fazt",
            "mode": "normal",
            "pid": number,
            "uptime_seconds": number,
            "apps": 2,
            "started_at": number,
            "subsystems": {"storage": STATE, "security": STATE, "net": STATE, "tasks": STATE},
        },
    ),
    endpoint(
        "GET /api/system/health",
        "admin",
        {
            "status": "ok",
            "uptime_seconds": number,
            "version": text,
            "mode": "normal",
            "memory": dict,
            "database": {"path": text, "size_bytes": number},
            "runtime": dict,
        },
    ),
    endpoint("GET /api/openapi.json", "public"),
    endpoint("POST /api/cmd", "user", DONE, body={"command": "app list"}, any_key=True, writes=True),
)
BY_HAND = ("POST /api/login", "POST /api/auth/login", "POST /api/logout", "GET /signin/{token}", "POST /signin/{token}")
AT_ROOT = ("GET /r/{slug}",)


async def furnish(running: Running) -> dict[str, str]:
    """A node with one of everything; the names of what was made."""
    shop = await running.run("apps.create", slug="shop", title="Shop", visibility="public")
    other = await running.run("apps.create", slug="other", title="Other")
    attic = await running.run("apps.create", slug="attic", title="Attic")
    await running.run("apps.delete", app="attic")
    await running.run("storage.kv.set", app="shop", key="a", value={"n": 1})
    redirect = await running.run("redirects.create", slug="home", destination="https://example.com/")
    key = await running.run("keys.create", name="spare", scopes=["read"])
    await running.run("config.set", name="net.port", value=4700)
    await running.run("signin.link")
    # activity waits in memory for some seconds
    await running.node._flush(running.node.journal)
    return {
        "app": shop.id,
        "other": other.id,
        "deleted": attic.id,
        "redirect": redirect.id,
        "key": key.id,
        "session": "0" * 16,
    }


async def add_user(running: Running, role: str = "user", name: str = "anna") -> str:
    """A person beside the owner (nothing makes one yet), signed in; the cookie."""
    from kernel.base.ids import new_id
    from kernel.security import sessions
    from kernel.security.users import USERS

    store = running.node.store.scoped("")
    now = running.clock.now()
    user = new_id("usr")
    await running.node.store.write(store.insert(USERS, id=user, username=name, role=role, updated_at=now).steps)
    token, plan = sessions.begin(
        store, user=user, host=running.admin, now=now, amr="link", ip="", agent="", remember=False
    )
    await running.node.store.write(plan.steps)
    return f"fazt_admin_dev={token}"


async def session_of(running: Running, cookie: str) -> str:
    """The name under which the session of a cookie is listed."""
    listed = (await running.ask("GET", "/api/auth/sessions", cookie=cookie)).data
    return next(str(session["id"]) for session in listed if session["current"])


def fits(value: Any, shape: Shape) -> str | None:
    """What is wrong with a value; None when it has the shape.

    A type or a tuple of types, `Any`, a dict with exactly these names (one whose value may be null may be left out),
    a list whose items all have the shape (at least one; `[]` says: an empty list), else the value itself.
    """
    if shape is Any:
        return None
    if isinstance(shape, type | tuple):
        return None if isinstance(value, shape) else f"{value!r} is not {shape}"
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{value!r} is no object"
        unknown = set(value) - set(shape)
        missing = {name for name in set(shape) - set(value) if not _nullable(shape[name])}
        if unknown or missing:
            return f"unknown {sorted(unknown)}, missing {sorted(missing)}"
        wrong = ((name, fits(item, shape[name])) for name, item in value.items())
        return next((f"{name}: {why}" for name, why in wrong if why), None)
    if isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], dict):
        if not isinstance(value, list) or not value:
            return f"{value!r} is no list with items"
        return next((why for item in value if (why := fits(item, shape[0]))), None)
    return None if value == shape else f"{value!r} is not {shape!r}"


def _nullable(shape: Shape) -> bool:
    return shape in (Any, dict, type(None)) or (isinstance(shape, tuple) and type(None) in shape)
