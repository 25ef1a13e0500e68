"""Scenarios for every endpoint of the admin host: guests, wrong roles and scopes, wrong apps, and success."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests import support
from tests.kernel.fs.site import frame
from tests.kernel.net.endpoint import ROLES, Endpoint, fits
from tests.kernel.net.endpoints import (
    AT_ROOT,
    BY_HAND,
    ENDPOINTS,
    NEW_SITE,
    add_user,
    furnish,
    session_of,
)
from tests.support import Answer, Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")
every = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.route)


def those(**wanted: Any) -> pytest.MarkDecorator:
    """The endpoints of the table whose attributes are these."""
    chosen = [e for e in ENDPOINTS if all(getattr(e, name) == value for name, value in wanted.items())]
    assert chosen
    return pytest.mark.parametrize("endpoint", chosen, ids=lambda endpoint: endpoint.route)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, dict[str, str]]]:
    """One furnished node for all that must be refused: each test checks that nothing changed on it."""
    async with support.running(tmp_path_factory.mktemp("node") / "data.db") as running:
        names = await furnish(running)
        names["owner"] = await running.sign_in()
        names["user"] = await add_user(running)
        names["stale"] = await add_user(running, name="ben")
        await running.ask("POST", "/api/logout", cookie=names["stale"])
        for scope in ("*", "read", "admin", "deploy", "deploy:other"):
            await running.key(scope)
        yield running, names


async def refused(shared: tuple[Running, dict[str, str]], endpoint: Endpoint, **how: Any) -> Answer:
    """The answer to the endpoint's own good request, after a look that it changed nothing."""
    running, names = shared
    before = running.content()
    answer = await send(running, names, endpoint, **how)
    assert running.content() == before
    return answer


async def send(running: Running, names: dict[str, str], endpoint: Endpoint, **how: Any) -> Answer:
    path = how.pop("path", endpoint.path).format(**names)
    method = how.pop("method", endpoint.method)
    if "body" not in how and endpoint.raw is not None:
        how["raw"] = endpoint.raw
        how["headers"] = {**endpoint.headers, **how.get("headers", {})}
    body = how.pop("body", endpoint.body)
    return await running.ask(method, path, body=body, **how)


