"""`scripts/bench [NAME …] [--json] [--seconds N]`: runs suites and shows their rows. It measures, it does not judge."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import msgspec

from tests.bench.measure import Bench, Row, disk, machine

FOLDER = Path(__file__).parent
PROGRAM = FOLDER.parent.parent / "dist" / "fazt"
OWN = (
    "aiohttp_app",
    "apps",
    "caddy",
    "content",
    "load",
    "measure",
    "nginx",
    "nodes",
    "paced",
    "readers",
    "sqlite_app",
    "wrk",
)
LINE = "{:<20} {:>10} {:<9} {:>10} {:<16} {:>7} {:>10} {:<4} {:>8} {:>8} {:>7}"
HEAD = LINE.format("name", "ours", "", "theirs", "rival", "ratio", "target", "met", "p50 ms", "p99 ms", "spread")


def suites() -> list[str]:
    """All there are, by name."""
    names = [found.name for found in pkgutil.iter_modules([str(FOLDER)])]
    return [name for name in names if name not in OWN and not name.startswith(("_", "test_"))]


def measured(chosen: Sequence[str], seconds: float, folder: Path) -> Iterator[Row]:
    # a copy, as somebody may build a new one meanwhile
    program = Path(shutil.copy(PROGRAM, folder))
    for name in chosen:
        suite: ModuleType = importlib.import_module(f"tests.bench.{name}")
        yield from suite.rows(Bench(folder, seconds, program))


def line(row: Row) -> str:
    target = "" if row.target is None else f"{'>=' if row.better == 'higher' else '<='} {row.target:g}"
    if row.target is not None and row.alone:
        target += f" {row.unit}"
    met = {None: "", True: "yes", False: "NO"}[row.met]
    timed = [_short(figure) for figure in (row.p50_ms, row.p99_ms)]
    spread = "" if row.spread is None else f"{row.spread:.0%}"
    ours, theirs, ratio = (_short(figure) for figure in (row.ours, row.theirs, row.ratio))
    shown = LINE.format(row.name, ours, row.unit, theirs, row.rival or "", ratio, target, met, *timed, spread).rstrip()
    return f"{shown}  ({row.note})" if row.note else shown


def _short(figure: float | None) -> str:
    if figure is None:
        return ""
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.3g}"


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure the program, beside rivals.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(suites())} (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one turn takes (default: %(default)s)")
    given = parser.parse_args(words)
    unknown = [name for name in given.names if name not in suites()]
    if unknown:
        parser.error(f"there is no suite called {unknown[0]}, only {', '.join(suites())}")
    if given.seconds <= 0:
        parser.error("--seconds must be more than 0")
    return given


def main(words: Sequence[str]) -> int:
    given = arguments(words)
    # an end from outside unwinds too: the processes we started end with us
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="fazt-bench-", dir=disk(), ignore_cleanup_errors=True) as folder:
        about = machine(Path(folder))
        if not given.json:
            print(", ".join(f"{name} {value}" for name, value in about.items()))
            print(HEAD, flush=True)
        code = 0
        try:
            for row in measured(given.names or suites(), given.seconds, Path(folder)):
                rows.append(row)
                if not given.json:
                    print(line(row), flush=True)
        except Exception:
            # what was measured before is shown all the same
            traceback.print_exc()
            code = 1
    if given.json:
        print(msgspec.json.encode({"machine": about, "rows": rows}).decode())
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
