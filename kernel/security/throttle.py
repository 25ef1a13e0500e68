"""Slows guessing down without ever locking anyone out.

- the same account from the same address: after five failures each attempt waits longer, half a second to thirty
- one address: fifty failures in an hour, then 429
- one account from many addresses: addresses that never signed in to it wait too, those that did do not
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ipaddress
from collections.abc import AsyncIterator

from kernel.base.clock import Clock
from kernel.base.errors import FaztError

FREE = 5
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
ADDRESS_MOST = 50
ACCOUNT_FREE = 50
WINDOW = 3_600_000
MOST_REMEMBERED = 20_000
MOST_QUEUED = 10


class Failures:
    """Counts within the last hour, for a bounded number of names; the oldest are forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: collections.OrderedDict[tuple[str, ...], list[int]] = collections.OrderedDict()

    def count(self, *name: str) -> int:
        return len(self._recent(name))

    def add(self, *name: str) -> None:
        # more than the highest threshold is never asked for
        self._at[name] = [*self._recent(name), self._clock.now()][-200:]
        self._at.move_to_end(name)
        while len(self._at) > MOST_REMEMBERED:
            self._at.popitem(last=False)

    def clear(self, *name: str) -> None:
        self._at.pop(name, None)

    def until_next(self, *name: str) -> int:
        """Seconds until the oldest failure no longer counts."""
        recent = self._recent(name)
        return max(1, (recent[0] + WINDOW - self._clock.now()) // 1000) if recent else 1

    def _recent(self, name: tuple[str, ...]) -> list[int]:
        since = self._clock.now() - WINDOW
        return [at for at in self._at.get(name, ()) if at > since]


class Throttle:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = Failures(clock)
        self._trusted: collections.OrderedDict[tuple[str, str], None] = collections.OrderedDict()
        self._queues: dict[tuple[str, str], tuple[asyncio.Lock, list[None]]] = {}

    @contextlib.asynccontextmanager
    async def attempt(self, account: str, address: str) -> AsyncIterator[None]:
        """One attempt at a time for an account from an address, after the delay it has earned."""
        account, address = account.casefold(), network_of(address)
        if self._failures.count("address", address) >= ADDRESS_MOST:
            raise self._refused(self._failures.until_next("address", address))
        name = (account, address)
        lock, queue = self._queues.setdefault(name, (asyncio.Lock(), []))
        if len(queue) >= MOST_QUEUED:
            raise self._refused(int(LONGEST_DELAY))
        queue.append(None)
        try:
            async with lock:
                delay = self.delay(account, address)
                if delay:
                    await self._clock.sleep(delay)
                yield
        finally:
            queue.pop()
            if not queue:
                self._queues.pop(name, None)

    def delay(self, account: str, address: str) -> float:
        account, address = account.casefold(), network_of(address)
        own = self._failures.count("pair", account, address) - FREE
        if (account, address) not in self._trusted:
            own = max(own, (self._failures.count("account", account) - ACCOUNT_FREE) // 10)
        return 0.0 if own < 0 else min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(own, 10))

    def failed(self, account: str, address: str) -> None:
        account, address = account.casefold(), network_of(address)
        self._failures.add("pair", account, address)
        self._failures.add("address", address)
        self._failures.add("account", account)

    def succeeded(self, account: str, address: str) -> None:
        account, address = account.casefold(), network_of(address)
        self._failures.clear("pair", account, address)
        self._trusted[account, address] = None
        self._trusted.move_to_end((account, address))
        while len(self._trusted) > MOST_REMEMBERED:
            self._trusted.popitem(last=False)

    @staticmethod
    def _refused(seconds: int) -> FaztError:
        return FaztError(
            "RATE_LIMIT_EXCEEDED",
            "Too many failed sign-ins from this address.",
            f"Wait {seconds} seconds, or use a sign-in link (`fazt signin-link`).",
            retry_after=seconds,
        )


def network_of(address: str) -> str:
    """An IPv6 customer holds 2^64 addresses: they count as one."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        mapped = ip.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
