"""Settings of the network side."""

from kernel.base.settings import Setting

DOMAIN = Setting(
    "net.domain", str, "localhost", "The node's own domain; apps live below it. Takes effect at the next start."
)
PORT = Setting("net.port", int, 4698, "The port to listen on. Takes effect at the next start.", least=0, most=65535)
LISTEN = Setting(
    "net.listen",
    str,
    "",
    "Addresses to listen on, separated by commas; empty: this machine only for a "
    "local domain, else all. Takes effect at the next start.",
)
