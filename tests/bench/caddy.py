"""A Caddy of our own: its file server on a free port of this machine, without an access log."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.nginx import PATIENCE, TRIES, free_port

MISSING = "Caddy is not installed (Debian: apt-get install caddy)"
CONFIG = """
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  root * "{folder}"
  file_server
}}
"""


@dataclass(frozen=True)
class Caddy:
    """A running Caddy: one process."""

    pid: int
    port: int


def find() -> Path | None:
    """The program, if this machine has it; BENCH_RIVAL_CADDY names another one."""
    if named := os.environ.get("BENCH_RIVAL_CADDY"):
        return Path(named) if os.access(named, os.X_OK) else None
    found = shutil.which("caddy")
    return Path(found) if found else None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Caddy]:
    """Caddy serving the folder; it ends with the block."""
    program = find()
    if program is None:
        raise RuntimeError(MISSING)
    with tempfile.TemporaryDirectory(prefix="caddy-") as prefix:
        process, port = _start(program, Path(prefix), folder)
        try:
            yield Caddy(process.pid, port)
        finally:
            _end(process)


def _start(program: Path, prefix: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Another process may take a free port before Caddy does: then with the next one."""
    config, errors = prefix / "Caddyfile", prefix / "error.log"
    env = {**os.environ, "HOME": str(prefix), "XDG_DATA_HOME": str(prefix), "XDG_CONFIG_HOME": str(prefix)}
    for _ in range(TRIES):
        port = free_port()
        config.write_text(CONFIG.format(port=port, folder=folder.resolve()))
        with errors.open("wb") as log:
            process = subprocess.Popen(
                [program, "run", "--config", config, "--adapter", "caddyfile"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if _answers(process, port):
            return process, port
        _end(process)
    raise RuntimeError(f"Caddy does not start: {errors.read_text() if errors.exists() else 'it says nothing'}")


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
            return True
        time.sleep(0.01)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
