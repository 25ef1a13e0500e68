"""The rules of the house, as tests; each is also shown to find what breaks it."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fazt.boot import PARTS, registry
from kernel.base.errors import CODES

ROOT = Path(__file__).parents[1]
SOURCES = [path for room in ("fazt", "kernel", "services") for path in sorted((ROOT / room).rglob("*.py"))]
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in SOURCES}

# who may look at the machine's clock, and what for
CLOCKS = {
    "kernel/base/clock.py": "is the clock",
    "kernel/net/server.py": "draining ends by real time",
    "kernel/runtime/engine/engine.py": "interrupts code that runs too long for real",
    "kernel/runtime/engine/machine_code.py": "compares with the times the file system gives its files",
    "fazt/cli/nodes.py": "a command that waits for another process is no node",
}
TIME = {
    "time.time",
    "time.time_ns",
    "time.sleep",
    "asyncio.sleep",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
}
Finding = tuple[str, int]


def allowed(path: str, places: dict[str, str]) -> bool:
    return any(path == place or (place.endswith("/") and path.startswith(place)) for place in places)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


# --- the rules --------------------------------------------------------------------------------------------------------


def clocks(path: str, tree: ast.AST) -> Iterator[Finding]:
    """Time is handed in (`kernel/base/clock.py`), so that tests move it and replays repeat it."""
    if not allowed(path, CLOCKS):
        yield from ((dotted(call.func), call.lineno) for call in calls(tree) if dotted(call.func) in TIME)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in ("time", "asyncio"):
                yield from ((name.name, node.lineno) for name in node.names if f"{node.module}.{name.name}" in TIME)


def databases(path: str, tree: ast.AST) -> Iterator[Finding]:
    """SQLite is behind the Store: nobody else imports it or runs SQL."""
    if path.startswith("kernel/storage/"):
        return
    for node in ast.walk(tree):
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from ((name, node.lineno) for name in names if name.split(".")[0] in ("apsw", "sqlite3", "aiosqlite"))
    for call in calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("execute", "executemany", "executescript"):
            yield call.func.attr, call.lineno


def swallowed(path: str, tree: ast.AST) -> Iterator[Finding]:
    """`except:` hides Ctrl-C; `except Exception: pass` hides everything else."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            broad = node.type is None or (silent and dotted(node.type) in ("Exception", "BaseException"))
            if broad:
                yield "except", node.lineno


def unknown_codes(path: str, tree: ast.AST) -> Iterator[Finding]:
    """An error has a code of the table, which fixes its status and exit code."""
    for call in calls(tree):
        if dotted(call.func).endswith("FaztError") and call.args:
            for code in said(call.args[0]):
                if code not in CODES:
                    yield code, call.lineno


