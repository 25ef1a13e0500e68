"""A disk that is full, read-only or out of handles: say so, keep reading, and go on by itself when it is over."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.load import Verdict, dissect, stored
from tests.faults.term import Client
from tests.system.harness import Answer, Machine, Node, kv_path, until

MB = 1 << 20
CODES = {507: "STORAGE_FULL", 503: "STORAGE_ERROR"}


class Disk:
    """A disk that can be filled to the last byte and freed again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ballast = folder, folder / "ballast"

    def fill(self, leave: int = 0) -> None:
        """Leave so many bytes free."""
        self.free()
        left = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
        with self.ballast.open("wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, left - leave))

    def free(self) -> None:
        self.ballast.unlink(missing_ok=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Eight megabytes in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount can have a small disk")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Writing:
    """Writes one by one, and remembers which were acknowledged."""

    def __init__(self, node: Node) -> None:
        self.node, self.app, self.key = node, node.app("full"), node.key()
        self.told: dict[str, str] = {}

    def write(self, size: int = 100_000) -> Answer:
        name = f"k{len(self.told)}"
        value = name + "x" * size
        answer = self.node.ask("POST", kv_path(self.app), body={"key": name, "value": value}, key=self.key)
        if answer.status == 201:
            self.told[name] = value
        return answer

    def until_refused(self) -> Answer:
        for _ in range(1000):
            answer = self.write()
            if answer.status != 201:
                return answer
        raise AssertionError("the disk never got full")

    def check_reading(self) -> None:
        """What needs no space works."""
        node = self.node
        assert node.ask("GET", kv_path(self.app, "k0"), key=self.key).data["value"] == self.told["k0"]
        assert node.ask("GET", "/api/apps", key=self.key).status == 200
        assert node.ask("GET", "/api/apps/none", key=self.key).status == 404
        assert b'data-testid="signin-form"' in node.ask("GET", "/").body
        assert node.ask("GET", urlsplit(node.ready["signin_url"]).path).status == 200
        assert node.ask("GET", "/", host="localhost").status == 200
        assert node.ask("GET", "/api/auth/status").status == 200

    def check_everything(self, again: Node) -> None:
        assert stored(again, self.app) == self.told


def said_so(answer: Answer, node: Node) -> None:
    """A refused write has the documented code, a hint, and nothing of the inside."""
    assert CODES.get(answer.status) == answer.code, answer
    error = answer.json["error"]
    assert error["message"] and error["hint"]
    assert str(node.db) not in answer.body.decode()
    assert "Traceback" not in answer.body.decode()


def test_a_full_disk(machine: Machine, disk: Disk) -> None:
    node = machine.up(disk.folder / "data.db")
    writing = Writing(node)
    writing.write()
    disk.fill(leave=MB)
    answer = writing.until_refused()
    said_so(answer, node)
    assert answer.code == "STORAGE_FULL"
    # what is refused from now on changes nothing, what still fits is there
    disk.fill()
    link = urlsplit(node.ready["signin_url"]).path
    made = {}
    for method, path, body in (
        ("POST", kv_path(writing.app), {"key": "small", "value": "x" * 20_000}),
        ("POST", "/api/apps", {"slug": "early", "description": "x" * 2000}),
        ("POST", "/api/keys", {"name": "early"}),
        ("POST", link, None),
    ):
        told = node.ask(method, path, body=body, key=writing.key if body else None)
        made[path] = told.status
        if told.status not in (201, 303):
            said_so(told, node)
    writing.check_reading()
    slugs = [row["slug"] for row in node.ask("GET", "/api/apps", key=writing.key).data]
    assert ("early" in slugs) == (made["/api/apps"] == 201)
    names = [row["name"] for row in node.ask("GET", "/api/keys", key=writing.key).data]
    assert ("early" in names) == (made["/api/keys"] == 201)
    small = node.ask("GET", kv_path(writing.app, "small"), key=writing.key)
    assert small.status == (200 if made[kv_path(writing.app)] == 201 else 404)
    refused = machine.fazt("kv", "set", "big", "x" * 100_000, "--app", writing.app, "--db", str(node.db), "--json")
    assert (refused.code, refused.error["code"]) == (1, "STORAGE_FULL")
    assert node.process.poll() is None
    # and goes on by itself
    disk.free()
    assert writing.write().status == 201
    assert node.ask("POST", "/api/apps", body={"slug": "late"}, key=writing.key).status == 201
    node.ask("DELETE", f"{kv_path(writing.app)}?key=small", key=writing.key)
    writing.check_everything(node)
    assert node.ask("GET", "/api/system/health", key=writing.key).data["status"] in ("ok", "degraded")
    assert node.stop() == 0
    assert "Traceback" not in node.said, "a full disk is no fault of the program"
    writing.check_everything(machine.up(node.db, known=node))


def test_a_full_disk_and_a_stop(machine: Machine, disk: Disk) -> None:
    """A node can end on a full disk, is not lost there, and starts again as soon as there is space."""
    node = machine.up(disk.folder / "data.db")
    writing = Writing(node)
    disk.fill(leave=MB)
    writing.until_refused()
    disk.fill()
    assert node.stop() == 0
    start = machine.launch(node.db)
    told = start.event()
    if told["event"] == "failed":
        assert told["error"]["code"] in CODES.values(), told
        assert start.wait() == 1
        assert "Traceback" not in start.said
    else:
        start.kill()
    disk.free()
    again = machine.up(node.db, known=node)
    writing.check_everything(again)
    assert again.stop() == 0
    assert dissect(node.db, machine.folder / "dissected") == ("ok", 0)


def test_a_full_disk_and_a_kill(machine: Machine, disk: Disk) -> None:
    node = machine.up(disk.folder / "data.db")
    writing = Writing(node)
    for _ in range(3):
        disk.fill(leave=MB // 2)
        writing.until_refused()
        writing.node.kill()
        assert dissect(node.db, machine.folder / "dissected") == ("ok", 0)
        disk.free()
        writing.node = machine.up(node.db, known=node)
        writing.check_everything(writing.node)


def test_a_first_start_on_a_disk_that_is_full_at_any_point(machine: Machine, disk: Disk) -> None:
    """However little there is, the start says so and nothing it left stands in the way of the next."""
    step = 8192

    def starts(pages: int) -> bool:
        folder = disk.folder / "new"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        disk.fill(leave=pages * step)
        node = machine.launch(folder / "data.db")
        told = node.event()
        if told.get("event") == "ready":
            node.kill()
            return True
        assert told.get("event") == "failed", (pages, told)
        assert told["error"]["code"] in CODES.values(), (pages, told)
        assert node.wait() == 1
        assert "Traceback" not in node.said, (pages, node.said)
        disk.free()
        again = machine.up(folder / "data.db")
        assert again.ask("POST", urlsplit(again.ready["signin_url"]).path).status == 303
        again.kill()
        return False

    low, high = 0, 256
    while high - low > 1:  # the last failure there is, and many before it on the way
        middle = (low + high) // 2
        low, high = (low, middle) if starts(middle) else (middle, high)
    for pages in range(max(1, low - 3), low):
        assert not starts(pages)


def test_writes_that_fail_for_another_reason(machine: Machine) -> None:
    """The system refuses to let the file grow (a quota, a limit): the same, with its own code."""
    node = machine.up()
    writing = Writing(node)
    writing.write()
    grown = max(path.stat().st_size for path in machine.folder.glob("data.db*"))
    hard = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (grown + MB, hard))
    answer = writing.until_refused()
    said_so(answer, node)
    for _ in range(5):
        said_so(writing.write(), node)
    writing.check_reading()
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert writing.write().status == 201
    writing.check_everything(node)
    assert node.stop() == 0
    assert dissect(node.db, machine.folder / "dissected") == ("ok", 0)
    writing.check_everything(machine.up(known=node))


MORTAL = {"mortal": True}


def test_a_new_file_in_a_directory_nobody_may_write_to(machine: Machine) -> None:
    folder = machine.folder / "readonly"
    folder.mkdir(mode=0o555)
    for name in ("data.db", "deeper/data.db"):
        error = machine.refused(folder / name, limits=MORTAL)
        assert error["code"] == "STORAGE_ERROR", error
        assert str(folder) in error["message"]
    for words in (("app", "list"), ("server", "init", "--password", "long enough")):
        told = machine.fazt(*words, "--db", str(folder / "data.db"), "--json", limits=MORTAL)
        assert told.code in (1, 3)
        assert told.error["code"] in ("STORAGE_ERROR", "NOT_FOUND"), told
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("what", ["directory", "file", "both"])
def test_a_file_nobody_may_write_to(machine: Machine, what: str) -> None:
    """Refused, and not changed."""
    node = machine.up("deep/data.db")
    app = node.app("kept")
    assert node.stop() == 0
    before = node.db.read_bytes()
    if what != "directory":
        node.db.chmod(0o400)
    if what != "file":
        node.db.parent.chmod(0o555)
    error = machine.refused(node.db, limits=MORTAL)
    assert error["code"] == "STORAGE_ERROR", error
    told = machine.fazt("app", "create", "more", "--db", str(node.db), "--json", limits=MORTAL)
    assert (told.code, told.error["code"]) == (1, "STORAGE_ERROR")
    node.db.parent.chmod(0o700)
    node.db.chmod(0o600)
    assert node.db.read_bytes() == before
    assert machine.up(node.db, known=node).ask("GET", f"/api/apps/{app}", scope="*").status == 200


def test_out_of_handles(machine: Machine) -> None:
    """More connections than the system allows: those that are in are served, and the rest as soon as some leave."""
    node = machine.up(limits={"RLIMIT_NOFILE": 80})
    writing = Writing(node)
    assert writing.write(10).status == 201
    friend = Client(node.port)
    flood = []
    for _ in range(200):
        with contextlib.suppress(OSError):
            flood.append(Client(node.port))
    for n in range(20):
        friend.request("POST", kv_path(writing.app), writing.key, {"key": f"k{n + 1}", "value": n})
        assert friend.answer() == 201
        writing.told[f"k{n + 1}"] = n  # type: ignore[assignment]
    friend.request("GET", "/api/apps", writing.key)
    assert friend.answer() in (200, 503), "a read that needs a handle is refused for now, and no fault of the program"
    for client in flood:
        client.close()

    def let_in() -> bool:
        try:  # it may still be busy with turning the last of them away
            return writing.write(10).status == 201
        except OSError:
            return False

    until(let_in, "the end of the flood")
    writing.check_reading()
    writing.check_everything(node)
    assert len(node.said) < MB, "no flood of lines in the log"
    friend.close()
    assert node.stop() == 0


def test_a_disk_that_fills_under_load_loses_nothing(machine: Machine, disk: Disk) -> None:
    """Many at once, in groups: each is told by itself what became of it."""
    import threading

    node = machine.up(disk.folder / "data.db")
    app, key = node.app("full"), node.key()
    told: dict[str, str] = {}
    refused: list[int] = []
    disk.fill(leave=2 * MB)

    def writer(me: int) -> None:
        for n in range(40):
            value = f"{me}-{n}" + "y" * 5000
            answer = node.ask("POST", kv_path(app), body={"key": f"{me}-{n}", "value": value}, key=key)
            if answer.status == 201:
                told[f"{me}-{n}"] = value
            else:
                refused.append(answer.status)

    writers = [threading.Thread(target=writer, args=(me,)) for me in range(20)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    assert set(refused) == {507}
    assert stored(node, app) == told
    node.kill()
    disk.free()
    assert stored(machine.up(node.db, known=node), app) == told


def test_verdicts_can_fail() -> None:
    """The judge of the kill tests is not blind."""
    from tests.faults.load import Promises, compare

    kept = Promises(told={"a": 1, "b": 2}, open={"a": 1, "b": 2, "c": 3}, counters={"counter-x": (3, 5)}, apps={"one"})
    assert compare(kept, {"a": 1, "b": 2, "counter-x": 4}, ["one"], []) == Verdict(checked=6)
    assert compare(kept, {"a": 1, "c": 3, "counter-x": 2}, [], []) == Verdict(checked=6, lost=3)
    assert compare(kept, {"a": 1, "b": 3, "c": 4, "counter-x": 6}, ["one"], []) == Verdict(checked=6, wrong=4)
    assert json.dumps(kept.acknowledged) == "6"
