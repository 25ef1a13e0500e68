"""How things are measured: ours and a rival take turns in the same run, and the median of the pairs counts.

A figure alone says more about the machine than about the program, so what can be compared is compared. A turn is one
measurement of one side; a single turn may be disturbed by anything, the median of five or more seldom is.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import apsw
from msgspec import Struct

PAIRS = 5
MOST_AGAIN = 2  # times as many rounds, where the machine does not become quiet
QUIET = 0.2  # of a core: what other programs may have of it in a round that counts
TICKS = os.sysconf("SC_CLK_TCK")
MB = 1_000_000
IN_MEMORY = ("tmpfs", "ramfs")
Better = Literal["higher", "lower"]


class Row(Struct, omit_defaults=True):
    """A result. `ratio` is ours / theirs; the target is for the ratio where there is one, else for `ours`.

    `alone`: the target is for `ours` although there is a ratio. A rival that is not there leaves `met` open, and `note`
    says so.
    """

    name: str
    unit: str
    ours: float
    rival: str | None = None
    theirs: float | None = None
    ratio: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    runs: int | None = None
    spread: float | None = None
    target: float | None = None
    better: Better | None = None
    met: bool | None = None
    alone: bool = False
    note: str | None = None

    def aiming(self, target: float | None, better: Better) -> Row:
        """With a target, and whether it is met: `higher` means at least, `lower` at most."""
        figure = self.ours if self.ratio is None or self.alone else self.ratio
        self.better = better
        if target is not None:
            self.target, self.met = target, figure >= target if better == "higher" else figure <= target
        return self


@dataclass
class Turn:
    """One measurement: a figure and, where single operations were timed, their seconds."""

    value: float
    latencies: list[float] = field(default_factory=list)
    p50_ms: float | None = None  # where only these are known
    p99_ms: float | None = None


Taken = TypeVar("Taken", bound=Turn)


@dataclass(frozen=True)
class Bench:
    """What a suite gets: a folder of its own, how long a turn shall be, and the built program."""

    folder: Path
    seconds: float
    program: Path

    def place(self, name: str) -> Path:
        """A new folder."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))


def alone(name: str, unit: str, turns: Sequence[Turn], *, better: Better, target: float | None = None) -> Row:
    """What has no rival."""
    values = [turn.value for turn in turns]
    row = Row(name, unit, statistics.median(values), runs=len(values), spread=spread(values))
    return _timed(row, turns).aiming(target, better)


def versus(
    name: str,
    unit: str,
    ours: Callable[[], Turn],
    theirs: Callable[[], Turn],
    *,
    rival: str,
    better: Better,
    target: float | None = None,
    pairs: int = PAIRS,
) -> Row:
    """Ours and theirs by turns, after one of each that does not count."""
    ours()
    theirs()
    taken = [(ours(), theirs()) for _ in range(pairs)]
    return compared(name, unit, taken, rival=rival, better=better, target=target)


def compared(
    name: str,
    unit: str,
    taken: Sequence[tuple[Turn, Turn]],
    *,
    rival: str,
    better: Better,
    target: float | None = None,
    alone: bool = False,
) -> Row:
    """What pairs of turns show. `alone`: the target is for ours, the rival only says how far from it one could be."""
    ratios = [mine.value / other.value for mine, other in taken]
    row = Row(
        name,
        unit,
        statistics.median(mine.value for mine, _ in taken),
        rival=rival,
        theirs=statistics.median(other.value for _, other in taken),
        ratio=statistics.median(ratios),
        runs=len(taken),
        spread=spread(ratios),
        alone=alone,
    )
    return _timed(row, [mine for mine, _ in taken]).aiming(target, better)


def not_compared(
    name: str, unit: str, turns: Sequence[Turn], *, rival: str, better: Better, target: float | None, why: str
) -> Row:
    """Ours alone, as the rival is not there: whether the target is met is not known."""
    row = alone(name, unit, turns, better=better)
    row.rival, row.target, row.note = rival, target, f"not measured: {why}"
    return row


