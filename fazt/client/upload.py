"""A deploy, seen from the side that has the files: ask what is missing, send that, finish.

What arrived stays there, so a deploy that was cut off goes on where it ended: the next plan asks for less.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fazt.client.folder import File, Folder
from fazt.client.hashes import Hashes
from fazt.client.http import Broken, Link
from fazt.client.pieces import Changed, Piece, bodies, encoded, pieces
from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.fs.frames import FRAME

PAUSES = (0.5, 1.5, 4.0)
SENDER = "fazt-sender"
# a deploy of less is over before anybody notices
MUCH = 4 << 20
OCTETS = "application/octet-stream"
# connections, and bytes of a body: the node holds one in memory for a moment, and a cut connection costs what it held
NEAR, FAR = (2, 1 << 20), (4, 1 << 20)


@dataclass
class Wish:
    """What is said of a deploy beside its files."""

    name: str
    spa: bool | None = None
    message: str | None = None
    include_private: bool = False


@dataclass
class Deployed:
    """The node's answer, and what it took."""

    answer: dict[str, Any]
    sent: list[str] = field(default_factory=list)
    bytes_sent: int = 0


class Ignored:
    """For whoever does not want to see how far it is."""

    def begin(self, total: int) -> None: ...
    def add(self, count: int) -> None: ...


class Upload:
    PLAN, FINISH = "/api/deploy/plan", "/api/deploy/finish"

    def __init__(
        self,
        link: Link,
        folder: Folder,
        hashes: Hashes,
        wish: Wish,
        *,
        progress: Any = None,
        clock: Clock | None = None,
    ) -> None:
        self.link, self.folder, self.wish = link, folder, wish
        self._hashes, self._progress, self._clock = hashes, progress or Ignored(), clock or Clock()
        self._finishing = False
        self._met = False  # whether the node has ever answered
        if link.near and folder.size > MUCH:
            _step_back()
        self._known = hashes.of(folder.files)
        self.sent: dict[str, None] = {}
        self.bytes_sent = 0
        self._counting = threading.Lock()

    def plan(self) -> dict[str, Any]:
        """What the node would need; changes nothing."""
        return dict(self._ask(self.PLAN, self._manifest()))

    def missing(self, plan: dict[str, Any]) -> list[File]:
        """One file for each content that is not there."""
        found: dict[str, File] = {}
        for file in self.folder.files:
            sha256 = self._known[file.path].hex()
            if sha256 in plan["missing"]:
                found.setdefault(sha256, file)
        return list(found.values())

    def run(self) -> Deployed:
        """Until the node has made a release of it."""
        changed_before = lost_before = False
        while True:
            self._finishing = False
            plan = self.plan()
            try:
                self._send(plan)
                self._finishing = True
                answer = dict(self._ask(self.FINISH, self._manifest()))
                return Deployed(answer, list(self.sent), self.bytes_sent)
            except Changed as changed:
                if changed_before:
                    raise _keeps_changing(changed.path) from None
                changed_before = True
                self._look_again()
            except FaztError as error:
                # what was there at the plan may be gone by now, or proved wrong; once more, and only once
                if lost_before or not (error.details.get("missing") or error.details.get("sha256")):
                    raise
                lost_before = True

    @property
    def how_far(self) -> str:
        """What to say to somebody who stopped it."""
        if self._finishing:
            return "it was about to be published; `fazt releases` shows whether it was."
        return "nothing was published. The next deploy goes on from here."

    def _look_again(self) -> None:
        """Somebody works in the folder: read it anew."""
        self.folder = self.folder.again()
        self._known = self._hashes.of(self.folder.files)

    def _manifest(self) -> bytes:
        files = [(file.path, self._known[file.path].hex(), file.size) for file in self.folder.files]
        said: dict[str, Any] = {"name": self.wish.name, "files": files}
        if self.wish.spa is not None:
            said["spa"] = self.wish.spa
        if self.wish.message is not None:
            said["message"] = self.wish.message
        if self.wish.include_private:
            said["include_private"] = True
        return msgspec.json.encode(said)

    # --- sending

    def _send(self, plan: dict[str, Any]) -> None:
        wanted = plan["missing"]
        if not wanted:
            return
        self._progress.begin(plan["bytes_missing"])
        connections, most = NEAR if self.link.near else FAR
        senders = Senders(self._send_body, connections)
        with senders:
            for body in bodies(self._pieces(wanted), most):
                senders.give(body)

    def _pieces(self, wanted: dict[str, list[int]]) -> Iterator[Piece]:
        for file in self.missing({"missing": wanted}):
            sha256 = self._known[file.path]
            yield from pieces(file, sha256, wanted[sha256.hex()])
            self.sent[file.path] = None

    def _send_body(self, body: list[Piece]) -> None:
        blocks = encoded(body, compress=not self.link.near)
        # people are told of the bytes of their files, however few of them travel
        share = sum(len(piece.data) for piece in body) / sum(map(len, blocks))
        told = 0.0

        def watch(count: int) -> None:
            nonlocal told
            before, told = round(told), told + count * share
            self._progress.add(round(told) - before)

        self._ask("/api/deploy/pieces", blocks, OCTETS, watch)
        with self._counting:
            self.bytes_sent += sum(map(len, blocks)) - FRAME.size * len(body)

    def _ask(
        self,
        path: str,
        body: bytes | list[bytes],
        kind: str = "application/json",
        watch: Callable[[int], None] = lambda count: None,
    ) -> Any:
        """One request, and again after a pause when the network failed. A node that was never there is not waited
        for."""
        told = 0

        def count(more: int) -> None:
            nonlocal told
            told += more
            watch(more)

        for pause in (*PAUSES, None):
            try:
                answer = self.link.ask("POST", path, body, kind, count)
                self._met = True
                return answer
            except FaztError as error:
                passing = isinstance(error, Broken) or error.code == "SERVICE_UNAVAILABLE"
                if pause is None or not self._met or not passing:
                    raise
                watch(-told)
                told = 0
                self._clock.pause(pause)
        raise AssertionError("the last try returns or raises")


