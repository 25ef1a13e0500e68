"""`scripts/torture NAME [--n N]`: the crash tests and random requests, as often as somebody has time for.

A round is counted when it has been judged, in `build/torture/NAME.json`, so a run may be ended at any moment and the
next one adds to it. What a round found wrong is kept beside it, and the exit code is 1 as long as the totals hold it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from kernel.storage import writer
from tests.faults import http_fuzz
from tests.faults.cut_off import CutOff
from tests.faults.disk_calls import Faults
from tests.faults.load import Killing
from tests.faults.moving import Moving
from tests.faults.nth_call import CASES
from tests.faults.nth_call import rounds as nth_call
from tests.faults.readers import flip
from tests.faults.stores import Counting
from tests.faults.term import terminate
from tests.kernel.data import ds_trial, scope_trial
from tests.runtime.apps import Apps
from tests.runtime.hostile.program import programs
from tests.runtime.hostile.trial import Trial, complaints, resident
from tests.runtime.isolation import Isolation
from tests.system.harness import Machine
from tests.torture import vector_demo
from tests.torture.vector_models import MODELS

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = ROOT / "build" / "torture"
# rounds on one file; then a new one begins
SLICES = {"kill": 10, "term": 10, "http": 1000, "readers": 5, "deploy": 20, "hostile": 3, "isolation": 20_000}
SLICES |= {"counting": 5, "documents": 4000, "moving": 4, "scopes": 1500, "vectors": 5, "faults": 1}
MOVED = 100 << 20  # bytes of objects
LOGGED = 800  # calls whose lines the logs show at once
BAD = ("lost", "wrong", "torn", "damaged", "unanswered", "bad_exits", "different", "mixed")
UNITS = {
    "kill": "kills",
    "term": "stops",
    "http": "programs",
    "readers": "runs",
    "deploy": "cuts",
    "hostile": "rounds",
    "isolation": "calls",
    "counting": "kills",
    "documents": "operations",
    "scopes": "steps",
    "vectors": "models",
    "moving": "moves",
    "faults": "rounds",
}
Totals = dict[str, int]


class Torture:
    """The totals of one kind of torture, kept in a file."""

    def __init__(self, name: str, fresh: bool) -> None:
        self.name, self.file = name, PLACE / f"{name}.json"
        PLACE.mkdir(parents=True, exist_ok=True)
        self.totals: Totals = {} if fresh or not self.file.exists() else json.loads(self.file.read_text())
        self.before = dict(self.totals)

    def add(self, **counts: int) -> None:
        for what, count in counts.items():
            self.totals[what] = self.totals.get(what, 0) + count
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.totals, indent=2) + "\n")
        part.rename(self.file)

    def lines(self) -> Iterator[str]:
        this = {what: count - self.before.get(what, 0) for what, count in self.totals.items()}
        for label, counts in (("this run", this), ("all runs", self.totals)):
            rounds = counts.get(UNITS[self.name], 0)
            shown = ", ".join(f"{count} {what}" for what, count in counts.items())
            each = (
                f"; {counts['acknowledged'] / rounds:.0f} acknowledged writes each"
                if "acknowledged" in counts and rounds
                else ""
            )
            yield f"{self.name}, {label}: {shown or 'nothing yet'}{each}"

    @property
    def bad(self) -> bool:
        return any(self.totals.get(what) for what in BAD)


def bare_python() -> Path:
    folder = PLACE / "python"
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


def machine(name: str, seed: int) -> Machine:
    folder = PLACE / f"{name}-{seed:x}"
    folder.mkdir()
    program = Path(shutil.copy(ROOT / "dist" / "fazt", folder / "fazt"))
    return Machine(folder, program, bare_python(), PLACE / "cache")


def kill(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """kill -9 under the load of fifty writers."""
    killing = Killing(made, seed)
    told = 0
    for _ in range(rounds):
        verdict = killing.kill()
        torture.add(
            kills=1,
            acknowledged=killing.promises.acknowledged - told,
            lost=verdict.lost,
            wrong=verdict.wrong,
            torn=verdict.torn,
            intact=int(verdict.integrity == "ok" and verdict.audit == "ok"),
            damaged=int(verdict.integrity != "ok" or verdict.audit != "ok"),
        )
        told = killing.promises.acknowledged
        if not verdict.well:
            raise AssertionError(f"seed {seed}, kill {killing.kills}: {verdict}")


def term(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """SIGTERM with a hundred requests in flight, by turns all waiting and all on their way."""
    for turn in range(rounds):
        told = terminate(made, made.up(), frozen=turn % 2 == 0, slug=f"term-{turn}")
        torture.add(
            stops=1,
            requests=told.requests,
            answered=sum(told.statuses.values()),
            unanswered=len(told.unanswered),
            acknowledged=told.acknowledged,
            lost=told.lost,
            bad_exits=int(told.exit != 0),
        )
        if told.unanswered or told.lost or told.exit:
            raise AssertionError(f"seed {seed}, round {turn}: {told}")


def http(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """Random programs of requests, by the door and past it; by turns of both sites, on both kinds of loop."""
    loops = (asyncio.new_event_loop, uvloop.new_event_loop)
    ways = [(kind, loop) for kind in (http_fuzz.MemorySite, http_fuzz.DeployedSite) for loop in loops]
    for part, (kind, loop) in enumerate(ways):
        seeds = range(seed + part * rounds // len(ways), seed + (part + 1) * rounds // len(ways))
        with asyncio.Runner(loop_factory=loop) as runner:
            found = runner.run(http_fuzz.run(made.folder / f"http-{part}.db", seeds, kind))
        torture.add(
            programs=len(seeds),
            answers=found.answers,
            from_memory=found.fast,
            upgrades=found.upgrades,
            different=len(found.differences),
        )
        if found.differences:
            raise AssertionError("\n".join(found.differences[:10]))


def readers(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """A thousand readers on connections that stay open, during twenty deploys."""
    node = made.up()
    for turn in range(rounds):
        seen = asyncio.run(flip(node.port, node.key("deploy"), readers=1000, deploys=20, first=1 + 100 * turn))
        torture.add(runs=1, deploys=seen.deploys, pages=seen.pages, assets=seen.assets, different=len(seen.wrong))
        if seen.wrong:
            raise AssertionError("\n".join(seen.wrong[:10]))


def deploy(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """kill -9 at a random moment of a random step of a deploy."""
    cut = CutOff(made, seed)
    for _ in range(rounds):
        live = cut.round()
        torture.add(cuts=1, old=int(live == "old"), new=int(live == "new"), torn=int(live == "torn"))
        if live == "torn":
            raise AssertionError(f"seed {seed}, cut {cut.cuts}: neither the old nor the new release")


def hostile(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """All hostile programs, each time in another order."""
    all_of_them = programs()
    node = made.up()
    trial = Trial(Apps(made, node), all_of_them)
    for turn in range(rounds):
        before, wrong = resident(node), list[str]()
        for program in random.Random(seed + turn).sample(all_of_them, len(all_of_them)):
            wrong += [f"{program.name}: {said}" for said in complaints(program, trial.attempt(program))]
        torture.add(rounds=1, programs=len(all_of_them), late=len(trial.late), wrong=len(wrong))
        print(f"round {turn + 1}: {before:.0f} MB before, {resident(node):.0f} MB after", flush=True)
        if wrong:
            raise AssertionError(f"seed {seed}, round {turn}:\n" + "\n".join(wrong[:20]))


def isolation(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """Interleaved requests of two people to two apps, by eight threads; `--n` counts calls."""
    both = Isolation(Apps(made, made.up()))
    for start in range(0, rounds, LOGGED):
        found = both.run(min(LOGGED, rounds - start), seed + start)
        strange = both.strange_lines(found)
        torture.add(calls=found.calls, log_lines=2 * len(found.marks), mixed=len(found.wrong) + len(strange))
        if found.wrong or strange:
            raise AssertionError(f"seed {seed}:\n" + "\n".join([*found.wrong, *strange][:20]))


def counting(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """Eight instances add, compare, change and batch; kill -9 in the middle of it."""
    count = Counting(made, seed)
    for _ in range(rounds):
        before = count.counted.acknowledged
        wrong = count.round(4000, kill=True)
        torture.add(kills=1, acknowledged=count.counted.acknowledged - before, wrong=len(wrong))
        if wrong:
            raise AssertionError(f"seed {seed}, kill {count.kills}:\n" + "\n".join(wrong[:20]))


def documents(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """Random operations on the document store, beside a model of it."""
    trial = asyncio.run(ds_trial.run(made.folder, seed, rounds))
    torture.add(operations=trial.done, refused=trial.refused)


def moving(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """A hundred megabytes go to an S3 server and back; either is killed, and both are, while others write."""
    there = Moving(made, seed, total=MOVED)
    try:
        for _ in range(rounds):
            told, kills = there.acknowledged, there.kills.total()
            wrong = there.move(kills=3, clean=there.chance.random() < 0.5)
            torture.add(
                moves=1, kills=there.kills.total() - kills, acknowledged=there.acknowledged - told, wrong=len(wrong)
            )
            if wrong:
                raise AssertionError(f"seed {seed}, move {there.moves}:\n" + "\n".join(wrong[:20]))
        print(f"{len(there.possible)} keys, at most {there.peak >> 20} MB of memory", flush=True)
    finally:
        there.close()


def scopes(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """Random steps of two apps and their people in all stores: everybody sees what is theirs."""
    counts = asyncio.run(scope_trial.run(made.folder, seed, rounds))
    torture.add(steps=counts.steps, refused=counts.refused)


def vectors(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """Texts of people, vectors of real models: what is found is what is nearest."""
    node = made.up()
    node.app("library")
    for model in MODELS:
        recall = vector_demo.demonstrate(made, node, model, 4000)
        torture.add(models=1, wrong=int(recall < 1))


def faults(torture: Torture, made: Machine, seed: int, rounds: int) -> None:
    """The disk fails at its Nth call, for every N of every case; a round is all of them."""
    writer.LONGEST_LOG = 8
    # what fails where SQLite can tell nobody, apsw says to the interpreter
    sys.unraisablehook = lambda _: None
    disk = Faults()
    try:
        for _ in range(rounds):
            for number, case in enumerate(CASES):
                for found in nth_call(made.folder / f"{number}-{seed:x}", disk, case):
                    torture.add(calls=int(found.reached), wrong=len(found.wrong), **dict(found.counts))
                    if found.wrong:
                        raise AssertionError("\n".join(found.wrong[:20]))
            torture.add(rounds=1)
            seed += 1
    finally:
        disk.close()


NAMES: dict[str, Callable[[Torture, Machine, int, int], None]] = {
    "kill": kill,
    "term": term,
    "http": http,
    "readers": readers,
    "deploy": deploy,
    "hostile": hostile,
    "isolation": isolation,
    "counting": counting,
    "documents": documents,
    "scopes": scopes,
    "vectors": vectors,
    "moving": moving,
    "faults": faults,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/torture", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--n", type=int, default=5, help="rounds to add (default 5)")
    parser.add_argument("--fresh", action="store_true", help="forget the totals of earlier runs")
    asked = parser.parse_args()
    torture = Torture(asked.name, asked.fresh)
    left, failed = asked.n, False
    try:
        while left > 0 and not failed:
            seed, rounds = random.randrange(1 << 32), min(SLICES[asked.name], left)
            made = machine(asked.name, seed)
            try:
                NAMES[asked.name](torture, made, seed, rounds)
            except AssertionError as error:
                failed = True
                print(f"{error}\nkept for a look: {made.folder}", file=sys.stderr)
            finally:
                made.close()
                if not failed:
                    shutil.rmtree(made.folder)
            left -= rounds
    except KeyboardInterrupt:
        print("stopped; what was judged is counted", file=sys.stderr)
    print(*torture.lines(), sep="\n")
    return 1 if failed or torture.bad else 0


if __name__ == "__main__":
    sys.exit(main())
