"""What apps say (`console.log` and the like): taken from any thread at once, written about once a second in batches.

Nobody waits for a log: what is more than the node can hold for the moment is dropped, counted, and said.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator

from kernel.base.errors import FaztError
from kernel.observe.follow_lines import Follower, LineKept, Wanted
from kernel.observe.lines_table import APP_LOGS, FIRST_TOO_OLD, LAST, LEVELS, MOST_KEPT, TRIM
from kernel.observe.redact import MARK, Redactor
from kernel.storage.store import Store
from kernel.syscall.plan import Step

MOST_OF_APP, MOST_OF_NODE = 2_000, 20_000
MOST_BYTES_OF_APP, MOST_BYTES_OF_NODE = 2 << 20, 16 << 20
MOST_LINE = 4096
CUT = "… (cut)"
MOST_PER_INVOCATION = 1000
MOST_FOLLOWERS = 100
RING = 1000
SLICE = 250  # a long batch would keep other writers waiting
TRIM_EVERY = 500
Known = Callable[[Iterable[str]], set[str]]


class Lines:
    """A port. `known` says which of some ids are apps: what an app said that was purged meanwhile is not written."""

    def __init__(self, store: Store, redactor: Redactor, known: Known) -> None:
        self._store, self._redactor, self._known = store, redactor, known
        self._lock = threading.Lock()
        self._waiting: deque[LineKept] = deque()
        self._writing: list[LineKept] = []
        self._held = Held()
        self._dropped: dict[str, int] = {}
        self._ring: deque[LineKept] = deque(maxlen=RING)
        self._followers: set[Follower] = set()
        self._untrimmed: dict[str, int] = {}
        self._last: int = store.rows(LAST)[0][0] or 0
        self.dropped = 0

    # --- saying

    def add(
        self,
        app: str,
        level: str,
        message: str,
        *,
        request: str = "",
        at: int | None = None,
        user: str = "",
        release: str = "",
    ) -> None:
        """One line, from any thread. It never waits and never fails."""
        if self._held.full(app):
            with self._lock:
                self._dropped[app] = self._dropped.get(app, 0) + 1
            return
        text = self._clean(app, message)
        rank = LEVELS.index(level) if level in LEVELS else LEVELS.index("info")
        self._append(app, rank, text, request=request, at=at, user=user, release=release)

    def _append(
        self,
        app: str,
        level: int,
        text: str,
        *,
        request: str = "",
        at: int | None = None,
        user: str = "",
        release: str = "",
    ) -> None:
        now = self._store.clock.now()
        with self._lock:
            self._last = max(self._last + 1, now * 1000)
            line = LineKept(self._last, app, user, now if at is None else at, level, text, request, release)
            self._waiting.append(line)
            self._held.add(line)
            self._ring.append(line)
            for follower in self._followers:
                follower.offer(line)

    def _clean(self, app: str, message: str) -> str:
        try:
            cover = self._redactor.of(app)
            text = cover.clean(_plain(message[: MOST_LINE + cover.longest]), MOST_LINE)
            return _cut(text, len(message) > MOST_LINE)
        except FaztError:
            # nobody knows what is secret at the moment
            return MARK

    # --- reading

    def recent(self, fits: Wanted) -> list[LineKept]:
        """What is not in the file yet."""
        with self._lock:
            return [line for line in (*self._writing, *self._waiting) if fits(line)]

    async def follow(self, fits: Wanted, wait: bool = True) -> AsyncGenerator[LineKept, None]:
        """The last lines that fit, and (`wait`) those that come; a reader that is too slow hears how many it missed."""
        follower = Follower(fits)
        with self._lock:
            if len(self._followers) >= MOST_FOLLOWERS:
                raise FaztError("SERVICE_UNAVAILABLE", f"{MOST_FOLLOWERS} readers follow the logs already.")
            found = [line for line in self._ring if fits(line)]
            self._followers.add(follower)
        try:
            for line in found:
                yield line
            while wait:
                await follower.wait()
                with self._lock:
                    found, missed = follower.take()
                for line in found:
                    yield line
                if missed:
                    yield found[-1]._replace(level=2, message=_missed(missed, "not shown here: too many at once"))
        finally:
            with self._lock:
                self._followers.discard(follower)

    # --- writing

    async def write(self) -> None:
        """Write what waits by now."""
        self._say_dropped()
        left = len(self._waiting)
        while left > 0:
            left -= SLICE
            batch = self._take()
            try:
                await self._store.write(list(self._steps(batch)))
            except BaseException:
                self._take_back(batch)
                raise
            self._written(batch)
        for app in [app for app, lines in self._untrimmed.items() if lines >= TRIM_EVERY]:
            await self._trim(app)

    def _say_dropped(self) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, {}
        for app, count in dropped.items():
            self.dropped += count
            self._append(app, LEVELS.index("warn"), _missed(count, "dropped: too many at once"))

    def _take(self) -> list[LineKept]:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(SLICE, len(self._waiting)))]
            self._writing = batch
        return batch

    def _take_back(self, batch: list[LineKept]) -> None:
        with self._lock:
            self._waiting.extendleft(reversed(batch))
            self._writing = []

    def _written(self, batch: list[LineKept]) -> None:
        with self._lock:
            self._writing = []
            for line in batch:
                self._held.remove(line)
        for line in batch:
            # what was kept before this start may be too much as well
            self._untrimmed[line.app] = self._untrimmed.get(line.app, TRIM_EVERY) + 1

    def _steps(self, batch: list[LineKept]) -> Iterator[Step]:
        known, scoped = self._known({line.app for line in batch}), self._store.scoped("")
        for line in batch:
            if line.app in known:
                yield from scoped.insert(
                    APP_LOGS,
                    seq=line.seq,
                    app_id=line.app,
                    user_id=line.user,
                    at=line.at,
                    level=line.level,
                    message=line.message,
                    request=line.request,
                    release_id=line.release,
                ).steps

    async def _trim(self, app: str) -> None:
        """Delete what is beyond the newest lines of an app, some at a time."""
        scoped = self._store.scoped("")
        found = scoped.one(FIRST_TOO_OLD, id=app, keep=MOST_KEPT)
        while found is not None:
            rows = await self._store.write(scoped.do(TRIM, id=app, upto=found[0], slice=SLICE).steps)
            if len(rows[0]) < SLICE:
                break
        self._untrimmed[app] = 0


class Held:
    """How much is in memory, of each app and together."""

    def __init__(self) -> None:
        self._apps: dict[str, list[int]] = {}
        self._lines = self._bytes = 0

    def full(self, app: str) -> bool:
        if self._lines >= MOST_OF_NODE or self._bytes >= MOST_BYTES_OF_NODE:
            return True
        lines, size = self._apps.get(app, (0, 0))
        return lines >= MOST_OF_APP or size >= MOST_BYTES_OF_APP

    def add(self, line: LineKept) -> None:
        self._count(line, 1)

    def remove(self, line: LineKept) -> None:
        self._count(line, -1)

    def _count(self, line: LineKept, one: int) -> None:
        size = one * len(line.message)
        held = self._apps.setdefault(line.app, [0, 0])
        held[0] += one
        held[1] += size
        self._lines += one
        self._bytes += size
        if held[0] == 0:
            del self._apps[line.app]


class Quota:
    """What one invocation may say; the rest is counted and said at its end."""

    def __init__(self, lines: Lines, app: str, *, request: str = "", user: str = "", release: str = "") -> None:
        self._lines, self._app = lines, app
        self._request, self._user, self._release = request, user, release
        self.said = 0

    def add(self, level: str, message: str) -> None:
        self.said += 1
        if self.said <= MOST_PER_INVOCATION:
            self._pass_on(level, message)

    def end(self) -> None:
        if self.said > MOST_PER_INVOCATION:
            more = self.said - MOST_PER_INVOCATION
            self._pass_on("warn", _missed(more, f"left out: a request may say {MOST_PER_INVOCATION}"))

    def _pass_on(self, level: str, message: str) -> None:
        self._lines.add(self._app, level, message, request=self._request, user=self._user, release=self._release)


def _missed(count: int, why: str) -> str:
    return f"{count} line{' was' if count == 1 else 's were'} {why}."


def _plain(message: str) -> str:
    """What can be stored: no half characters, nothing that ends text for a program in C."""
    return message.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _cut(text: str, more: bool) -> str:
    """At most MOST_LINE bytes of UTF-8; `more`: some of it is missing already."""
    encoded = text.encode()
    if len(encoded) <= MOST_LINE and not more:
        return text
    return encoded[: MOST_LINE - len(CUT.encode())].decode("utf-8", "ignore") + CUT
