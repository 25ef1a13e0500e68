"""API keys: shown once, kept as a hash, gone at once."""

from __future__ import annotations

import hmac
from typing import Any

import pytest

from kernel.security import keys
from kernel.security.tokens import token_hash
from tests.support import Answer, Running


async def create(running: Running, **values: Any) -> Answer:
    return await running.ask("POST", "/api/keys", key="*", body={"name": "ci", **values})


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def file_bytes(running: Running) -> bytes:
    """All that is on the disk of the node, but for the key of its seal."""
    running.node.store.writer.connection.execute("pragma wal_checkpoint(truncate)")
    folder = running.node.path.parent
    return b"".join(path.read_bytes() for path in sorted(folder.glob("data.db*")) if path.suffix != ".key")


async def test_a_key_is_shown_once(running: Running) -> None:
    made = (await create(running, scopes=["read"])).data
    assert made["key"].startswith("fzt_") and len(made["key"]) == 47
    assert (await running.ask("GET", "/api/apps", headers=bearer(made["key"]))).status == 200
    listed = (await running.ask("GET", "/api/keys", key="*")).data
    entry = next(entry for entry in listed if entry["id"] == made["id"])
    assert entry == {
        "id": made["id"],
        "name": "ci",
        "scopes": ["read"],
        "prefix": made["key"][:12],
        "created_at": running.clock.now(),
        "last_used_at": None,
    }
    assert made["key"] not in str(listed)


async def test_only_a_hash_of_a_key_is_in_the_file(running: Running) -> None:
    secret = (await create(running)).data["key"]
    await running.ask("GET", "/api/keys", headers=bearer(secret))
    await running.node._flush(running.node.journal)
    kept = file_bytes(running)
    assert token_hash(secret) in kept
    for part in (secret, secret[4:], secret[13:], secret[4:20]):
        assert part.encode() not in kept


async def test_no_two_keys_are_alike(running: Running) -> None:
    made = [(await create(running)).data["key"] for _ in range(20)]
    assert len({key[:12] for key in made}) == 20


async def test_a_revoked_key_is_unknown_at_once(running: Running) -> None:
    made = (await create(running)).data
    assert (await running.ask("GET", "/api/keys", headers=bearer(made["key"]))).status == 200
    assert (await running.ask("DELETE", f"/api/keys/{made['id']}", key="*")).status == 204
    for path in ("/api/keys", "/api/apps", "/api/auth/status"):
        answer = await running.ask("GET", path, headers=bearer(made["key"]))
        assert (answer.status, answer.code) == (401, "INVALID_API_KEY")
    again = await running.ask("DELETE", f"/api/keys/{made['id']}", key="*")
    assert (again.status, again.code) == (404, "NOT_FOUND")


async def test_a_key_may_revoke_itself(running: Running) -> None:
    made = (await create(running, scopes=["*"])).data
    assert (await running.ask("DELETE", f"/api/keys/{made['id']}", headers=bearer(made["key"]))).status == 204
    assert (await running.ask("GET", "/api/keys", headers=bearer(made["key"]))).status == 401


@pytest.mark.parametrize("change", ["last", "first", "case", "longer", "shorter", "mark", "space", "none"])
async def test_a_key_that_is_nearly_right_is_wrong(running: Running, change: str) -> None:
    key = (await create(running)).data["key"]
    wrong = {
        "last": key[:-1] + ("A" if key[-1] != "A" else "B"),
        "first": key[:4] + ("A" if key[4] != "A" else "B") + key[5:],
        "case": "fzt_" + key[4:].swapcase(),
        "longer": key + "A",
        "shorter": key[:-1],
        "mark": "fzT_" + key[4:],
        "space": key[:20] + " " + key[21:],
        "none": "fzt_" + "A" * 43,
    }[change]
    answer = await running.ask("GET", "/api/keys", headers=bearer(wrong))
    assert (answer.status, answer.code) == (401, "INVALID_API_KEY")


async def test_all_wrong_keys_look_the_same(running: Running) -> None:
    made = (await create(running)).data
    await running.ask("DELETE", f"/api/keys/{made['id']}", key="*")
    wrong = [made["key"], "fzt_" + "A" * 43, "fzt_short", made["key"][:12] + "A" * 35]
    assert len({(await running.ask("GET", "/api/keys", headers=bearer(key))).body for key in wrong}) == 1


