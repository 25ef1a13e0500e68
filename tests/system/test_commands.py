"""What a person meets on the command line: exit codes, corrections, JSON, pipes and terminals."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.system.harness import PATIENCE, Done, Machine, Node, ask, kv_path

Run = Callable[..., Done]


@pytest.fixture(scope="module")
def node(shared: Machine) -> Node:
    """A node with something in it; each test takes an app of its own if it changes anything."""
    node = shared.up()
    node.app("filled")
    for n in range(3):
        node.ask("POST", kv_path("filled"), body={"key": f"k{n}", "value": n}, scope="*")
    for words in (
        ("env", "set", "KEPT=1"),
        ("ds", "index", "add", "birds", "species"),
        ("vector", "collections", "create", "songs", "--dimensions", "2"),
        ("vector", "add", "songs", "--content", "high", "--embedding", "[1, 0]"),
    ):
        assert shared.fazt(*words, "--app", "filled", "--db", str(node.db)).code == 0, words
    assert shared.fazt("backup", "create", "--db", str(node.db)).code == 0
    body = {"slug": "talk", "destination": "https://example.com/"}
    assert node.ask("POST", "/api/redirects", body=body, scope="*").status == 201
    hook = {"name": "Build", "endpoint": "build"}
    assert node.ask("POST", "/api/webhooks", body=hook, scope="*").status == 201
    site = node.db.parent / "hello"
    site.mkdir()
    (site / "index.html").write_text("hello")
    assert shared.fazt("deploy", str(site), "--name", "hello", "--db", str(node.db)).code == 0
    assert shared.fazt("peer", "add", "here", "--url", node.ready["admin_url"], "--token", node.key()).code == 0
    assert node.ask("POST", node.link().removeprefix(node.ready["admin_url"])).status == 303
    return node


@pytest.fixture
def run(shared: Machine, node: Node) -> Run:
    """A command for the node."""

    def command(*words: str, **how: Any) -> Done:
        dashes = words.index("--") if "--" in words else len(words)
        return shared.fazt(*words[:dashes], "--db", str(node.db), *words[dashes:], **how)

    return command


# --- exit codes -------------------------------------------------------------------------------------------------------

EXITS: list[tuple[int, str, tuple[str, ...]]] = [
    (0, "", ("app", "list")),
    (0, "", ("--help",)),
    (0, "", ("app", "create", "--help")),
    (0, "", ("--version",)),
    (1, "CONFLICT", ("app", "create", "filled")),
    (1, "CONFLICT", ("app", "restore", "filled")),
    (2, "USAGE", ("frobnicate",)),
    (2, "USAGE", ("app", "info")),
    (2, "USAGE", ("app", "info", "filled", "too-many")),
    (2, "USAGE", ("app", "list", "--nothing")),
    (2, "USAGE", ("kv", "get", "k0")),
    (2, "VALIDATION_FAILED", ("app", "list", "--limit", "many")),
    (2, "VALIDATION_FAILED", ("app", "create", "Not_A_Name")),
    (2, "VALIDATION_FAILED", ("config", "set", "net.port", "99999")),
    (2, "VALIDATION_FAILED", ("kv", "set", "k", "1", "--ttl", "soon", "--app", "filled")),
    (3, "APP_NOT_FOUND", ("app", "info", "nothing")),
    (3, "NOT_FOUND", ("kv", "get", "nothing", "--app", "filled")),
    (3, "REDIRECT_NOT_FOUND", ("redirects", "delete", "rdr_000000000000")),
    (3, "NOT_FOUND", ("config", "get", "no.such")),
    (4, "CONFIRMATION_REQUIRED", ("app", "delete", "filled", "--purge")),
    (4, "CONFIRMATION_REQUIRED", ("app", "delete", "filled", "--purge", "--confirm", "other")),
]


@pytest.mark.parametrize(("code", "error", "words"), EXITS, ids=lambda value: str(value)[:60])
def test_exit_codes(run: Run, code: int, error: str, words: tuple[str, ...]) -> None:
    told = run(*words, "--json") if code else run(*words)
    assert told.code == code, told
    if code:
        assert list(told.json) == ["error"]
        assert told.error["code"] == error
        assert told.error["message"] in told.err
        assert "Traceback" not in told.err
    else:
        assert told.err == ""


def test_exit_codes_of_another_node(shared: Machine, node: Node) -> None:
    reads = ("--server", node.ready["admin_url"], "--token", node.key("read"), "--json")
    assert shared.fazt("app", "list", *reads).code == 0
    refused = shared.fazt("app", "create", "no", *reads)
    assert (refused.code, refused.error["code"]) == (4, "FORBIDDEN")
    for token in ("fzt_wrong", node.key("read")[:-1] + "!"):
        unknown = shared.fazt("app", "list", *reads[:2], "--token", token, "--json")
        assert (unknown.code, unknown.error["code"]) == (4, "INVALID_API_KEY")
    nobody = shared.fazt(
        "app", "list", "--server", node.ready["admin_url"], "--json", env={"FAZT_HOME": "/nonexistent"}
    )
    assert (nobody.code, nobody.error["code"]) == (4, "UNAUTHORIZED")
    for url in ("http://admin.localhost:1", "http://192.0.2.256:80"):
        away = shared.fazt("app", "list", "--server", url, "--token", "fzt_x", "--json")
        assert (away.code, away.error["code"]) == (5, "UNREACHABLE")
    assert shared.fazt("app", "list", "--server", "ftp://x", "--token", "fzt_x").code == 2


def test_a_file_that_is_not_there(shared: Machine) -> None:
    told = shared.fazt("app", "list", "--db", "nothing.db")
    assert (told.code, told.out) == (3, "")
    assert "fazt up --db" in told.err
    assert not (shared.folder / "nothing.db").exists()


# --- corrections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("ap", "list"), "`fazt app`"),
        (("app", "lst"), "`fazt app list`"),
        (("redirets", "list"), "`fazt redirects`"),
        (("keys", "creat", "--name", "x"), "`fazt keys create`"),
        (("app", "list", "--jsno"), "--json"),
        (("kv", "set", "k", "1", "--tll", "5m", "--app", "filled"), "--ttl"),
        (("config", "get", "net.domian"), "net.domain"),
        (("limits", "set", "storage.kv.maxKeyPerApp", "5"), "maxKeysPerApp"),
        (("up", "--potr", "80"), "--port"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_did_you_mean(run: Run, words: tuple[str, ...], meant: str) -> None:
    told = run(*words)
    assert told.code in (2, 3)
    assert "Did you mean" in told.err, told.err
    assert meant in told.err


def test_every_group_and_command_explains_itself(shared: Machine) -> None:
    top = shared.fazt().out
    groups = [line.split()[0] for line in top.partition("Commands:")[2].splitlines() if line.strip()]
    assert {"app", "kv", "keys", "redirects", "config", "proc", "server", "peer", "client", "up"} <= set(groups)
    for group in groups[:3]:
        told = shared.fazt(group)
        assert (told.code, told.out) == (2, "")
        assert f"fazt {group} --help" in told.err
        assert "Commands:" in shared.fazt(group, "--help").out
    told = shared.fazt("kv", "set", "--help").out
    assert "Store a value" in told
    assert "--ttl" in told
    assert shared.fazt("help").out == top


OLD = {
    ("server", "status"): "proc status",
    ("redirect", "list"): None,
    ("logs", "list"): None,
}


@pytest.mark.parametrize("first", [False, True], ids=["words first", "options first"])
@pytest.mark.parametrize("words", OLD, ids=" ".join)
def test_old_spellings_work_and_those_that_go_say_so_once(
    shared: Machine, node: Node, words: tuple[str, str], first: bool
) -> None:
    where = ("--db", str(node.db), "--json")
    told = shared.fazt(*where, *words) if first else shared.fazt(*words, *where)
    assert told.code == 0, told
    assert told.data
    assert told.err.count("\n") == (1 if OLD[words] else 0)
    assert (OLD[words] or "") in told.err


def test_options_stand_before_or_after_the_words(shared: Machine, node: Node) -> None:
    where = ("--db", str(node.db), "--json")
    assert shared.fazt(*where, "app", "list").out == shared.fazt("app", "list", *where).out
    made = shared.fazt(*where, "server", "create-key", "--name", "first", "--scopes", "read")
    assert made.data["key"].startswith("fzt_"), made


# --- answers ----------------------------------------------------------------------------------------------------------

LISTS = {
    ("app", "list"): {"offset", "limit", "total", "has_more"},
    ("redirects", "list"): {"offset", "limit", "total", "has_more"},
    ("activity", "list"): {"offset", "limit", "total", "has_more"},
    ("audit", "list"): {"offset", "limit", "total", "has_more"},
    ("kv", "list", "--app", "filled"): {"limit", "next"},
    ("ds", "index", "list", "--app", "filled", "birds"): set(),
    ("vector", "list", "--app", "filled", "songs"): {"offset", "limit", "total", "has_more"},
    ("vector", "collections", "list", "--app", "filled"): set(),
    ("alias", "list"): {"offset", "limit", "total", "has_more"},
    ("env", "list", "--app", "filled"): set(),
    ("stdlib", "list"): {"offset", "limit", "total", "has_more"},
    ("backup", "list"): set(),
    ("jobs", "list"): {"offset", "limit", "total", "has_more"},
    ("webhooks", "list"): {"offset", "limit", "total", "has_more"},
    ("releases", "--app", "hello"): {"offset", "limit", "total", "has_more"},
    ("keys", "list"): set(),
    ("auth", "sessions", "list"): set(),
    ("config", "list"): set(),
    ("peer", "list"): set(),
    ("surface",): set(),
}


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_every_list_as_json(run: Run, words: tuple[str, ...]) -> None:
    told = run(*words, "--json")
    assert (told.code, told.err) == (0, "")
    assert told.out.endswith("}\n")
    assert told.out.count("\n") == 1
    assert set(told.json) == ({"data", "meta"} if LISTS[words] else {"data"})
    assert isinstance(told.data, list)
    assert all(isinstance(row, dict) for row in told.data)
    assert told.data, "the test needs at least one row"
    assert set(told.json.get("meta", {})) == LISTS[words]
    plain = run(*words)
    assert (plain.code, plain.err) == (0, "")
    assert len(plain.out.splitlines()) == len(told.data) + 1


def test_every_command_that_lists_is_in_the_table(run: Run) -> None:
    commands = {
        row["cli"].removeprefix("fazt ").partition(" <")[0] for row in run("surface", "--json").data if row["cli"]
    }
    known = {" ".join(words).partition(" --")[0] for words in LISTS}
    assert {name for name in commands if name.endswith(" list")} - known == set()


@pytest.mark.parametrize(
    "words", [("app", "list"), ("keys", "list"), ("limits", "show"), ("proc", "status")], ids=" ".join
)
def test_here_and_over_http_are_the_same(shared: Machine, node: Node, run: Run, words: tuple[str, ...]) -> None:
    """Through the socket, by address and as a peer: one answer."""
    by_socket = run(*words, "--json").json
    by_address = shared.fazt(*words, "--json", "--server", node.ready["admin_url"], "--token", node.key()).json
    by_peer = shared.fazt("@here", *words, "--json").json
    for answer in (by_socket, by_address, by_peer):
        for row in answer["data"] if isinstance(answer["data"], list) else [answer["data"]]:
            row.pop("uptime_seconds", None)
            row.pop("subsystems", None)
            row.pop("last_used_at", None)
    assert by_socket == by_address == by_peer


def test_markdown(shared: Machine, node: Node, run: Run) -> None:
    assert run("app", "list", "--format", "markdown").out.startswith("| id |")
    assert shared.fazt("@here", "app", "list", "--format", "markdown").out.startswith("| id |")


def test_an_empty_list_says_so(run: Run, node: Node) -> None:
    told = run("kv", "list", "--app", node.app("empty"))
    assert (told.code, told.out) == (0, "Nothing here yet.\n")


def test_what_was_deleted_says_how_to_undo_it(run: Run, node: Node) -> None:
    node.app("undone")
    told = run("app", "delete", "undone").out.strip()
    undo = told.partition("To undo, run: fazt ")[2].split()
    assert run(*undo).code == 0
    assert run("app", "info", "undone", "--json").data["deleted_at"] is None


def test_a_new_key_alone_is_on_standard_output(run: Run) -> None:
    told = run("keys", "create", "--name", "in a script", "--scopes", "read")
    assert told.out.startswith("fzt_") and told.out.count("\n") == 1
    assert "not shown again" in told.err


VALUES = [
    "-5",
    "--5",
    "-",
    "--",
    "--help",
    "--json",
    "-v",
    "@here",
    "héllo wörld ✓ 漢字 🙂",
    "one\ntwo\n",
    "tab\there",
    "\x1b[31mred",
    " spaces ",
    "",
    '"quoted"',
    '"5"',
    '"true"',
    '"[1]"',
    "5",
    "true",
    "null",
    '{"a": [1, {"b": null}]}',
    "{not json",
    "1e400",
    "12345678901234567890123",
    "x" * 100_000,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:30])
def test_a_value_makes_the_round_trip(run: Run, node: Node, value: str) -> None:
    """As it stands, or as the JSON it is."""
    told = run("kv", "set", "k", "--app", "filled", "--", value)
    assert told.code == 0, told
    try:
        wanted = json.loads(value)
        wanted = value if wanted in (float("inf"), float("-inf")) else wanted
    except ValueError:
        wanted = value
    kept = node.ask("GET", kv_path("filled", "k"), scope="*").data["value"]
    assert json.dumps(kept) == json.dumps(wanted)
    shown = run("kv", "get", "k", "--app", "filled").out
    assert shown == (kept if isinstance(kept, str) else json.dumps(kept, separators=(",", ":"))) + "\n"


@pytest.mark.parametrize("key", ["ключ/ю ..", "-k", "--app", "%2F"])
def test_a_key_makes_the_round_trip(run: Run, node: Node, key: str) -> None:
    assert run("kv", "set", "--app", "filled", "--", key, "7").code == 0
    assert run("kv", "get", "--app", "filled", "--", key).out == "7\n"
    assert node.ask("GET", kv_path("filled", key), scope="*").data == {"key": key, "value": 7}
    assert run("kv", "delete", "--app", "filled", "--", key).code == 0
    assert node.ask("GET", kv_path("filled", key), scope="*").status == 404


def test_words_that_are_not_unicode_are_a_usage_error(shared: Machine, node: Node) -> None:
    where = (b"--db", os.fsencode(node.db), b"--app", b"filled")
    ended = subprocess.run(
        [*map(os.fsencode, shared.command("kv", "set", "k")), b"\xff\xfe", *where],
        env=shared.env(),
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert ended.returncode == 2, ended
    assert b"Something went wrong" not in ended.stderr


def test_languages_and_encodings_do_not_matter(shared: Machine, node: Node, run: Run) -> None:
    assert run("kv", "set", "lang", "grüße ✓", "--app", "filled", env={"LC_ALL": "C"}).code == 0
    for locale in ("C", "POSIX", "C.UTF-8", "xx_YY.nonsense"):
        assert run("kv", "get", "lang", "--app", "filled", env={"LC_ALL": locale}).out == "grüße ✓\n", locale


# --- pipes and terminals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("surface", "--types"), ("kv", "get", "big", "--app", "filled"), ("--help",), ("app", "info", "none", "--json")],
    ids=" ".join,
)
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_has_seen_enough(
    shared: Machine, node: Node, run: Run, words: tuple[str, ...], reader: str
) -> None:
    run("kv", "set", "big", "x" * 100_000, "--app", "filled")
    command = ["sh", "-c", f'"$@" | {reader} >/dev/null', "sh", *shared.command("--db", str(node.db), *words)]
    ended = subprocess.run(command, env=shared.env(), capture_output=True, check=False, timeout=PATIENCE, text=True)
    assert "Traceback" not in ended.stderr
    assert "Broken" not in ended.stderr
    if "none" not in words:
        assert ended.stderr == ""


def on_terminal(machine: Machine, *words: str, **env: str) -> str:
    """What a person sees: standard output and error on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        machine.command(*words),
        env=machine.env(TERM="xterm-256color", **env),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=machine.folder,
    )
    os.close(theirs)
    seen = b""
    try:
        while more := os.read(ours, 65536):
            seen += more
    except OSError:  # how a terminal says that nobody writes to it any more
        pass
    finally:
        os.close(ours)
        process.wait(PATIENCE)
    return seen.decode()


