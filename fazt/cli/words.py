"""Understanding words with a tree of commands."""

from __future__ import annotations

import re
from typing import Any

import click

from kernel.base.errors import FaztError
from kernel.base.text import nearest

LONGEST_SHOWN = 100
_NUMBER = re.compile(r"-[0-9.]")


def understand(tree: click.Group, words: list[str], options: dict[str, Any] | None = None) -> Any:
    """An Invocation, the text of a help page, or the exit code of a command that ran."""
    wanted = words[: words.index("--")] if "--" in words else words
    if "--help" in wanted:
        return _help(tree, wanted)
    try:
        context = tree.make_context("fazt", list(words), obj={} if options is None else options)
        with context:
            return tree.invoke(context) if context._protected_args or context.args else _help(tree, [])
    except click.exceptions.Exit as exit:
        return exit.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        path = error.ctx.command_path if error.ctx else "fazt"
        commands = ", ".join(error.ctx.command.list_commands(error.ctx)) if error.ctx else ""  # type: ignore[attr-defined]
        raise FaztError("USAGE", f"{path} needs a command: {commands}.", f"See `{path} --help`.") from None
    except click.NoSuchOption as error:
        known = [name for param in (error.ctx.command.params if error.ctx else []) for name in param.opts]
        said = error.option_name[:LONGEST_SHOWN]
        close = nearest(said, known)
        hint = f"Did you mean {close}?" if close else _usage(error)
        if _NUMBER.match(said):
            hint = f"Put -- before a value that begins with a minus: … -- {said}"
        raise FaztError("USAGE", f"There is no option {said}.", hint, field=said) from None
    except click.UsageError as error:
        raise FaztError("USAGE", error.format_message()[:500], _usage(error)) from None
    except click.ClickException as error:
        raise FaztError("USAGE", error.format_message()[:500]) from None


def _usage(error: click.UsageError) -> str:
    return error.ctx.get_usage() if error.ctx else "See `fazt --help`."


def _help(tree: click.Group, words: list[str]) -> str:
    command: click.Command = tree
    context = click.Context(tree, info_name="fazt")
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            break
        command, context = found, click.Context(found, info_name=word, parent=context)
    return command.get_help(context) + "\n"