def rounds(turns: Mapping[str, Callable[[], Taken]], count: int = PAIRS) -> dict[str, list[Taken]]:
    """Several sides by turns, after one of each that does not count; of more rounds than that, the least disturbed.

    A round in which other programs of the machine had a good part of a core is made again, a bounded number of times.
    """
    for turn in turns.values():
        turn()
    taken: list[tuple[float, dict[str, Taken]]] = []
    while len(taken) < count * MOST_AGAIN and sum(others < QUIET for others, _ in taken) < count:
        worst = 0.0
        made: dict[str, Taken] = {}
        for name, turn in turns.items():
            before = _busy_and_known()
            made[name] = turn()
            worst = max(worst, _others(before))
        taken.append((worst, made))
    quietest = sorted(taken, key=lambda one: one[0])[:count]
    return {name: [made[name] for _, made in quietest] for name in turns}


def _busy_and_known() -> tuple[float, float, float]:
    """Now, the processor seconds the machine has spent, and those that were spent by us and what we started."""
    with contextlib.suppress(OSError):
        fields = [int(part) for part in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        busy = sum(fields) - fields[3] - fields[4]
        return time.perf_counter(), busy / TICKS, sum(cpu_seconds(pid) for pid in _family(os.getpid()))
    return time.perf_counter(), 0.0, 0.0


def _others(before: tuple[float, float, float]) -> float:
    """How many cores somebody else had since then."""
    at, busy, known = (now - then for now, then in zip(_busy_and_known(), before, strict=True))
    return max(0.0, busy - known) / at


def _family(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        lists = [task.read_text() for task in Path(f"/proc/{pid}/task").glob("*/children")]
        return [pid, *(below for child in " ".join(lists).split() for below in _family(int(child)))]
    return []


def cpu_seconds(pid: int) -> float:
    """What a process has spent, all its threads and its children that have ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / TICKS
    return 0.0


def spread(values: Sequence[float]) -> float:
    middle = statistics.median(values)
    return (max(values) - min(values)) / abs(middle) if middle else 0.0


def _timed(row: Row, turns: Sequence[Turn]) -> Row:
    latencies = sorted(itertools.chain.from_iterable(turn.latencies for turn in turns))
    known = [(turn.p50_ms, turn.p99_ms) for turn in turns if turn.p50_ms is not None and turn.p99_ms is not None]
    if known:
        row.p50_ms, row.p99_ms = (statistics.median(figures) for figures in zip(*known, strict=True))
    elif latencies:
        row.p50_ms = 1000 * latencies[len(latencies) // 2]
        row.p99_ms = 1000 * latencies[len(latencies) * 99 // 100]
    return row


async def busy(work: Callable[[int], Awaitable[Any]], workers: int, seconds: float) -> Turn:
    """Many workers that each do one thing after the other; things per second. Each does at least one."""
    latencies: list[float] = []
    numbers = itertools.count()
    began = time.perf_counter()
    end = began + seconds

    async def worker() -> None:
        now = time.perf_counter()
        while True:
            await work(next(numbers))
            before, now = now, time.perf_counter()
            latencies.append(now - before)
            if now >= end:
                return

    await asyncio.gather(*(worker() for _ in range(workers)))
    return Turn(len(latencies) / (time.perf_counter() - began), latencies)


def disk() -> Path:
    """Where benches keep their files: on a disk, as what is held in memory costs nothing to make durable."""
    places = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]
    return next((place for place in places if place.is_dir() and filesystem(place) not in IN_MEMORY), places[0])


def filesystem(place: Path) -> str:
    """The kind of file system a folder is on; nothing where the system does not tell."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return ""
    found = [(len(where), kind) for where, kind in mounts if place.resolve().is_relative_to(where)]
    return max(found)[1] if found else ""


def machine(folder: Path) -> dict[str, Any]:
    """What the figures were measured on. A commit is as fast as the disk says that it has written: `fsync_ms`."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MB,
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "files_on": filesystem(folder),
        "fsync_ms": round(_fsync(folder) * 1000, 3),
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _fsync(folder: Path) -> float:
    """Seconds until a page is said to be on the disk."""
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(50):
            os.write(file.fileno(), bytes(8192))
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)
