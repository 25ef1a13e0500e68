"""Commands that are not projections: they start processes, ask on a terminal, or work without a node."""

from __future__ import annotations

from typing import Any

import click

from fazt.cli import nodes, peers, printed
from fazt.cli.project import attach

COMMANDS: dict[str, click.Command] = {
    "up": nodes.up,
    "server init": nodes.init,
    "server set-config": nodes.set_config,
    "proc start": nodes.start,
    "proc stop": nodes.stop,
    "proc restart": nodes.restart,
    "security root-pass": nodes.root_pass,
    "client set-auth-token": peers.set_auth_token,
    "peer add": peers.add,
    "peer list": peers.list_,
    "peer remove": peers.remove,
    "peer default": peers.default,
    "surface": printed.surface,
    "version": printed.version,
}


def attach_all(tree: click.Group, shared: list[click.Parameter]) -> None:
    for words, command in COMMANDS.items():
        own = {name for param in command.params for name in param.opts}
        made: Any = click.Command(
            command.name,
            params=[*command.params, *(p for p in shared if not own & set(p.opts))],
            callback=command.callback,
            help=command.help,
        )
        attach(tree, words.split(), made)
