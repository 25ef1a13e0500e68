"""`fazt env`: the environment variables of apps. A value need not stand in the history of a shell."""

from __future__ import annotations

import sys
from urllib.parse import quote

import click
import msgspec

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.cli.releases import APP, app_path, needed_app
from fazt.client.reach import meant, reached
from kernel.base.errors import FaztError

WORDS = click.argument("words", nargs=-1, required=True, metavar="NAME[=VALUE]...")


@click.command("set")
@WORDS
@APP
@click.pass_context
def set_(ctx: click.Context, words: tuple[str, ...], app: str | None) -> int:
    """Set environment variables of an app: NAME=VALUE, or NAME alone and the value when asked, or on stdin."""
    return _set(ctx, needed_app(app), words)


@click.command("set")
@click.argument("app")
@WORDS
@click.pass_context
def app_set(ctx: click.Context, app: str, words: tuple[str, ...]) -> int:
    """Set environment variables of an app: NAME=VALUE, or NAME alone and the value when asked, or on stdin."""
    return _set(ctx, app, words)


@click.command("list")
@click.argument("app")
@click.pass_context
def app_list(ctx: click.Context, app: str) -> int:
    """The environment variables of an app by name."""
    with reached(meant(ctx.obj)) as link:
        output.show("env.list", link.ask("GET", f"{app_path(app)}/env", kind=""), None, style_of(ctx.obj))
    return 0


@click.command("unset")
@click.argument("app")
@click.argument("name")
@click.pass_context
def app_unset(ctx: click.Context, app: str, name: str) -> int:
    """Remove an environment variable of an app."""
    with reached(meant(ctx.obj)) as link:
        link.ask("DELETE", f"{app_path(app)}/env/{quote(name, safe='')}", kind="")
    output.show("env.unset", None, None, style_of(ctx.obj))
    return 0


def _set(ctx: click.Context, app: str, words: tuple[str, ...]) -> int:
    values = _values(words)
    with reached(meant(ctx.obj)) as link:
        done = link.ask("POST", f"{app_path(app)}/env", msgspec.json.encode({"values": values}))
    if style_of(ctx.obj) == "table":
        output.write(f"Set {', '.join(done['names'])}.\n")
    else:
        output.show("env.set", done, None, style_of(ctx.obj))
    return 0


def _values(words: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name in values:
            raise FaztError("USAGE", f"{name[:128]} is there twice.")
        values[name] = value if equals else _asked(name, len(words))
    return values


def _asked(name: str, count: int) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(name, hide_input=True, default="", show_default=False, err=True))
    if count > 1:
        raise FaztError("USAGE", "One value can come on stdin.", f"fazt env set {name[:128]} < FILE")
    try:
        value = sys.stdin.buffer.read(1 << 20).decode()
    except UnicodeDecodeError:
        raise FaztError("USAGE", "What came on stdin is not UTF-8.") from None
    # `echo` ends what it says with a line break that nobody means
    return value[:-1].removesuffix("\r") if value.endswith("\n") else value
