"""What bundlers write is taken at its word: it is in order, and for much of it the compiler has no memory.

What is wrong with such code after all, the engine says when it loads it.
"""

from __future__ import annotations

import json
import re
from typing import Any

LARGE = 256 << 10
TAIL = 64 << 10
MINIFIED = 200  # letters in a line that nobody wrote by hand

_STATEMENT = re.compile(r"^(?:import|export)\b", re.M)
_BUNDLED = re.compile(r"\bmodule\.exports ?= ?(?:__toCommonJS|require_\w+)\(")
_WAS_MODULE = re.compile(r"\b__toCommonJS\(|\bObject\.defineProperty\(exports, ?[\"']__esModule")
_EXPORTS = re.compile(r"\b(?:module\.)?exports(?:\.\w+)? ?=")
_IMPORTS = re.compile(r"(?:^|[;}\n])\s{0,9}import\s{0,9}[\w$*{\"']")
_LIST = re.compile(r"(?<=[;}\s])export\s{0,9}\{([\w$\s,]{0,9999})\}")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_NAMED = re.compile(r"([\w$]+)(?:\s+as\s+([\w$]+))?")


def taken(text: str) -> dict[str, Any] | None:
    """A file that plainly comes from a bundler, without asking the compiler; None if it may be somebody's own."""
    if len(text) <= LARGE:
        return None
    if _BUNDLED.search(text) and not _STATEMENT.search(text):
        return _facts(_style(text), None)
    made = unread(text) if text.count("\n") * MINIFIED < len(text) else None
    return made if made and made["style"] != "script" else None


def unread(text: str) -> dict[str, Any] | None:
    """A large file that the compiler cannot read, as it may run all the same; None if it may not."""
    if len(text) <= LARGE:
        return None
    if edited := _without_list(text):
        return _facts("fetch", edited)
    return None if _STATEMENT.search(text) else _facts(_style(text), None)


def _style(text: str) -> str:
    return "fetch" if _WAS_MODULE.search(text) else "module" if _EXPORTS.search(text) else "script"


def _facts(style: str, code: str | None) -> dict[str, Any]:
    return {"problems": [], "style": style, "async": False, "code": code}


def _without_list(text: str) -> str | None:
    """An ES module that imports nothing and ends in its one list of exports: these become getters behind it."""
    start = max(0, len(text) - TAIL)
    found = None
    for found in _LIST.finditer(text, start):  # noqa: B007 - the last one
        pass
    if found is None or _COMMENT.sub("", text[found.end() :]).strip("; \t\r\n"):
        return None
    if _IMPORTS.search(text) or len(_STATEMENT.findall(text)) > 1:
        return None
    names = [_NAMED.fullmatch(one.strip()) for one in found[1].split(",") if one.strip()]
    if not all(names):
        return None
    getters = "".join(
        f"Object.defineProperty(exports, {json.dumps(one[2] or one[1])}, {{ enumerable: true, get: () => {one[1]} }});"
        for one in names
        if one
    )
    mark = 'Object.defineProperty(exports, "__esModule", { value: true });'
    return f'"use strict"; {text[: found.start()]}{text[found.end() :]}\n{mark}{getters}\n'
