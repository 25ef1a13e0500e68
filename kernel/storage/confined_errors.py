"""What SQLite says of apps' statements, in words that name the app's tables as the app does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from kernel.base.errors import FaztError
from kernel.storage.confined_words import CTE, OWN, TABLE
from kernel.storage.connection import FAILURES
from kernel.storage.connection import understood as usual

_PREPARED = (apsw.SQLError, apsw.MismatchError, apsw.RangeError, apsw.BindingsError)


def too_big() -> FaztError:
    return FaztError(
        "LIMIT_EXCEEDED", "The answer has more than 10 000 rows or 16 MiB.", "Narrow it, or page with LIMIT."
    )


def too_heavy() -> FaztError:
    return FaztError("LIMIT_EXCEEDED", "The statement calls too many functions for one row.", "Split it up.")


@contextmanager
def in_words(app: str, has_room: Callable[[], bool] = lambda: False) -> Iterator[None]:
    try:
        yield
    except FAILURES as error:
        raise _said(app, error, has_room) from error
    except ValueError as error:
        # of a function of ours
        raise FaztError("LIMIT_EXCEEDED", f"A value is larger than a mebibyte ({error}).") from error


def _said(app: str, error: Exception, has_room: Callable[[], bool]) -> Exception:
    text = _cleaned(app, str(error))
    if isinstance(error, apsw.AuthError):
        return FaztError("FORBIDDEN_SQL", "The statement reaches for what is not the app's.")
    if isinstance(error, apsw.ConstraintError):
        return FaztError("CONFLICT", f"{text}.")
    if isinstance(error, apsw.InterruptError):
        return FaztError("TIMEOUT", "The statement takes too long.", "Narrow it, or help it with rd.index.")
    if isinstance(error, apsw.TooBigError):
        return FaztError("LIMIT_EXCEEDED", "A value or row is larger than a mebibyte.")
    if isinstance(error, apsw.NoMemError):
        return FaztError("LIMIT_EXCEEDED", "The statement takes too much memory.")
    if isinstance(error, apsw.FullError) and has_room():
        return FaztError("LIMIT_EXCEEDED", "One statement may add 64 MiB.", "Split it up.")
    if isinstance(error, _PREPARED):
        if "not authorized" in text or "prohibited" in text:
            return FaztError("FORBIDDEN_SQL", "The statement reaches for what is not the app's.")
        return FaztError("INVALID_ARGUMENT", f"{text}.", field="sql")
    return usual(error)  # type: ignore[arg-type]


def _cleaned(app: str, text: str) -> str:
    for name in OWN:
        text = text.replace(name, name.removeprefix("rd_"))
    return text.removeprefix("SQLError: ").replace(f"{TABLE}{app}_", "").replace(CTE, "").rstrip(".")
