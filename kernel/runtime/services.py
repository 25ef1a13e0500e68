"""What guests and invocations use of the node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kernel.base.clock import Clock
from kernel.base.errors import FaztError
from kernel.base.settings import Settings
from kernel.observe.lines import Lines
from kernel.runtime.answers import Heads
from kernel.runtime.engine.engine import Engine
from kernel.runtime.threads import Threads
from kernel.storage.store import Store
from kernel.syscall.call import Call, Who
from kernel.syscall.driver import Driver
from kernel.syscall.registry import Registry

# what leaves the app, costs money or touches the node is granted by name only
_NAMED = ("dev:", "kernel:", "secret:", "net:vpn")


@dataclass
class Services:
    store: Store
    settings: Settings
    registry: Registry
    driver: Driver
    threads: Threads
    lines: Lines
    clean: Callable[[str, str], str]  # an app's text without its secrets
    clock: Clock
    version: str
    open_engine: Callable[[], Engine]
    heads: Heads = field(default_factory=Heads)

    def __post_init__(self) -> None:
        needs = {entry.declared.needs for entry in self.registry}
        self.grants = frozenset(name for name in needs if name and not name.startswith(_NAMED))
        self._engine: Engine | None = None
        self._adapters: list[Any] = [None] * len(self.registry)
        self._blind = [
            entry.declared.colour == "write" and (entry.declared.quiet or entry.declared.answer is None)
            for entry in self.registry
        ]
        # what gives nothing says nothing, not even null
        nothing = (None, type(None))
        self._quiet = [entry.declared.quiet or entry.declared.answer in nothing for entry in self.registry]

    @property
    def engine(self) -> Engine:
        if self._engine is None:
            self._engine = self.open_engine()
        return self._engine

    @property
    def engine_is_open(self) -> bool:
        return self._engine is not None

    def adapter(self, number: int) -> Any:
        """How apps call the capability of this number; only those with a JavaScript name, and none that waits."""
        adapter = self._adapters[number] if number < len(self._adapters) else None
        if adapter is None:
            adapter = self._adapters[number] = self._open(number, ("value", "write", "scan"))
        return adapter

    def asynchronous(self, number: int) -> Any:
        return self._open(number, ("async",))

    def _open(self, number: int, colours: tuple[str, ...]) -> Any:
        if number < len(self._adapters):
            entry = self.registry.entries[number]
            if entry.declared.js and entry.declared.colour in colours:
                return entry.javascript
        raise FaztError("INVALID_ARGUMENT", "There is no such capability.")

    def quiet(self, number: int) -> bool:
        return self._quiet[number]

    def blind(self, number: int) -> bool:
        """Does it write something, and say nothing to the code that asked for it?"""
        return self._blind[number]

    def check_personal(self, number: int) -> None:
        if number >= len(self._adapters) or not self.registry.entries[number].declared.personal:
            raise FaztError("INVALID_ARGUMENT", "There is no such capability.")

    def personal_name(self, number: int) -> str:
        """What the code calls it by."""
        return "fazt.app.user." + (self.registry.entries[number].declared.js or "").removeprefix("storage.")

    def call(self, app: str, release: str, trace: str, person: str = "", personal: bool = False) -> Call:
        who = Who(kind="app", id=app, name=app, role="user")
        user = person if personal else ""
        return self.driver.call(
            who, "js", app=app, user=user, trace=trace, grants=self.grants, person=person, release=release
        )
