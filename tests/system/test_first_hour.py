"""The first hour with a node: start it, look at it, make keys for it, stop it. Through the built program only."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import socket
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.harness import READY_FIELDS, Done, Machine, Node, ask, kv_path, refuses, runs, until


@pytest.fixture
def node(machine: Machine) -> Node:
    return machine.up()


@pytest.fixture(scope="module")
def standing(shared: Machine) -> Node:
    """A node for tests that change nothing others look at."""
    return shared.up()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- fazt up ----------------------------------------------------------------------------------------------------------


def test_up_makes_the_file_and_says_where_everything_is(machine: Machine) -> None:
    node = machine.up("deep/er/data.db")
    assert list(node.ready) == READY_FIELDS
    assert node.ready["url"] == f"http://localhost:{node.port}"
    assert node.ready["admin_url"] == f"http://admin.localhost:{node.port}"
    assert node.ready["signin_url"].startswith(f"{node.ready['admin_url']}/signin/")
    assert node.ready["db"] == str(machine.folder / "deep/er/data.db")
    assert (node.ready["pid"], node.ready["https"]) == (node.process.pid, False)
    assert machine.fazt("--version").out == f"fazt {node.ready['version']}\n"
    assert node.ask("GET", "/", host="localhost").status == 200
    folder = machine.folder / "deep/er"
    assert mode(folder) == 0o700
    for name in ("data.db", "data.db.key", "data.db.lock", "data.db.sock"):
        assert mode(folder / name) == 0o600, name


def test_nothing_but_events_on_standard_output(machine: Machine) -> None:
    node = machine.up()
    node.ask("GET", "/", host="localhost")
    node.signal(signal.SIGTERM)
    rest, _ = node.process.communicate(timeout=60)
    assert (rest, node.process.returncode) == (b"", 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_written_is_there_the_next_day(machine: Machine, number: signal.Signals) -> None:
    node = machine.up()
    key, app = node.key(), node.app("diary")
    node.ask("POST", kv_path(app), body={"key": "day", "value": {"n": [1, "zwei"]}}, scope="*")
    node.signal(number)
    assert node.wait() == 0
    assert refuses(node.port)
    left = {path.name for path in machine.folder.iterdir() if path.name.startswith("data.db")}
    assert left == {"data.db", "data.db.key", "data.db.lock"}
    again = machine.up()
    assert again.ask("GET", kv_path(app, "day"), key=key).data["value"] == {"n": [1, "zwei"]}


def test_the_url_and_the_dashboard_answer(standing: Node) -> None:
    assert b"Welcome to Fazt" in standing.ask("GET", "/", host="localhost").body
    assert b'data-testid="signin-form"' in standing.ask("GET", "/").body
    assert standing.ask("GET", "/health").body == b"OK\n"
    assert standing.ask("GET", "/", host="unknown.localhost").status == 404


def test_a_taken_port_names_who_has_it(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = machine.refused("data.db", "--port", str(port))
        assert error["code"] == "PORT_IN_USE"
        assert f"(process {os.getpid()})" in error["message"]
        assert error["details"]["port"] == port
    # nothing of the failure stands in the way
    assert machine.up("data.db", "--port", str(port)).port == port


def test_a_second_node_on_the_file_is_refused_with_the_holders_pid(machine: Machine, node: Node) -> None:
    other = machine.folder / "link.db"
    other.symlink_to(node.db)
    for name in ("data.db", "../" + machine.folder.name + "/data.db", "link.db"):
        error = machine.refused(name)
        assert error["code"] == "NODE_RUNNING"
        assert error["details"]["pid"] == node.pid
        assert str(node.pid) in error["message"]
    assert node.ask("GET", "/health").status == 200
    told = machine.fazt("up", "--db", str(node.db), "--port", "0")
    assert told.code == 4
    assert str(node.pid) in told.err
    assert "fazt proc stop" in told.err


def test_of_many_first_starts_at_once_one_wins(machine: Machine) -> None:
    starts = [machine.launch() for _ in range(5)]
    told = [start.event() for start in starts]
    ready = [one for one in told if one["event"] == "ready"]
    assert len(ready) == 1, told
    for one in told:
        if one["event"] == "failed":
            assert (one["error"]["code"], one["error"]["details"]["pid"]) == ("NODE_RUNNING", ready[0]["pid"])
    assert ask(int(ready[0]["url"].rpartition(":")[2]), "GET", "/health").status == 200


def test_a_node_that_was_killed_holds_nothing(machine: Machine, node: Node) -> None:
    node.kill()
    assert machine.fazt("proc", "status", "--db", str(node.db)).code == 3
    assert machine.fazt("app", "create", "made-meanwhile", "--db", str(node.db)).code == 0
    assert machine.up().ask("GET", "/health").status == 200


def test_the_database_of_another_program_is_refused_and_left_alone(machine: Machine) -> None:
    foreign = machine.folder / "photos.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("create table photos (name text)")
        connection.execute("insert into photos values ('me.jpg')")
    connection.close()
    before = foreign.read_bytes()
    assert machine.refused("photos.db")["code"] == "SCHEMA_MISMATCH"
    assert foreign.read_bytes() == before, "the file of another program was changed"
    assert not (machine.folder / "photos.db.key").exists()


def test_a_directory_is_no_data_file(machine: Machine) -> None:
    (machine.folder / "data").mkdir()
    error = machine.refused("data")
    assert "is a directory" in error["message"]
    assert list((machine.folder / "data").iterdir()) == []


def test_a_file_where_a_directory_should_be(machine: Machine) -> None:
    (machine.folder / "file").write_text("mine")
    error = machine.refused("file/data.db")
    assert error["code"] == "STORAGE_ERROR", error
    assert (machine.folder / "file").read_text() == "mine"


@pytest.mark.parametrize("domain", ["192.0.2.1", "bad_name.example", "-x.example", "a b"])
def test_a_domain_that_is_none_is_refused(machine: Machine, domain: str) -> None:
    assert machine.refused("data.db", f"--domain={domain}")["code"] == "VALIDATION_FAILED"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A place for temporary files whose name is as short as that of the real one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_deep_folder_has_its_socket_elsewhere(machine: Machine, temporary: Path) -> None:
    folder, tmp = Path(*["a-long-name-of-a-folder"] * 6), temporary
    node = machine.up(folder / "data.db", env={"TMPDIR": str(tmp)})
    assert not node.db.with_name("data.db.sock").exists()
    place = next(tmp.iterdir())
    assert (place.name, mode(place)) == (f"fazt-{os.getuid()}", 0o700)
    assert machine.fazt("whoami", "--db", str(node.db), "--json").data["role"] == "owner"
    assert node.stop() == 0
    assert list(place.iterdir()) == []
    # where temporary files lie deep as well
    deep = tmp / folder
    deep.mkdir(parents=True)
    again = machine.up(folder / "data.db", known=node, env={"TMPDIR": str(deep)})
    assert machine.fazt("whoami", "--db", str(node.db), "--json").data["role"] == "owner"
    assert again.stop() == 0
    assert list(deep.iterdir()) == []


def test_starting_needs_nothing_from_the_environment(machine: Machine) -> None:
    """Not even a home: the program unpacks itself beside the data."""
    nothing = {"PATH": None, "HOME": "/nonexistent", "FAZT_HOME": None, "FAZT_CACHE": None}
    assert machine.up(env=nothing).ask("GET", "/health").status == 200


# --- fazt proc --------------------------------------------------------------------------------------------------------


def test_status_is_of_the_running_node_only(machine: Machine, node: Node) -> None:
    words = ("proc", "status", "--db", str(node.db), "--json")
    status = machine.fazt(*words).data
    assert (status["pid"], status["version"], status["mode"]) == (node.pid, node.ready["version"], "normal")
    assert {part["state"] for part in status["subsystems"].values()} == {"ok"}
    assert machine.fazt("proc", "stop", "--db", str(node.db)).code == 0
    assert node.wait() == 0
    ended = machine.fazt(*words)
    assert (ended.code, ended.error["code"]) == (3, "NOT_FOUND")
    assert "fazt up" in ended.err
    for word in ("stop", "restart"):
        assert machine.fazt("proc", word, "--db", str(node.db)).code == 3


def hammer(port: int, failures: list[str], enough: threading.Event) -> int:
    """Requests one after another, each on a connection of its own, at least 200 and until `enough`."""
    count = 0
    while count < 200 or not enough.is_set():
        try:
            answer = ask(port, "GET", "/", host="localhost")
            if answer.status != 200:
                failures.append(f"{count}: {answer.status}")
        except OSError as error:
            failures.append(f"{count}: {error!r}")
        count += 1
    return count


def test_a_restart_refuses_nobody(machine: Machine, node: Node) -> None:
    key, app = node.key(), node.app("kept")
    enough, failures = threading.Event(), []
    client = threading.Thread(target=hammer, args=(node.port, failures, enough))
    client.start()
    try:
        done = machine.fazt("proc", "restart", "--db", str(node.db))
    finally:
        enough.set()
        client.join()
    assert (done.code, done.out) == (0, "")
    again = node.event()
    assert again["event"] == "ready"
    assert (again["url"], again["db"]) == (node.ready["url"], node.ready["db"])
    assert failures == []
    assert node.ask("GET", f"/api/apps/{app}", key=key).status == 200
    assert node.ask("GET", "/api/kernel/status", key=key).data["pid"] == again["pid"]


def test_a_client_that_never_pauses_is_answered_until_the_node_stops(machine: Machine, node: Node) -> None:
    """Whoever was let in is answered; after that nobody is let in. Nobody is let in and then dropped."""
    ended: list[str] = []

    def client() -> None:
        while True:
            try:
                ended.append(str(ask(node.port, "GET", "/", host="localhost").status))
            except OSError as error:
                ended.append(type(error).__name__)
                return

    clients = [threading.Thread(target=client) for _ in range(3)]
    for one in clients:
        one.start()
    until(lambda: len(ended) > 100, "some answers")
    assert node.stop() == 0
    for one in clients:
        one.join()
    # who stood in the system's queue when the door closed is turned away at once
    assert set(ended) <= {"200", "ConnectionRefusedError", "ConnectionResetError"}


def hold_between_lives(node: Node) -> None:
    """Do what a command does that comes between two lives of a node: take the lock, if it is to be had, for a while."""
    lock = node.db.with_name(node.db.name + ".lock")
    with lock.open("r+b") as file:
        for _ in range(4000):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.0005)
        else:
            return  # the node never let go of it
        for _ in range(200):
            if node.process.poll() is not None or str(lock) in held_by(node.pid):
                return
            time.sleep(0.005)


def held_by(pid: int) -> set[str]:
    """The files a process has open."""
    names = set()
    with contextlib.suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                names.add(os.readlink(handle))
    return names


def test_a_command_between_two_lives_does_not_end_a_restart(machine: Machine, node: Node) -> None:
    """Short as it is, the time between them is enough for a cron job: the node must come back all the same."""
    node.signal(signal.SIGUSR1)
    hold_between_lives(node)
    told = node.event()
    assert told["event"] == "ready", told
    assert node.ask("GET", "/health").status == 200


def test_commands_wait_for_one_another(machine: Machine, node: Node) -> None:
    """With no node to go through, each takes the file in its turn."""
    app = node.app("shared")
    assert node.stop() == 0
    ended: list[Done] = []

    def command(n: int) -> None:
        ended.append(machine.fazt("kv", "set", f"n{n}", str(n), "--app", app, "--db", str(node.db)))

    commands = [threading.Thread(target=command, args=(n,)) for n in range(8)]
    for one in commands:
        one.start()
    for one in commands:
        one.join()
    assert [(one.code, one.err) for one in ended] == [(0, "")] * 8


def test_a_node_ends_with_the_terminal_it_was_started_in(machine: Machine) -> None:
    """A window that is closed hangs up; nobody would know of a node that goes on without one."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(machine.folder)
        os.execve(machine.python, machine.command("up", "--db", "data.db", "--port", "0"), machine.env())
    machine.adopt(pid)
    seen = b""
    while b"signin-link" not in seen:
        seen += os.read(terminal, 4096)
    found = re.search(rb"Welcome +http://localhost:(\d+)", seen)
    assert found, seen
    lock = machine.folder / "data.db.lock"
    run = json.loads(lock.read_text())["run"]
    os.close(terminal)

    def outcome() -> str:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return "ended"
        note = lock.read_text()
        return "came back" if '"run"' in note and json.loads(note)["run"] != run else ""

    assert until(outcome, "its end") == "ended"
    assert refuses(int(found[1]))
    assert machine.fazt("app", "list", "--db", "data.db").code == 0


