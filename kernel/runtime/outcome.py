"""What comes of a request for an app's code, and who waits for it."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple, Protocol

from kernel.base.errors import FaztError
from kernel.runtime.answers import Answer, Head
from kernel.runtime.flow import Flow
from kernel.runtime.incoming import Incoming
from kernel.runtime.program import Program


class Streaming(NamedTuple):
    """An answer whose body is still being made."""

    head: Head
    flow: Flow


class Value(NamedTuple):
    """What code that was run without a request gave back."""

    value: Any


Outcome = Answer | Streaming | Value


class Pending(Protocol):
    """A request on its way. `done` is its outcome as soon as there is one; `outcome` is for who has to wait."""

    request: str
    program: Program
    incoming: Incoming
    done: Outcome | FaztError | None

    @property
    def outcome(self) -> asyncio.Future[Outcome]: ...

    def abandon(self) -> None:
        """Whoever asked has gone."""
