"""Commands that must start fast: understood without loading the whole program. What they do not understand at once is
left to the whole tree, which knows how to say it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from fazt.cli import compat
from fazt.cli.options import shared, with_shared

QUICK = {
    ("deploy",): ("fazt.cli.deploy", "deploy"),
    ("client", "deploy"): ("fazt.cli.deploy", "deploy"),
    ("app", "deploy"): ("fazt.cli.deploy", "deploy"),
}
# works on files of this machine, also when the node is another one
HERE = {*QUICK, ("app", "download"), ("storage", "cid"), ("open",), ("status",)}
HERE |= {("ds", "import"), ("ds", "export"), ("kv", "import"), ("kv", "export"), ("storage", "batch")}
HERE |= {("files", "get"), ("files", "put"), ("vector", "add"), ("vector", "import"), ("vector", "export")}
# written by hand here, whatever the other node knows: they follow, or ask on a terminal
HERE |= {("logs",), ("app", "logs"), ("app", "env"), ("env", "set")}


def is_here(words: list[str]) -> bool:
    words, _ = compat.current(words)
    return tuple(words[:1]) in HERE or tuple(words[:2]) in HERE


def run(words: list[str], options: dict[str, Any]) -> int | None:
    """The exit code of the command; None, and nothing done, when these words are not plainly one of them."""
    named = next((known for known in QUICK if tuple(words[: len(known)]) == known), None)
    if named is None or "--help" in words:
        return None
    module, name = QUICK[named]
    command = with_shared(getattr(import_module(module), name), shared())
    known = dict(options)
    try:
        context = command.make_context("fazt " + " ".join(named), words[len(named) :], obj=known)
    except (click.ClickException, click.exceptions.Exit):
        return None
    with context:
        return int(command.invoke(context) or 0)
