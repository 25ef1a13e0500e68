"""Options that every command takes; their values wait in the context's object."""

from __future__ import annotations

from typing import Any

import click


def shared() -> list[click.Parameter]:
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


def with_shared(command: click.Command, params: list[click.Parameter]) -> click.Command:
    """A command written by hand, with the options that every command has."""
    own = {name for param in command.params for name in param.opts}
    made: Any = click.Command(
        command.name,
        params=[*command.params, *(param for param in params if not own & set(param.opts))],
        callback=command.callback,
        help=command.help,
    )
    return made  # type: ignore[no-any-return]


def style_of(options: dict[str, Any]) -> str:
    return "json" if options.get("json") else str(options.get("format") or "table")
