"""The HTTP projection of the registry: every declared route, with its envelope, formats and codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_origin
from urllib.parse import unquote_plus

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from kernel.apps.caller import Caller
from kernel.base.errors import FaztError, invalid, not_found
from kernel.net.asked import Asked, too_large
from kernel.net.budget import Budget, Held
from kernel.net.envelope import json_object, json_value, success
from kernel.net.events import Streams
from kernel.net.formats import FORMATS
from kernel.net.parts import MOST_FIELD, file_of, text_of
from kernel.net.router import Endpoint, Router
from kernel.net.streaming import Headers, streamed
from kernel.syscall import Call, Declaration, Page, Upload, Who
from kernel.syscall.declare import MOST_FILE
from kernel.syscall.plan import Parcel, Pieces
from kernel.syscall.registry import Entry

Values = dict[str, Any]
BODILESS = ("GET", "HEAD", "DELETE")
# what somebody stored is saved by a browser, never shown and never run
NEVER_RUN = {
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class Api:
    def __init__(self, caller: Caller, identify: Callable[[Asked], Who], bodies: Budget) -> None:
        self.caller, self.identify, self.bodies = caller, identify, bodies
        self.streams = Streams(caller.driver.clock)
        self.router: Router[Entry | Endpoint] = Router()
        self.endpoints: list[Endpoint] = []
        for entry in caller.driver.registry:
            route = entry.declared.route
            if route:
                self.router.add(route.method, route.path, entry)

    def mount(self, endpoint: Endpoint) -> None:
        self.endpoints.append(endpoint)
        self.router.add(endpoint.method, endpoint.path, endpoint)

    async def answer(self, asked: Asked, segments: list[str]) -> web.StreamResponse:
        old = segments[1:2] == ["sites"]
        if old:
            # what apps were called before
            segments = [segments[0], "apps", *segments[2:]]
        if segments[1:2] == ["vector"]:
            segments = [segments[0], "apps", _app_in_query(asked), *segments[1:]]
        target, words, suffix = self._find(asked.request.method, segments)
        asked.words = words
        if isinstance(target, Endpoint):
            return await target.handler(asked)
        response = await self._call(asked, target, suffix)
        if old and not response.prepared:
            response.headers["Deprecation"] = "true"
            response.headers["Link"] = '</api/apps>; rel="successor-version"'
        return response

    def _find(self, method: str, segments: list[str]) -> tuple[Entry | Endpoint, dict[str, str], str]:
        refused: FaztError | None = None
        try:
            found = self.router.find(method, segments)
        except FaztError as error:
            # `jobs/runs.csv` also looks like a job that can only be deleted
            found, refused = None, error
        if found:
            return *found, ""
        # `.csv` is a format only where the path without it is a declared route that ends in a word of its own
        stem, dot, suffix = segments[-1].rpartition(".")
        if dot and method in ("GET", "HEAD") and (suffix in FORMATS or suffix == "json"):
            found = self.router.find(method, [*segments[:-1], stem])
            if found and isinstance(found[0], Entry) and _has_formats(found[0]):
                return *found, suffix
        if refused:
            raise refused
        raise not_found("endpoint", "/" + "/".join(segments), "See /api/openapi.json for all of them.")

    async def _call(self, asked: Asked, entry: Entry, suffix: str) -> web.StreamResponse:
        app = asked.words.pop("app", None)
        call = self._permitted(asked, entry, app)
        held = self.bodies.begin()
        try:
            values, files, raw, lax = await self._values(asked, entry, held)
            if asked.request.body_exists:
                # a body may take its time, and who may no longer does no longer
                asked.who = self.identify(asked)
                call = self._permitted(asked, entry, app)
            result = await self.caller.driver.invoke(entry, call, values, lax=lax, files=files, raw=raw)
        finally:
            held.release()
        if entry.declared.colour == "stream":
            # who may no longer reads no further
            return await self.streams.answer(asked, result, lambda: self._still(asked, entry, app))
        if isinstance(result, Parcel) and isinstance(result.data, Pieces):
            headers = Headers({"Content-Type": result.mime, **NEVER_RUN, **_tag(result)})
            return await streamed(asked, 200, headers, result.data.size, result.data)
        return response_of(entry, result, suffix)

    def _permitted(self, asked: Asked, entry: Entry, app: str | None) -> Call:
        if asked.ended and entry.declared.role != "public":
            raise asked.ended
        return self.caller.call(entry, asked.who, "http", app, asked.id)

    async def _values(
        self, asked: Asked, entry: Entry, held: Held
    ) -> tuple[Values, dict[str, Upload], bytes | None, bool]:
        """Named values of path, query and body. Lax: they all arrived as text."""
        request, declared = asked.request, entry.declared
        files: dict[str, Upload] = {}
        raw: bytes | None = None
        query = asked.query
        if declared.is_of_names:
            body = b"" if request.method in BODILESS else await asked.body()
            values, lax = named_values(declared, request.method, query, asked.words, body)
            return values, files, raw, lax
        values = _unfolded(_query(query), declared)
        if any(p.is_bytes for p in declared.parameters):
            length = request.content_length
            held.reach(declared.body if length is None else min(length, declared.body))
            raw = await asked.body(declared.body)
            if "Content-Type" in request.headers and any(p.name == "mime" for p in declared.parameters):
                # what a body is called is said beside it
                values.setdefault("mime", request.headers["Content-Type"])
        else:
            values.update(await self._multipart(asked, files))
        return _with_words(values, asked.words), files, raw, True

    async def _multipart(self, asked: Asked, files: dict[str, Upload]) -> Values:
        values: Values = {}
        if not asked.request.content_type.startswith("multipart/"):
            raise FaztError("BAD_REQUEST", "Send the file as multipart/form-data.")
        length = asked.request.content_length
        if length is not None and length > MOST_FILE + MOST_FIELD:
            raise too_large(MOST_FILE)
        await asked.invite()
        try:
            reader = await asked.request.multipart()
            async for part in reader:
                if not isinstance(part, BodyPartReader) or not part.name:
                    raise FaztError("BAD_REQUEST", "The multipart body has a part without a name.")
                if part.filename is not None:
                    files[part.name] = Upload(part.filename, await file_of(part, MOST_FILE))
                else:
                    values[part.name] = (await text_of(part)).decode("utf-8", "strict")
        except (ValueError, UnicodeDecodeError) as error:
            raise FaztError("BAD_REQUEST", "The multipart body cannot be read.") from error
        return values

    def _still(self, asked: Asked, entry: Entry, app: str | None) -> None:
        asked.who = self.identify(asked)
        self._permitted(asked, entry, app)


def named_values(
    declared: Declaration, method: str, query: str, words: dict[str, str], body: bytes
) -> tuple[Values, bool]:
    """Named values of path, query and body, and whether they all arrived as text."""
    values, lax = _unfolded(_query(query), declared), True
    if declared.whole:
        if declared.whole in values:
            raise invalid(declared.whole, "is the body")
        values[declared.whole] = json_value(body)
    elif method not in BODILESS:
        if values:
            raise FaztError(
                "VALIDATION_FAILED",
                f"{next(iter(values))}: belongs into the body, not the query.",
                field=next(iter(values)),
            )
        values, lax = json_object(body), False
    return _with_words(values, words), lax


def _app_in_query(asked: Asked) -> str:
    """`/api/vector/…?app=` is the short way to `/api/apps/{app}/vector/…`."""
    pairs = asked.query.split("&")
    app = _query("&".join(pair for pair in pairs if pair.startswith("app="))).get("app")
    if not app:
        raise FaztError("MISSING_FIELD", "app: say which app is meant: ?app=NAME", field="app")
    asked.query = "&".join(pair for pair in pairs if not pair.startswith("app="))
    return str(app)


def _with_words(values: Values, words: dict[str, str]) -> Values:
    for name, word in words.items():
        if name in values:
            raise FaztError("VALIDATION_FAILED", f"{name}: is in the path already.", field=name)
        values[name] = word
    return values


def _query(text: str) -> Values:
    """The query, strictly: what is not UTF-8 is refused by its name, as is a name that stands there twice."""
    values: Values = {}
    if not text:
        return values
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        name = unquote_plus(name, errors="replace")
        if not name:
            continue
        if name in values:
            raise invalid(name, "given twice")
        try:
            values[name] = unquote_plus(value, errors="strict")
        except UnicodeDecodeError:
            raise invalid(name, "is not UTF-8") from None
    return values


def _unfolded(values: Values, declared: Declaration) -> Values:
    """JSON in a query is written as JSON."""
    for p in declared.parameters if values else ():
        for name in {p.public, p.camel} if p.is_json else ():
            if name in values:
                try:
                    values[name] = json_value(values[name].encode())
                except FaztError as error:
                    raise invalid(name, "is not JSON") from error
    return values


def _has_formats(entry: Entry) -> bool:
    """Not where the last word is a name that may have a dot, and not what is no table."""
    route, answer = entry.declared.route, entry.declared.answer
    is_table = (get_origin(answer) or answer) is not Parcel
    return route is not None and is_table and not route.path.endswith("}") and not route.mime


def response_of(entry: Entry, result: Any, suffix: str = "") -> web.Response:
    route = entry.declared.route
    assert route
    if suffix and suffix != "json":
        mime, render = FORMATS[suffix]
        body = render(result.items if isinstance(result, Page) else result)
        return web.Response(
            body=body.encode("utf-8", "replace"),
            content_type=mime,
            charset="utf-8",
            headers={"Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'"},
        )
    if isinstance(result, Parcel):
        return _parcel(result)
    if route.mime:
        body_bytes = result if isinstance(result, bytes) else str(result).encode()
        response = web.Response(body=body_bytes, status=route.status, content_type=route.mime)
        if route.mime == "application/octet-stream":
            response.headers.update(NEVER_RUN)
        return response
    return success(result, route.status)


def _parcel(parcel: Parcel[Any]) -> web.Response:
    """What somebody stored, as it is: saved, never run on this host."""
    return web.Response(body=parcel.data, headers={"Content-Type": parcel.mime, **NEVER_RUN, **_tag(parcel)})


def _tag(parcel: Parcel[Any]) -> dict[str, str]:
    said = getattr(parcel.about, "hash", None)
    return {"ETag": f'"{said}"'} if said else {}
