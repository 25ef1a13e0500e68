"""A deploy that is cut off by kill -9 at each of its steps, or by a disk that is full: the old release or the new one,
whole, and what was left behind is collected a day later."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests import support
from tests.faults.test_disk import MB, Disk, disk
from tests.kernel.fs.site import body, deploy, finish, frames, get, listing, plan, send
from tests.system.harness import PATIENCE, Machine, Node

__all__ = ["disk"]
ROOT = Path(__file__).resolve().parent.parent.parent


def site(n: int) -> dict[str, bytes]:
    chance = random.Random(n)
    return {
        "index.html": b"<h1>release %d</h1>" % n,
        "a.txt": b"a of %d" % n,
        "big.bin": chance.randbytes(700_000),
        "same.txt": b"the same in all of them",
    }


OLD, NEW = site(1), site(2)


# --- 17: killed at the N-th commit, in a process of its own


async def cut_off(db: Path, at: int, when: str) -> None:
    """A node and a deploy in one process, which kills itself at the N-th commit of the deploy."""
    async with support.running(db) as running:
        await running.key("deploy")
        writer, count = running.node.store.writer, 0
        commit = writer._commit

        def counted(group: Any) -> None:
            nonlocal count
            count += 1
            if count == at and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            if count == at and when == "within":
                execute = writer.connection.execute
                execute("begin immediate")
                for batch in group:
                    writer._apply(batch, execute)
                os.kill(os.getpid(), signal.SIGKILL)
            commit(group)
            if count == at and when == "after":
                os.kill(os.getpid(), signal.SIGKILL)

        writer._commit = counted  # type: ignore[method-assign]
        planned = (await plan(running, "blog", NEW)).data
        for one in frames(NEW, planned["missing"]):
            assert (await send(running, one)).status == 200
        assert (await finish(running, "blog", NEW)).status == 200
        print("done", count, flush=True)


async def judged(db: Path) -> int:
    """Which release is live after a restart; it is whole, and nothing is left behind once a day has passed."""
    async with support.running(db) as running:
        shown = {path: (await get(running, f"/{path}")).body for path in OLD}
        assert shown in (OLD, NEW)
        listed = (await running.ask("GET", "/api/apps/blog/releases", key="read")).data
        live = 2 if shown == NEW else 1
        assert [(one["n"], one["live"]) for one in listed] == [(n, n == live) for n in range(len(listed), 0, -1)]
        assert len(listed) == live
        files = (await running.ask("GET", "/api/apps/blog/files", key="read")).data
        content = NEW if live == 2 else OLD
        assert [(f["path"], f["sha256"], f["size"]) for f in files] == sorted(map(tuple, listing(content)))
        running.clock.advance(86_400 + 60)
        await running.run("storage.gc")
        file = apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            wanted = {data for content in (OLD, NEW)[:live] for data in content.values()}
            assert file.execute("select count(*) from blobs").fetchall() == [(len(wanted),)]
            loose = "select count(*) from chunks where blob_id not in (select id from blobs)"
            assert file.execute(loose).fetchall() == [(0,)]
            assert file.execute("select count(*) from trees").fetchall() == [(live,)]
            assert file.execute("pragma integrity_check").fetchall() == [("ok",)]
        finally:
            file.close()
        assert {path: (await get(running, f"/{path}")).body for path in OLD} == shown
        again = await deploy(running, "blog", NEW)
        assert (again["unchanged"], again["n"]) == (live == 2, 2)
        return live


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_17_killed_at_every_commit_of_a_deploy(tmp_path: Path, when: str) -> None:
    async def prepare(db: Path) -> None:
        async with support.running(db) as running:
            await deploy(running, "blog", OLD)

    seen: list[int] = []
    for at in range(1, 30):
        db = tmp_path / f"{when}-{at}" / "data.db"
        asyncio.run(prepare(db))
        ended = subprocess.run(
            [sys.executable, "-m", "tests.faults.test_deploy", str(db), str(at), when],
            cwd=ROOT,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
        done = ended.stdout.startswith(b"done")
        assert done or ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        seen.append(asyncio.run(judged(db)))
        if done:
            break
    else:
        raise AssertionError("the deploy never came to its end")
    # five pieces, one look through the large file, the release: at least so many places to be cut off
    assert len(seen) >= 7
    assert seen == sorted(seen) and {1, 2} <= set(seen), seen


# --- 17 and 18: the built program from outside


class Deploying:
    """A client of a node in another process."""

    def __init__(self, node: Node) -> None:
        self.node, self.key = node, node.key("*")

    def post(self, step: str, sent: bytes, wait: bool = True) -> Any:
        """The status and what came; None when it is not waited for, or nothing came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.node.port, timeout=PATIENCE)
        headers = {"Host": f"admin.localhost:{self.node.port}", "Authorization": f"Bearer {self.key}"}
        try:
            connection.request("POST", f"/api/deploy/{step}", sent, headers)
            if not wait:
                return None
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def steps(self, files: dict[str, bytes]) -> list[tuple[str, bytes]]:
        planned = self.post("plan", body("blog", files))
        assert planned[0] == 200, planned
        missing = frames(files, planned[1]["data"]["missing"])
        return [*(("pieces", one) for one in missing), ("finish", body("blog", files))]

    def deploy(self, files: dict[str, bytes]) -> None:
        for step, sent in self.steps(files):
            answer = self.post(step, sent)
            assert answer[0] == 200, answer

    def shown(self) -> dict[str, bytes]:
        return {path: self.node.ask("GET", f"/{path}", host="blog.localhost").body for path in OLD}


