"""Who answers whole requests without aiohttp: the API for those that show a key, apps' code for the others."""

from __future__ import annotations

from collections.abc import Callable

from kernel.net import whole
from kernel.net.server import Server
from kernel.net.straight import Connection
from kernel.net.whole import Whole

# says whether it takes the request; if not, aiohttp does
Takes = Callable[[Connection, Whole], bool]
_METHODS = tuple(method + b" /api" for method in sorted(whole.METHODS))


class Shortcuts:
    """What the gate asks first (`Gate.answers`)."""

    def __init__(self, server: Server, with_key: Takes, without: Takes) -> None:
        self._server, self._with_key, self._without = server, with_key, without

    def __call__(self, connection: Connection, data: bytes) -> bool:
        if not data.startswith(_METHODS) or self._server.draining:
            return False
        request = whole.read(data)
        if request is None or whole.is_odd(request.target):
            return False
        return (self._without if request.authorization is None else self._with_key)(connection, request)
