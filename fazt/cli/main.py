"""`fazt …`: from words to an exit code."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import Any

import click

from fazt import __version__
from fazt.boot import registry
from fazt.cli import by_hand, compat, output
from fazt.cli.execute import ask, execute
from fazt.cli.options import shared
from fazt.cli.project import Invocation, build
from fazt.cli.words import understand
from fazt.client import target
from kernel.base.errors import FaztError

EPILOG = "Every list takes --json. `fazt @peer …` runs a command on another node. `fazt up` starts this one."


def main(argv: list[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    style = "json" if _wants_json(words) else "table"
    try:
        if words and words[0].startswith("@"):
            return _forwarded(words[0][1:], words[1:], style)
        words, note = compat.current(words)
        if note:
            output.say(note)
        return _run(words)
    except FaztError as error:
        output.show_error(error, style)
        return error.exit_code
    except BrokenPipeError:
        # whoever read our output has seen enough
        sys.stderr.close()
        return 0
    except Exception as error:
        if os.environ.get("FAZT_DEBUG"):
            raise
        fault = FaztError(
            "INTERNAL_ERROR",
            f"Something went wrong inside Fazt ({type(error).__name__}: {error}).",
            "FAZT_DEBUG=1 shows where.",
        )
        output.show_error(fault, style)
        return 1
    except KeyboardInterrupt:
        return 130


def _wants_json(words: list[str]) -> bool:
    """Known before the words are understood, for errors in them."""
    return "--json" in words or "--format=json" in words or ("--format", "json") in pairwise(words)


def _run(words: list[str]) -> int:
    tree = build(registry(), shared())
    tree.help, tree.epilog = "A personal cloud in one file.", EPILOG
    tree.params += [click.Option(["--version"], is_flag=True, help="Print the version."), *shared()]
    by_hand.attach_all(tree, shared())
    if not words:
        words = ["--help"]
    if words in (["--version"], ["version"]):
        output.write(f"fazt {__version__}\n")
        return 0
    if words == ["help"]:
        words = ["--help"]
    options: dict[str, Any] = {}
    understood = understand(tree, words, options)
    if isinstance(understood, Invocation):
        return execute(understood, options)
    if isinstance(understood, str):
        output.write(understood)
        return 0
    return int(understood or 0)


def _forwarded(peer: str, words: list[str], style: str) -> int:
    """`fazt @peer words…`: the peer understands them, this program may be older or newer."""
    chosen = target.choose(at=peer)
    kept = [word for word in words if word not in ("--json", "--format=json")]
    if not kept:
        raise FaztError("USAGE", f"What shall @{peer} do?", f"For instance: fazt @{peer} app list")
    done = ask(kept, {}, url=chosen.url, token=chosen.token)
    if style == "json":
        output.show("", done.get("data"), done.get("meta"), style)
    else:
        output.write(done.get("output", ""))
    return 0
