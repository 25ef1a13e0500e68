"""Paths to what answers them: declared capabilities and the few endpoints written by hand."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aiohttp import web

from kernel.base.errors import FaztError
from kernel.net.asked import Asked

Target = TypeVar("Target")
Handler = Callable[[Asked], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Endpoint:
    """A page or protocol that is not a syscall. `role` states who may call it."""

    method: str
    path: str
    handler: Handler
    doc: str
    role: str = "public"


@dataclass
class _Node(Generic[Target]):
    children: dict[str, _Node[Target]] = field(default_factory=dict)
    any: _Node[Target] | None = None
    rest: _Node[Target] | None = None
    methods: dict[str, tuple[Target, list[str]]] = field(default_factory=dict)


class Router(Generic[Target]):
    """A tree of path segments; a literal segment wins over a parameter. `{path+}` takes all that is left."""

    def __init__(self) -> None:
        self._root: _Node[Target] = _Node()

    def add(self, method: str, path: str, target: Target) -> None:
        node, names = self._root, []
        for segment in path.strip("/").split("/"):
            name = re.fullmatch(r"{(\w+)(\+)?}", segment)
            if name and name[2]:
                names.append(name[1])
                node.rest = node.rest or _Node()
                node = node.rest
            elif name:
                names.append(name[1])
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.children.setdefault(segment, _Node())
        if method in node.methods:
            raise TypeError(f"{method} {path} is routed twice")
        node.methods[method] = (target, names)

    def find(self, method: str, segments: list[str]) -> tuple[Target, dict[str, str]] | None:
        """What answers, and the words of the path. 405 when only other methods do."""
        allowed: set[str] = set()
        for node, values in self._matches(self._root, segments, []):
            found = node.methods.get(method) or (node.methods.get("GET") if method == "HEAD" else None)
            if found:
                target, names = found
                return target, dict(zip(names, values, strict=True))
            allowed |= set(node.methods)
        if allowed:
            shown = sorted(allowed | ({"HEAD"} if "GET" in allowed else set()))
            raise FaztError("METHOD_NOT_ALLOWED", f"{method} is not answered here.", allow=shown)
        return None

    def _matches(
        self, node: _Node[Target], rest: list[str], values: list[str]
    ) -> list[tuple[_Node[Target], list[str]]]:
        if not rest:
            return [(node, values)] if node.methods else []
        found = []
        if rest[0] in node.children:
            found += self._matches(node.children[rest[0]], rest[1:], values)
        if node.any and rest[0]:
            found += self._matches(node.any, rest[1:], [*values, rest[0]])
        if node.rest and all(rest):
            found.append((node.rest, [*values, "/".join(rest)]))
        return found
