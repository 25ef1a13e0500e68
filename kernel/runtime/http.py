"""Requests for an app's code, and its answers: the `/api` of every app with a handler."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import hdrs, web

from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.base.settings import Settings
from kernel.fs.edition import Edition
from kernel.net.asked import OF_SITE, Asked
from kernel.net.authenticate import Authenticator
from kernel.net.budget import Budget, Held
from kernel.runtime.answers import Answer, Head, made_head
from kernel.runtime.body import STREAMED, Arriving, is_multipart, read_form, whole
from kernel.runtime.failure import GuestFailure
from kernel.runtime.incoming import Incoming, User, ascii_target, visible
from kernel.runtime.limits import UPLOAD
from kernel.runtime.outcome import Pending, Streaming, Value
from kernel.runtime.program import Program
from kernel.runtime.programs import Programs, handler_of
from kernel.runtime.runtime import Runtime


class AppCode:
    """Answers what is asked under `/api` of an app's host."""

    def __init__(
        self, runtime: Runtime, programs: Programs, authenticator: Authenticator, settings: Settings, bodies: Budget
    ) -> None:
        self.runtime, self.programs = runtime, programs
        self._authenticator, self._settings = authenticator, settings
        self.bodies = bodies

    def entry(self, edition: Edition) -> str:
        return handler_of(edition)

    async def answer(
        self, asked: Asked, edition: Edition, entry: str, more: Mapping[str, str] | None = None
    ) -> web.StreamResponse:
        """`more`: headers for an answer that begins here; whoever is given back one that has not adds them himself."""
        request = asked.request
        request[OF_SITE] = True
        try:
            response = await self._answer(asked, edition, entry, more or {})
        except FaztError as error:
            response = self.failure(asked.id, edition.app, error)
        if not response.prepared and request.can_read_body and not request.content.is_eof():
            # nobody has read its body: where the next request would begin is not known
            response.force_close()
        return response

    async def _answer(self, asked: Asked, edition: Edition, entry: str, more: Mapping[str, str]) -> web.StreamResponse:
        user = self._user(asked, edition)
        program = await self.programs.of(edition, entry)
        await self.runtime.open()
        held = self.bodies.begin()
        try:
            incoming = await self._incoming(asked, program, user, held)
            return await self._run(asked, program, incoming, more)
        finally:
            held.release()

    async def _run(
        self, asked: Asked, program: Program, incoming: Incoming, more: Mapping[str, str]
    ) -> web.StreamResponse:
        invocation = self.runtime.begin(program, incoming)
        handler: Any = asked.request.protocol
        handler.lost = invocation.abandon
        try:
            outcome = await invocation.outcome
            if isinstance(outcome, Streaming):
                return await self._stream(asked, invocation, outcome, more)
            return self._respond(outcome)
        except FaztError:
            if isinstance(incoming.stream, Arriving) and incoming.stream.refused:
                raise incoming.stream.refused from None
            raise
        except (asyncio.CancelledError, ConnectionError):
            invocation.abandon()
            raise
        finally:
            handler.lost = None

    def _user(self, asked: Asked, edition: Edition) -> User | None:
        """Until people exist, a key of the node that reaches the app is the only way to be somebody."""
        header = asked.request.headers.get(hdrs.AUTHORIZATION, "")
        if not header.lower().startswith("bearer fzt_"):
            return None
        who = self._authenticator.by_key(asked, header)
        if not who.scopes & {"*", "admin", f"deploy:{edition.app}"}:
            return None
        return User(who.id, who.role, who.name, None, None, "key")

    async def _incoming(self, asked: Asked, program: Program, user: User | None, held: Held) -> Incoming:
        request = asked.request
        # a target that says its host was checked to say this one
        target = request._message.path
        path = target if target.startswith("/") else "/" + target.partition("://")[2].partition("/")[2]
        url = f"{asked.scheme}://{request.headers.get(hdrs.HOST, '')}{ascii_target(path)}"
        incoming = Incoming(
            asked.id, request.method, url, visible(request.headers.items()), ip=asked.address, user=user
        )
        if not request.can_read_body:
            return incoming
        most_file = self._settings[UPLOAD.name] << 20
        length = request.content_length
        if program.style == "fetch":
            if length is None or length > STREAMED:
                incoming.stream = Arriving(asked, most_file, held)
                return incoming
        elif is_multipart(asked):
            await asked.invite()
            incoming.form, incoming.files = await read_form(asked, most_file, held)
            return incoming
        incoming.body = await whole(asked, held)
        return incoming

    # --- answers

    def _respond(self, outcome: Answer | Value) -> web.Response:
        if isinstance(outcome, Value):
            outcome = Answer(made_head(200, [("content-type", "application/json")]), encode(outcome.value))
        body = outcome.body if outcome.head.has_body else None
        response = web.Response(status=outcome.head.status, body=body)
        _add(response, outcome.head)
        if body and hdrs.CONTENT_TYPE not in response.headers:
            response.headers[hdrs.CONTENT_TYPE] = "application/octet-stream"
        return response

    async def _stream(
        self, asked: Asked, invocation: Pending, outcome: Streaming, more: Mapping[str, str]
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=outcome.head.status)
        _add(response, outcome.head)
        response.headers["X-Request-ID"], response.headers["Server"] = asked.id, "fazt"
        if asked.request.method == "HEAD" or not outcome.head.has_body:
            invocation.abandon()
            return web.Response(status=outcome.head.status, headers=response.headers)
        try:
            if isinstance(invocation.incoming.stream, Arriving):
                # later it would stand in the middle of the answer
                await invocation.incoming.stream.invite()
            for name, value in more.items():
                response.headers.add(name, value)
            await response.prepare(asked.request)
            async for chunk in outcome.flow.read():
                await response.write(chunk)
            await response.write_eof()
        except FaztError:
            # it has begun: only breaking off tells that it is not whole
            response.force_close()
            if asked.request.transport is not None:
                asked.request.transport.abort()
        except (ConnectionError, asyncio.CancelledError):
            invocation.abandon()
            raise
        return response

    def failure(self, id: str, app: str, error: FaztError) -> web.Response:
        status, headers, body = told(error, id, self.runtime.services.clean(app, error.message))
        return web.Response(status=status, headers=headers, body=body)


def told(error: FaztError, id: str, message: str) -> tuple[int, dict[str, str], bytes]:
    """What whoever asked is told of a failure: no place, no stack, no secret."""
    headers = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    headers["X-Content-Type-Options"] = "nosniff"
    if "retry_after" in error.details:
        headers["Retry-After"] = str(error.details["retry_after"])
    # what the code threw is never the fault of who asked
    status = max(error.status, 500) if isinstance(error.__cause__, GuestFailure) else error.status
    return status, headers, encode({"error": message, "code": error.code, "requestId": id})


def _add(response: web.StreamResponse, head: Head) -> None:
    for name, value in head.headers:
        response.headers.add(name, value if value.isascii() else _as_sent(value))


def _as_sent(value: str) -> str:
    """Its characters stand for bytes, as everywhere on the web; aiohttp writes UTF-8."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeDecodeError:
        return value
