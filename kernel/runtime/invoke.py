"""Running an app's code by hand: as a request would, or one of its files with an input."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Struct

from kernel.base.errors import FaztError, invalid, not_found
from kernel.base.ids import new_id
from kernel.base.json import encode
from kernel.base.site import Site
from kernel.fs import paths
from kernel.fs.edition import Edition
from kernel.observe.follow_lines import LineKept
from kernel.observe.lines import MOST_PER_INVOCATION, Lines
from kernel.observe.lines_table import LEVELS, OF_REQUEST
from kernel.runtime.answers import Answer, Head
from kernel.runtime.failure import GuestFailure
from kernel.runtime.incoming import Incoming, User, ascii_target
from kernel.runtime.outcome import Outcome, Streaming, Value
from kernel.runtime.program import Program
from kernel.runtime.programs import Programs, handler_of
from kernel.runtime.runtime import Runtime
from kernel.storage.store import Store
from kernel.syscall import Call, Json, Line, syscall

MOST_BODY = 10 << 20
MOST_SHOWN = 1 << 20
Method = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{1,16}\Z")]


class Path(Line):
    least, most = 1, 4096


class CodePath(Line):
    least, most = 1, 1024


class Somebody(Line):
    """Who it is run for: an id, or id:role."""

    least, most = 1, 200


class Said(Struct):
    level: str
    message: str


class Why(Struct, omit_defaults=True):
    code: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    stack: str | None = None


class Invoked(Struct, rename="camel", omit_defaults=True):
    status: int
    headers: dict[str, str]
    body: str
    duration_ms: int
    logs: list[Said] = []
    result: Any = None
    base64: bool = False
    error: Why | None = None


@syscall("apps.invoke", http="POST /api/apps/{app}/invoke", cli="app invoke <app>", js=False, weight=4)
async def invoke(
    call: Call,
    *,
    method: Method = "GET",
    path: Path = Path("/api"),
    headers: dict[str, str] | None = None,
    body: str | None = None,
    handler: CodePath | None = None,
    input: Json = None,
    as_: Somebody | None = None,
) -> Invoked:
    """Send an app's code a request, and show the answer, what it logged and why it failed.

    With `handler`, that file is run with `input` instead of the app's own handler.
    """
    return await _run(call, method, path, headers or {}, body, handler, input, as_)


@syscall("apps.run", cli="app run <app>", js=False, weight=4)
async def run(
    call: Call,
    *,
    handler: CodePath | None = None,
    input: Json = None,
    method: Method = "POST",
    path: Path = Path("/api"),
    as_: Somebody | None = None,
) -> Json:
    """Run an app's code and print what it gives back; where it fails, so does this."""
    done = await _run(call, method, path, {}, None, handler, input, as_)
    if done.error is not None:
        place = f" ({done.error.file}:{done.error.line})" if done.error.file else ""
        raise FaztError("HANDLER_ERROR", f"{done.error.message}{place}", "fazt logs shows more.", why=done.error.code)
    if done.status >= 400:
        raise FaztError("HANDLER_ERROR", f"It answered {done.status}: {done.body[:500]}")
    return done.result


