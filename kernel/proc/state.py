"""How a part of the node is."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class State(Struct):
    state: str
    detail: str = ""


Part = Callable[[], State]
