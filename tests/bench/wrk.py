"""wrk, the load generator: many connections that ask again as soon as they were answered."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MISSING = "wrk is not installed (Debian: apt-get install wrk)"
PATIENCE = 30.0
REPORT = """
done = function(summary, latency, requests)
  local wrong = summary.errors
  io.write(string.format(
    '\\n{"requests":%d,"bytes":%d,"seconds":%.6f,"wrong":%d,"p50_ms":%.4f,"p99_ms":%.4f}\\n',
    summary.requests, summary.bytes, summary.duration / 1e6,
    wrong.connect + wrong.read + wrong.write + wrong.status + wrong.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True)
class Load:
    """What came back, and how soon."""

    requests: int
    bytes: int
    seconds: float
    wrong: int
    p50_ms: float
    p99_ms: float


def find() -> str | None:
    return shutil.which("wrk")


def load(
    place: Path,
    port: int,
    path: str,
    seconds: float,
    *,
    connections: int = 64,
    headers: Mapping[str, str] | None = None,
    lua: str = "",
) -> Load:
    """Ask one address for some whole seconds; every answer must be a success. `lua` may make the requests."""
    program = find()
    if program is None:
        raise RuntimeError(MISSING)
    script = place / f"report-{zlib.crc32(lua.encode()):x}.lua"
    if not script.exists():
        script.write_text(lua + REPORT)
    said = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
    # it counts in whole seconds
    lasting = f"-d{max(1, round(seconds))}s"
    command = [program, "-t2", f"-c{connections}", lasting, "-s", str(script), *said, f"http://127.0.0.1:{port}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + PATIENCE)
    found = Load(**json.loads(done.stdout.rstrip().rpartition("\n")[2]))
    if found.wrong or not found.requests:
        raise RuntimeError(f"{found.wrong} of {found.requests} requests failed: {done.stdout}")
    return found