async def test_keys_are_compared_whole(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by eight characters, compared by all of the hash, in a time that says nothing of where they differ."""
    compared: list[tuple[bytes, bytes]] = []

    class Watched:
        @staticmethod
        def compare_digest(a: bytes, b: bytes) -> bool:
            compared.append((bytes(a), bytes(b)))
            return hmac.compare_digest(a, b)

    key = (await create(running)).data["key"]
    monkeypatch.setattr(keys, "hmac", Watched)
    near = key[:12] + "A" * 35
    assert (await running.ask("GET", "/api/keys", headers=bearer(near))).status == 401
    assert compared == [(token_hash(near), token_hash(key))]
    assert (await running.ask("GET", "/api/keys", headers=bearer(key))).status == 200
    assert len(compared) == 2


async def test_two_keys_with_one_beginning_are_two_keys(running: Running) -> None:
    first = (await create(running, scopes=["read"])).data
    second = first["key"][:12] + "A" * 35
    connection = running.node.store.writer.connection
    connection.execute(
        "insert into api_keys (id, name, prefix, hash, scopes, created_at) values (?, 'twin', ?, ?, '*', 0)",
        ("key_000000000000", second[4:12], token_hash(second)),
    )
    me = [(await running.ask("GET", "/api/user/me", headers=bearer(key))).data for key in (first["key"], second)]
    assert [(who["username"], who["role"]) for who in me] == [("ci", "admin"), ("twin", "owner")]


# --- scopes


@pytest.mark.parametrize(
    ("scopes", "held"),
    [
        (None, ["*"]),
        (["*"], ["*"]),
        (["read", "read"], ["read"]),
        (["deploy", "admin"], ["admin", "deploy"]),
        (["deploy:shop", "read"], ["deploy:{id}", "read"]),
        (["deploy:{id}"], ["deploy:{id}"]),
        (["deploy:{id}", "deploy:shop"], ["deploy:{id}"]),
    ],
    ids=str,
)
async def test_scopes_of_a_key(running: Running, scopes: list[str] | None, held: list[str]) -> None:
    """A scope for an app is kept as the app's id: it follows the app, not its name."""
    id = (await running.run("apps.create", slug="shop")).id
    asked = {} if scopes is None else {"scopes": [scope.format(id=id) for scope in scopes]}
    made = await create(running, **asked)
    assert (made.status, made.data["scopes"]) == (201, [scope.format(id=id) for scope in held])


@pytest.mark.parametrize("app", ["nothere", "app_0123456789ab", "app-0123456789ab", "attic"])
async def test_a_key_is_made_for_an_app_that_is_there(running: Running, app: str) -> None:
    """Not for whoever takes the name tomorrow."""
    await running.run("apps.create", slug="attic")
    await running.run("apps.delete", app="attic")
    await running.key("*")
    before = running.content()
    answer = await create(running, scopes=["read", f"deploy:{app}"])
    assert (answer.status, answer.code) == (404, "APP_NOT_FOUND")
    assert running.content() == before


@pytest.mark.parametrize(
    "scopes",
    [
        [],
        [""],
        ["write"],
        ["READ"],
        ["read "],
        ["read *"],
        ["read\n*"],
        ["deploy:"],
        ["deploy:*"],
        ["deploy:a b"],
        ["deploy:a *"],
        ["deploy:" + "x" * 64],
        ["*"] * 21,
        ["**"],
        [5],
        [None],
        [["*"]],
        "read",
        "",
        {},
        None,
    ],
    ids=str,
)
async def test_a_scope_nobody_knows_makes_no_key(running: Running, scopes: Any) -> None:
    await running.key("*")
    before = running.content()
    answer = await create(running, scopes=scopes)
    assert (answer.status, answer.code) == (400, "VALIDATION_FAILED")
    assert answer.json["error"]["details"]["field"] == "scopes"
    assert running.content() == before


async def test_a_key_makes_no_stronger_key(running: Running) -> None:
    for scope in ("admin", "read", "deploy"):
        answer = await running.ask("POST", "/api/keys", key=scope, body={"name": "x", "scopes": ["*"]})
        assert answer.status == 403


# --- when it was used


async def test_using_a_key_writes_nothing(running: Running) -> None:
    key = (await create(running)).data["key"]
    batches = running.node.store.writer.batches
    for _ in range(5):
        await running.ask("GET", "/api/keys", headers=bearer(key))
    assert running.node.store.writer.batches == batches


async def test_when_a_key_was_used_is_written_now_and_then(running: Running) -> None:
    made = (await create(running)).data
    running.clock.advance(90)
    await running.ask("GET", "/api/keys", headers=bearer(made["key"]))
    await running.node.supervisor.tasks["key uses"].work()
    listed = (await running.ask("GET", "/api/keys", key="*")).data
    entry = next(entry for entry in listed if entry["id"] == made["id"])
    assert entry["last_used_at"] == running.clock.now()


async def test_what_was_done_with_a_key_names_the_key(running: Running) -> None:
    made = (await create(running)).data
    await running.ask("POST", "/api/apps", headers=bearer(made["key"]), body={"slug": "x"})
    await running.node._flush(running.node.journal)
    entry = (await running.ask("GET", "/api/system/logs?action=apps.create", key="*")).data[0]
    assert (entry["actor_type"], entry["actor_id"], entry["actor_ip"]) == ("key", made["id"], "127.0.0.1")
