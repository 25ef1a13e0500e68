"""How far an app's code may go: what the owner says, lowered by what the app says of itself."""

from __future__ import annotations

from typing import NamedTuple

from kernel.apps.manifest import Manifest
from kernel.base.settings import Setting, Settings

WALL = Setting(
    "limits.runtime.maxExecutionSeconds",
    int,
    30,
    "How long an app may take until its answer begins.",
    least=1,
    most=300,
)
CPU = Setting(
    "limits.runtime.maxCpuSeconds", float, 5, "How long an app's code may compute for one request.", least=0.05, most=60
)
MEMORY = Setting("limits.runtime.maxMemoryMB", int, 64, "Memory of an app's code, in MiB.", least=32, most=512)
QUEUE = Setting("limits.runtime.maxQueue", int, 1000, "Requests that may wait for apps' code.", least=1, most=100_000)
OF_APP = Setting("limits.runtime.maxConcurrentPerApp", int, 32, "Requests one app answers at once.", least=1, most=128)
AT_ONCE = Setting("limits.runtime.maxConcurrent", int, 128, "Requests all apps answer at once.", least=1, most=1024)
UPLOAD = Setting("limits.runtime.maxUploadMB", int, 100, "One file sent to an app, in MiB.", least=1, most=2000)

STREAM_SECONDS = 600.0
STREAM_IDLE_SECONDS = 60.0
SLOW_SECONDS = 0.02  # of computing, then others come first


class RuntimeLimits(NamedTuple):
    wall: float
    cpu: float
    memory: int
    fresh: bool  # a new instance for each request


def limits_of(settings: Settings, said: Manifest) -> RuntimeLimits:
    asked = said.limits.runtime
    return RuntimeLimits(
        min(settings[WALL.name], asked.maxExecutionSeconds or settings[WALL.name]),
        min(settings[CPU.name], asked.maxCpuSeconds or settings[CPU.name]),
        int(min(settings[MEMORY.name], asked.maxMemoryMB or settings[MEMORY.name])) << 20,
        said.isolation == "request",
    )
