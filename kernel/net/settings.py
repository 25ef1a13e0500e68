"""Settings of the network side."""

from kernel.base.settings import Setting
from kernel.net import proxies, sockets
from kernel.net.hosts import is_address, is_name


def domain(value: str) -> str:
    """A name under which apps can have names of their own: not an address."""
    name = value.lower().rstrip(".")
    if not is_name(name) or is_address(name):
        raise ValueError("must be a domain name like example.com")
    return name


def listen(value: str) -> str:
    """Addresses of this machine and unix sockets, separated by commas."""
    for part in value.split(",") if value else ():
        path = sockets.unix_path(part.strip())
        if path is not None and not sockets.may_be_socket(path):
            raise ValueError(f"unix: takes an absolute path of at most {sockets.LONGEST_UNIX_PATH} bytes")
        if path is None and not is_address(part.strip()):
            raise ValueError("must be addresses separated by commas, like 127.0.0.1, ::1, unix:/run/fazt.sock")
    return value


def trusted_proxies(value: str) -> str:
    """Networks and the word `unix`, separated by commas."""
    try:
        proxies.parse(value)
    except ValueError:
        raise ValueError("must be networks separated by commas, like 10.0.0.0/8, ::1, unix") from None
    return value


DOMAIN = Setting(
    "net.domain",
    str,
    "localhost",
    "The node's own domain; apps live below it. Takes effect at the next start.",
    check=domain,
)
PORT = Setting(
    "net.port", int, 4698, "The port to listen on. Takes effect at the next start.", least=0, most=65535, hard=True
)
LISTEN = Setting(
    "net.listen",
    str,
    "",
    "Addresses to listen on, separated by commas, and unix:/path for a proxy on this machine; empty: this machine "
    "only for a local domain, else all. Takes effect at the next start.",
    check=listen,
)
TRUSTED_PROXIES = Setting(
    "net.trusted_proxies",
    str,
    "",
    "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: networks like 10.0.0.0/8, and unix for the "
    "unix sockets of net.listen, separated by commas.",
    check=trusted_proxies,
)
PROXY_PROTOCOL = Setting(
    "net.proxy_protocol",
    bool,
    False,
    "Every TCP connection must come from a trusted proxy and begin with a PROXY header (version 1 or 2); all others "
    "are refused.",
)
MOST_CONNECTIONS = Setting(
    "limits.net.maxConnections", int, 10_000, "Connections from outside at a time.", least=10, most=1_000_000
)
MOST_EACH = Setting(
    "limits.net.maxConnectionsPerAddress",
    int,
    200,
    "Connections of one address at a time; this machine and trusted proxies are not counted.",
    least=1,
    most=1_000_000,
)
RATE = Setting(
    "limits.net.requestsPerSecond",
    int,
    100,
    "Requests to apps and pages that one address may send each second; this machine is not counted.",
    least=1,
    most=1_000_000,
)
BURST = Setting(
    "limits.net.requestBurst",
    int,
    1000,
    "Requests one address may send at once after a while of silence.",
    least=1,
    most=1_000_000,
)
CACHE = Setting(
    "limits.net.cacheSize", "size", "32MB", "Memory for public files that are asked for often.", least=0, most=4 << 30
)