@pytest.fixture
def daemon(machine: Machine) -> dict[str, object]:
    told = machine.fazt("proc", "start", "--daemon", "--db", "data.db", "--port", "0", "--json")
    assert told.code == 0, told
    ready: dict[str, object] = told.json
    machine.adopt(int(str(ready["pid"])))
    return ready


def test_a_node_in_the_background(machine: Machine, daemon: dict[str, object]) -> None:
    assert list(daemon) == READY_FIELDS
    port = int(str(daemon["url"]).rpartition(":")[2])
    assert ask(port, "GET", "/health").status == 200
    assert mode(machine.folder / "data.db.log") == 0o600
    second = machine.fazt("proc", "start", "--daemon", "--db", "data.db", "--port", "0", "--json")
    assert (second.code, second.error["code"]) == (4, "NODE_RUNNING")
    assert machine.fazt("proc", "stop", "--db", "data.db").code == 0
    until(lambda: not runs(int(str(daemon["pid"])), str(machine.program)), "its end")
    assert refuses(port)


def test_a_node_in_the_background_comes_back_from_a_restart(machine: Machine, daemon: dict[str, object]) -> None:
    port = int(str(daemon["url"]).rpartition(":")[2])
    for _ in range(2):
        assert machine.fazt("proc", "restart", "--db", "data.db").code == 0
        # a client queues while the program loads; one that is refused proves that the node is gone
        assert ask(port, "GET", "/health").status == 200
        assert machine.fazt("proc", "status", "--db", "data.db", "--json").data["mode"] == "normal"


