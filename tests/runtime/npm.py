"""What node and esbuild say of the packages that npm installs by a lockfile."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.node import installed, node

ROOT = Path(__file__).resolve().parent.parent.parent
STDLIB = ROOT / "stdlib-js"
# what an app gets, whatever the machine is set to
PLAIN = {"TZ": "UTC", "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8"}
PATIENCE = 120

__all__ = ["PLAIN", "STDLIB", "bundled", "installed", "node", "run_node"]


def run_node(words: Sequence[str | Path], given: str = "") -> str:
    """What a script says, given some text."""
    return _said([node(), *map(str, words)], PLAIN, given)


def bundled(packages: Path, entry: Path, output: Path, *words: str) -> Path:
    """One file of a module and all it imports from these packages."""
    program = installed(STDLIB) / "node_modules" / "esbuild" / "bin" / "esbuild"
    ways = ("--bundle", f"--outfile={output}", "--charset=utf8", "--log-level=warning", *words)
    _said([node(), str(program), str(entry), *ways], {"NODE_PATH": str(packages / "node_modules")}, "")
    return output


def _said(command: Sequence[str], told: dict[str, str], given: str) -> str:
    env = {"PATH": os.environ.get("PATH", os.defpath), **told}
    ended = subprocess.run(command, env=env, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)[:300]} failed:\n{ended.stderr[-4000:]}")
    return ended.stdout
