"""What every connection passes: who it is, how many there may be, how much one address may ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from aiohttp import web

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.settings import Setting, Settings
from kernel.net import settings as net
from kernel.net.buckets import Bucket, Buckets
from kernel.net.canned import CROWDED, FULL, canned, rate_headers, too_many_requests
from kernel.net.entry import Answer
from kernel.net.front import Found, Front
from kernel.net.hosts import is_loopback
from kernel.net.proxies import FORWARDED, UNIX, Client, Proxies
from kernel.net.simple import HEAD
from kernel.net.straight import Answerer

SPARE_FILES = 200  # for the data file, its readers, and programs that are started


class Peer:
    """Who is at the other end of a connection. One without a bucket may ask as much as it likes."""

    __slots__ = ("address", "bucket", "counted", "local", "own", "trusted")

    def __init__(
        self,
        address: str,
        *,
        bucket: Bucket | None = None,
        local: bool = False,
        trusted: bool = False,
        counted: Bucket | None = None,
        own: bool = False,
    ) -> None:
        self.address, self.bucket, self.local, self.trusted = address, bucket, local, trusted
        self.counted, self.own = counted, own


OWNER = Peer("", own=True)
NOBODY = Peer("")


class Connection(Protocol):
    """What the gate keeps of a connection until it is lost."""

    peer: Peer

    @property
    def wire(self) -> Any: ...
    def sweep(self, now: float) -> None: ...
    def abort(self) -> None: ...


class Gate:
    """All connections of a node from outside, and what holds for them. The owner's own socket does not pass here."""

    def __init__(
        self,
        settings: Settings | None = None,
        clock: Clock | None = None,
        generation: Callable[[], int] = lambda: 0,
    ) -> None:
        self.settings = settings or Settings(value for value in vars(net).values() if isinstance(value, Setting))
        self.clock = clock or Clock()
        self.front = Front(self.clock, generation)
        self.buckets = Buckets(1, 1)
        self.proxies = Proxies("")
        self.connections: set[Connection] = set()
        # whoever else answers whole requests: not what aiohttp would have to read first
        self.answers: Answerer = lambda connection, data: False
        self.parting = 0  # refused, and given a moment to read why
        self.files = 1 << 30  # open files the system lets us have
        self.strangers = 0  # turned away since the last sweep: the PROXY protocol is on, and they are no proxies
        self.refresh()

    def now(self) -> float:
        return self.clock.monotonic()

    def refresh(self) -> None:
        """Take the settings as they are now."""
        said = self.settings
        self.front.most = said["limits.net.cacheSize"]
        self.most, self.most_each = said["limits.net.maxConnections"], said["limits.net.maxConnectionsPerAddress"]
        rate, self.buckets.burst = said["limits.net.requestsPerSecond"], said["limits.net.requestBurst"]
        if rate != self.buckets.rate:
            self.buckets.rate = rate
            error, more = too_many_requests(rate), rate_headers(rate)
            self._too_many = {body: canned(error, body=body, more=more) for body in (True, False)}
        self.proxy_protocol = said["net.proxy_protocol"]
        if said["net.trusted_proxies"] != self.proxies.text:
            self.proxies = Proxies(said["net.trusted_proxies"])

    # --- connections

    def peer(self, transport: Any, unix: bool) -> Peer:
        """Who it is at the other end of the wire."""
        if unix:
            return Peer(UNIX, bucket=self.buckets.of(UNIX, self.now()), trusted=self.proxies.unix)
        address = str((transport.get_extra_info("peername") or ("",))[0]).partition("%")[0]
        local, trusted = is_loopback(address), self.proxies.trusts(address)
        bucket = None if local else self.buckets.of(address, self.now())
        return Peer(address, bucket=bucket, local=local, trusted=trusted, counted=None if trusted else bucket)

    def behind(self, proxy: Peer, address: str | None) -> Peer:
        """Whom a proxy connects for by the PROXY protocol; `None`: nobody it knows.

        Such a proxy passes on what it gets: the headers are the visitor's own, and believed only if he is a proxy too.
        """
        bucket = self.buckets.of(address or proxy.address, self.now())
        trusted = address is not None and self.proxies.trusts(address)
        counted = None if trusted or address is None else bucket
        return Peer(address or proxy.address, bucket=bucket, trusted=trusted, counted=counted)

    def crowded(self, peer: Peer) -> bytes | None:
        """The refusal of one connection more, else None: it is counted."""
        if len(self.connections) - self.parting > min(self.most, self.files - SPARE_FILES):
            return FULL
        if peer.counted is not None:
            if peer.counted.connections >= self.most_each:
                peer.counted = None
                return CROWDED
            peer.counted.connections += 1
        return None

    def left(self, connection: Connection) -> None:
        self.connections.discard(connection)
        counted, connection.peer.counted = connection.peer.counted, None
        if counted is not None:
            counted.connections -= 1

    # --- requests

    def answer(self, found: Found, peer: Peer, now: float) -> Answer:
        """The answer from memory, or that it is too much."""
        entry, kind, via = found
        bucket = peer.bucket if via is None else self._bucket(peer, via.decode("latin-1"))
        if bucket is not None and not self.buckets.spend(bucket, now):
            return self._too_many[not kind & HEAD]
        return self.front.answer(entry, kind, now)

    def client(self, peer: Peer, headers: Any) -> Client:
        """Who asks. What a stranger says about himself in forwarding headers is not heard."""
        if not peer.trusted:
            return Client(peer.address, local=peer.local and not any(name in headers for name in FORWARDED))
        said = ",".join(headers.getall("X-Forwarded-For", ()))
        scheme = ",".join(headers.getall("X-Forwarded-Proto", ())).rpartition(",")[2].strip().lower()
        return Client(
            self.proxies.client(peer.address, said) if said else peer.address,
            "https" if scheme == "https" else "http",
            peer.local and not any(name in headers for name in FORWARDED),
        )

    def spend(self, request: web.BaseRequest, peer: Peer) -> None:
        """Count a request against its sender; too many are refused."""
        headers = request.headers
        proxied = any(name in headers for name in FORWARDED)
        said = ",".join(headers.getall("X-Forwarded-For", ())) if proxied else None
        bucket = peer.bucket if said is None else self._bucket(peer, said)
        if bucket is not None and not self.buckets.spend(bucket, self.now()):
            raise self.too_many()

    def too_many(self) -> FaztError:
        return too_many_requests(self.buckets.rate)

    def _bucket(self, peer: Peer, said: str) -> Bucket:
        address = self.proxies.client(peer.address, said) if peer.trusted and said else peer.address
        return self.buckets.of(address, self.now())
