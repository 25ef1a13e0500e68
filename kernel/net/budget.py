"""The memory that bodies of requests take while their requests are answered: one budget for the whole node."""

from __future__ import annotations

from kernel.base.errors import FaztError

SMALL = 64 * 1024  # such bodies are not counted: there are never more of them than connections
LEAST = 128 << 20  # the largest body there may be finds room alone


class Budget:
    """Used on the event loop only."""

    def __init__(self, memory: int) -> None:
        """`memory`: what the machine has; an eighth of it may be bodies."""
        self.most = max(LEAST, memory // 8)
        self.held = 0

    def begin(self) -> Held:
        return Held(self)


class Held:
    """What one request holds of it."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._size, self._over = budget, 0, False

    def reach(self, size: int) -> None:
        """So large its body is by now, or is about to become."""
        more = size - self._size
        if size <= SMALL or more <= 0:
            return
        if self._over:
            raise FaztError("CLOSED", "The request is over.")
        if self._budget.held + more > self._budget.most:
            raise FaztError("SERVICE_UNAVAILABLE", "The node has no room for more large bodies.", retry_after=1)
        self._budget.held += more
        self._size = size

    def release(self) -> None:
        self._budget.held -= self._size
        self._size, self._over = 0, True
