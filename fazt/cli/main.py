"""`fazt …`: from words to an exit code."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from fazt import __version__
from fazt.cli import compat, output
from fazt.cli.project import Invocation, build
from fazt.client import http, target
from kernel.base.errors import FaztError
from kernel.base.text import nearest

# what only a running node can tell
LIVE = ("kernel.status", "system.health")
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
    pairs = zip(words, words[1:], strict=False)
    return "--json" in words or "--format=json" in words or ("--format", "json") in pairs


def _run(words: list[str]) -> int:
    from fazt.boot import registry
    from fazt.cli import by_hand

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


def understand(tree: click.Group, words: list[str], options: dict[str, Any] | None = None) -> Any:
    """An Invocation, the text of a help page, or the exit code of a command that ran."""
    printed = io.StringIO()
    try:
        context = tree.make_context("fazt", list(words), obj={} if options is None else options)
        with context:
            if "--help" in words or (not context._protected_args and not context.args):
                with redirect_stdout(printed):
                    _help(tree, words)
                return printed.getvalue()
            return tree.invoke(context)
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.NoSuchOption as error:
        known = [name for param in (error.ctx.command.params if error.ctx else []) for name in param.opts]
        close = nearest(error.option_name, known)
        hint = f"Did you mean {close}?" if close else _usage(error)
        raise FaztError("USAGE", f"There is no option {error.option_name}.", hint, field=error.option_name) from None
    except click.UsageError as error:
        raise FaztError("USAGE", error.format_message(), _usage(error)) from None
    except click.ClickException as error:
        raise FaztError("USAGE", error.format_message()) from None


def _usage(error: click.UsageError) -> str:
    return error.ctx.get_usage() if error.ctx else "See `fazt --help`."


def _help(tree: click.Group, words: list[str]) -> None:
    command: click.Command = tree
    context = click.Context(tree, info_name="fazt")
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            break
        command, context = found, click.Context(found, info_name=word, parent=context)
    output.write(command.get_help(context) + "\n")


def shared() -> list[click.Parameter]:
    """Options that every command takes; their values wait in the context's object."""

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value and param.name:
            ctx.obj[param.name] = value

    def option(*names: str, **how: Any) -> click.Parameter:
        return click.Option(names, expose_value=False, callback=keep, **how)

    return [
        option("--json", "json", is_flag=True, help="Answer as JSON."),
        option("--format", "format", type=click.Choice(["table", "json", "markdown"]), help="How to answer."),
        option("--db", "db", metavar="FILE", help="The data file."),
        option("--server", "server", metavar="URL", help="The admin address of a node."),
        option("--token", "token", metavar="KEY", help="The API key for it."),
        option("-v", "--verbose", "verbose", is_flag=True, help="Say which node is meant."),
    ]


def style_of(options: dict[str, Any]) -> str:
    return "json" if options.get("json") else str(options.get("format") or "table")


def execute(invocation: Invocation, options: dict[str, Any]) -> int:
    """Carry a command out where it belongs, and show the answer."""
    chosen = target.choose(server=options.get("server"), token=options.get("token"), database=options.get("db"))
    if options.get("verbose"):
        output.say(f"node: {chosen.database or chosen.url} (by {chosen.why})")
    name, style = invocation.entry.declared.name, style_of(options)
    if chosen.database is None:
        done = _ask(invocation.words(), invocation.files, url=chosen.url, token=chosen.token)
    else:
        done = _on_file(chosen.database, invocation)
    output.show(name, done.get("data"), done.get("meta"), style)
    return 0


def _on_file(database: Path, invocation: Invocation) -> dict[str, Any]:
    """Through the running node, so that its memory stays right; through the file when none runs."""
    from kernel.storage.lock import holder

    held = holder(Path(database).resolve())
    if held and held.get("socket"):
        return _ask(invocation.words(), invocation.files, own_socket=Path(held["socket"]))
    if invocation.entry.declared.name in LIVE:
        raise FaztError("NOT_FOUND", f"No node runs on {database}.", f"Start one: fazt up --db {database}")
    return _in_process(database, invocation)


def _in_process(database: Path, invocation: Invocation) -> dict[str, Any]:
    from fazt.boot import Node
    from fazt.cli.gateway import carry_out
    from kernel.storage.lock import FileLock
    from kernel.syscall import Page
    from kernel.syscall.call import LOCAL

    path = Path(database).resolve()
    if not path.exists():
        raise FaztError(
            "NOT_FOUND", f"There is no data file {path}.", f"`fazt up --db {path}` makes one and starts the node."
        )

    async def work(node: Node) -> Any:
        call = node.driver.call(LOCAL, "cli")
        try:
            return await carry_out(node.caller, call, invocation, {})
        finally:
            await node.stop()

    with FileLock(path) as lock:
        lock.note()
        node = Node(path)
        try:
            result = asyncio.run(work(node))
        finally:
            node.close()
    return {"data": result.items, "meta": result.meta} if isinstance(result, Page) else {"data": result}


def _ask(words: list[str], files: dict[str, tuple[str, bytes]], **where: Any) -> dict[str, Any]:
    sent = {name: {"name": file, "data": base64.b64encode(data).decode()} for name, (file, data) in files.items()}
    body = {"command": words[0], "args": words[1:], **({"files": sent} if sent else {})}
    done = http.post("/api/cmd", body, **where)
    if not done.get("success"):
        error = done.get("error") or {"code": "INTERNAL_ERROR", "message": done.get("output", "")}
        raise FaztError(error["code"], error["message"], error.get("hint"), **error.get("details", {}))
    return dict(done)


def _forwarded(peer: str, words: list[str], style: str) -> int:
    """`fazt @peer words…`: the peer understands them, this program may be older or newer."""
    chosen = target.choose(at=peer)
    kept = [word for word in words if word not in ("--json", "--format=json")]
    if not kept:
        raise FaztError("USAGE", f"What shall @{peer} do?", f"For instance: fazt @{peer} app list")
    done = _ask(kept, {}, url=chosen.url, token=chosen.token)
    if style == "json":
        output.show("", done.get("data"), done.get("meta"), style)
    else:
        output.write(done.get("output", ""))
    return 0
