"""POST /api/cmd: a command in words, from another machine. Everything it does is checked as at any other door."""

from __future__ import annotations

import base64
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fazt.boot import PARTS
from kernel.syscall import Call, Upload, Write, syscall
from tests import support
from tests.kernel.net.endpoints import add_user
from tests.support import Running

on_shared_node = pytest.mark.asyncio(loop_scope="module")
SECRET = "of this machine only"


@syscall("test.upload", http="POST /api/test/upload", cli="test upload <file>", js=False)
def upload(call: Call, file: Upload) -> Write[dict[str, Any]]:
    """A capability that takes a file."""
    answer = {"name": file.name, "text": file.data.decode()}
    return Write((), lambda _: answer)


@syscall("test.raw", http="PUT /api/test/raw", cli="test raw <data>", js=False)
def raw(call: Call, data: bytes) -> Write[str]:
    """A capability that takes bytes."""
    text = data.decode()
    return Write((), lambda _: text)


@syscall("test.stream", cli="test stream", js=False)
async def stream(call: Call) -> AsyncIterator[int]:
    """A capability that never ends."""
    yield 1


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Running]:
    async with support.running(tmp_path / "data.db", parts=(*PARTS, sys.modules[__name__])) as made:
        await made.run("apps.create", slug="shop")
        await made.run("apps.create", slug="other")
        await made.run("storage.kv.set", app="shop", key="a", value={"n": 1})
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One node for what changes nothing, or one key that each test sets anew."""
    path = tmp_path_factory.mktemp("node") / "data.db"
    async with support.running(path, parts=(*PARTS, sys.modules[__name__])) as made:
        await made.run("apps.create", slug="shop")
        await made.run("apps.create", slug="other")
        await made.run("apps.create", slug="attic")
        await made.run("apps.delete", app="attic")
        await made.run("config.set", name="net.port", value=4700)
        for scope in ("*", "read", "deploy", "deploy:other"):
            await made.key(scope)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def anna(shared: Running) -> str:
    """The cookie of a user who is nothing else."""
    return await add_user(shared)


@pytest.fixture
async def full(node: Running) -> Running:
    """With one of everything else."""
    await node.run("apps.create", slug="attic")
    await node.run("apps.delete", app="attic")
    await node.run("redirects.create", slug="home", destination="https://example.com/")
    await node.run("config.set", name="net.port", value=4700)
    await node.node._flush(node.node.journal)
    return node


async def run(node: Running, command: str, *args: str, key: str | None = "*", **more: Any) -> dict[str, Any]:
    """What comes back of a command; `exit` is there even when it is 0."""
    files = more.pop("files", None)
    body = {"command": command, "args": list(args), **({"files": files} if files else {})}
    answer = await node.ask("POST", "/api/cmd", key=key, body=body, **more)
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"data"}
    done = {"exit": 0, **answer.data}
    assert set(done) <= {"success", "output", "data", "meta", "error", "exit"}
    assert done["success"] is (done["exit"] == 0) and isinstance(done["output"], str)
    return done


def failed(done: dict[str, Any], exit: int, code: str) -> None:
    assert (done["exit"], done["error"]["code"]) == (exit, code), done
    assert done["output"] == done["error"]["message"]
    assert "data" not in done or done["data"] is None


# --- answers


async def test_a_command_answers_with_data_and_text(node: Running) -> None:
    done = await run(node, "app list")
    assert {app["slug"] for app in done["data"]} == {"shop", "other"}
    assert done["meta"] == {"offset": 0, "limit": 20, "total": 2, "has_more": False}
    lines = done["output"].splitlines()
    assert lines[0].split()[:3] == ["slug", "id", "title"] and len(lines) == 3


@pytest.mark.parametrize("words", [("app list",), ("app", "list"), ("  app   list ",), ("app list", "--limit", "20")])
async def test_words_may_stand_in_either_place(node: Running, words: tuple[str, ...]) -> None:
    assert len((await run(node, *words))["data"]) == 2


@pytest.mark.parametrize(
    ("command", "args", "output"),
    [
        ("kv get", ["--app", "shop", "a"], '{"n":1}\n'),
        ("kv set", ["--app", "shop", "b", "text"], "Saved b.\n"),
        ("kv delete", ["--app", "shop", "a"], "Done.\n"),
        ("kv list", ["--app", "other"], "Nothing here yet.\n"),
        ("app delete", ["other"], "Deleted. To undo, run: fazt app restore"),
        ("app create", ["new"], "Made new: http://new.localhost:"),
        ("signin-link", [], "http://admin.localhost:"),
        ("keys create", ["--name", "x"], "fzt_"),
        ("whoami", [], "test *"),
        ("logs list", [], "apps.create"),
        ("redirect list", [], "https://example.com/"),
        ("server create-key", ["--name", "x"], "fzt_"),
        ("proc status", [], "node_id"),
        ("server status", [], "node_id"),
        ("config get", ["net.port"], "4700"),
        ("limits show", ["storage.kv.maxKeys"], "100000"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
async def test_a_command_says_what_it_did(full: Running, command: str, args: list[str], output: str) -> None:
    done = await run(full, command, *args)
    assert done["success"] and output in done["output"], done


@pytest.mark.parametrize("words", [("--help",), ("app", "--help"), ("kv set", "--help"), ("kv", "list", "--help")])
@on_shared_node
async def test_help_is_text(shared: Running, words: tuple[str, ...]) -> None:
    done = await run(shared, *words)
    assert done["success"] and "Usage: fazt" in done["output"]


@pytest.mark.parametrize("command", [" ", "   ", "\u3000"])
@on_shared_node
async def test_no_command_is_no_fault_of_ours(shared: Running, command: str) -> None:
    answer = await shared.ask("POST", "/api/cmd", key="*", body={"command": command})
    assert answer.status in (200, 400), answer.body


# --- exits


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("nonsense", []),
        ("app", []),
        ("app lst", []),
        ("app list", ["--nonsense"]),
        ("app list", ["--limit"]),
        ("app list", ["extra"]),
        ("app info", []),
        ("kv set", ["--app", "shop", "k"]),
        ("kv set", ["--app"]),
        ("@peer", ["app", "list"]),
        ("app list", ["--json"]),
        ("app list", ["--db", "/tmp/x.db"]),
        ("app list", ["--server", "http://evil.example"]),
        ("app list", ["--token", "fzt_x"]),
        ("-", []),
        ("test stream", []),
        ("\t", ["app", "list", "--nonsense"]),
        ("app\x1flist", []),
        ("", []),
    ],
    ids=lambda value: ascii(value) if isinstance(value, str) else " ".join(value),
)
@on_shared_node
async def test_what_is_not_understood_exits_with_2(shared: Running, command: str, args: list[str]) -> None:
    before = shared.content()
    answer = await shared.ask("POST", "/api/cmd", key="read", body={"command": command, "args": args})
    if answer.status == 400:
        assert answer.json["error"]["details"]["field"] == "command"
    else:
        assert (answer.status, answer.data["success"], answer.data["exit"]) == (200, False, 2), answer.body
        assert answer.data["error"]["code"] == "USAGE"
    await shared.key("read")
    assert {name: rows for name, rows in shared.content().items() if name != "api_keys"} == {
        name: rows for name, rows in before.items() if name != "api_keys"
    }


async def test_a_near_miss_is_answered_with_the_command_meant(node: Running) -> None:
    done = await run(node, "app lst")
    failed(done, 2, "USAGE")
    assert "list" in done["error"]["hint"]


@pytest.mark.parametrize(
    ("command", "args", "code"),
    [
        ("app info", ["nothere"], "APP_NOT_FOUND"),
        ("kv get", ["--app", "nothere", "a"], "APP_NOT_FOUND"),
        ("kv get", ["--app", "shop", "nothere"], "NOT_FOUND"),
        ("redirects delete", ["rdr_000000000000"], "REDIRECT_NOT_FOUND"),
        ("config get", ["net.prt"], "NOT_FOUND"),
        ("keys revoke", ["key_000000000000"], "NOT_FOUND"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
@on_shared_node
async def test_what_is_not_there_exits_with_3(shared: Running, command: str, args: list[str], code: str) -> None:
    failed(await run(shared, command, *args), 3, code)


async def test_what_clashes_exits_with_1(node: Running) -> None:
    failed(await run(node, "app create", "shop"), 1, "CONFLICT")


async def test_what_needs_confirmation_exits_with_4(node: Running) -> None:
    failed(await run(node, "app delete", "shop", "--purge"), 4, "CONFIRMATION_REQUIRED")
    assert (await run(node, "app delete", "shop", "--purge", "--confirm", "shop"))["success"]


# --- who


async def test_a_guest_runs_nothing(node: Running) -> None:
    answer = await node.ask("POST", "/api/cmd", body={"command": "app list"})
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")


WRITES = [
    ("app create", ["new"]),
    ("app update", ["shop", "--title", "New"]),
    ("app rename", ["shop", "--slug", "store"]),
    ("app delete", ["shop"]),
    ("app restore", ["attic"]),
    ("kv set", ["--app", "shop", "k", "1"]),
    ("kv delete", ["--app", "shop", "a"]),
    ("redirects create", ["docs", "https://example.com/"]),
    ("keys create", ["--name", "x"]),
    ("config set", ["node.name", "x"]),
    ("config unset", ["net.port"]),
    ("limits set", ["storage.kv.maxKeysPerApp", "1"]),
    ("server set-credentials", ["--username", "boss"]),
    ("signin-link", []),
    ("activity cleanup", ["--force"]),
]
OWNERS = {"keys create", "config set", "config unset", "limits set", "server set-credentials", "signin-link"}
OWNERS |= {"activity cleanup"}
words = pytest.mark.parametrize(("command", "args"), WRITES, ids=lambda value: value if isinstance(value, str) else "")


@words
@pytest.mark.parametrize("scope", ["read", "deploy", "deploy:other", "user"])
@on_shared_node
async def test_who_may_not_write_writes_nothing(
    shared: Running, anna: str, command: str, args: list[str], scope: str
) -> None:
    how: dict[str, Any] = {"key": None, "cookie": anna} if scope == "user" else {"key": scope}
    before = shared.content()
    failed(await run(shared, command, *args, **how), 4, "FORBIDDEN")
    assert shared.content() == before


@words
async def test_an_admin_key_does_what_is_not_the_owners(full: Running, command: str, args: list[str]) -> None:
    done = await run(full, command, *args, key="admin")
    if command in OWNERS:
        failed(done, 4, "FORBIDDEN")
    else:
        assert done["success"], done


@words
async def test_the_owners_key_does_everything(full: Running, command: str, args: list[str]) -> None:
    assert (await run(full, command, *args))["success"]


async def test_a_read_key_reads(node: Running) -> None:
    assert (await run(node, "kv get", "--app", "shop", "a", key="read"))["data"]["value"] == {"n": 1}
    failed(await run(node, "config list", key="read"), 4, "FORBIDDEN")


async def test_a_key_for_one_app_learns_nothing_of_another(full: Running) -> None:
    failed(await run(full, "app info", "shop", key="deploy:other"), 4, "FORBIDDEN")
    listed = await run(full, "app list", "--all", key="deploy:other")
    assert "attic" not in str(listed)


async def test_what_is_done_is_remembered_under_its_own_name(node: Running) -> None:
    node.clock.advance(1)
    await run(node, "app create", "new")
    await run(node, "app create", "new2", key="read")
    await node.node._flush(node.node.journal)
    listed = (await node.ask("GET", "/api/system/logs?since=500ms&action=apps.create", key="*")).data
    assert sorted((entry["result"], entry["actor_type"]) for entry in listed) == [("FORBIDDEN", "key"), ("ok", "key")]


# --- what works on its own machine only


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "proc start",
        "proc stop",
        "proc restart",
        "proc init",
        "server init",
        "server start",
        "server stop",
        "server set-config --port 80",
        "service install",
        "peer add x http://evil.example",
        "peer list",
        "peer default x",
        "client set-auth-token --token x",
        "security root-pass",
        "surface",
        "version",
    ],
)
@on_shared_node
async def test_a_local_command_is_refused(shared: Running, command: str) -> None:
    done = await run(shared, command)
    failed(done, 2, "USAGE")


# --- whose app, whose files


async def test_the_machine_of_the_node_does_not_say_which_app(
    node: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """FAZT_APP and .fazt/app are the caller's: where the node happens to run they mean nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".fazt").mkdir()
    (tmp_path / ".fazt" / "app").write_text("shop")
    before = node.content()["app_kv"]
    failed(await run(node, "kv set", "k", "1"), 2, "USAGE")
    monkeypatch.setenv("FAZT_APP", "shop")
    failed(await run(node, "kv set", "k", "1"), 2, "USAGE")
    failed(await run(node, "kv set", "--app", "", "k", "1"), 2, "USAGE")
    assert node.content()["app_kv"] == before


