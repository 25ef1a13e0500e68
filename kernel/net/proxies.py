"""Who is behind a proxy: the proxies that are trusted, what they say, and the PROXY protocol."""

from __future__ import annotations

import functools
import ipaddress
import re
import struct
from typing import NamedTuple

# a proxy between us and the visitor names itself in one of these
FORWARDED = ("Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")
UNIX = "unix"
MOST_HOPS = 20
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Client(NamedTuple):
    """Who asks: the visitor himself, whatever stands between."""

    address: str
    scheme: str = "http"
    local: bool = False  # this machine, with no proxy in between


def parse(text: str) -> tuple[list[Network], bool]:
    """The networks of a list like `10.0.0.0/8, ::1, unix`, and whether it names unix sockets."""
    parts = [part.strip() for part in text.split(",")] if text else []
    return [ipaddress.ip_network(part) for part in parts if part != UNIX], UNIX in parts


class Proxies:
    """The proxies that are believed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._networks, self.unix = parse(text)
        self.trusts = functools.lru_cache(4096)(self._trusts)
        self.client = functools.lru_cache(4096)(self._client)

    def _trusts(self, address: str) -> bool:
        if not self._networks:
            return False
        ip = _ip(address)
        return ip is not None and any(ip in network for network in self._networks if network.version == ip.version)

    def _client(self, peer: str, forwarded: str) -> str:
        """The first address from the right that is no trusted proxy: what stands left of it, anybody may have sent."""
        nearest = peer
        for hop in reversed(forwarded.split(",")[-MOST_HOPS:]):
            ip = _ip(_without_port(hop.strip()))
            if ip is None:
                return nearest
            nearest = str(ip)
            if not self.trusts(nearest):
                return nearest
        return nearest


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


# --- the PROXY protocol: the visitor's address before the first request

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_LINE = 107
LONGEST_BLOCK = 2048
_LINE = re.compile(rb"PROXY (TCP4|TCP6) ([0-9a-fA-F:.]{2,39}) ([0-9a-fA-F:.]{2,39}) (\d{1,5}) (\d{1,5})\r\n")
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [\x20-\x7e]*)?\r\n")
_ADDRESSES = {0x11: (4, 12), 0x21: (16, 36)}  # TCP over IPv4 and IPv6: bytes of one address, of all
_UNSPECIFIED, _UNIX_STREAM = 0x00, 0x31


class Header(NamedTuple):
    address: str | None  # none: the proxy speaks for itself, or does not know
    size: int


def proxy_header(data: bytes) -> Header | None:
    """The header at the beginning, or None while it is not whole. What is none is a ValueError."""
    if data[:12] == SIGNATURE[: len(data)]:
        return _block(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _line(data)
    raise ValueError("no PROXY header")


def _line(data: bytes) -> Header | None:
    end = data.find(b"\n", 0, LONGEST_LINE)
    if end < 0:
        if len(data) >= LONGEST_LINE:
            raise ValueError("too long")
        return None
    line = data[: end + 1]
    if _UNKNOWN.fullmatch(line):
        return Header(None, len(line))
    found = _LINE.fullmatch(line)
    if not found:
        raise ValueError("no PROXY header")
    kind = ipaddress.IPv4Address if found[1] == b"TCP4" else ipaddress.IPv6Address
    source, _ = (kind(found[n].decode()) for n in (2, 3))
    if any(int(port) > 65535 or (port != b"0" and port.startswith(b"0")) for port in (found[4], found[5])):
        raise ValueError("no port")
    return Header(str(_ip(str(source))), len(line))


def _block(data: bytes) -> Header | None:
    if len(data) < 16:
        return None
    command, family, length = struct.unpack_from("!BBH", data, 12)
    if command not in (0x20, 0x21) or length > LONGEST_BLOCK:
        raise ValueError("no PROXY header")
    size = 16 + length
    if command == 0x20 or family in (_UNSPECIFIED, _UNIX_STREAM):
        return Header(None, size) if len(data) >= size else None
    if family not in _ADDRESSES or length < _ADDRESSES[family][1]:
        raise ValueError("no PROXY header")
    if len(data) < size:
        return None
    return Header(str(_ip(str(ipaddress.ip_address(data[16 : 16 + _ADDRESSES[family][0]])))), size)
