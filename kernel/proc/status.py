"""How the node is: the status of its parts, the memory, the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from kernel.apps.apps import COUNT
from kernel.base.clock import Clock
from kernel.base.settings import Setting, Settings
from kernel.proc.state import Part, State
from kernel.proc.supervise import Supervisor
from kernel.security.seal import Seal
from kernel.storage.store import Store
from kernel.storage.writer import Writer
from kernel.syscall import Call, Scan, syscall

if TYPE_CHECKING:
    from kernel.net.server import Server

NAME = Setting("node.name", str, "fazt", "What this node calls itself.")


@dataclass
class Running:
    """Facts of this run."""

    version: str
    node_id: str
    started_at: int
    clock: Clock
    store: Store
    supervisor: Supervisor
    seal: Seal
    server: Server | None = None
    # what else has something to say of how it is
    parts: dict[str, Part] = field(default_factory=dict)

    # ends this run and begins the next; there is none where nobody would begin it
    restart: Callable[[], None] | None = None

    @property
    def mode(self) -> str:
        return "read-only" if self.store.writer.broken else "normal"

    def uptime(self) -> int:
        return (self.clock.now() - self.started_at) // 1000


class KernelStatus(Struct):
    version: str
    node_id: str
    name: str
    mode: str
    pid: int
    uptime_seconds: int
    apps: int
    started_at: int
    subsystems: dict[str, State]


class Memory(Struct):
    used_mb: float


class Database(Struct):
    path: str
    size_bytes: int


class Work(Struct):
    active_requests: int
    write_groups: int
    writes: int
    tasks: dict[str, State]


class Health(Struct):
    status: str
    uptime_seconds: int
    version: str
    mode: str
    memory: Memory
    database: Database
    runtime: Work


def memory_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20), 1)


def _storage(writer: Writer) -> State:
    if writer.broken:
        return State("failing", f"{writer.broken.message} {writer.broken.hint}")
    if writer.trouble:
        return State("degraded", f"the log of the data file only grows: {writer.trouble}")
    return State("ok", f"{writer.groups} commits")


def subsystems(running: Running) -> dict[str, State]:
    failing = [name for name, task in running.supervisor.tasks.items() if task.in_a_row]
    return {
        "storage": _storage(running.store.writer),
        "security": State("locked", running.seal.why_locked) if running.seal.locked else State("ok"),
        "net": State("stopping" if running.server and running.server.draining else "ok" if running.server else "off"),
        "tasks": State("failing", ", ".join(failing)) if failing else State("ok"),
        **{name: part() for name, part in running.parts.items()},
    }


@syscall("kernel.status", http="GET /api/kernel/status", cli="proc status", js=False)
def kernel_status(call: Call) -> Scan[KernelStatus]:
    """The node and the state of its parts."""
    running, name = call.use(Running), call.use(Settings)[NAME.name]
    parts = subsystems(running)

    def shown(rows: list[list[Any]]) -> KernelStatus:
        return KernelStatus(
            running.version,
            running.node_id,
            name,
            running.mode,
            os.getpid(),
            running.uptime(),
            rows[0][0][0],
            running.started_at,
            parts,
        )

    return call.store.scan((COUNT, {"all": False, "listed": 0}), then=shown)


@syscall("system.health", http="GET /api/system/health", cli="health", js=False)
def health(call: Call) -> Health:
    """Health and resource figures of the node."""
    running = call.use(Running)
    tasks = {
        name: State("failing" if task.in_a_row else "ok", task.error or f"{task.runs} runs")
        for name, task in running.supervisor.tasks.items()
    }
    well = all(state.state in ("ok", "off") for state in subsystems(running).values())
    return Health(
        "ok" if well else "degraded",
        running.uptime(),
        running.version,
        running.mode,
        Memory(memory_mb()),
        Database(str(running.store.path), running.store.size()),
        Work(
            running.server.active if running.server else 0,
            running.store.writer.groups,
            running.store.writer.batches,
            tasks,
        ),
    )