def test_no_color_on_a_terminal(shared: Machine, node: Node) -> None:
    for words in (("app", "list"), ("--help",), ("app", "lst"), ("proc", "status")):
        seen = on_terminal(shared, *words, "--db", str(node.db), NO_COLOR="1")
        assert seen
        assert "\x1b" not in seen, words


def test_stored_values_do_not_drive_the_terminal(shared: Machine, node: Node, run: Run) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\r over"
    assert node.ask("POST", kv_path("filled"), body={"key": "evil", "value": evil}, scope="*").status == 201
    obeyed = set()
    for first in (("--db", str(node.db)), ("@here",)):
        for words in (("kv", "get", "evil"), ("kv", "list"), ("kv", "get", "evil", "--json")):
            seen = on_terminal(shared, *first, *words, "--app", "filled")
            assert "owned" in seen
            if set(seen) & {"\x1b", "\x07", "\x9b"}:
                obeyed.add((first[0], *words))
    assert obeyed == set()
    assert run("kv", "get", "evil", "--app", "filled").out == evil + "\n", "a pipe gets the bytes"


def test_what_goes_wrong_does_not_drive_the_terminal(shared: Machine, node: Node) -> None:
    seen = on_terminal(shared, "app", "info", "\x1b[2Jevil", "--db", str(node.db))
    assert "\x1b" not in seen, seen


def test_a_sign_in_link_leads_to_the_address_of_the_node(run: Run, node: Node) -> None:
    assert run("signin-link", "--json").data["url"].startswith(node.ready["admin_url"])
    assert ask(node.port, "GET", "/signin/" + "x" * 43).status == 410