def test_a_background_start_that_fails_says_why(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = machine.fazt("proc", "start", "--daemon", "--db", "data.db", "--port", str(port))
    assert told.code == 1
    assert f"process {os.getpid()}" in told.err


# --- fazt server ------------------------------------------------------------------------------------------------------

INIT = ("server", "init", "--db", "data.db", "--domain", "localhost", "--username", "ann", "--password")


def sign_in(node: Node, username: str, password: str) -> int:
    return node.ask("POST", "/api/login", body={"username": username, "password": password}).status


def test_init_sets_up_once(machine: Machine) -> None:
    assert machine.fazt(*INIT, "a good password").code == 0
    assert mode(machine.folder / "data.db") == mode(machine.folder / "data.db.key") == 0o600
    again = machine.fazt(*INIT, "another password", "--json")
    assert (again.code, again.error["code"]) == (1, "CONFLICT")
    node = machine.up()
    assert sign_in(node, "ann", "a good password") == 200
    assert sign_in(node, "ann", "another password") == 401
    assert sign_in(node, "owner", "a good password") == 401


@pytest.mark.parametrize(
    "words",
    [
        (*INIT, "short"),
        (*INIT[:4], "--username", "no spaces, please", "--password", "a good password"),
        (*INIT[:4], "--domain", "192.0.2.1", "--username", "ann", "--password", "a good password"),
        (*INIT[:4], "--username", "ann"),
    ],
    ids=["password", "username", "domain", "no password"],
)
def test_an_init_that_fails_leaves_nothing(machine: Machine, words: tuple[str, ...]) -> None:
    told = machine.fazt(*words, "--json")
    assert told.code == 2, told
    assert told.error["message"] and "Traceback" not in told.err
    assert [path.name for path in machine.folder.iterdir() if path.name.startswith("data")] == []
    assert machine.fazt(*INIT, "a good password").code == 0


def test_init_reads_the_password_from_standard_input(machine: Machine) -> None:
    assert machine.fazt(*INIT, "-", stdin="pässwörd from a file\n").code == 0
    assert sign_in(machine.up(), "ann", "pässwörd from a file") == 200


def test_init_knows_where_the_node_listens(machine: Machine) -> None:
    words = ("server", "init", "--db", "data.db", "--username", "ann", "--password", "a good password")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    assert machine.fazt(*words, "--domain", "Home.Localhost", "--port", str(port)).code == 0
    told = machine.fazt("proc", "start", "--daemon", "--db", "data.db", "--json")
    machine.adopt(told.json["pid"])
    assert told.json["url"] == f"http://home.localhost:{port}"
    assert ask(port, "GET", "/health", host="admin.home.localhost").status == 200


def test_keys_are_made_running_or_stopped(machine: Machine) -> None:
    words = ("server", "create-key", "--db", "data.db", "--name", "made", "--json")
    assert machine.fazt(*INIT, "a good password").code == 0
    stopped = machine.fazt(*words, "--scopes", "read").data
    node = machine.up()
    running = machine.fazt(*words, "--scopes", "read,deploy").data
    for made in (stopped, running):
        assert made["id"].startswith("key_")
        assert made["key"].startswith("fzt_")
        assert node.ask("GET", "/api/apps", key=made["key"]).status == 200
    assert node.ask("POST", "/api/redirects", body={}, key=stopped["key"]).code == "FORBIDDEN"
    shown = {row["id"]: row["scopes"] for row in machine.fazt("keys", "list", "--db", "data.db", "--json").data}
    assert shown == {stopped["id"]: ["read"], running["id"]: ["deploy", "read"]}
    assert stopped["key"] not in node.db.read_bytes().decode("latin-1")
    assert machine.fazt("keys", "revoke", stopped["id"], "--db", "data.db").code == 0
    assert node.ask("GET", "/api/apps", key=stopped["key"]).code == "INVALID_API_KEY"


def test_the_name_and_password_change_on_the_command_line(machine: Machine) -> None:
    assert machine.fazt(*INIT, "a good password").code == 0
    node = machine.up()
    words = ("server", "set-credentials", "--db", "data.db")
    assert machine.fazt(*words, "--username", "bea", "--password", "a better password").code == 0
    assert sign_in(node, "bea", "a better password") == 200
    assert sign_in(node, "ann", "a good password") == 401


def test_a_signin_link_is_made_on_the_command_line(machine: Machine, node: Node) -> None:
    link = machine.fazt("signin-link", "--db", str(node.db)).out.strip()
    path = link.removeprefix(node.ready["admin_url"])
    assert node.ask("GET", path).status == 200
    assert node.ask("POST", path).status == 303
    assert node.ask("POST", path).status == 410


# --- which node a command means ---------------------------------------------------------------------------------------


@pytest.fixture
def two(machine: Machine) -> tuple[Node, Node]:
    """Two nodes on one machine, each with an app that tells which it is."""
    near, far = machine.up("near.db"), machine.up("far.db")
    near.app("near")
    far.app("far")
    return near, far


def apps(machine: Machine, *words: str, **env: str) -> list[str]:
    at = () if "@" not in words[:1] else words
    return [row["slug"] for row in machine.fazt(*words, *at, "app", "list", "--json", env=env).data]


def test_the_stored_default_answers_when_nothing_is_said(machine: Machine, two: tuple[Node, Node]) -> None:
    _, far = two
    stored = machine.fazt("client", "set-auth-token", "--token", far.key(), "--server", far.ready["admin_url"])
    assert (stored.code, stored.out) == (0, "")
    assert apps(machine) == ["far"]
    home = machine.home / ".fazt"
    assert mode(home) == 0o700
    assert {mode(path) for path in home.iterdir()} == {0o600}
    # a new key for the same node
    machine.fazt("client", "set-auth-token", "--token", far.key("read"))
    assert apps(machine) == ["far"]
    assert machine.fazt("app", "create", "more").code == 4
    assert far.key() not in machine.fazt("peer", "list", "--json").out


def test_who_wins_when_several_nodes_are_named(machine: Machine, two: tuple[Node, Node]) -> None:
    near, far = two
    url, key = far.ready["admin_url"], far.key()
    environment = {"FAZT_SERVER": url, "FAZT_TOKEN": key}
    assert apps(machine, **environment) == ["far"]
    assert apps(machine, **environment, FAZT_DB_PATH=str(near.db)) == ["far"]
    assert apps(machine, "--db", str(near.db), **environment) == ["near"]
    assert apps(machine, "--db", str(near.db), "--server", url, "--token", key) == ["far"]
    assert apps(machine, FAZT_DB_PATH=str(near.db)) == ["near"]
    machine.fazt("client", "set-auth-token", "--token", key, "--server", url)
    assert apps(machine) == ["far"]
    assert apps(machine, FAZT_DB_PATH=str(near.db)) == ["near"]
    machine.fazt("peer", "add", "near", "--url", near.ready["admin_url"], "--token", near.key())
    peer = machine.fazt("@near", "app", "list", "--json", env=environment)
    assert [row["slug"] for row in peer.data] == ["near"]
    # the key of a known node is found by its address
    assert apps(machine, "--server", near.ready["admin_url"] + "/") == ["near"]


def test_the_file_in_the_home_is_the_last_resort(machine: Machine) -> None:
    (machine.home / ".fazt").mkdir(mode=0o700)
    machine.up(machine.home / ".fazt/data.db").app("home")
    assert apps(machine) == ["home"]


def test_verbose_says_first_which_node_is_meant(machine: Machine, two: tuple[Node, Node]) -> None:
    near, far = two
    url, key = far.ready["admin_url"], far.key()
    machine.fazt("peer", "add", "far", "--url", url, "--token", key)
    said = {
        ("-v", "app", "list", "--db", str(near.db)): str(near.db),
        ("app", "list", "--verbose", "--server", url, "--token", key): url,
        ("@far", "app", "list", "-v"): url,
    }
    for words, where in said.items():
        told = machine.fazt(*words)
        assert told.code == 0, told
        assert where in told.err.splitlines()[0]


def test_a_command_for_a_peer(machine: Machine, two: tuple[Node, Node]) -> None:
    near, far = two
    machine.fazt("peer", "add", "far", "--url", far.ready["admin_url"], "--token", far.key())
    assert machine.fazt("@far", "app", "create", "by-peer").code == 0
    assert sorted(row["slug"] for row in machine.fazt("@far", "app", "list", "--json").data) == ["by-peer", "far"]
    told = machine.fazt("@far", "app", "info", "nothing", "--json")
    assert (told.code, told.error["code"]) == (3, "APP_NOT_FOUND")
    assert machine.fazt("@far", "app", "lst").code == 2
    assert machine.fazt("@far", "proc", "stop").code == 2, "a peer stops itself"
    assert machine.fazt("@far").code == 2
    unknown = machine.fazt("@fra", "app", "list", "--json")
    assert (unknown.code, unknown.error["code"]) == (3, "NOT_FOUND")
    assert "@far" in unknown.error["hint"]
    far.stop()
    gone = machine.fazt("@far", "app", "list", "--json")
    assert (gone.code, gone.error["code"]) == (5, "UNREACHABLE")
    assert far.key() not in gone.out + gone.err
    assert near.ask("GET", "/health").status == 200


def test_a_value_that_looks_like_an_option_reaches_a_peer(machine: Machine, node: Node) -> None:
    machine.fazt("peer", "add", "here", "--url", node.ready["admin_url"], "--token", node.key())
    app, kept = node.app("values"), []
    values = ["--json", "--help", "-v", "-5", "--format=json"]
    for value in values:
        told = machine.fazt("@here", "kv", "set", "k", "--app", app, "--", value)
        assert told.code == 0, told
        kept.append(str(node.ask("GET", kv_path(app, "k"), scope="*").data["value"]))
    assert kept == values


def test_what_answers_is_not_a_node(machine: Machine) -> None:
    def speak(listener: socket.socket) -> None:
        client, _ = listener.accept()
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = threading.Thread(target=speak, args=(listener,))
        other.start()
        url = f"http://admin.localhost:{listener.getsockname()[1]}"
        told = machine.fazt("app", "list", "--server", url, "--token", "fzt_x", "--json")
        other.join()
    assert (told.code, told.error["code"]) == (5, "UNREACHABLE")
    assert "not a Fazt node" in told.error["message"]


def test_a_stored_file_that_is_damaged_is_named(machine: Machine) -> None:
    home = machine.home / ".fazt"
    home.mkdir()
    (home / "targets.json").write_text("{")
    told = machine.fazt("app", "list", "--json")
    assert told.code == 2
    assert "targets.json" in told.error["message"]


def test_environment_of_an_app(machine: Machine, node: Node) -> None:
    app = node.app("mine")
    env = {"FAZT_APP": app, "FAZT_DB_PATH": str(node.db)}
    assert machine.fazt("kv", "set", "a", "1", env=env).code == 0
    linked = machine.folder / ".fazt"
    linked.mkdir()
    (linked / "app").write_text(app + "\n")
    assert json.loads(machine.fazt("kv", "get", "a", "--db", str(node.db)).out) == 1
    assert machine.fazt("kv", "get", "a", "--app", "other", env=env).code == 3
