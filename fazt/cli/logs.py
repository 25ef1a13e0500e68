"""`fazt logs`: what apps said, and what they say now."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any
from urllib.parse import urlencode

import click
import msgspec

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.client.http import BETWEEN, Link
from fazt.client.reach import meant, reached
from kernel.base.clock import Clock
from kernel.base.errors import FaztError

LEVELS = ("debug", "info", "warn", "error")
COLOURS = {"debug": "2", "warn": "33", "error": "31"}
OPTIONS = (
    click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C."),
    click.option("-n", "--limit", type=click.IntRange(0, 1000), default=100, help="So many lines; default 100."),
    click.option("--level", type=click.Choice(LEVELS), help="This level and above."),
    click.option("--since", metavar="AGE", help='Not older than this, for instance "1h".'),
    click.option("--request", metavar="ID", help="What was said for this request."),
)


def _with_options(function: Any) -> Any:
    for option in reversed(OPTIONS):
        function = option(function)
    return function


@click.command("logs")
@click.argument("app", required=False)
@click.option("--app", "named", metavar="APP", help="The same as the word APP.")
@_with_options
@click.pass_context
def logs(ctx: click.Context, /, app: str | None, named: str | None, **how: Any) -> int:
    """What an app said, or all of them: the last lines, and with -f those that come.

    `fazt activity list` tells what people did.
    """
    return _show(ctx, app or named, **how)


@click.command("logs")
@click.argument("app")
@_with_options
@click.pass_context
def app_logs(ctx: click.Context, /, app: str, **how: Any) -> int:
    """What an app said; the same as `fazt logs`."""
    return _show(ctx, app, **how)


def _show(ctx: click.Context, app: str | None, follow: bool, limit: int, **filters: Any) -> int:
    asked = {name: value for name, value in {"app": app, **filters}.items() if value}
    style = style_of(ctx.obj)
    with reached(meant(ctx.obj)) as link:
        if follow and link.inside:
            raise FaztError("NOT_FOUND", "No node runs here: nothing will be said.", "Start one: fazt up")
        # also where none of them is shown: what comes begins behind the last one
        last = link.ask("GET", f"/api/logs?{urlencode({**asked, 'limit': max(1, limit)})}", kind="")
        if not follow:
            # the end of a list on a terminal is what one reads first
            _print_all(last[:limit] if style == "json" else last[:limit][::-1], style)
            return 0
        try:
            for line in chain(last[:limit][::-1], _coming(link, asked, last[0]["id"] if last else 0)):
                _print_one(line, style)
        except KeyboardInterrupt:
            pass
    return 0


def _coming(link: Link, asked: dict[str, Any], after: int) -> Iterator[dict[str, Any]]:
    """Lines as they come; a node that starts again is found again."""
    while True:
        for line in link.events(f"/api/logs/stream?{urlencode({**asked, 'after': after})}"):
            after = line["id"]
            yield line
        Clock().pause(BETWEEN)


def _print_all(lines: list[dict[str, Any]], style: str) -> None:
    if style != "table":
        output.show("logs.list", lines, None, style)
    elif lines:
        output.write("".join(map(_told, lines)))
    else:
        output.write("Nothing here yet.\n")


def _print_one(line: dict[str, Any], style: str) -> None:
    if style == "json":
        output.write(output.safe(msgspec.json.encode(line).decode() + "\n", "\\u{:04x}"))
    else:
        output.write(_told(line))


def _told(line: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(line["timestamp"] / 1000).astimezone()
    head = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03} {line['level']:5} {line['app']}  "
    # what follows in a line of its own is further in: nobody can say what looks like a line of another
    text = ("\n" + " " * len(head)).join(output.escaped(line["message"]).split("\n"))
    colour = COLOURS.get(line["level"]) if _coloured() else None
    return f"\x1b[{colour}m{head}{text}\x1b[0m\n" if colour else f"{head}{text}\n"


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
