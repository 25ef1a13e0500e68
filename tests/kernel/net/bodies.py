"""A part of a node that exists only here: bodies that are one value, and answers that are bytes."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from kernel.syscall import Call, Json, Limit, Line, syscall
from kernel.syscall.plan import Parcel


class About(Struct):
    name: str
    hash: str


@syscall("bodies.take", whole="value", http="POST /api/bodies/{name} -> 201", js=False)
def take(call: Call, name: Line, value: Json, *, limit: Limit = 20, extra: Json = None) -> list[Any]:
    """Say what came."""
    return [name, value, limit, extra]


@syscall("bodies.give", http="GET /api/bodies/{name}", js=False)
def give(call: Call, name: Line) -> Parcel:
    """Bytes somebody stored."""
    return Parcel(About(name, "abc"), b"<script>alert(1)</script>", "text/html")
