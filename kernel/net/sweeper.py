"""One timer over all connections: who is too slow, too quiet, or gone without a word."""

from __future__ import annotations

import asyncio

from kernel.net.gate import Gate
from kernel.observe import log

SECONDS = 1.0
FORGET_SECONDS = 60.0
logger = log.get("fazt.http")


class Sweeper:
    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._timer: asyncio.TimerHandle | None = None
        self._forgot = gate.now()

    def start(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        try:
            self.sweep()
        finally:
            self.start()

    def sweep(self) -> None:
        gate, now = self._gate, self._gate.now()
        gate.refresh()
        for connection in list(gate.connections):
            try:
                connection.sweep(now)
            except Exception:
                logger.exception("a connection could not be looked at")
                connection.abort()
        if now - self._forgot >= FORGET_SECONDS:
            self._forgot = now
            gate.buckets.forget(now)
        if gate.strangers:
            logger.warning(
                "connections refused: net.proxy_protocol is on, and they come from no trusted proxy",
                extra={"connections": gate.strangers},
            )
            gate.strangers = 0