@pytest.mark.parametrize("command", ["test upload", "test raw"])
@pytest.mark.parametrize("named", ["secret.txt", "-", "/etc/hostname", "../secret.txt"])
async def test_no_file_of_the_node_is_read(
    node: Running, command: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", None)
    path = str(tmp_path / named) if named == "secret.txt" else named
    done = await run(node, command, path)
    assert not done["success"] and SECRET not in str(done)


@pytest.mark.parametrize(("command", "name"), [("test upload", "file"), ("test raw", "data")])
async def test_a_file_comes_along(node: Running, command: str, name: str) -> None:
    files = {name: {"name": "hello.txt", "data": base64.b64encode(b"hello").decode()}}
    done = await run(node, command, "hello.txt", files=files)
    assert done["success"], done
    assert done["data"] in ({"name": "hello.txt", "text": "hello"}, "hello")


@pytest.mark.parametrize(
    "files",
    [
        {"file": {"name": "x", "data": "not base64!"}},
        {"file": {"name": "x", "data": "aGVsbG8"}},
        {"file": {"name": "x"}},
        {"file": {"data": ""}},
        {"file": "x"},
        {"file": None},
        {"file": {"name": 5, "data": ""}},
        {"file": {"name": "x\ny", "data": ""}},
        {"file": {"name": "x", "data": "", "path": "/etc/passwd"}},
        {"file": {"name": "x" * 2000, "data": ""}},
        [],
        "x",
    ],
    ids=lambda files: str(files)[:50],
)
@on_shared_node
async def test_a_file_that_is_none_is_refused(shared: Running, files: Any) -> None:
    body = {"command": "test upload", "args": ["x"], "files": files}
    answer = await shared.ask("POST", "/api/cmd", key="*", body=body)
    error = answer.json["error"] if answer.status == 400 else answer.data["error"]
    assert error["code"] in ("VALIDATION_FAILED", "MISSING_FIELD")
    assert error["details"]["field"] in ("files", "name", "data")


# --- words as they are

ODD_WORDS = [
    "-x",
    "--help",
    "--",
    "-",
    "--app",
    "--app=other",
    "@peer",
    "",
    " ",
    "a b",
    "ä😀",
    "$(id)",
    "`id`",
    ";rm -rf /",
    "a\nb",
    "a\x00b",
    "\x1b[31m",
    "'\"",
    "%s",
    "*",
    "~",
    "\\",
    "0x10",
    "1e400",
    "NaN",
    "-5",
    "x" * 100_000,
]


@pytest.mark.parametrize("word", ODD_WORDS, ids=lambda word: ascii(word)[:20])
@on_shared_node
async def test_a_value_is_what_was_sent(shared: Running, word: str) -> None:
    done = await run(shared, "kv set", "--app", "shop", "--", "k", word)
    assert done["success"], done
    found = await run(shared, "kv get", "--app", "shop", "--", "k")
    assert found["data"]["value"] in (word, float(word) if word == "-5" else word)


@pytest.mark.parametrize("word", [w for w in ODD_WORDS if w.strip() and w.isprintable() and len(w) < 500], ids=ascii)
@on_shared_node
async def test_a_key_is_what_was_sent(shared: Running, word: str) -> None:
    assert (await run(shared, "kv set", "--app", "shop", "--", word, "1"))["success"]
    assert (await run(shared, "kv get", "--app", "shop", "--", word))["data"] == {"key": word, "value": 1}


@pytest.mark.parametrize("title", ["-x", "--help", "--", "@peer", "a b", "=1"])
async def test_an_option_may_begin_with_a_hyphen(node: Running, title: str) -> None:
    assert (await run(node, "app update", "shop", f"--title={title}"))["success"]
    assert (await run(node, "app info", "shop"))["data"]["title"] == title


@pytest.mark.parametrize(
    "args",
    [
        ["x" * 500_000],
        ["list", "--" + "x" * 500_000],
        ["list", "x" * 500_000],
        ["info", "x" * 500_000],
        ["create", "x" * 500_000],
        ["list", "--limit", "x" * 500_000],
        ["update", "shop", "--visibility", "x" * 500_000],
        ["create", "--tags", "x," * 200_000],
    ],
    ids=lambda args: " ".join(args)[:30],
)
@on_shared_node
async def test_a_long_word_is_not_sent_back(shared: Running, args: list[str]) -> None:
    done = await run(shared, "app", *args)
    assert not done["success"]
    assert len(str(done)) < 5000


@pytest.mark.parametrize(("count", "status"), [(200, 200), (201, 400), (5000, 400)])
@on_shared_node
async def test_a_command_has_two_hundred_words(shared: Running, count: int, status: int) -> None:
    body = {"command": "app list", "args": ["x"] * count}
    answer = await shared.ask("POST", "/api/cmd", key="*", body=body)
    assert answer.status == status
    if status == 400:
        assert (answer.code, answer.json["error"]["details"]["field"]) == ("VALIDATION_FAILED", "args")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "command"),
        ({"command": 5}, "command"),
        ({"command": ["app", "list"]}, "command"),
        ({"command": "x" * 201}, "command"),
        ({"command": "app\nlist"}, "command"),
        ({"command": "app\x00list"}, "command"),
        ({"command": "app list", "args": "x"}, "args"),
        ({"command": "app list", "args": [5]}, "args"),
        ({"command": "app list", "args": [None]}, "args"),
        ({"command": "app list", "args": [["x"]]}, "args"),
        ({"command": "app list", "args": ["x" * ((1 << 20) + 1)]}, "args"),
        ({"command": "app list", "cwd": "/"}, "cwd"),
        ({"command": "app list", "env": {}}, "env"),
    ],
    ids=lambda value: str(value)[:50],
)
@on_shared_node
async def test_a_malformed_command_is_refused(shared: Running, body: dict[str, Any], field: str) -> None:
    answer = await shared.ask("POST", "/api/cmd", key="*", body=body)
    assert answer.status == 400
    assert answer.json["error"]["details"]["field"] == field