class Senders:
    """A few threads that send; whoever gives them something waits while all are busy, and hears of their errors."""

    def __init__(self, send: Callable[[list[Piece]], None], count: int) -> None:
        self._send, self._count = send, count
        self._waiting: queue.SimpleQueue[list[Piece] | None] = queue.SimpleQueue()
        # one body may lie ready while all are busy; more would only take memory
        self._room = threading.Semaphore(count + 1)
        self._threads: list[threading.Thread] = []
        self._failed: BaseException | None = None

    def give(self, body: list[Piece]) -> None:
        self._room.acquire()
        if self._failed:
            raise self._failed
        if len(self._threads) < self._count:
            # a daemon: whoever stops the program does not wait for a slow network
            thread = threading.Thread(target=self._work, name=SENDER, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._waiting.put(body)

    def __enter__(self) -> Senders:
        return self

    def __exit__(self, kind: Any, error: Any, _: Any) -> None:
        if kind is not None and not issubclass(kind, Changed):
            self._failed = self._failed or error
        for _thread in self._threads:
            self._waiting.put(None)
        if kind is None or issubclass(kind, Changed):
            for thread in self._threads:
                thread.join()
            if self._failed:
                raise self._failed

    def _work(self) -> None:
        while (body := self._waiting.get()) is not None:
            # after an error the rest is taken and forgotten, so that nobody waits for ever
            if self._failed is None:
                try:
                    self._send(body)
                except BaseException as error:  # handed to the one who gives
                    self._failed = error
            self._room.release()


def _step_back() -> None:
    """The node shares this machine: its visitors come before the deploy."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, 15)


def _keeps_changing(path: str) -> FaztError:
    return FaztError(
        "CONFLICT",
        f"{path} changes while it is sent.",
        "Nothing was published. Wait until it is written, then deploy again.",
        path=path,
    )
