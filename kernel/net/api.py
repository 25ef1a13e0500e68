"""The HTTP projection of the registry: every declared route, with its envelope, formats and codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_plus

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from kernel.apps.caller import Caller
from kernel.base.errors import FaztError, invalid, not_found
from kernel.net.asked import Asked, too_large
from kernel.net.envelope import json_object, json_value, success
from kernel.net.events import Streams
from kernel.net.formats import FORMATS
from kernel.net.parts import MOST_FIELD, file_of, text_of
from kernel.net.router import Endpoint, Router
from kernel.syscall import Call, Declaration, Page, Upload, Who
from kernel.syscall.declare import MOST_FILE
from kernel.syscall.plan import Parcel
from kernel.syscall.registry import Entry

Values = dict[str, Any]
# what somebody stored is saved by a browser, never shown and never run
NEVER_RUN = {
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class Api:
    def __init__(self, caller: Caller, identify: Callable[[Asked], Who]) -> None:
        self.caller, self.identify = caller, identify
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
            if found and isinstance(found[0], Entry) and not _ends_in_parameter(found[0]):
                return *found, suffix
        if refused:
            raise refused
        raise not_found("endpoint", "/" + "/".join(segments), "See /api/openapi.json for all of them.")

    async def _call(self, asked: Asked, entry: Entry, suffix: str) -> web.StreamResponse:
        app = asked.words.pop("app", None)
        call = self._permitted(asked, entry, app)
        values, files, raw, lax = await self._values(asked, entry)
        if asked.request.body_exists:
            # a body may take its time, and who may no longer does no longer
            asked.who = self.identify(asked)
            call = self._permitted(asked, entry, app)
        result = await self.caller.driver.invoke(entry, call, values, lax=lax, files=files, raw=raw)
        if entry.declared.colour == "stream":
            # who may no longer reads no further
            return await self.streams.answer(asked, result, lambda: self._still(asked, entry, app))
        return _response(entry, call, result, suffix)

    def _permitted(self, asked: Asked, entry: Entry, app: str | None) -> Call:
        if asked.ended and entry.declared.role != "public":
            raise asked.ended
        return self.caller.call(entry, asked.who, "http", app, asked.id)

    async def _values(self, asked: Asked, entry: Entry) -> tuple[Values, dict[str, Upload], bytes | None, bool]:
        """Named values of path, query and body. Lax: they all arrived as text."""
        request, declared = asked.request, entry.declared
        files: dict[str, Upload] = {}
        raw: bytes | None = None
        values, lax = _unfolded(_query(request), declared), True
        if any(p.is_bytes for p in declared.parameters):
            raw = await asked.body(declared.body)
        elif any(p.is_upload for p in declared.parameters):
            values.update(await self._multipart(asked, files))
        elif declared.whole:
            if declared.whole in values:
                raise invalid(declared.whole, "is the body")
            values[declared.whole] = json_value(await asked.body())
        elif request.method not in ("GET", "HEAD", "DELETE"):
            if values:
                raise FaztError(
                    "VALIDATION_FAILED",
                    f"{next(iter(values))}: belongs into the body, not the query.",
                    field=next(iter(values)),
                )
            values, lax = json_object(await asked.body()), False
        for name, word in asked.words.items():
            if name in values:
                raise FaztError("VALIDATION_FAILED", f"{name}: is in the path already.", field=name)
            values[name] = word
        return values, files, raw, lax

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


def _query(request: web.BaseRequest) -> Values:
    """The query, strictly: what is not UTF-8 is refused by its name, as is a name that stands there twice."""
    values: Values = {}
    for pair in request.raw_path.partition("?")[2].partition("#")[0].split("&"):
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
    for p in declared.parameters:
        for name in {p.public, p.camel} if p.is_json else ():
            if name in values:
                try:
                    values[name] = json_value(values[name].encode())
                except FaztError as error:
                    raise invalid(name, "is not JSON") from error
    return values


def _ends_in_parameter(entry: Entry) -> bool:
    return entry.declared.route is not None and entry.declared.route.path.endswith("}")


def _response(entry: Entry, call: Call, result: Any, suffix: str) -> web.Response:
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


def _parcel(parcel: Parcel) -> web.Response:
    """What somebody stored, as it is: saved, never run on this host."""
    response = web.Response(body=parcel.data, headers={"Content-Type": parcel.mime, **NEVER_RUN})
    said = getattr(parcel.about, "hash", None)
    if said:
        response.headers["ETag"] = f'"{said}"'
    return response
