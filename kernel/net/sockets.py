"""Opening the node's ports and public unix sockets, and saying who has them when they are taken."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import stat
from pathlib import Path

from kernel.base.errors import FaztError
from kernel.net.hosts import is_loopback

EVERYWHERE = ("0.0.0.0", "::")
LOOPBACK = ("127.0.0.1", "::1")
INHERITED = "FAZT_LISTEN_FDS"
UNIX = "unix:"
LONGEST_UNIX_PATH = 100


def addresses(listen: str, domain: str) -> tuple[str, ...]:
    """What to listen on: what the owner said; else this machine only for a local domain, else everywhere."""
    if listen:
        return tuple(part.strip() for part in listen.split(","))
    local = domain == "localhost" or domain.endswith(".localhost") or is_loopback(domain)
    return LOOPBACK if local else EVERYWHERE


def unix_path(part: str) -> Path | None:
    """The path of a `unix:/path`."""
    return Path(part.removeprefix(UNIX)) if part.startswith(UNIX) else None


def may_be_socket(path: Path) -> bool:
    return path.is_absolute() and path.name != "" and len(os.fsencode(path)) <= LONGEST_UNIX_PATH


def open_ports(hosts: tuple[str, ...], port: int) -> list[socket.socket]:
    """One socket per address, unix sockets last. The first must work; one without IPv6 goes without the second."""
    opened: list[socket.socket] = []
    try:
        for host in (host for host in hosts if unix_path(host) is None):
            try:
                sock = _open(host, port)
            except OSError as error:
                if opened and host in ("::", "::1"):
                    continue
                raise _why(error, host, port) from None
            opened.append(sock)
            # with port 0 the system chose: the other addresses take the same
            port = sock.getsockname()[1]
        opened += [_open_unix(path) for host in hosts if (path := unix_path(host)) is not None]
    except BaseException:
        for other in opened:
            other.close()
        raise
    return opened


def port_of(opened: list[socket.socket], port: int) -> int:
    """The port the node is reached at: `port`, unless the system chose another."""
    return next((sock.getsockname()[1] for sock in opened if sock.family != socket.AF_UNIX), port)


def allow_files() -> int:
    """Let this process open as many files as the system permits; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return 1 << 30 if soft == resource.RLIM_INFINITY else soft


def inherited() -> list[socket.socket]:
    """Sockets handed over by the process this one replaces."""
    listed = os.environ.pop(INHERITED, "")
    found = [socket.socket(fileno=int(fd)) for fd in listed.split(",") if fd.isdigit()]
    for sock in found:
        sock.set_inheritable(False)
    return found


def hand_over(opened: list[socket.socket]) -> None:
    """Keep the listening sockets open through exec, for `inherited` of the next program."""
    kept = [os.dup(sock.fileno()) for sock in opened]
    for fd in kept:
        os.set_inheritable(fd, True)
    os.environ[INHERITED] = ",".join(map(str, kept))


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _open_unix(path: Path) -> socket.socket:
    """A socket for its user and group. What a dead program left is replaced; anything else stays."""
    try:
        if _answers(path):
            raise FaztError("PORT_IN_USE", f"Another program listens on {path}.", "Stop it, or choose another path.")
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        before = os.umask(0o117)
        try:
            sock.bind(str(path))
        except OSError:
            sock.close()
            raise
        finally:
            os.umask(before)
        sock.setblocking(False)
    except OSError as error:
        raise FaztError("PORT_IN_USE", f"{path} cannot be opened: {error.strerror}.", "Check net.listen.") from None
    return sock


def _answers(path: Path) -> bool:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FaztError("PORT_IN_USE", f"{path} is no socket.", "Choose another path: it is not overwritten.")
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        # one that is too busy to answer is alive
        return probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT)


def _why(error: OSError, host: str, port: int) -> FaztError:
    if error.errno == errno.EADDRINUSE:
        holder = who_listens(port)
        by = f" by {holder}" if holder else ""
        return FaztError(
            "PORT_IN_USE", f"Port {port} is taken{by}.", "Stop that program, or choose another with --port.", port=port
        )
    if error.errno == errno.EACCES:
        return FaztError(
            "PORT_IN_USE",
            f"Port {port} needs more rights than this user has.",
            "Use a port above 1023, or let the service manager open it.",
            port=port,
        )
    return FaztError("PORT_IN_USE", f"{host}:{port} cannot be opened: {error.strerror}.", "Check --listen.", port=port)


def who_listens(port: int) -> str:
    """The process that listens on a port, where the system lets us see it (Linux)."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            return ""
        for line in lines:
            columns = line.split()
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir()):
                name = (process / "comm").read_text().strip()
                return f"{name} (process {process.name})"
        except OSError:
            continue
    return ""
