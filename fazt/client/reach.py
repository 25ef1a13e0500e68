"""The way to the node a command means: far away, running here, or this process itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fazt.client import target
from fazt.client.http import Link
from fazt.client.target import Target
from kernel.base.errors import FaztError


def meant(options: dict[str, Any]) -> Target:
    """The node that these options of a command mean."""
    return target.choose(
        at=options.get("at"), server=options.get("server"), token=options.get("token"), database=options.get("db")
    )


@contextlib.contextmanager
def reached(chosen: Target) -> Iterator[Link]:
    """A link to the node, closed at the end."""
    with contextlib.ExitStack() as stack:
        link = _far(chosen) if chosen.database is None else _near(chosen.database.resolve(), stack)
        stack.callback(link.close)
        yield link


def _far(chosen: Target) -> Link:
    if not chosen.token:
        raise FaztError(
            "UNAUTHORIZED",
            f"There is no key for {chosen.url}.",
            "Add --token KEY or set FAZT_TOKEN. On the node, `fazt keys create --name NAME --scopes deploy` makes one.",
        )
    return Link(url=chosen.url, token=chosen.token)


def _near(database: Path, stack: contextlib.ExitStack) -> Link:
    own, inside = socket_of(database), False
    if own is None:
        if not database.exists():
            raise FaztError(
                "NOT_FOUND",
                f"There is no node: no data file {database}.",
                "`fazt up` makes one and starts it. For one elsewhere: "
                "fazt client set-auth-token --server URL --token KEY",
            )
        from fazt.client.inside import node_inside

        try:
            own, inside = stack.enter_context(node_inside(database)), True
        except FaztError as error:
            # a node that started meanwhile knows better
            own = socket_of(database) if error.code == "NODE_RUNNING" else None
            if own is None:
                raise
    link = Link(own_socket=own)
    link.inside = inside
    return link


def socket_of(database: Path) -> Path | None:
    """The owner's socket of the node that runs on a file."""
    from kernel.storage.lock import holder

    held = holder(database)
    return Path(held["socket"]) if held and held.get("socket") else None
