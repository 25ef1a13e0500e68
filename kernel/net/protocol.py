"""aiohttp's server with our manners where it answers by itself: requests that are no HTTP."""

from __future__ import annotations

import logging
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from kernel.base.errors import FaztError
from kernel.base.ids import new_id
from kernel.net.envelope import failure

logger = logging.getLogger("fazt.http")


class Protocol(RequestHandler):
    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Our envelope, nothing of what was sent, and no trace in the log for what strangers send."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        id = new_id("req")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("a request failed", exc_info=exc, extra={"request": id})
        logger.debug("a request was refused", extra={"status": status, "why": type(exc).__name__})
        response = failure(_why(status, exc, message or ""), id)
        response.headers["Server"] = "fazt"
        response.headers["X-Request-ID"] = id
        response.force_close()
        return response


def _why(status: int, exc: BaseException | None, message: str) -> FaztError:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FaztError("INTERNAL_ERROR", "Something went wrong inside Fazt.")
    text = f"{exc} {message}"
    if isinstance(exc, LineTooLong):
        # the parser quotes what it was reading: a target begins with a slash, or with the scheme of an absolute one
        line = text.partition("when reading")[2]
        at_target = any(mark in line[:24] for mark in ("'/", "'http", '"/', '"http', "Status line", "status line"))
        if at_target:
            return FaztError("URI_TOO_LONG", "The address is too long.")
        return FaztError("HEADERS_TOO_LARGE", "The headers are too large.")
    if "Too many headers" in text:
        return FaztError("HEADERS_TOO_LARGE", "There are too many headers.")
    return FaztError("BAD_REQUEST", "The request is not HTTP as it should be.")


class WebServer(web.Server):
    """Makes our protocol for every connection."""

    def __call__(self) -> RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)
