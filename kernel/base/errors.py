"""The one error of Fazt, used by HTTP, the command line and JavaScript alike.

    FaztError(code, message, hint, **details)
      code     a word of CODES below; fixes the HTTP status, the exit code and the JavaScript class
      message  what happened
      hint     what to do about it
      details  facts a program can use (`field`, `pid`, `retry_after` …); never anything internal

Python exceptions of libraries are turned into this error where they are understood; what is not understood
stays a bug: it is logged with its trace and shown to the caller as INTERNAL_ERROR and a request id.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Code(NamedTuple):
    status: int
    exit: int
    meaning: str
    javascript: str = "Error"


# Exit codes: 1 failed, 2 wrong usage, 3 not found, 4 refused or needs confirmation, 5 not reachable.
CODES: dict[str, Code] = {
    "BAD_REQUEST": Code(400, 2, "the request cannot be understood"),
    "INVALID_JSON": Code(400, 2, "the body is not a JSON object"),
    "MISSING_FIELD": Code(400, 2, "a required field is missing", "TypeError"),
    "VALIDATION_FAILED": Code(400, 2, "a field has a wrong value", "TypeError"),
    "INVALID_ARGUMENT": Code(400, 2, "an argument has a wrong value", "TypeError"),
    "UNAUTHORIZED": Code(401, 4, "sign in or send a key"),
    "LOGIN_REQUIRED": Code(401, 4, "the app's code asked for somebody who is signed in"),
    "INVALID_CREDENTIALS": Code(401, 4, "user name or password is wrong"),
    "SESSION_EXPIRED": Code(401, 4, "the session has ended"),
    "INVALID_API_KEY": Code(401, 4, "the key is unknown or revoked"),
    "FORBIDDEN": Code(403, 4, "the caller's role or scope does not reach this far"),
    "PERMISSION_DENIED": Code(403, 4, "the app lacks a permission"),
    "NOT_FOUND": Code(404, 3, "there is no such thing"),
    "APP_NOT_FOUND": Code(404, 3, "there is no such app"),
    "REDIRECT_NOT_FOUND": Code(404, 3, "there is no such redirect"),
    "METHOD_NOT_ALLOWED": Code(405, 2, "the address does not answer this method"),
    "REQUEST_TIMEOUT": Code(408, 1, "the request came too slowly"),
    "CONFLICT": Code(409, 1, "it clashes with what is there"),
    "SCHEMA_CONFLICT": Code(409, 1, "a table of an app would lose something"),
    "FORBIDDEN_SQL": Code(400, 4, "an SQL statement that apps may not use"),
    "CONFIRMATION_REQUIRED": Code(409, 4, "it cannot be undone and was not confirmed"),
    "PAYLOAD_TOO_LARGE": Code(413, 1, "more bytes than allowed"),
    "URI_TOO_LONG": Code(414, 1, "the address is longer than allowed"),
    "HEADERS_TOO_LARGE": Code(431, 1, "more header bytes than allowed"),
    "EXPECTATION_FAILED": Code(417, 1, "an Expect header that is not understood"),
    "LIMIT_EXCEEDED": Code(400, 1, "a limit of the app or the node is reached"),
    "MISDIRECTED_REQUEST": Code(421, 1, "this connection does not speak for that host"),
    "VERSION_NOT_SUPPORTED": Code(505, 1, "a version of HTTP that is not spoken here"),
    "RATE_LIMIT_EXCEEDED": Code(429, 1, "too many requests, wait"),
    "INTERNAL_ERROR": Code(500, 1, "a fault inside Fazt; the request id finds it in the logs"),
    "SERVICE_UNAVAILABLE": Code(503, 1, "too busy or stopping, try again"),
    "LOCKED": Code(503, 1, "secrets are locked: the key of this data file is not here"),
    "TIMEOUT": Code(504, 1, "it took too long"),
    "STORAGE_FULL": Code(507, 1, "the disk is full"),
    "STORAGE_ERROR": Code(503, 1, "the data file cannot be written"),
    "NODE_RUNNING": Code(409, 4, "another process holds the data file"),
    "SCHEMA_MISMATCH": Code(500, 1, "the data file was changed in a way this program does not accept"),
    "HANDLER_ERROR": Code(500, 1, "the app's code failed"),
    "SYNTAX_ERROR": Code(500, 1, "the app's code cannot be read"),
    "CPU_LIMIT": Code(500, 1, "the app's code computed longer than it may"),
    "MEMORY_LIMIT": Code(500, 1, "the app's code took more memory than it may"),
    "STACK_LIMIT": Code(500, 1, "the app's code went too deep"),
    "NEVER_SETTLED": Code(500, 1, "the app's code waits for something that never comes"),
    "INVALID_RESPONSE": Code(500, 1, "the app's code gave an answer that is none"),
    "NO_REQUEST": Code(500, 1, "asked for outside of a request"),
    "MODULE_NOT_FOUND": Code(500, 1, "there is no such module"),
    "MODULE_FORBIDDEN": Code(500, 1, "a module outside of the app's code"),
    "REQUIRE_DEPTH": Code(500, 1, "modules require each other too deep"),
    "CLOSED": Code(500, 1, "whoever asked has gone"),
    "NOT_SUPPORTED": Code(501, 1, "this is not offered here"),
    "AI_NO_KEY": Code(501, 1, "no service is set up that turns text into vectors"),
    "PROVIDER_ERROR": Code(502, 5, "the storage outside did not do what was asked"),
    "UNREACHABLE": Code(502, 5, "the node does not answer"),
    "USAGE": Code(400, 2, "the command was not understood"),
    "PORT_IN_USE": Code(409, 1, "another program listens on the port"),
}


class FaztError(Exception):
    def __init__(self, code: str, message: str, hint: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.details = code, message, hint, details

    @property
    def status(self) -> int:
        return CODES[self.code].status if self.code in CODES else 500

    @property
    def exit_code(self) -> int:
        return CODES[self.code].exit if self.code in CODES else 1

    @property
    def retryable(self) -> bool:
        return self.status in (429, 503, 504)

    def again(self) -> FaztError:
        """The same error, to be raised by somebody else."""
        return FaztError(self.code, self.message, self.hint, **self.details)

    def public(self) -> dict[str, Any]:
        """What every door shows of it."""
        shown: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            shown["hint"] = self.hint
        if self.details:
            shown["details"] = dict(self.details)
        return shown


def invalid(field: str, message: str, **details: Any) -> FaztError:
    return FaztError("VALIDATION_FAILED", f"{field}: {message}", field=field, **details)


def not_found(what: str, name: str, hint: str | None = None) -> FaztError:
    code = f"{what.upper()}_NOT_FOUND"
    return FaztError(code if code in CODES else "NOT_FOUND", f"No {what} called {name}.", hint)