def expect(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer.body
    error = answer.json["error"]
    assert set(answer.json) == {"error"}
    assert set(error) <= {"code", "message", "hint", "details"} and error["message"]
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


# --- completeness


async def test_every_endpoint_stands_in_the_table(running: Running) -> None:
    declared = {f"{d.route.method} {d.route.path}" for d in running.node.registry.declared if d.route}
    assert declared == {endpoint.route for endpoint in ENDPOINTS}


async def test_every_endpoint_made_by_hand_has_its_own_tests(running: Running) -> None:
    def walk(node: Any) -> Any:
        yield from (target for target, _ in node.methods.values())
        for child in [*node.children.values(), *([node.any] if node.any else [])]:
            yield from walk(child)

    def routes(router: Any) -> set[str]:
        return {f"{target.method} {target.path}" for target in walk(router._root) if hasattr(target, "handler")}

    server = running.server
    assert routes(server.api.router) | routes(server.routes["admin"]) == set(BY_HAND)
    assert routes(server.routes["root"]) == set(AT_ROOT)
    assert set(server.routes) == {"admin", "root"}


# --- who may


@every
@on_shared_node
async def test_a_guest_is_asked_to_sign_in(shared: Any, endpoint: Endpoint) -> None:
    answer = await refused(shared, endpoint)
    if endpoint.role == "public":
        assert answer.status == endpoint.status
    else:
        expect(answer, 401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@every
@pytest.mark.parametrize("token", ["fzt_" + "x" * 43, "fzt_", "x", "fzt_" + "x" * 5000])
@on_shared_node
async def test_a_wrong_key_is_refused_even_where_none_is_needed(shared: Any, endpoint: Endpoint, token: str) -> None:
    answer = await refused(shared, endpoint, headers={"Authorization": f"Bearer {token}"})
    expect(answer, 401, "INVALID_API_KEY")


@every
@on_shared_node
async def test_an_ended_session_is_not_signed_in(shared: Any, endpoint: Endpoint) -> None:
    answer = await refused(shared, endpoint, cookie=shared[1]["stale"])
    if endpoint.role == "public":
        assert answer.body == (await refused(shared, endpoint)).body, "a guest"
    else:
        expect(answer, 401, "SESSION_EXPIRED")


@those(writes=True, any_key=False)
@on_shared_node
async def test_a_read_key_changes_nothing(shared: Any, endpoint: Endpoint) -> None:
    expect(await refused(shared, endpoint, key="read"), 403, "FORBIDDEN")


@those(writes=False)
@on_shared_node
async def test_a_read_key_reads_what_does_not_need_the_owner(shared: Any, endpoint: Endpoint) -> None:
    answer = await refused(shared, endpoint, key="read")
    if endpoint.role == "owner":
        expect(answer, 403, "FORBIDDEN")
    else:
        assert answer.status == endpoint.status


@those(role="owner")
@pytest.mark.parametrize("scope", ["admin", "read", "deploy", "deploy:other"])
@on_shared_node
async def test_only_a_key_for_everything_is_the_owner(shared: Any, endpoint: Endpoint, scope: str) -> None:
    expect(await refused(shared, endpoint, key=scope), 403, "FORBIDDEN")


@every
@on_shared_node
async def test_a_deploy_key_deploys(shared: Any, endpoint: Endpoint) -> None:
    if endpoint.deploy and endpoint.writes:
        return
    answer = await refused(shared, endpoint, key="deploy")
    if endpoint.deploy or endpoint.any_key or endpoint.role == "public":
        assert answer.status == endpoint.status
    else:
        expect(answer, 403, "FORBIDDEN")


@those(of_app=True)
@on_shared_node
async def test_a_key_for_another_app_does_not_reach_this_one(shared: Any, endpoint: Endpoint) -> None:
    if "{deleted}" not in endpoint.path:
        expect(await refused(shared, endpoint, key="deploy:other"), 403, "FORBIDDEN")


@those(of_app=False)
@on_shared_node
async def test_a_key_for_one_app_does_not_reach_the_node(shared: Any, endpoint: Endpoint) -> None:
    if endpoint.any_deploy:
        return
    answer = await refused(shared, endpoint, key="deploy:other")
    if endpoint.role != "public" and not endpoint.any_key:
        expect(answer, 403, "FORBIDDEN")


@on_shared_node
async def test_a_key_for_one_app_learns_nothing_of_the_others(shared: Any) -> None:
    running, names = shared
    for query in ("", "?all=true"):
        answer = await running.ask("GET", f"/api/apps{query}", key="deploy:other")
        listed = {app["id"] for app in answer.data} if answer.status == 200 else set()
        # what a guest may see, it may see as well
        assert listed <= {names["other"], names["app"]}, "deleted or unlisted apps of others are listed"
        assert all("visibility" not in app for app in answer.json.get("data", []) if app["id"] != names["other"])


@every
@on_shared_node
async def test_a_user_is_no_admin(shared: Any, endpoint: Endpoint) -> None:
    if ROLES[endpoint.role] > ROLES["user"]:
        expect(await refused(shared, endpoint, cookie=shared[1]["user"]), 403, "FORBIDDEN")


# --- which app


@those(of_app=True)
@pytest.mark.parametrize(
    "ref", ["nothere", "app_000000000000", "app-000000000000", "x" * 64, "SHOP", "shop.csv", "%20"]
)
@on_shared_node
async def test_an_unknown_app_is_not_found(shared: Any, endpoint: Endpoint, ref: str) -> None:
    path, _, query = endpoint.path.replace("{app}", ref).replace("{deleted}", ref).partition("?")
    expect(await refused(shared, endpoint, path=f"{path}?{query}".rstrip("?"), key="*"), 404, "APP_NOT_FOUND")


@those(of_app=True)
@on_shared_node
async def test_a_deleted_app_is_not_found(shared: Any, endpoint: Endpoint) -> None:
    if "{deleted}" not in endpoint.path:
        path = endpoint.path.replace("{app}", "{deleted}")
        expect(await refused(shared, endpoint, path=path, key="*"), 404, "APP_NOT_FOUND")


@those(of_app=True)
@on_shared_node
async def test_who_may_not_ask_does_not_learn_which_apps_there_are(shared: Any, endpoint: Endpoint) -> None:
    path = endpoint.path.replace("{app}", "nothere").replace("{deleted}", "nothere")
    expect(await refused(shared, endpoint, path=path), 401, "UNAUTHORIZED")
    expect(await refused(shared, endpoint, path=path, cookie=shared[1]["user"]), 403, "FORBIDDEN")


# --- what


@every
@on_shared_node
async def test_an_unknown_field_is_refused_by_name(shared: Any, endpoint: Endpoint) -> None:
    if endpoint.named:
        answer = await refused(shared, endpoint, key="*", body={**(endpoint.body or {}), "surprise": 1})
    else:
        more = ("&" if "?" in endpoint.path else "?") + "surprise=1"
        answer = await refused(shared, endpoint, key="*", path=endpoint.path + more)
    expect(answer, 400, "VALIDATION_FAILED")
    assert answer.json["error"]["details"]["field"] == "surprise"
    assert "surprise" in answer.json["error"]["message"]


@those(of_app=True)
@on_shared_node
async def test_the_app_is_said_in_the_path_only(shared: Any, endpoint: Endpoint) -> None:
    if endpoint.named:
        answer = await refused(shared, endpoint, key="*", body={**(endpoint.body or {}), "app": "other"})
    else:
        more = ("&" if "?" in endpoint.path else "?") + "app=other"
        answer = await refused(shared, endpoint, key="*", path=endpoint.path + more)
    expect(answer, 400, "VALIDATION_FAILED")
    assert answer.json["error"]["details"]["field"] == "app"


@every
@on_shared_node
async def test_another_method_is_not_allowed(shared: Any, endpoint: Endpoint) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - endpoint.allow:
        path = endpoint.path.partition("?")[0]
        answer = await refused(shared, endpoint, method=method, path=path, key="*", body=None)
        expect(answer, 405, "METHOD_NOT_ALLOWED")
        assert set(answer.headers["Allow"].split(", ")) == endpoint.allow
        assert set(answer.json["error"]["details"]["allow"]) == endpoint.allow


@every
@on_shared_node
async def test_head_is_get_without_the_body(shared: Any, endpoint: Endpoint) -> None:
    if endpoint.method != "GET":
        return
    full = await refused(shared, endpoint, key="*")
    head = await refused(shared, endpoint, key="*", method="HEAD")
    assert (head.status, head.body) == (full.status, b"")
    assert head.headers["Content-Type"] == full.headers["Content-Type"]


# --- success


@every
@pytest.mark.parametrize("who", ["key", "owner"])
async def test_the_owner_gets_the_answer(running: Running, endpoint: Endpoint, who: str) -> None:
    names = await furnish(running)
    await running.key("*")
    how: dict[str, Any] = {"key": "*"} if who == "key" else {"cookie": await running.sign_in()}
    if "{session}" in endpoint.path:
        how = {"cookie": await running.sign_in()}
        names["session"] = await session_of(running, how["cookie"])
    before = running.content()
    answer = await send(running, names, endpoint, **how)
    assert answer.status == endpoint.status, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"].startswith("req_")
    if endpoint.route == "POST /api/system/logs/cleanup" or endpoint.any_key:
        return
    assert (running.content() != before) == (endpoint.writes and not endpoint.looks)
    if endpoint.status == 204:
        assert answer.body == b""
    elif endpoint.shape is not None:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert set(answer.json) == {"data", "meta"} if endpoint.meta else {"data"}
        assert set(answer.json.get("meta", ())) == endpoint.meta
        assert fits(answer.data, endpoint.shape) is None, answer.body


@those(deploy=True, writes=True)
@pytest.mark.parametrize("scope", ["deploy", "deploy:shop"])
async def test_a_deploy_key_changes_what_it_is_for(running: Running, endpoint: Endpoint, scope: str) -> None:
    names = await furnish(running)
    # a key for one app has to send what it deploys, also where another app has it already
    pieces = b"".join(frame(data) for data in NEW_SITE.values())
    assert (await running.ask("POST", "/api/deploy/pieces", key=scope, raw=pieces)).status == 200
    answer = await send(running, names, endpoint, key=scope)
    assert answer.status == endpoint.status, answer.body


@those(role="admin")
async def test_an_admin_key_gets_what_an_admin_may(running: Running, endpoint: Endpoint) -> None:
    names = await furnish(running)
    answer = await send(running, names, endpoint, key="admin")
    assert answer.status == endpoint.status, answer.body


@those(writes=True)
async def test_it_says_who_did_it(running: Running, endpoint: Endpoint) -> None:
    """Every change is remembered: by whom, what, and how it ended."""
    names = await furnish(running)
    await running.key("*")
    how: dict[str, Any] = {"key": "*"}
    if "{session}" in endpoint.path:
        how = {"cookie": await running.sign_in()}
        names["session"] = await session_of(running, how["cookie"])
    running.clock.advance(1)
    await send(running, names, endpoint, **how)
    await running.node._flush(running.node.journal)
    listed = (await running.ask("GET", "/api/system/logs?since=500ms", key="*")).data
    name = next(
        d.name
        for d in running.node.registry.declared
        if d.route and f"{d.route.method} {d.route.path}" == endpoint.route
    )
    # an app's own data is not journalled one by one, nor what comes before a release; cleaning up without force only
    # tells what it would do
    quiet = {"storage.kv.set", "command.run", "activity.cleanup", "deploy.plan", "deploy.pieces"}
    found = [entry for entry in listed if entry["action"] == name]
    if name not in quiet:
        assert [(entry["result"], entry["actor_type"]) for entry in found] == [
            ("ok", "session" if "cookie" in how else "key")
        ]


# --- the rest of /api


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/nothing", "/api/apps/", "/api//apps", "/API/apps", "/api/apps/a/b"]
)
async def test_an_unknown_endpoint_is_not_found(running: Running, path: str) -> None:
    answer = await running.ask("GET", path, key="*")
    if path.startswith("/api"):
        expect(answer, 404, "NOT_FOUND")
    assert answer.status == 404


async def test_a_refusal_is_remembered(running: Running) -> None:
    """Somebody who may do a little and tries more is worth knowing."""
    await running.ask("POST", "/api/apps", key="read", body={"slug": "x"})
    await running.node._flush(running.node.journal)
    listed = (await running.ask("GET", "/api/system/logs?action=apps.create", key="*")).data
    assert [(entry["result"], entry["actor_type"]) for entry in listed] == [("FORBIDDEN", "key")]


@pytest.mark.parametrize("scope", ["read", "deploy"])
async def test_what_is_remembered_of_a_refusal_is_short(running: Running, scope: str) -> None:
    """Whoever may do nothing cannot fill the disk with what he was refused."""
    long = "x" * 3000
    await running.ask("DELETE", f"/api/apps/{long}", key=scope)
    for args in (["delete", "y" * 500_000], ["info", "z" * 500_000], ["rename", "w", "--slug", "v" * 500_000]):
        await running.ask("POST", "/api/cmd", key=scope, body={"command": "app", "args": args})
    await running.node._flush(running.node.journal)
    listed = (await running.ask("GET", "/api/system/logs?limit=1000", key="*")).data
    assert any(entry["result"] == "FORBIDDEN" for entry in listed)
    assert max(len(str(value)) for entry in listed for value in entry.values()) <= 300


async def test_two_authorization_headers_are_one_too_many(running: Running) -> None:
    key = await running.key("*")
    line = f"Authorization: Bearer {key}\r\n".encode()
    answer = await running.raw(b"GET /api/keys HTTP/1.1\r\nHost: admin.localhost:{port}\r\n" + line * 2 + b"\r\n")
    assert answer.status == 400


@pytest.mark.parametrize("header", ["Basic b3duZXI6eA==", "Bearer", "Bearer ", "fzt_x", "Token fzt_x", "Bearer a b"])
async def test_another_authorization_is_refused(running: Running, header: str) -> None:
    expect(await running.ask("GET", "/api/apps", headers={"Authorization": header}), 401, "INVALID_API_KEY")


async def test_bearer_may_be_written_small(running: Running) -> None:
    key = await running.key("*")
    assert (await running.ask("GET", "/api/keys", headers={"Authorization": f"bearer {key}"})).status == 200