def test_17_killed_while_a_step_of_a_deploy_is_on_its_way(machine: Machine) -> None:
    """Each step in turn is sent and not waited for; the killed node comes up with one release, whole."""
    node = machine.up()
    Deploying(node).deploy(site(1))
    live, n = site(1), 1
    for turn in range(8):
        n += 1
        client, new = Deploying(node), site(n)
        steps = client.steps(new)
        cut = turn % len(steps) if turn < len(steps) else len(steps) - 1
        for step, sent in steps[:cut]:
            assert client.post(step, sent)[0] == 200
        with contextlib.suppress(OSError):
            client.post(*steps[cut], wait=False)
        for _ in range(turn * 150):  # a little later each time
            node.db.exists()
        node.kill()
        node = machine.up(known=node)
        again = Deploying(node)
        shown = again.shown()
        assert shown in (live, new), f"turn {turn}"
        if shown == live and turn % 2:
            again.deploy(new)
            assert again.shown() == new
            shown = new
        live = shown
    assert node.stop() == 0


def test_18_a_disk_that_is_full_in_a_deploy_leaves_the_old_release_live(machine: Machine, disk: Disk) -> None:
    node = machine.up(disk.folder / "data.db")
    client = Deploying(node)
    small = {**OLD, "big.bin": OLD["big.bin"][:100_000]}
    client.deploy(small)
    large = {**NEW, "big.bin": random.Random(5).randbytes(5 * MB)}
    steps = client.steps(large)
    disk.fill(leave=MB)
    refused = None
    for step, sent in steps:
        answer = client.post(step, sent)
        if answer[0] != 200:
            refused = answer
            break
    assert refused and (refused[0], refused[1]["error"]["code"]) == (507, "STORAGE_FULL"), refused
    assert refused[1]["error"]["hint"]
    assert client.shown() == small
    # what still has its pieces cannot be finished either, and says which way out there is
    disk.fill()
    for _ in range(3):
        status, said = client.post("finish", body("blog", large))
        assert (status, said["error"]["code"]) in ((507, "STORAGE_FULL"), (409, "CONFLICT"))
        assert client.shown() == small
    disk.free()
    # the rest is sent, and it is live
    assert client.post("plan", body("blog", large))[0] == 200
    client.node.signal(0)
    for step, sent in client.steps(large):
        status, said = client.post(step, sent)
        if status != 200:
            # eight megabytes are not enough for all that was written twice: that, too, is said
            assert (status, said["error"]["code"]) == (507, "STORAGE_FULL")
            break
    assert client.shown() in (small, large)
    assert node.stop() == 0
    assert "a request failed" not in node.said


if __name__ == "__main__":
    asyncio.run(cut_off(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
