"""The driver: makes a Call, runs a function through its adapter, and settles what comes back.

It is the only place that commits. What it needs of the node it takes as ports.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.syscall.call import Call, Ports, Scoped, Who
from kernel.syscall.declare import Declaration
from kernel.syscall.plan import Later, Scan, Step, Write
from kernel.syscall.registry import Entry, Registry


class Storage(Protocol):
    async def write(self, steps: Sequence[Step]) -> list[list[Any]]: ...
    async def scan(self, scan: Scan[Any]) -> Any: ...
    def scoped(self, app: str, user: str = "") -> Scoped: ...


class Journal(Protocol):
    """Remembers who changed what. Weighty things are written in the same batch as the change itself."""

    def steps(self, call: Call, declared: Declaration, resource: str) -> list[Step]: ...
    def note(self, call: Call, declared: Declaration, resource: str, result: str) -> None: ...


class Driver:
    def __init__(self, registry: Registry, storage: Storage, ports: Ports, clock: Clock, journal: Journal) -> None:
        self.registry, self.storage, self.ports, self.clock, self.journal = registry, storage, ports, clock, journal
        # how often each capability was used, per app; "" is the node itself
        self.meters: dict[str, list[int]] = {}

    def call(
        self,
        who: Who,
        via: str,
        *,
        app: str | None = None,
        user: str = "",
        trace: str = "",
        grants: frozenset[str] = frozenset(),
        person: str = "",
        release: str = "",
    ) -> Call:
        meter = self.meters.get(app or "")
        if meter is None:
            meter = self.meters[app or ""] = self.registry.meter()
        return Call(
            who=who,
            store=self.storage.scoped(app or "", user),
            ports=self.ports,
            clock=self.clock,
            meter=meter,
            via=via,
            trace=trace,
            app=app,
            grants=grants,
            person=person,
            release=release,
        )

    async def invoke(
        self,
        entry: Entry,
        call: Call,
        values: Mapping[str, Any],
        *,
        lax: bool = False,
        files: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
    ) -> Any:
        """Run a capability by named values, for a person: HTTP, the command line, MCP."""
        try:
            result = entry.named(call, values, lax=lax, files=files, raw=raw)
            if entry.declared.colour == "stream":
                return result
            return await self.settle(entry, call, result, values)
        except FaztError as error:
            self.refused(entry, call, values, error)
            raise

    def refused(self, entry: Entry, call: Call, values: Mapping[str, Any], error: FaztError) -> None:
        """What only the function itself could see, as which app is meant: remembered like every other refusal."""
        if error.code == "FORBIDDEN":
            self.journal.note(call, entry.declared, _resource(call, entry.declared, values), error.code)

    async def settle(self, entry: Entry, call: Call, result: Any, values: Mapping[str, Any]) -> Any:
        declared = entry.declared
        if inspect.isawaitable(result):
            result = await result
        if isinstance(result, Later):
            result = await result.work()
        # said after it ran: it may have made the app it is about
        resource = _resource(call, declared, values) if declared.writes or isinstance(result, Write) else ""
        if isinstance(result, Write):
            # a plan without steps changes nothing: there is nothing to write down either
            if result.steps:
                steps = [*result.steps, *self.journal.steps(call, declared, resource)]
                rows = (await self.storage.write(steps))[: len(result.steps)]
            else:
                rows = []
            result = result.result(rows)
        elif isinstance(result, Scan):
            result = await self.storage.scan(result)
        if declared.writes:
            self.journal.note(call, declared, resource, "ok")
        return result


def _resource(call: Call, declared: Declaration, values: Mapping[str, Any]) -> str:
    """What the call is about: the app, or what its path or command names."""
    named = [str(values[word]) for word in declared.naming if word in values]
    return "/".join([*([call.app] if call.app else []), *named])[:200]
