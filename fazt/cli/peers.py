"""`fazt peer …` and `fazt client …`: the nodes this user knows."""

from __future__ import annotations

import click

from fazt.cli import output
from fazt.cli.options import style_of
from fazt.client import target
from fazt.client.target import Peer, Targets
from kernel.base.errors import FaztError

DEFAULT = "default"


def _checked(url: str) -> str:
    from fazt.client.http import connection

    connection(url)
    return (url if "://" in url else f"http://{url}").rstrip("/")


@click.command("set-auth-token")
@click.option("--token", required=True, help="An API key of the node.")
@click.option("--server", help="The node's admin address; the one stored before if left out.")
def set_auth_token(token: str, server: str | None) -> int:
    """Store the node that commands go to from now on, and its key."""
    known = target.load()
    url = _checked(server) if server else known.peers[known.default].url if known.default else None
    if url is None:
        raise FaztError("USAGE", "Which node is it?", "Add --server http://admin.<domain>:<port>", field="server")
    known.peers[DEFAULT] = Peer(url, token)
    known.default = DEFAULT
    target.save(known)
    output.say(f"Commands go to {url} from now on.")
    return 0


@click.command("add")
@click.argument("name")
@click.option("--url", required=True, help="The node's admin address.")
@click.option("--token", required=True, help="An API key of the node.")
def add(name: str, url: str, token: str) -> int:
    """Remember another node as @NAME."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise FaztError("USAGE", f"{name} cannot be the name of a peer.", "Use letters, digits, - and _.")
    known = target.load()
    known.peers[name] = Peer(_checked(url), token)
    target.save(known)
    output.say(f"`fazt @{name} …` now runs there.")
    return 0


@click.command("list")
@click.pass_context
def list_(ctx: click.Context) -> int:
    """The nodes this user knows."""

    known = target.load()
    rows = [{"name": name, "url": peer.url, "default": name == known.default} for name, peer in known.peers.items()]
    output.show("peer.list", rows, None, style_of(ctx.obj))
    return 0


def _known(name: str) -> Targets:
    target.peer(name)
    return target.load()


@click.command("remove")
@click.argument("name")
def remove(name: str) -> int:
    """Forget a node."""
    known = _known(name)
    del known.peers[name]
    known.default = None if known.default == name else known.default
    target.save(known)
    return 0


@click.command("default")
@click.argument("name")
def default(name: str) -> int:
    """Let commands go to this node when nothing else is said."""
    known = _known(name)
    known.default = name
    target.save(known)
    return 0
