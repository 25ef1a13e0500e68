"""A node that is killed, or told to stop, in the middle of its work."""

from __future__ import annotations

import random
import signal
import sqlite3
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.load import Killing, stored
from tests.faults.term import terminate
from tests.system.harness import Ended, Machine, Node, kv_path, until


def test_nothing_acknowledged_is_lost_when_it_is_killed(machine: Machine) -> None:
    killing = Killing(machine, seed=random.randrange(1 << 20))
    for _ in range(5):
        verdict = killing.kill()
        assert verdict.well, verdict
    assert killing.promises.acknowledged > 100
    assert killing.promises.apps and killing.promises.keys and killing.promises.counters
    assert not killing.promises.other, "a node under this load refuses nothing"


# what can be seen of a first start from outside, in order
SEEN = ("data.db.lock", "data.db", "data.db-wal", "data.db.key", "data.db.sock")


@pytest.mark.parametrize("seen", SEEN)
def test_killed_in_its_first_start(machine: Machine, seen: str) -> None:
    """Whatever a start left behind when it was killed, the next one goes on from there."""
    for attempt in range(3):
        db = machine.folder / f"{attempt}/data.db"
        first = machine.launch(db)
        until(db.with_name(seen).exists, seen)
        for _ in range(attempt * 300):  # a little later each time
            db.exists()
        first.kill()
        node = machine.up(db)
        signed_in = node.ask("POST", urlsplit(node.ready["signin_url"]).path)
        assert signed_in.status == 303
        cookie = {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0]}
        parts = node.ask("GET", "/api/kernel/status", headers=cookie).data["subsystems"]
        assert {part["state"] for part in parts.values()} == {"ok"}, parts
        node.kill()


def test_killed_while_it_starts_again(machine: Machine) -> None:
    """The file that a killed node left is killed again while it is being recovered."""
    node = machine.up()
    app = node.app("kept")
    told = {f"k{n}": n for n in range(50)}
    for key, value in told.items():
        assert node.ask("POST", kv_path(app), body={"key": key, "value": value}, scope="*").status == 201
    node.kill()
    for turn in range(8):
        again = machine.launch()
        pid = str(again.process.pid)
        until(lambda pid=pid: pid in (machine.folder / "data.db.lock").read_text(), "its lock")
        for _ in range(turn * 200):
            (machine.folder / "data.db-shm").exists()
        again.kill()
    node = machine.up(known=node)
    assert stored(node, app) == told


@pytest.mark.parametrize("frozen", [True, False], ids=["all waiting", "all on their way"])
def test_a_hundred_requests_in_flight_are_answered_before_it_ends(machine: Machine, frozen: bool) -> None:
    told = terminate(machine, machine.up(), frozen)
    assert told.requests == 100
    assert told.unanswered == []
    assert told.statuses == {200: 20, 201: 60, 401: 20}
    assert told.exit == 0
    assert told.lost == 0
    assert told.idle_closed == 10, "connections without a request are closed, not reset"


def test_a_client_that_stalls_does_not_keep_it_alive(machine: Machine) -> None:
    """Half a request is waited for, but not for ever."""
    from tests.faults.term import Client

    node = machine.up()
    stalled = Client(node.port)
    stalled.send(b"POST /api/login HTTP/1.1\r\nHost: admin.localhost\r\nContent-Length: 100\r\n\r\n{")
    half = Client(node.port)
    half.send(b"GET / HTTP/1.1\r\nHost: loc")
    assert node.ask("GET", "/health").status == 200
    assert node.stop() == 0
    stalled.close()
    half.close()


def test_a_second_signal_does_not_tear_the_stop(machine: Machine) -> None:
    node = machine.up()
    app = node.app("kept")
    assert node.ask("POST", kv_path(app), body={"key": "k", "value": 1}, scope="*").status == 201
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        node.signal(number)
    with pytest.raises(Ended):  # it does not come back either: a stop is a stop
        node.event()
    assert node.wait() == 0
    assert stored(machine.up(known=node), app) == {"k": 1}


def test_killed_while_a_command_works_on_the_file(machine: Machine) -> None:
    """Commands without a node write by themselves: what they said is there too, and the file is whole."""
    node = machine.up()
    app = node.app("mine")
    assert node.stop() == 0
    said: list[str] = []
    over = threading.Event()

    def command() -> None:
        for n in range(20):
            if over.is_set():
                return
            if machine.fazt("kv", "set", f"k{n}", str(n), "--app", app, "--db", str(node.db)).code == 0:
                said.append(f"k{n}")

    worker = threading.Thread(target=command)
    worker.start()
    until(lambda: len(said) > 3, "some commands")
    lock = machine.folder / "data.db.lock"
    for _ in range(3):
        pid = until(lambda: lock.read_text().partition('"pid": ')[2].rstrip("}"), "a command")
        machine.kill_command(int(pid))
    over.set()
    worker.join()
    connection = sqlite3.connect(node.db)
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert set(said) <= set(stored(machine.up(known=node), app))


def test_a_node_that_ends_says_so_to_whoever_waits(machine: Machine, program: Path) -> None:
    """A start that is killed before it is ready does not look like one that is."""
    first = machine.launch()
    first.kill()
    with pytest.raises((Ended, AssertionError)):
        assert first.event()["event"] == "failed"


def test_every_socket_and_lock_of_the_dead_is_taken_over(machine: Machine) -> None:
    node: Node = machine.up()
    node.kill()
    assert (machine.folder / "data.db.sock").exists()
    again = machine.up()
    assert machine.fazt("proc", "status", "--db", str(again.db), "--json").data["pid"] == again.pid
