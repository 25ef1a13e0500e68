"""One call of a capability: who asks, for which app, with what, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.tables import Fill, Patch, Read, Remove, Table
from kernel.syscall.plan import Scan, Write

Port = TypeVar("Port")
ROLES = {"public": 0, "user": 1, "admin": 2, "owner": 3}


class Scoped(Protocol):
    """The caller's rows, and nobody else's. Filled by `kernel/storage`."""

    app: str
    user: str
    now: int

    def of(self, user: str) -> Scoped: ...
    def one(self, read: Read, /, **params: Any) -> Any: ...
    def all(self, read: Read, /, **params: Any) -> list[Any]: ...
    def row(self, table: Table, /, *key: Any) -> Any: ...
    def scan(self, *reads: tuple[Read, dict[str, Any]], then: Any) -> Scan[Any]: ...
    def insert(self, table: Table, /, conflict: FaztError | None = None, **values: Any) -> Write[None]: ...
    def put(self, table: Table, /, **values: Any) -> Write[None]: ...
    def fill(self, rows: Fill, /, conflict: FaztError | None = None, **params: Any) -> Write[None]: ...
    def do(self, change: Patch | Remove, /, **params: Any) -> Write[None]: ...


@dataclass(frozen=True)
class Who:
    """The person or program behind a call."""

    kind: str = "anonymous"  # anonymous | session | key | local | app
    id: str = ""
    name: str = ""
    role: str = "public"
    scopes: frozenset[str] = frozenset({"*"})
    address: str = ""
    agent: str = ""
    session: bytes = b""  # hash of the session's token
    expires_at: int | None = None


ANONYMOUS = Who()
LOCAL = Who(kind="local", id="local", name="local", role="owner")


@dataclass
class Ports:
    """Things of the node that a function may use, found by their type."""

    filled: dict[type, Any] = field(default_factory=dict)

    def fill(self, value: Any, kind: type | None = None) -> None:
        self.filled[kind or type(value)] = value

    def use(self, kind: type[Port]) -> Port:
        found: Port = self.filled[kind]
        return found


class Call:
    __slots__ = (
        "app",
        "clock",
        "deadline",
        "grants",
        "meter",
        "now",
        "person",
        "ports",
        "rec",
        "release",
        "role",
        "store",
        "trace",
        "via",
        "who",
    )

    def __init__(
        self,
        *,
        who: Who,
        store: Scoped,
        ports: Ports,
        clock: Clock,
        meter: list[int],
        via: str,
        trace: str = "",
        app: str | None = None,
        grants: frozenset[str] = frozenset(),
        deadline: float | None = None,
        person: str = "",
        release: str = "",
    ) -> None:
        self.who, self.store, self.ports, self.clock, self.meter = who, store, ports, clock, meter
        self.via, self.trace, self.app, self.grants, self.deadline = via, trace, app, grants, deadline
        # who is signed in where an app's code asks, or whose rows are meant; `store.user` says whose they are
        self.person = person or store.user
        # the release whose code asks, which need not be the live one; empty: nobody's code
        self.release = release
        self.role = ROLES[who.role]
        self.now = clock.now()
        self.rec: list[Any] | None = None

    @property
    def user(self) -> str:
        return self.store.user

    def be(self, user: str) -> None:
        """From now on it is about the rows of this person."""
        self.person, self.store = user, self.store.of(user)

    def after(self, duration: int | None) -> int | None:
        """The moment a duration from now, for expiry times."""
        return None if duration is None else self.now + duration

    def is_at_least(self, role: str) -> bool:
        return self.role >= ROLES[role]

    def use(self, kind: type[Port]) -> Port:
        return self.ports.use(kind)
