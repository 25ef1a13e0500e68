"""Answers of the door itself, ready before anybody asks: too much, too many, too slow."""

from __future__ import annotations

from http import HTTPStatus

from kernel.base.errors import FaztError
from kernel.base.json import encode


def canned(error: FaztError, *, body: bool = True, close: bool = False, more: dict[str, str] | None = None) -> bytes:
    """The usual envelope as bytes (without `body`: the answer to a HEAD)."""
    content = encode({"error": error.public()})
    lines = {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(content)),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Server": "fazt",
        **({"Retry-After": str(error.details["retry_after"])} if "retry_after" in error.details else {}),
        **(more or {}),
        **({"Connection": "close"} if close else {}),
    }
    head = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + "\r\n"
    return head.encode() + (content if body else b"")


def too_many_requests(rate: int, wait: int = 1) -> FaztError:
    return FaztError("RATE_LIMIT_EXCEEDED", "Too many requests.", retry_after=wait, limit=rate)


def rate_headers(rate: int, wait: int = 1) -> dict[str, str]:
    return {"X-RateLimit-Limit": str(rate), "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(wait)}


TOO_SLOW = canned(FaztError("REQUEST_TIMEOUT", "The request came too slowly."), close=True)
FULL = canned(
    FaztError("SERVICE_UNAVAILABLE", "The node holds as many connections as it may.", retry_after=5), close=True
)
CROWDED = canned(
    FaztError("RATE_LIMIT_EXCEEDED", "This address holds as many connections as it may.", retry_after=5), close=True
)
