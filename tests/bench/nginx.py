"""An nginx of our own: one worker on a free port of this machine, serving a folder, with all it writes in another."""

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

PATIENCE = 20.0
TRIES = 5
MISSING = "nginx is not installed (Debian: apt-get install nginx-light)"
# Debian's place is on the path of root only
PLACES = ("/usr/sbin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx")
CONFIG = """
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  open_file_cache max=10000 inactive=600s;
  open_file_cache_valid 600s;
  open_file_cache_min_uses 1;
  default_type application/octet-stream;
  types {{
    text/html html; text/css css; text/javascript js mjs; text/plain txt; application/json json;
    image/svg+xml svg; application/wasm wasm; image/png png;
  }}
  client_body_temp_path {prefix}/body;
  proxy_temp_path {prefix}/proxy;
  fastcgi_temp_path {prefix}/fastcgi;
  uwsgi_temp_path {prefix}/uwsgi;
  scgi_temp_path {prefix}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    server_name _;
    root "{folder}";
    index index.html;
    {extra}
  }}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: the process that watches, and the one that works."""

    pid: int
    worker: int
    port: int


def find() -> Path | None:
    """The program, if this machine has it; BENCH_RIVAL_NGINX names another one."""
    if named := os.environ.get("BENCH_RIVAL_NGINX"):
        return Path(named) if os.access(named, os.X_OK) else None
    found = shutil.which("nginx") or next((place for place in PLACES if os.access(place, os.X_OK)), None)
    return Path(found) if found else None


@contextlib.contextmanager
def running(folder: Path, *, extra: str = "") -> Iterator[Nginx]:
    """nginx serving the folder; `extra` are further lines for its server block. It ends with the block."""
    program = find()
    if program is None:
        raise RuntimeError(MISSING)
    with tempfile.TemporaryDirectory(prefix="nginx-") as prefix:
        process, port = _start(program, Path(prefix), folder, extra)
        try:
            yield Nginx(process.pid, _worker(process.pid), port)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(program: Path, prefix: Path, folder: Path, extra: str) -> tuple[subprocess.Popen[bytes], int]:
    """Another process may take a free port before nginx does: then with the next one."""
    config, errors = prefix / "nginx.conf", prefix / "error.log"
    # as root it would make its worker another user, who cannot read our folders
    user = "user root;" if os.geteuid() == 0 else ""
    for _ in range(TRIES):
        port = free_port()
        config.write_text(CONFIG.format(user=user, prefix=prefix, folder=folder.resolve(), port=port, extra=extra))
        process = subprocess.Popen(
            [program, "-p", prefix, "-e", errors, "-c", config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if _answers(process, port):
            return process, port
    raise RuntimeError(f"nginx does not start: {errors.read_text() if errors.exists() else 'it says nothing'}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + PATIENCE
    while process.poll() is None:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
            # somebody answers: nginx, unless it has just failed to take the port
            if _worker(process.pid):
                return True
        if time.monotonic() > end:
            process.kill()
        time.sleep(0.01)
    process.wait()
    return False


def _worker(pid: int) -> int:
    """The one child of nginx; 0 where there is none."""
    with contextlib.suppress(OSError):
        return int((Path(f"/proc/{pid}/task/{pid}/children").read_text().split() or ["0"])[0])
    return 0
