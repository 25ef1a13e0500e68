"""Every endpoint of the admin host, said a second time by hand: who may call it, with what, and what comes back.

The declarations say it too; that the two agree is what the tests are about.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

from kernel.fs.cid import cid_of
from kernel.runtime.lower import lowering
from kernel.runtime.lower.lowered import Lowered
from kernel.syscall import Step
from kernel.syscall.call import LOCAL
from tests.kernel.fs.site import body, frame, sha256
from tests.kernel.net.endpoint import PAGE, endpoint, flag, maybe_number, maybe_text, number, text
from tests.kernel.net.endpoints_of_stores import ENDPOINTS_OF_STORES, furnish_stores
from tests.support import Running

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
    "release_id": maybe_text,
    "url": text,
    "aliases": (list, type(None)),
}
PUBLIC_APP = {"id": text, "title": text, "slug": text, "description": text, "tags": [], "url": text}
CREATED = {"id": text, "title": text, "slug": text, "url": text}
ALIAS = {
    "subdomain": text,
    "type": text,
    "app": maybe_text,
    "url": maybe_text,
    "status": maybe_number,
    "targets": (list, type(None)),
    "primary": flag,
    "dangling": list,
    "address": text,
    "created_at": number,
    "updated_at": number,
}
ALIAS_SET = {
    "subdomain": "store",
    "type": "proxy",
    "app": text,
    "url": type(None),
    "status": type(None),
    "targets": type(None),
    "address": text,
    "undo": text,
}
RELATIVE = {
    "id": text,
    "title": text,
    "slug": maybe_text,
    "forked_from_id": maybe_text,
    "created_at": number,
    "deleted_at": maybe_number,
    "depth": number,
}
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
DOMAIN_COUNT = {"domain": text, "count": number}
TAG_COUNT = {"tag": text, "count": number}
FIGURES = {
    "total_events_today": 1,
    "total_events_week": 1,
    "total_events_month": 1,
    "total_events_all_time": 1,
    "events_by_source_type": {"pixel": 1},
    "top_domains": [DOMAIN_COUNT],
    "top_tags": [TAG_COUNT],
    "events_timeline": [{"hour_at": number, "count": number}],
    "total_unique_domains": 1,
    "total_redirect_clicks": 0,
    "waiting": 0,
    "dropped": 0,
}
WEB_EVENT = {
    "id": text,
    "domain": "shop.localhost",
    "app_id": type(None),
    "source_type": "pixel",
    "event_type": "pageview",
    "path": text,
    "referrer": text,
    "user_agent": text,
    "ip": text,
    "query_params": dict,
    "tags": ["june"],
    "created_at": number,
}
COUNTERS = {
    "requests": number,
    "bytes": number,
    "status_2xx": number,
    "status_3xx": number,
    "status_4xx": number,
    "status_5xx": number,
}
WEBHOOK = {
    "id": text,
    "name": text,
    "endpoint": text,
    "has_secret": flag,
    "is_active": flag,
    "created_at": number,
    "updated_at": number,
    "url": text,
}
JOB = {
    "id": text,
    "kind": "test",
    "lane": "default",
    "app_id": "",
    "key": maybe_text,
    "order_key": maybe_text,
    "state": text,
    "due_at": number,
    "attempts": number,
    "most_attempts": 5,
    "claimed_at": maybe_number,
    "error": maybe_text,
    "created_at": number,
}
JOB_RUN = {
    "id": text,
    "kind": "test",
    "lane": "default",
    "app_id": "",
    "key": maybe_text,
    "state": "done",
    "attempts": 1,
    "error": maybe_text,
    "added_at": number,
    "started_at": number,
    "ended_at": number,
}
ME = {"id": text, "username": text, "role": text, "has_password": flag}
LOG_LINE = {
    "id": number,
    "timestamp": number,
    "app": text,
    "level": "info",
    "message": "hello",
    "requestId": maybe_text,
    "release": maybe_text,
}
ENV = {"name": text, "value": "••••••••", "set_at": number}
DONE = {"success": True, "output": text, "data": Any, "meta": dict}
STATUS = {"authenticated": flag, "username": maybe_text, "expiresAt": maybe_number}
STATE = {"state": text, "detail": text}


HANDLER = {"api/main.js": b"module.exports = request => ({ path: request.path })"}
OLD_SITE = {"index.html": b"old", "a.txt": b"a", **HANDLER}
SITE = {"index.html": b"hello", "img/a.txt": b"a", **HANDLER}
NEW_SITE = {"index.html": b"new", "img/a.txt": b"a", **HANDLER}
FILE = {"path": text, "size": number, "mime": text, "cid": text, "sha256": text}
RELEASE = {
    "release": text,
    "n": number,
    "at": number,
    "by": text,
    "message": text,
    "root_cid": text,
    "files": 3,
    "bytes": number,
    "spa": flag,
    "live": flag,
    "preview_url": text,
}
MOVED = {
    "release": text,
    "n": 1,
    "previous": text,
    "url": text,
    "undo": "fazt rollback v2 --app shop",
    "warnings": list,
}
DEPLOYED = {
    "app_id": text,
    "name": "shop",
    "url": text,
    "release": text,
    "n": 3,
    "preview_url": text,
    "root_cid": text,
    "added": number,
    "changed": number,
    "removed": number,
    "files": number,
    "bytes": number,
    "unchanged": False,
    "previous": text,
    "undo": "fazt rollback v2 --app shop",
    "warnings": [],
    "changes": dict,
}
BOUNDARY = "a-line-between"


def multipart(file: bytes, **fields: str) -> bytes:
    """A form with a file, as a browser sends it."""
    line = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    said = "".join(f'{line}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    head = f'{line}"file"; filename="site.zip"\r\nContent-Type: application/zip\r\n\r\n'
    return said.encode() + head.encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return made.getvalue()


ONE = ("GET", "PUT", "DELETE")
PARTS = ("storage", "security", "net", "tasks", "backup", "backup_away", "integrity")
BACKUP = {"name": text, "kind": "manual", "created_at": number, "bytes": number, "path": text}
VERIFIED = {
    "name": text,
    "bytes": number,
    "version": text,
    "node_id": text,
    "migrations": number,
    "lacks": list,
    "unknown": list,
}

ENDPOINTS = (
    endpoint("GET /api/backups", "owner", [BACKUP], methods=("GET", "POST")),
    endpoint(
        "POST /api/backups", "owner", BACKUP, status=201, body={}, methods=("GET", "POST"), writes=True, looks=True
    ),
    endpoint(
        "POST /api/backups/{name}/verify",
        "owner",
        VERIFIED,
        path="/api/backups/{copy}/verify",
        body={},
        writes=True,
        looks=True,
    ),
    endpoint(
        "POST /api/backups/{name}/restore",
        "owner",
        VERIFIED,
        path="/api/backups/{copy}/restore",
        status=202,
        body={},
        writes=True,
        looks=True,
    ),
    endpoint(
        "POST /api/storage/vacuum",
        "owner",
        {"bytes_before": number, "bytes_after": number},
        body={},
        writes=True,
        looks=True,
    ),
    endpoint("POST /api/storage/cleanup", "admin", {"apps": 0}, body={}, writes=True, looks=True),
    endpoint(
        "GET /api/storage/migrations", "owner", [{"name": text, "applied_at": number, "program_version": "0.1.0"}]
    ),
    endpoint("POST /api/storage/check", "owner", {"sound": True, "found": []}, body={}, writes=True, looks=True),
    endpoint("DELETE /api/backups/{name}", "owner", path="/api/backups/{copy}", status=204, writes=True, looks=True),
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
    endpoint(
        "DELETE /api/apps/{app}",
        "admin",
        {"id": text, "purged": False, "undo": text, "forks": []},
        writes=True,
        methods=ONE,
    ),
    endpoint(
        "POST /api/apps/{app}/restore",
        "admin",
        {"id": text, "slug": "attic", "warning": type(None), "forks": []},
        path="/api/apps/{deleted}/restore",
        writes=True,
    ),
    endpoint("GET /api/apps/{app}/lineage", "admin", [RELATIVE], meta=PAGE),
    endpoint("GET /api/apps/{app}/forks", "admin", list, meta=PAGE),
    endpoint(
        "GET /api/apps/{app}/source",
        "admin",
        {
            "source": "deploy",
            "url": type(None),
            "ref": type(None),
            "commit": type(None),
            "forked_from_id": type(None),
            "original_id": text,
        },
    ),
    endpoint(
        "POST /api/apps/{app}/fork",
        "admin",
        {
            "id": text,
            "title": "Shop",
            "slug": "shop-2",
            "url": text,
            "forked_from_id": text,
            "release_id": maybe_text,
            "undo": text,
            "warnings": list,
        },
        body={},
        status=201,
        writes=True,
    ),
    endpoint("GET /api/apps/{app}/releases", "admin", [RELEASE], meta=PAGE, deploy=True),
    endpoint(
        "GET /api/deployments",
        "admin",
        [
            {
                "release": text,
                "app_id": text,
                "n": number,
                "at": number,
                "by": text,
                "message": text,
                "files": number,
                "bytes": number,
            }
        ],
        meta=PAGE,
    ),
    endpoint("POST /api/apps/{app}/rollback", "admin", MOVED, body={}, writes=True, deploy=True),
    endpoint("POST /api/apps/{app}/promote", "admin", MOVED, body={"release": "v1"}, writes=True, deploy=True),
    endpoint(
        "GET /api/apps/{app}/releases/{release}/diff",
        "admin",
        {"from": text, "to": text, "added": ["a.txt"], "changed": ["index.html"], "removed": ["img/a.txt"]},
        path="/api/apps/{app}/releases/v1/diff",
        deploy=True,
    ),
    endpoint(
        "POST /api/deploy/plan",
        "admin",
        {
            "app_id": text,
            "live": text,
            "missing": {},
            "bytes_missing": 0,
            "added": 0,
            "changed": 1,
            "removed": 0,
            "unchanged": False,
            "warnings": [],
        },
        raw=body("shop", NEW_SITE),
        writes=True,
        deploy=True,
        looks=True,
    ),
    endpoint(
        "POST /api/deploy/pieces",
        "admin",
        {"stored": 1},
        raw=frame(b"a piece of something"),
        writes=True,
        deploy=True,
        any_deploy=True,
    ),
    endpoint("POST /api/deploy/finish", "admin", DEPLOYED, raw=body("shop", NEW_SITE), writes=True, deploy=True),
    endpoint(
        "POST /api/deploy",
        "admin",
        {
            "site": "shop",
            "app_id": text,
            "url": text,
            "file_count": 1,
            "size_bytes": 3,
            "hash": text,
            "message": text,
            "release": text,
            "preview_url": text,
            "unchanged": False,
            "undo": text,
            "warnings": [],
        },
        raw=multipart(zipped({"index.html": b"zip"}), site_name="shop"),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        writes=True,
        deploy=True,
    ),
    endpoint("GET /api/apps/{app}/files", "admin", [FILE], meta=PAGE, deploy=True),
    endpoint(
        "GET /api/apps/{app}/files/{path+}",
        "admin",
        path="/api/apps/{app}/files/img/a.txt",
        deploy=True,
        methods=ONE,
    ),
    endpoint(
        "PUT /api/apps/{app}/files/{path+}",
        "admin",
        {**DEPLOYED, "added": 1, "changed": 0, "removed": 0},
        path="/api/apps/{app}/files/img/b.txt",
        raw=b"b",
        status=201,
        writes=True,
        deploy=True,
        methods=ONE,
    ),
    endpoint(
        "DELETE /api/apps/{app}/files/{path+}",
        "admin",
        {**DEPLOYED, "removed": 1},
        path="/api/apps/{app}/files/img/a.txt",
        writes=True,
        deploy=True,
        methods=ONE,
    ),
    endpoint(
        "POST /api/system/gc",
        "admin",
        {"releases": 0, "trees": 0, "blobs": 0, "bytes": 0, "dry_run": False},
        body={},
        writes=True,
        looks=True,
    ),
    endpoint(
        "POST /api/system/uploads",
        "admin",
        {"cid": cid_of(b"new"), "missing": {}, "url": text},
        raw=b'{"files":[["new.txt","%s",3]],"folder":false}' % sha256(b"new").encode(),
        writes=True,
        methods=("GET", "POST"),
    ),
    endpoint(
        "GET /api/system/uploads",
        "admin",
        [{"cid": text, "name": maybe_text, "bytes": number, "files": 1, "folder": flag, "pinned_at": number}],
        meta=PAGE,
        methods=("GET", "POST"),
    ),
    endpoint(
        "DELETE /api/system/uploads/{cid}",
        "admin",
        path=f"/api/system/uploads/{cid_of(b'kept')}",
        status=204,
        writes=True,
    ),
    endpoint("GET /api/aliases", "admin", [ALIAS], meta=PAGE, methods=("GET", "POST")),
    endpoint(
        "POST /api/aliases",
        "admin",
        ALIAS_SET,
        body={"subdomain": "store", "app": "shop"},
        status=201,
        writes=True,
        methods=("GET", "POST"),
    ),
    endpoint("GET /api/aliases/{subdomain}", "admin", ALIAS, path="/api/aliases/shop", methods=ONE),
    endpoint(
        "PUT /api/aliases/{subdomain}",
        "admin",
        ALIAS_SET,
        path="/api/aliases/store",
        body={"app": "shop"},
        writes=True,
        methods=ONE,
    ),
    endpoint(
        "DELETE /api/aliases/{subdomain}",
        "admin",
        {"subdomain": "shop", "undo": text},
        path="/api/aliases/shop",
        writes=True,
        methods=ONE,
    ),
    endpoint(
        "POST /api/aliases/{subdomain}/reserve",
        "admin",
        {**ALIAS_SET, "type": "reserved", "app": type(None)},
        path="/api/aliases/store/reserve",
        body={},
        writes=True,
    ),
    endpoint(
        "POST /api/aliases/{subdomain}/split",
        "admin",
        {**ALIAS_SET, "type": "split", "app": type(None), "targets": list},
        path="/api/aliases/store/split",
        body={"targets": [{"app": "shop", "weight": 1}, {"app": "other", "weight": 3}]},
        writes=True,
    ),
    endpoint(
        "POST /api/aliases/swap",
        "admin",
        {"alias1": "shop", "alias2": "other", "undo": text},
        body={"alias1": "shop", "alias2": "other"},
        writes=True,
        methods=("GET", "PUT", "DELETE", "POST"),
    ),
    endpoint("GET /api/root", "admin", {"app": maybe_text, "url": text}, methods=("GET", "PUT")),
    endpoint(
        "PUT /api/root",
        "admin",
        {"app": text, "url": text, "undo": "fazt app root --none"},
        body={"app": "shop"},
        writes=True,
        methods=("GET", "PUT"),
    ),
    *ENDPOINTS_OF_STORES,
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
    endpoint("GET /api/analytics", "admin", FIGURES),
    endpoint("GET /api/stats", "admin", FIGURES),
    endpoint("GET /api/analytics/events", "admin", [WEB_EVENT], meta=PAGE),
    endpoint("GET /api/analytics/domains", "admin", [DOMAIN_COUNT], meta=PAGE),
    endpoint("GET /api/analytics/tags", "admin", [TAG_COUNT], meta=PAGE),
    endpoint("GET /api/tags", "admin", [TAG_COUNT], meta=PAGE),
    endpoint(
        "GET /api/apps/{app}/visits",
        "admin",
        {"id": text, "hours": [{"hour_at": number, **COUNTERS}], "totals": {**COUNTERS, "requests": 1, "bytes": 7}},
    ),
    endpoint(
        "POST /api/apps/{app}/invoke",
        "admin",
        {"status": 200, "headers": dict, "body": text, "durationMs": number, "result": {"path": "/api/x"}},
        body={"path": "/api/x"},
        writes=True,
        looks=True,
    ),
    endpoint("GET /api/stdlib", "user", [{"name": text, "version": text, "license": text}], meta=PAGE),
    endpoint("GET /api/apps/{app}/logs", "admin", [LOG_LINE]),
    endpoint("GET /api/logs", "admin", [LOG_LINE]),
    endpoint("GET /api/logs/stream", "admin", path="/api/logs/stream?follow=false"),
    endpoint("GET /api/apps/{app}/env", "admin", [ENV], methods=("GET", "POST")),
    endpoint(
        "POST /api/apps/{app}/env",
        "admin",
        {"names": ["A", "B"]},
        body={"values": {"B": "2", "A": ""}},
        writes=True,
        methods=("GET", "POST"),
    ),
    endpoint(
        "PUT /api/apps/{app}/env/{name}",
        "admin",
        {"names": ["A"]},
        path="/api/apps/{app}/env/A",
        body={"value": "1"},
        writes=True,
        methods=("PUT", "DELETE"),
    ),
    endpoint(
        "DELETE /api/apps/{app}/env/{name}",
        "admin",
        path="/api/apps/{app}/env/KEPT",
        status=204,
        writes=True,
        methods=("PUT", "DELETE"),
    ),
    endpoint("GET /api/webhooks", "admin", [WEBHOOK], meta=PAGE, methods=("GET", "POST")),
    endpoint(
        "POST /api/webhooks",
        "admin",
        {**WEBHOOK, "endpoint": "ci", "has_secret": True, "is_active": True},
        body={"name": "CI", "endpoint": "ci", "secret": "one that nobody guesses"},
        status=201,
        writes=True,
        methods=("GET", "POST"),
    ),
    endpoint(
        "PUT /api/webhooks/{id}",
        "admin",
        {**WEBHOOK, "is_active": False, "has_secret": False},
        path="/api/webhooks/{webhook}",
        body={"is_active": False},
        writes=True,
        methods=("PUT", "DELETE"),
    ),
    endpoint(
        "DELETE /api/webhooks/{id}",
        "admin",
        path="/api/webhooks/{webhook}",
        status=204,
        writes=True,
        methods=("PUT", "DELETE"),
    ),
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
            "subsystems": dict.fromkeys(
                ("storage", "security", "net", "tasks", "backup", "backup_away", "integrity"), STATE
            ),
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
    endpoint("GET /api/jobs", "admin", [JOB], path="/api/jobs?kind=test", meta=PAGE),
    endpoint(
        "GET /api/jobs/runs",
        "admin",
        [JOB_RUN],
        path="/api/jobs/runs?kind=test",
        meta=PAGE,
        # its path is also one of a job to delete
        methods=("GET", "DELETE"),
    ),
    endpoint(
        "POST /api/jobs/{id}/retry",
        "admin",
        {"id": text, "state": "waiting"},
        path="/api/jobs/{dead_job}/retry",
        body={},
        writes=True,
    ),
    endpoint("DELETE /api/jobs/{id}", "admin", path="/api/jobs/{job}", status=204, writes=True),
    endpoint("GET /api/openapi.json", "public"),
    endpoint("POST /api/cmd", "user", DONE, body={"command": "app list"}, any_key=True, writes=True),
)
BY_HAND = ("POST /api/login", "POST /api/auth/login", "POST /api/logout", "GET /signin/{token}", "POST /signin/{token}")
AT_ROOT = ("GET /r/{slug}", "POST /track", "OPTIONS /track", "GET /pixel.gif", "POST /webhook/{endpoint}")


async def furnish_jobs(running: Running) -> dict[str, str]:
    """A job that waits, one that is dead, one that is done."""
    from kernel.jobs import plans
    from kernel.jobs.kinds import Job

    jobs, store, now = running.node.jobs, running.node.store, running.clock.now()
    own = store.scoped("")

    async def nothing(job: Job) -> None:
        """Nothing runs it: the timer of this node stands still."""

    async def made(plan: Any) -> Any:
        return plan.result(await store.write(plan.steps))

    jobs.kind("test", nothing)
    ids = [await made(jobs.add(own, "test")) for _ in range(3)]
    dead, done = await made(plans.claim(own, ids[:2], jobs.boot, now))
    await made(plans.die(own, dead, now, "out of order"))
    await made(plans.finish(own, done, now))
    return {"job": ids[2], "dead_job": dead.id}


async def furnish(running: Running) -> dict[str, str]:
    """A node with one of everything; the names of what was made."""
    shop = await running.run("apps.create", slug="shop", title="Shop", visibility="public")
    other = await running.run("apps.create", slug="other", title="Other")
    attic = await running.run("apps.create", slug="attic", title="Attic")
    await running.run("apps.delete", app="attic")
    await furnish_stores(running)
    redirect = await running.run("redirects.create", slug="home", destination="https://example.com/")
    webhook = await running.run("webhooks.create", name="Build", endpoint="build")
    running.node.events.note("pixel", "pageview", "shop.localhost", tags=["june"])
    await lowered_before(running, HANDLER)
    pieces = {*OLD_SITE.values(), *SITE.values(), *NEW_SITE.values(), b"kept"}
    await _raw(running, "deploy.pieces", b"".join(map(frame, pieces)))
    for site in (OLD_SITE, SITE):
        await _raw(running, "deploy.finish", body("shop", site))
    kept = b'{"files":[["kept.txt","%s",4]],"folder":false}' % sha256(b"kept").encode()
    await _raw(running, "uploads.create", kept)
    running.node.visits.count(shop.id, 200, 7)
    running.node.lines.add(shop.id, "info", "hello")
    await running.node.lines.write()
    await running.run("env.put", app="shop", name="KEPT", value="for the test")
    await running.node._flush(running.node.events)
    await running.node._flush(running.node.visits)
    key = await running.run("keys.create", name="spare", scopes=["read"])
    await running.run("config.set", name="net.port", value=4700)
    await running.run("signin.link")
    # activity waits in memory for some seconds
    await running.node._flush(running.node.journal)
    copy = await running.run("backup.create")
    return {
        "copy": copy.name,
        "app": shop.id,
        "other": other.id,
        "deleted": attic.id,
        "redirect": redirect.id,
        "webhook": webhook.id,
        "key": key.id,
        "session": "0" * 16,
        **await furnish_jobs(running),
    }


async def lowered_before(running: Running, files: dict[str, bytes]) -> None:
    """As if this node had seen this code before: no test has to wait for the compiler."""
    for path, code in files.items():
        key = lowering._key(path, bytes.fromhex(sha256(code)), lowering.NOTHING)
        row = lowering._row(key, Lowered(code, "module"), running.clock.now())
        await running.node.store.write([Step(lowering.KEEP.sql, row)])


async def _raw(running: Running, name: str, raw: bytes) -> None:
    """A capability that takes bytes, as the owner on this machine."""
    entry = running.node.registry[name]
    await running.node.driver.invoke(entry, running.node.caller.call(entry, LOCAL, "cli", None), {}, raw=raw)


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
