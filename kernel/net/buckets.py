"""How many requests a visitor may send: a bucket per address that fills again as time goes by."""

from __future__ import annotations

import math

from kernel.security.throttle import network_of

MOST_REMEMBERED = 50_000


class Bucket:
    """What is left to one address, and how many connections it holds."""

    __slots__ = ("at", "connections", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens, self.at, self.connections = tokens, at, 0


class Buckets:
    """`rate` requests a second, `burst` at once; for a bounded number of addresses."""

    def __init__(self, rate: int, burst: int, most: int = MOST_REMEMBERED) -> None:
        self.rate, self.burst, self.most = rate, burst, most
        self._of: dict[str, Bucket] = {}

    def __len__(self) -> int:
        return len(self._of)

    def of(self, address: str, now: float) -> Bucket:
        name = network_of(address)
        bucket = self._of.get(name)
        if bucket is None:
            if len(self._of) >= self.most:
                self.forget(now)
                self._forget_oldest()
            bucket = self._of[name] = Bucket(self.burst, now)
        return bucket

    def spend(self, bucket: Bucket, now: float) -> bool:
        """Take one; False when nothing is left. What is refused costs nothing."""
        tokens = bucket.tokens + (now - bucket.at) * self.rate
        if tokens > self.burst:
            tokens = self.burst
        bucket.at = now
        if tokens < 1:
            bucket.tokens = tokens
            return False
        bucket.tokens = tokens - 1
        return True

    def wait(self, bucket: Bucket) -> int:
        """Whole seconds until there is one again."""
        return max(1, math.ceil((1 - bucket.tokens) / self.rate))

    def forget(self, now: float) -> None:
        """Who is gone and has everything left is as good as never seen."""
        self._of = {
            name: bucket
            for name, bucket in self._of.items()
            if bucket.connections or bucket.tokens + (now - bucket.at) * self.rate < self.burst
        }

    def _forget_oldest(self) -> None:
        # more addresses than can be remembered, all of them busy: the first to come are let go
        for name in [name for name, bucket in self._of.items() if not bucket.connections][: self.most // 10]:
            del self._of[name]
