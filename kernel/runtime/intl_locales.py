"""Which language an app means, and the little that Babel does not know of it."""

from __future__ import annotations

import copy
import re
import threading
from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError, localedata

from kernel.base.errors import FaztError

DEFAULT = "en-US"
MOST_KEPT = 24
TAG = re.compile(r"[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8}){0,8}")
DIGITS = {
    "latn": "", "arab": "٠١٢٣٤٥٦٧٨٩", "arabext": "۰۱۲۳۴۵۶۷۸۹", "beng": "০১২৩৪৫৬৭৮৯", "deva": "०१२३४५६७८९",
}  # fmt: skip
_lock = threading.Lock()


def found(told: dict[str, Any]) -> tuple[str, Locale]:
    """The name of the first language that is known, as JavaScript writes it, and the language."""
    for tag in told.get("locales") or []:
        if not isinstance(tag, str) or not TAG.fullmatch(tag):
            raise FaztError(
                "INVALID_ARGUMENT", f"Incorrect locale information provided: {str(tag)[:80]}", name="RangeError"
            )
        parts = re.split("[-_]", tag)
        single = next((n for n, part in enumerate(parts) if len(part) == 1), len(parts))
        if made := _known(parts[:single]):
            return made
    return DEFAULT, _loaded("en-US")


def _known(parts: list[str]) -> tuple[str, Locale] | None:
    while parts:
        try:
            tag = "-".join(_cased(parts))
            return tag, _loaded(tag)
        except (UnknownLocaleError, ValueError):
            parts = parts[:-1]
    return None


@lru_cache(maxsize=MOST_KEPT)
def _loaded(tag: str) -> Locale:
    """A language with data of its own.

    Babel keeps all it has read for ever, and an app can name hundreds. What it finds by a reference it writes into
    tables that other languages share, so that one would speak with the words of another.
    """
    locale = Locale.parse(tag, sep="-")
    with _lock:
        data: Any = copy.deepcopy(localedata.load(str(locale)))
        localedata._cache.clear()
    vars(locale)["_Locale__data"] = localedata.LocaleDataDict(data)
    return locale


def _cased(parts: list[str]) -> list[str]:
    def cased(part: str) -> str:
        return part.title() if len(part) == 4 and part.isalpha() else part.upper() if len(part) < 4 else part.lower()

    return [parts[0].lower(), *(cased(part) for part in parts[1:])]


def numbering(told: dict[str, Any], locale: Locale) -> str:
    wanted = told.get("numberingSystem") or _extension(told, "nu") or locale.default_numbering_system
    return wanted if wanted in DIGITS else "latn"


def _extension(told: dict[str, Any], key: str) -> str:
    tags = told.get("locales") or [""]
    said = re.search(rf"-u(?:-[a-z0-9]{{2,8}})*?-{key}-([a-z0-9]{{3,8}})", str(tags[0]).lower())
    return said[1] if said else ""


def plain(data: Any) -> dict[str, Any]:
    """A table of Babel's with its references followed."""
    return {str(name): data[name] for name in data}


def first(table: Any, *names: str) -> Any:
    """The first of some widths that a language has."""
    return next(table[name] for name in names if table.get(name))
