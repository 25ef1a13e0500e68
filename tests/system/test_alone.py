"""The program by itself: one file in an empty directory nobody may write to, and a Python that has nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.system.harness import NOTHING, READY_FIELDS, Machine, kv_path


def test_the_python_has_nothing(python: Path) -> None:
    for name in ("aiohttp", "apsw", "click", "pip", "setuptools"):
        command = [str(python), "-c", f"import {name}"]
        assert subprocess.run(command, cwd="/", env={}, capture_output=True, check=False).returncode == 1, name


def test_copied_alone_it_is_a_whole_node(alone: Machine) -> None:
    mortal = {"mortal": True}
    node = alone.up(env=NOTHING, limits=mortal)
    assert list(node.ready) == READY_FIELDS
    words = ("server", "create-key", "--db", str(node.db), "--json", "--name")
    full = alone.fazt(*words, "all", env=NOTHING, limits=mortal).data["key"]
    read = alone.fazt(*words, "look", "--scopes", "read", env=NOTHING, limits=mortal).data["key"]
    made = node.ask("POST", "/api/apps", body={"slug": "hello"}, key=full)
    assert made.status == 201
    without = node.ask("GET", kv_path("hello"))
    assert (without.status, without.code) == (401, "UNAUTHORIZED")
    entry = {"key": "greeting", "value": "hi"}
    refused = node.ask("POST", kv_path("hello"), body=entry, key=read)
    assert (refused.status, refused.code) == (403, "FORBIDDEN")
    assert node.ask("POST", kv_path("hello"), body=entry, key=full).status == 201
    assert node.ask("GET", kv_path("hello", "greeting"), key=read).data == entry
    assert node.stop() == 0
    assert [path.name for path in alone.program.parent.iterdir()] == ["fazt"]


def test_the_file_runs_by_itself(alone: Machine, python: Path) -> None:
    """By its first line: whatever `python3` comes first in the path."""
    env = alone.env(PATH=f"{python.parent}:/usr/bin:/bin")
    ended = subprocess.run([alone.program, "--version"], env=env, capture_output=True, check=True, text=True)
    assert ended.stdout.startswith("fazt ")
