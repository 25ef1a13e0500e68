"""`.gitignore` and `.faztignore`: which entries of a folder are left out, as git itself would decide.

One entry at a time: whoever walks a tree does not enter what is ignored, so that nothing below it can come back. That
is why a pattern is matched against the entry alone and never against what lies above it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

FILES = (".gitignore", ".faztignore")  # what the later one says overrules the earlier
MOST_BYTES = 1 << 20
_SPECIAL = re.compile(r"[*?\[\\]")
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "blank": " \\t",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9a-fA-F",
}


class Pattern(NamedTuple):
    """`whole`: matched against the path from the file it stands in, else against the name alone."""

    regex: re.Pattern[str]
    ignores: bool
    folders_only: bool
    whole: bool

    def matches(self, path: str, name: str, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        return self.regex.fullmatch(path if self.whole else name) is not None


class Rules:
    """The patterns of one file, which stands in the folder `base` ("" or a path that ends in /)."""

    def __init__(self, base: str, lines: Iterable[str]) -> None:
        self.base = base
        self.patterns = [pattern for line in lines if (pattern := understood(line))]
        # most entries match nothing: one look at all patterns tells
        self._by_path, self._by_name = (
            re.compile("|".join(f"(?:{p.regex.pattern})" for p in self.patterns if p.whole is whole) or "(?!)", re.S)
            for whole in (True, False)
        )

    def decide(self, path: str, name: str, is_folder: bool) -> bool | None:
        """True: ignored, False: kept, None: nothing is said about it."""
        inner = path[len(self.base) :]
        if not self._by_name.fullmatch(name) and not self._by_path.fullmatch(inner):
            return None
        for pattern in reversed(self.patterns):
            if pattern.matches(inner, name, is_folder):
                return pattern.ignores
        return None


class Ignore:
    """What holds in one folder: the rules of the files in it and above it, the strongest first."""

    def __init__(self, rules: tuple[tuple[Rules, ...], ...] = ((),) * len(FILES)) -> None:
        self._rules = rules
        self._in_order = [one for kind in reversed(rules) for one in kind]

    def entered(self, folder: str, base: str, names: Iterable[str]) -> Ignore:
        """What holds in a folder further down, `base`, that has entries of these names."""
        present = set(names)
        if present.isdisjoint(FILES):
            return self
        kinds = list(self._rules)
        for i, file in enumerate(FILES):
            if file in present and (lines := _lines(os.path.join(folder, file))):
                kinds[i] = (Rules(base, lines), *kinds[i])
        return Ignore(tuple(kinds))

    def ignores(self, path: str, name: str, is_folder: bool) -> bool:
        for rules in self._in_order:
            decided = rules.decide(path, name, is_folder)
            if decided is not None:
                return decided
        return False


def _lines(path: str) -> list[str]:
    if os.path.islink(path) or not os.path.isfile(path):
        return []
    with open(path, "rb") as file:
        text = file.read(MOST_BYTES).decode("utf-8-sig", "surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n")]


def understood(line: str) -> Pattern | None:
    """One line of such a file; None for what says nothing."""
    if not line or line.startswith("#"):
        return None
    ignores = not line.startswith("!")
    text = _without_end_spaces(line if ignores else line[1:])
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    whole = "/" in text
    regex = _translated(text.removeprefix("/"), whole) if text else None
    if not regex:
        return None
    try:
        return Pattern(re.compile(regex, re.S), ignores, folders_only, whole)
    except re.error:  # a range that runs backwards matches nothing
        return None


def _without_end_spaces(text: str) -> str:
    kept = text.rstrip(" ")
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 and kept != text else kept


def _translated(glob: str, whole: bool) -> str | None:
    """A glob as a regular expression; None when it can match nothing."""
    regex, at = "", 0
    while at < len(glob):
        letter = glob[at]
        if letter == "*":
            end = at
            while end < len(glob) and glob[end] == "*":
                end += 1
            piece, at = _stars(glob, at, end, whole)
            regex += piece
            continue
        if letter == "?":
            regex += "[^/]"
        elif letter == "[":
            found = _bracket(glob, at)
            if found is None:
                return None
            piece, at = found
            regex += piece
            continue
        elif letter == "\\":
            at += 1
            if at == len(glob):
                return None
            regex += re.escape(glob[at])
        else:
            regex += re.escape(letter)
        at += 1
    return regex


def _stars(glob: str, start: int, end: int, whole: bool) -> tuple[str, int]:
    """Two stars between slashes stand for any folders, everything else for a piece of one name."""
    before = glob[:start]
    # git compares what is plain text first, and sees the rest as a pattern of its own
    alone = end - start > 1 and (before[-1:] in ("", "/") or not _SPECIAL.search(before))
    if whole and alone and end == len(glob):
        return ".*", end
    if whole and alone and glob[end] == "/":
        return "(?:.*/)?", end + 1
    return "[^/]*", end


def _bracket(glob: str, start: int) -> tuple[str, int] | None:
    """A set of characters, and where it ends; None when it does not end."""
    at = start + 1
    negated = glob[at : at + 1] in ("!", "^")
    at += negated
    inner, first = "", True
    while first or glob[at : at + 1] != "]":
        first = False
        letter = glob[at : at + 1]
        if not letter:
            return None
        if letter == "[" and glob[at + 1 : at + 2] == ":":
            name, closed, _ = glob[at + 2 :].partition(":]")
            if closed and name not in _CLASSES:
                return None
            if closed:
                inner += _CLASSES[name]
                at += len(name) + 4
                continue
        if letter == "\\":
            at += 1
            letter = glob[at : at + 1]
            if not letter:
                return None
            inner += re.escape(letter)
        else:
            is_range = letter == "-" and inner and glob[at + 1 : at + 2] not in ("]", "")
            inner += "-" if is_range else re.escape(letter)
        at += 1
    return f"(?!/)[{'^' if negated else ''}{inner}]", at + 1