def said(node: ast.expr) -> Iterator[str]:
    """The texts an expression may be, as far as they stand there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from said(node.body)
        yield from said(node.orelse)


def prints(path: str, tree: ast.AST) -> Iterator[Finding]:
    """Only the command line speaks to a terminal."""
    if path.startswith("kernel/"):
        yield from (("print", call.lineno) for call in calls(tree) if dotted(call.func) in ("print", "input"))


def stand_ins(path: str, tree: ast.AST) -> Iterator[Finding]:
    """No function that only pretends. (A method may leave itself to those who fill a port.)"""
    for function in getattr(tree, "body", []):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and not allowed(path, HOOKS):
            for node in ast.walk(function):
                if isinstance(node, ast.Raise) and node.exc is not None:
                    name = dotted(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
                    if name == "NotImplementedError":
                        yield name, node.lineno


# msgspec demands this very exception of its hooks
HOOKS = {"kernel/base/json.py": "encoding", "kernel/syscall/words.py": "decoding and schemas"}
RULES: tuple[Callable[[str, ast.AST], Iterator[Finding]], ...] = (
    clocks,
    databases,
    swallowed,
    unknown_codes,
    prints,
    stand_ins,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_whole_program_keeps_to_the_rule(rule: Callable[[str, ast.AST], Iterator[Finding]]) -> None:
    assert len(TREES) > 60
    found = [f"{path}:{line}: {what}" for path, tree in TREES.items() for what, line in rule(path, tree)]
    assert found == [], rule.__doc__


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (clocks, "import time\ndef f(): return time.time()"),
        (clocks, "import asyncio\nasync def f(): await asyncio.sleep(1)"),
        (clocks, "import time\ntime.sleep(1)"),
        (clocks, "from time import sleep\nsleep(1)"),
        (clocks, "from datetime import datetime\nnow = datetime.now()"),
        (clocks, "import datetime\nnow = datetime.datetime.now(datetime.UTC)"),
        (databases, "import apsw"),
        (databases, "from apsw import Connection"),
        (databases, "def f():\n    import sqlite3"),
        (databases, "def f(store): return store.reader().execute('select 1')"),
        (swallowed, "try: f()\nexcept: g()"),
        (swallowed, "try: f()\nexcept Exception: pass"),
        (unknown_codes, "raise FaztError('NO_SUCH_CODE', 'x')"),
        (unknown_codes, "raise errors.FaztError('NOT_FOUND' if x else 'NO_SUCH_CODE', 'x')"),
        (prints, "print('x')"),
        (stand_ins, "def f(): raise NotImplementedError"),
    ],
)
def test_what_breaks_a_rule_is_found(rule: Callable[[str, ast.AST], Iterator[Finding]], source: str) -> None:
    assert list(rule("kernel/data/planted.py", ast.parse(source)))


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [
        (clocks, "kernel/base/clock.py", "import time\ntime.time()"),
        (clocks, "kernel/data/x.py", "async def f(clock): await clock.sleep(1)"),
        (databases, "kernel/storage/x.py", "import apsw\napsw.Connection('').execute('')"),
        (databases, "kernel/data/x.py", "execute(command)"),
        (swallowed, "kernel/data/x.py", "try: f()\nexcept OSError: pass"),
        (unknown_codes, "kernel/data/x.py", "raise FaztError('NOT_FOUND', 'x')"),
        (prints, "fazt/cli/x.py", "print('x')"),
    ],
)
def test_what_keeps_to_a_rule_is_left_alone(
    rule: Callable[[str, ast.AST], Iterator[Finding]], path: str, source: str
) -> None:
    assert list(rule(path, ast.parse(source))) == []


@pytest.mark.parametrize("place", CLOCKS)
def test_an_exception_that_is_no_longer_needed_is_struck_from_the_list(place: str) -> None:
    found = [path for path, tree in TREES.items() if allowed(path, {place: ""}) and list(clocks("elsewhere", tree))]
    assert found, f"{place} looks at no clock any more"


# --- the doors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared", registry().declared, ids=lambda declared: declared.name)
def test_every_capability_is_documented_in_sentences(declared: object) -> None:
    doc, summary = declared.doc, declared.summary  # type: ignore[attr-defined]
    assert doc.endswith((".", "?", "!")), doc
    assert summary.endswith((".", "?", "!", ";", ":")), summary
    assert doc[0].isupper() or doc[0] in "`--"
    assert len(summary) <= 120


def test_every_part_of_the_node_says_what_it_is() -> None:
    for part in PARTS:
        assert part.__doc__, part.__name__
    for path, tree in TREES.items():
        if path.endswith("__init__.py") or path in ("fazt/__main__.py",):
            continue
        assert isinstance(tree, ast.Module)
        assert ast.get_docstring(tree), path


# --- who may import whom ----------------------------------------------------------------------------------------------

LINTER = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]


def linted(root: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(LINTER, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree without anything built from it."""
    made = tmp_path_factory.mktemp("house")
    for room in ("fazt", "kernel", "services"):
        if (ROOT / room).exists():
            shutil.copytree(ROOT / room, made / room, ignore=shutil.ignore_patterns("__pycache__", "apps"))
    # the rooms alone: `kernel/apps` is code, `fazt/apps` is what it serves
    shutil.copytree(ROOT / "kernel" / "apps", made / "kernel" / "apps", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", made)
    return made


def test_whatever_names_a_table_can_be_loaded_first() -> None:
    """A statement looks for its tables when it is made: its file imports those that declare them."""
    words = ("Read(", "Patch(", "Remove(", "Append(", "Across(")
    files = [path for path in (ROOT / "kernel").rglob("*.py") if any(word in path.read_text() for word in words)]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files]
    assert len(names) > 40
    done = subprocess.run([sys.executable, "-c", LOADED_FIRST, *names], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == ""
    assert done.returncode == 0


LOADED_FIRST = """
import importlib, os, sys
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(name, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_every_room_imports_only_those_before_it() -> None:
    told = linted(ROOT)
    assert told.returncode == 0, told.stdout
    assert " 0 broken" in told.stdout


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("kernel/base/planted.py", "import kernel.syscall.plan"),
        ("kernel/storage/planted.py", "from kernel.data import kv"),
        ("kernel/data/planted.py", "def f():\n    from kernel.proc import status"),
        ("kernel/net/planted.py", "import fazt.boot"),
    ],
)
def test_an_import_in_the_wrong_direction_is_found(copy: Path, path: str, line: str) -> None:
    (copy / path).write_text(line + "\n")
    told = linted(copy)
    (copy / path).unlink()
    assert told.returncode != 0
    assert "planted" in told.stdout
    assert " 0 broken" not in told.stdout


def test_a_room_that_nobody_placed_is_found(copy: Path) -> None:
    (copy / "kernel" / "attic").mkdir()
    (copy / "kernel" / "attic" / "__init__.py").write_text("")
    told = linted(copy)
    shutil.rmtree(copy / "kernel" / "attic")
    assert told.returncode != 0
    assert "attic" in told.stdout + told.stderr
