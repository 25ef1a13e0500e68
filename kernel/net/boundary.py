"""Where in the bytes of a connection the next request begins: known for certain, or not at all."""

from __future__ import annotations

import re

UNKNOWN = -1
_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"OPTIONS ")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*(?=\r\n)")
# ends that no length tells, and connections that become something else
_OPEN = re.compile(rb"\r\n(?:transfer-encoding|upgrade|expect)[ \t]*:|\r\nconnection:[^\r]*upgrade")


def after(missing: int, data: bytes) -> int:
    """Bytes still missing of the last message once `data` has come; 0: the next byte begins a request."""
    if missing < 0:
        return UNKNOWN
    if missing:
        return missing - len(data) if len(data) <= missing else UNKNOWN
    end = data.find(b"\r\n\r\n") + 4
    if end < 4 or not data.startswith(_METHODS):
        return UNKNOWN
    head = data[:end].lower()
    lengths = _LENGTH.findall(head)
    if _OPEN.search(head) or head.count(b"content-length") != len(lengths) or len(lengths) > 1:
        return UNKNOWN
    return max(UNKNOWN, end + (int(lengths[0]) if lengths else 0) - len(data))
