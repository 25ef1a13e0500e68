"""Calls without a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kernel.base.clock import ManualClock
from kernel.syscall import Call, Who
from kernel.syscall.call import Ports
from kernel.syscall.declare import Declaration
from kernel.syscall.registry import Entry


class Nowhere:
    """The rows of nobody."""

    app = "app_0123456789ab"
    user = "usr_0123456789ab"


def call(via: str = "js", *, grants: tuple[str, ...] = (), **how: Any) -> Call:
    return Call(
        **{
            "who": Who(),
            "store": Nowhere(),
            "ports": Ports(),
            "clock": ManualClock(),
            "meter": [0] * 8,
            "via": via,
            "grants": frozenset(grants),
            **how,
        }
    )


def entry(fn: Callable[..., Any], number: int = 0, **words: Any) -> Entry:
    return Entry(Declaration("a.b", fn, **words), number)
