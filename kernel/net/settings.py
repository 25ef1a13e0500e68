"""Settings of the network side."""

from kernel.base.settings import Setting
from kernel.net.hosts import is_address, is_name


def domain(value: str) -> str:
    """A name under which apps can have names of their own: not an address."""
    name = value.lower().rstrip(".")
    if not is_name(name) or is_address(name):
        raise ValueError("must be a domain name like example.com")
    return name


def listen(value: str) -> str:
    """Addresses of this machine, separated by commas."""
    for part in value.split(",") if value else ():
        if not is_address(part.strip()):
            raise ValueError("must be addresses separated by commas, like 127.0.0.1, ::1")
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
    "Addresses to listen on, separated by commas; empty: this machine only for a "
    "local domain, else all. Takes effect at the next start.",
    check=listen,
)