# --- what people stored does not break what others see


@pytest.mark.parametrize(
    "value",
    [
        {"at": 10**18},
        {"created_at": -(10**18)},
        {"expiresAt": 2**62},
        {"at": "text", "size_bytes": -1},
        {"x_bytes": 10**30},
        {"at": 1e308},
        [[{"last_seen": 2**63}]],
        {"": {"": []}},
        {"name": {"a": 1}, "b": {"c": 2}},
        "\x1b[31mred\x1b[0m",
    ],
    ids=lambda value: str(value)[:30],
)
@on_shared_node
async def test_any_value_can_be_listed(shared: Running, value: Any) -> None:
    """One odd value must not hide all others."""
    stored = await shared.ask("POST", "/api/apps/shop/storage/kv", key="*", body={"key": "odd", "value": value})
    assert stored.status == 201
    for command in (["kv list", "--app", "shop"], ["kv get", "--app", "shop", "odd"]):
        done = await run(shared, *command)
        assert done["success"] and done["output"]


async def test_one_long_value_does_not_make_all_lines_long(node: Running) -> None:
    """A thousand lines as wide as the widest of a mebibyte would be a gigabyte."""
    await node.run("storage.kv.set", app="shop", key="long", value="x" * 50_000, ttl="1d")
    for number in range(50):
        await node.run("storage.kv.set", app="shop", key=str(number), value="short", ttl="1d")
    assert len((await run(node, "kv list", "--app", "shop"))["output"]) < 150_000


async def test_a_time_to_live_of_a_century_can_be_listed(node: Running) -> None:
    await node.run("storage.kv.set", app="shop", key="long", value=1, ttl="36500d")
    assert (await run(node, "kv list", "--app", "shop"))["success"]