async def _run(
    call: Call,
    method: str,
    path: str,
    headers: dict[str, str],
    body: str | None,
    handler: str | None,
    input: Any,
    somebody: str | None,
) -> Invoked:
    runtime, programs = call.use(Runtime), call.use(Programs)
    edition = programs.editions.of(call.app or "")
    entry = handler or (handler_of(edition) if edition else "")
    if edition is None or not entry:
        raise not_found("handler", "api/main.js", "Deploy one: a file api/main.js or api/main.ts.")
    if not entry.startswith("api/") or paths.why_refused(entry):
        raise invalid("handler", "must be a file under api/")
    if not path.startswith("/"):
        raise invalid("path", "must begin with a slash")
    program = await _program(programs, edition, entry)
    await runtime.open()
    id = call.trace or new_id("req")
    site = call.use(Site)
    data = (body or "").encode()
    direct = handler is not None
    if input is not None and handler is None:
        # the app's own handler hears of the input as of a body
        data = encode(input)
        headers = {"content-type": "application/json", **headers}
    incoming = Incoming(
        id,
        method,
        f"{site.url.partition('://')[0]}://{_host(call, site)}{ascii_target(path)}",
        [(name.lower(), value) for name, value in headers.items()],
        ip=call.who.address,
        user=_user(call, somebody),
        body=data[:MOST_BODY],
        trigger="run" if direct else "http",
        input=input if direct else UNSET,
        handler=entry if direct else "",
    )
    incoming.by_visitor = False
    began = call.clock.monotonic()
    invocation = runtime.begin(program, incoming)
    outcome: Outcome | None = None
    try:
        outcome = await invocation.outcome
        head, content, result = await _taken(outcome)
        done = _shown(head, content, result)
    except FaztError as error:
        why = _why(error, lambda text: runtime.services.clean(program.app, text))
        done = Invoked(error.status, {}, "", 0, error=why)
    finally:
        # one that has answered as a whole may have more to do
        if not isinstance(outcome, Answer | Value):
            invocation.abandon()
    done.duration_ms = int((call.clock.monotonic() - began) * 1000)
    done.logs = await _logged(call, id)
    return done


async def _logged(call: Call, id: str) -> list[Said]:
    """What was said during a request: some of it may be written already, some not yet."""
    waiting = call.use(Lines).recent(lambda line: line.request == id)
    asked = {"request": id, "least": 0, "since": 0, "limit": MOST_PER_INVOCATION + 10}
    rows = await call.use(Store).scan(call.store.scan((OF_REQUEST, asked), then=lambda found: found[0]))
    lines = {line.seq: line for line in (*(LineKept(*row) for row in rows), *waiting)}
    return [Said(LEVELS[lines[seq].level], lines[seq].message) for seq in sorted(lines)]


async def _program(programs: Programs, edition: Edition, entry: str) -> Program:
    try:
        return await programs.of(edition, entry)
    except FaztError as error:
        if error.code != "MODULE_NOT_FOUND":
            raise
        raise not_found("handler", entry, "fazt fs ls shows the files of an app.") from None


async def _taken(outcome: Answer | Streaming | Value) -> tuple[Head | None, bytes, Any]:
    if isinstance(outcome, Value):
        return None, b"", outcome.value
    if isinstance(outcome, Answer):
        return outcome.head, outcome.body, None
    data = b""
    async for chunk in outcome.flow.read():
        data += chunk
        if len(data) > MOST_SHOWN:
            break
    return outcome.head, data[:MOST_SHOWN], None


def _shown(head: Head | None, content: bytes, result: Any) -> Invoked:
    if head is None:
        return Invoked(200, {}, "", 0, result=result)
    headers: dict[str, str] = {}
    for name, value in head.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    try:
        text, coded = content.decode(), False
    except UnicodeDecodeError:
        text, coded = base64.b64encode(content).decode(), True
    if headers.get("content-type", "").startswith("application/json"):
        try:
            result = msgspec.json.decode(content)
        except (msgspec.DecodeError, ValueError, RecursionError):
            result = None
    elif not coded:
        result = text
    return Invoked(head.status, headers, text, 0, result=result, base64=coded)


def _why(error: FaztError, clean: Callable[[str], str]) -> Why:
    cause, message = error.__cause__, clean(error.message)
    if not isinstance(cause, GuestFailure):
        return Why(error.code, message)
    place = cause.trace.place
    return Why(
        error.code,
        message,
        place.file if place else None,
        place.line if place else None,
        place.column if place else None,
        clean(cause.trace.text) or None,
    )


def _user(call: Call, somebody: str | None) -> User | None:
    if somebody is None:
        return None
    id, _, role = somebody.partition(":")
    if role not in ("", "user", "admin", "owner"):
        raise invalid("as", "the role is user, admin or owner")
    role = role or ("owner" if id == "owner" else "user")
    return User(id, role, id, None, None, "invoke")


def _host(call: Call, site: Site) -> str:
    app = (call.app or "").replace("_", "-")
    port = site.url.rpartition(":")[2]
    return f"{app}.{site.domain}" + (f":{port}" if port.isdigit() else "")
