"""The one shape of every answer: `{"data": …, "meta"?: …}` or `{"error": {…}}`."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import msgspec
from aiohttp import web

from kernel.base.errors import FaztError, invalid
from kernel.base.json import encode
from kernel.base.text import MAX_DEPTH
from kernel.syscall.plan import Page

# possessive: one walk over the body, whatever it holds; a string that does not end reaches to the end
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}:,]|[^\s"\[\]{}:,]++', re.DOTALL)
# every string whole, and whether it names something
_STRING = re.compile(rb'"((?:[^"\\]++|\\.)*+)"\s*+(:?)', re.DOTALL)
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
BLAME_WITHIN = 64 * 1024
# looking closer at a larger body would keep everybody waiting
TWICE_WITHIN = 256 * 1024


def shape(result: Any) -> dict[str, Any]:
    if isinstance(result, Page):
        return {"data": result.items, "meta": result.meta}
    return {"data": None if result is msgspec.UNSET else result}


def success(result: Any, status: int = 200) -> web.Response:
    if status == 204:
        return web.Response(status=204)
    return web.Response(body=encode(shape(result)), status=status, content_type="application/json", charset="utf-8")


def failure(error: FaztError, request_id: str = "") -> web.Response:
    shown = {"error": error.public()}
    if error.code == "INVALID_ARGUMENT":
        # what code calls an argument is a field here
        shown["error"]["code"] = "VALIDATION_FAILED"
    if error.status >= 500 and request_id:
        shown["error"].setdefault("details", {})["request"] = request_id
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"}
    if "retry_after" in error.details:
        headers["Retry-After"] = str(error.details["retry_after"])
    elif error.status == 503:
        headers["Retry-After"] = "1"
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if "allow" in error.details:
        headers["Allow"] = ", ".join(error.details["allow"])
    return web.Response(
        body=encode(shown), status=error.status, headers=headers, content_type="application/json", charset="utf-8"
    )


def json_object(body: bytes) -> dict[str, Any]:
    """The named values of a body. A value no JSON may have is refused by the name of its field."""
    if not body:
        return {}
    value = json_value(body)
    if not isinstance(value, dict):
        raise FaztError("INVALID_JSON", "The body must be a JSON object.")
    return value


def json_value(body: bytes) -> Any:
    """The JSON of a body, or of a word in a query."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _blame(body, error) from None
    if len(body) <= TWICE_WITHIN:
        _refuse_twice(body)
    return value


def _refuse_twice(body: bytes) -> None:
    """A name that stands twice in one object: decoders differ on which one counts."""
    names = [string for string, colon in _STRING.findall(body) if colon]
    if len(set(names)) == len(names) and not any(b"\\" in name for name in names):
        return

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise invalid(twice[:100], "given twice")
        return found

    # what is nested too deep for this is refused where its depth is looked at
    with contextlib.suppress(RecursionError):
        json.loads(body, object_pairs_hook=once)


def _blame(body: bytes, error: Exception) -> FaztError:
    """Find the field of the outer object that holds what cannot be decoded; an error path only."""
    depth, field, expecting_key = 0, "", True
    for found in _TOKEN.finditer(body[:BLAME_WITHIN]):
        token = found[0]
        if token in b"[{":
            depth += 1
            if depth > MAX_DEPTH + 1 and field:
                return invalid(field, f"must not be nested deeper than {MAX_DEPTH} levels")
        elif token in b"]}":
            depth -= 1
        elif depth == 1 and token == b",":
            expecting_key = True
        elif depth == 1 and expecting_key and token[:1] == b'"':
            field, expecting_key = _name(token), False
        elif field and token in (b"NaN", b"Infinity", b"-Infinity"):
            return invalid(field, "must not contain NaN or Infinity")
        elif field and token[:1] == b'"' and _HALF.search(token) and not _decodes(token):
            return invalid(field, "must not contain half of a surrogate pair")
        elif field and token[:1] not in b'":,' and b"out of range" in str(error).encode() and not _decodes(token):
            return invalid(field, "the number is out of range")
    if isinstance(error, RecursionError):
        return FaztError("INVALID_JSON", "The body is nested too deep.")
    return FaztError("INVALID_JSON", f"The body is not JSON: {error}.")


def _name(token: bytes) -> str:
    """A field's name as it would be decoded."""
    try:
        name = msgspec.json.decode(token)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return token[1:-1].decode("utf-8", "replace")
    return str(name)


def _decodes(token: bytes) -> bool:
    try:
        msgspec.json.decode(token)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
