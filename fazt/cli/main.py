"""`fazt …`: from words to an exit code."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from typing import Any

import click

from fazt import __version__
from fazt.cli import compat, output, quick
from fazt.cli.options import shared, style_of
from fazt.cli.words import understand
from fazt.client import target
from kernel.base.errors import FaztError

EPILOG = "Every list takes --json. `fazt @peer …` runs a command on another node. `fazt up` starts this one."


def main(argv: list[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    style = "json" if _wants_json(words) else "table"
    try:
        try:
            return _understood(words, style)
        except FaztError as error:
            output.show_error(error, style)
            return error.exit_code
        except BrokenPipeError:
            raise
        except Exception as error:
            if os.environ.get("FAZT_DEBUG"):
                raise
            what = f"Something went wrong inside Fazt ({type(error).__name__}: {error})."
            output.show_error(FaztError("INTERNAL_ERROR", what, "FAZT_DEBUG=1 shows where."), style)
            return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever read our output has seen enough; what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _understood(words: list[str], style: str) -> int:
    for word in words:
        if any("\ud800" <= character <= "\udfff" for character in word):
            raise FaztError("USAGE", f"{word!a} is not UTF-8.")
    if words and words[0].startswith("@"):
        return _forwarded(words[0][1:], words[1:])
    words, note = compat.current(words)
    if note:
        output.say(note)
    return _run(words, {})


def _wants_json(words: list[str]) -> bool:
    """Known before the words are understood, for errors in them."""
    ours = words[: words.index("--")] if "--" in words else words
    return "--json" in ours or "--format=json" in ours or ("--format", "json") in pairwise(ours)


def _run(words: list[str], options: dict[str, Any]) -> int:
    if words in (["--version"], ["version"]):
        output.write(f"fazt {__version__}\n")
        return 0
    done = quick.run(words, options)
    if done is not None:
        return done
    # everything there is; it takes a while
    from fazt.boot import registry
    from fazt.cli import by_hand
    from fazt.cli.execute import execute
    from fazt.cli.project import Invocation, build

    tree = build(registry(), shared())
    tree.help, tree.epilog = "A personal cloud in one file.", EPILOG
    tree.params += [click.Option(["--version"], is_flag=True, help="Print the version."), *shared()]
    by_hand.attach_all(tree, shared())
    if not words:
        words = ["--help"]
    if words == ["help"]:
        words = ["--help"]
    understood = understand(tree, words, options)
    if isinstance(understood, Invocation):
        return execute(understood, options)
    if isinstance(understood, str):
        output.write(understood)
        return 0
    return int(understood or 0)


def _forwarded(peer: str, words: list[str]) -> int:
    """`fazt @peer words…`: the peer understands them, this program may be older or newer."""
    chosen = target.choose(at=peer)
    kept, options = _ours(words)
    if not kept:
        raise FaztError("USAGE", f"What shall @{peer} do?", f"For instance: fazt @{peer} app list")
    if quick.is_here(kept):
        return _run(kept, {**options, "at": peer})
    if options.get("verbose"):
        output.say(f"node: {chosen.url} (by {chosen.why})")
    from fazt.cli.execute import ask

    done = ask(kept, {}, url=chosen.url, token=chosen.token)
    output.show("", done.get("data"), done.get("meta"), style_of(options), done.get("output", ""))
    return 0


def _ours(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words for the peer, and the options that say how we shall show its answer."""
    kept: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*kept, word, *rest], options
        if word == "--json":
            options["json"] = word
        elif word in ("-v", "--verbose"):
            options["verbose"] = word
        elif word == "--format" or word.startswith("--format="):
            options["format"] = word.partition("=")[2] or next(rest, "table")
        else:
            kept.append(word)
    return kept, options
