"""The threads that run apps' code. As many run at once as there are permits; the apps take turns.

A thread that waits (for a commit, say) gives its permit back meanwhile, so many may wait while few compute. Work that
computes for long is *demoted*: it goes on beside the others, with less right to the processor, and its permit goes to
somebody else. A thread that was demoted ends with its work, for a process may not raise its priority again.
"""

from __future__ import annotations

import collections
import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from kernel.observe import log

MOST_THREADS = 32
MOST_DEMOTED = 24
MOST_DEMOTED_OF_APP = 2
NICENESS = 12
Work = Callable[[], None]
logger = log.get("fazt.runtime")


class Worker:
    """One thread. It sleeps on its lock, and finds its work where the one who woke it put it."""

    __slots__ = ("app", "away", "demoted", "lock", "work")

    def __init__(self, app: str, work: Work) -> None:
        self.app, self.work = app, work
        self.lock = threading.Lock()
        self.lock.acquire()
        self.demoted = False
        self.away = False  # it waits, and holds no permit


class Threads:
    """`leave` is called at the end of each thread, by the thread itself: for what it alone may close."""

    def __init__(self, permits: int | None = None, leave: Callable[[], None] = lambda: None) -> None:
        self.permits = permits or max(2, os.cpu_count() or 2)
        self._leave = leave
        self._guard = threading.Lock()
        self._queues: dict[str, collections.deque[Work]] = {}
        self._turns: collections.deque[str] = collections.deque()  # apps with work, the next one first
        self._resuming: collections.deque[threading.Lock] = collections.deque()
        self._idle: list[Worker] = []
        self._demoted: collections.Counter[str] = collections.Counter()
        self._running = 0  # permits in use
        self._threads = 0
        self._local = threading.local()
        self._closing = False

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    # --- from outside

    def submit(self, app: str, work: Work) -> None:
        with self._guard:
            if self._closing:
                return
            queue = self._queues.get(app)
            if queue is None:
                queue = self._queues[app] = collections.deque()
                self._turns.append(app)
            queue.append(work)
            self._dispatch()

    def close(self) -> None:
        with self._guard:
            self._closing = True
            self._queues.clear()
            self._turns.clear()
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.lock.release()

    # --- on an app thread

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Around a wait: the permit is given back, and asked for again."""
        worker: Worker | None = getattr(self._local, "worker", None)
        if worker is None or worker.demoted or worker.away:
            yield
            return
        with self._guard:
            self._give_back()
        worker.away = True
        try:
            yield
        finally:
            worker.away = False
            self._take_again()

    def demote(self) -> None:
        """Called by the work itself, which has computed for long."""
        worker: Worker | None = getattr(self._local, "worker", None)
        if worker is None or worker.demoted or worker.away:
            return
        with self._guard:
            if self._demoted.total() >= MOST_DEMOTED:
                return
            worker.demoted = True
            self._demoted[worker.app] += 1
            self._give_back()
        # a system that does not allow it has no gentle way; the work goes on as it was
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

    # --- with the guard held

    def _dispatch(self) -> None:
        while self._running < self.permits:
            if self._resuming:
                self._running += 1
                self._resuming.popleft().release()
                continue
            if self._threads >= MOST_THREADS + self._demoted.total() and not self._idle:
                return
            found = self._next()
            if found is None:
                return
            app, work = found
            self._running += 1
            if self._idle:
                worker = self._idle.pop()
                worker.app, worker.work = app, work
                worker.lock.release()
            elif not self._start(Worker(app, work)):
                self._running -= 1
                self._put_back(app, work)
                return

    def _start(self, worker: Worker) -> bool:
        try:
            threading.Thread(target=self._run, args=(worker,), name="fazt-app", daemon=True).start()
        except RuntimeError:
            # the system has no more of them: those that are here will come to it, or the next request tries again
            logger.exception("a thread could not be started")
            return False
        self._threads += 1
        return True

    def _put_back(self, app: str, work: Work) -> None:
        """As if it had not been taken: the app's next work, and the app's turn."""
        if app in self._queues:
            self._turns.remove(app)
        self._queues.setdefault(app, collections.deque()).appendleft(work)
        self._turns.appendleft(app)

    def _next(self) -> tuple[str, Work] | None:
        """The next app's next work. One whose code computes without end waits until that has ended."""
        for _ in range(len(self._turns)):
            app = self._turns[0]
            self._turns.rotate(-1)
            if self._demoted[app] >= MOST_DEMOTED_OF_APP:
                continue
            queue = self._queues[app]
            work = queue.popleft()
            if not queue:
                del self._queues[app]
                self._turns.remove(app)
            return app, work
        return None

    def _give_back(self) -> None:
        self._running -= 1
        self._dispatch()

    # --- the threads themselves

    def _take_again(self) -> None:
        with self._guard:
            if self._running < self.permits:
                self._running += 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._resuming.append(turn)
        turn.acquire()

    def _run(self, worker: Worker) -> None:
        self._local.worker = worker
        going = True
        while going:
            try:
                worker.work()
            except BaseException:  # the work answers for itself; a fault in it must not cost a permit
                logger.exception("work of an app failed")
            worker.work = _nothing
            going = self._go_on(worker)
        self._leave()

    def _go_on(self, worker: Worker) -> bool:
        """Take the next work, or sleep until there is some. False: the thread ends."""
        with self._guard:
            if worker.demoted:
                self._demoted -= collections.Counter((worker.app,))
                self._threads -= 1
                self._dispatch()
                return False
            if not self._resuming and (found := self._next()):
                worker.app, worker.work = found
                return True
            self._running -= 1
            if self._closing:
                self._threads -= 1
                self._dispatch()
                return False
            self._idle.append(worker)
            self._dispatch()
        worker.lock.acquire()
        if worker.work is _nothing:
            # woken with nothing to do: the end
            with self._guard:
                self._threads -= 1
            return False
        return True


def _nothing() -> None:
    return None
