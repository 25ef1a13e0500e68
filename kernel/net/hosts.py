"""Which place of the node a Host header means."""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Literal

from kernel.base.errors import FaztError

Kind = Literal["admin", "root", "www", "app", "unknown"]
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_HEADER = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[^\[\]:/@?#\s]{1,254})(?::([0-9]{1,5}))?", re.ASCII)
# names that always mean this machine; they work from this machine only
LOCAL_DOMAINS = ("localhost", "127.0.0.1.nip.io")


@dataclass(frozen=True)
class Place:
    kind: Kind
    host: str
    label: str = ""
    own: bool = True  # below the node's own domain, and not below a name that means it here only


def parse_host(header: str) -> str:
    """The host of a Host header: small letters, no port, no trailing dot. Malformed ones are refused."""
    matched = _HEADER.fullmatch(header) if header.isascii() else None
    if not matched or (matched[2] and int(matched[2]) > 65535):
        raise _malformed()
    host = matched[1].lower().removesuffix(".")
    if host.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            raise _malformed() from None
    if not is_name(host):
        raise _malformed()
    return host


def is_name(host: str) -> bool:
    return len(host) <= 253 and _NAME.fullmatch(host) is not None


def _malformed() -> FaztError:
    return FaztError("BAD_REQUEST", "The Host header is malformed.")


class Hosts:
    def __init__(self, domain: str) -> None:
        self.domain = domain

    def place(self, host: str, from_here: bool) -> Place:
        """`from_here`: the peer is this machine itself, with no proxy in between."""
        if self.domain == "localhost" and host in ("127.0.0.1", "[::1]"):
            return Place("root", host)
        for domain in (self.domain, *(LOCAL_DOMAINS if from_here else ())):
            if host == domain:
                # with another domain, bare localhost is the short way to the dashboard
                kind: Kind = "root" if domain == self.domain or domain != "localhost" else "admin"
                return Place(kind, host, own=domain == self.domain)
            if host.endswith("." + domain):
                place = self._under(host, host.removesuffix("." + domain))
                return place if domain == self.domain else replace(place, own=False)
        return Place("unknown", host)

    @staticmethod
    def _under(host: str, label: str) -> Place:
        if label == "admin":
            return Place("admin", host)
        if label == "root":
            return Place("root", host)
        if label == "www":
            return Place("www", host)
        return Place("app", host, label) if "." not in label else Place("unknown", host)


@functools.lru_cache(4096)
def is_loopback(address: str | None) -> bool:
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    return (ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip).is_loopback


def is_address(host: str) -> bool:
    """Is the host a literal address (as health probes use)?"""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
