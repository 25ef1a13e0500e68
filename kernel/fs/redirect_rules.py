"""The `_redirects` file of a site: where a path leads instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from kernel.fs.redirect_targets import Target, parse_target
from kernel.fs.rule_patterns import Pattern
from kernel.fs.rules import Values, Warnings, rule_lines, shown

MAX_STATIC = 2000
MAX_DYNAMIC = 100
STATUSES = {str(status): status for status in (200, 301, 302, 303, 307, 308)}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|/\.{1,2}(/|$)|^//")
_CONDITION = re.compile(r"[A-Za-z]\w*=")


class Moved(NamedTuple):
    """Where a request goes: a Location to answer with, or for 200 the decoded path of the file to serve.

    A 200 is served as it is and not looked up here again. A fallback is used only where no file answers.
    """

    status: int
    to: str
    fallback: bool


class _Rule(NamedTuple):
    line: int
    source: Pattern
    target: Target
    status: int

    def moved(self, path: str, values: Values, query: str) -> Moved | None:
        """Nothing if what the visitor supplied makes no usable target."""
        encoded = self.target.path_for(values)
        if encoded is None:
            return None
        if self.target.site:
            to = self.target.location(encoded, values, query)
            return None if to is None else Moved(self.status, to, False)
        local = unquote(encoded)
        if self.status == 200:
            if _UNSAFE.search(local):
                return None
            # `/* /index.html 200` also matches /index.html and every other file: followed always, no file but that
            # one would be left. So a rewrite that matches its own target stands back for the files there are.
            return Moved(200, local, self.source.match(local, local.split("/")) is not None)
        # a redirect of a path to itself would never end
        to = None if local == path else self.target.location(encoded, values, query)
        return None if to is None else Moved(self.status, to, False)


class Redirects:
    """The rules of one site, the first that matches in the order of the file wins."""

    def __init__(self) -> None:
        self._static: dict[str, _Rule] = {}
        self._dynamic: list[_Rule] = []

    def __len__(self) -> int:
        return len(self._static) + len(self._dynamic)

    def find(self, path: str, query: str) -> Moved | None:
        """Where a decoded, normalised path leads; the query is the raw one, without its question mark."""
        for rule, values in self._matching(path):
            moved = rule.moved(path, values, query)
            if moved is not None:
                return moved
        return None

    def _matching(self, path: str) -> Iterator[tuple[_Rule, Values]]:
        static = self._static.get(path)
        parts = path.split("/") if self._dynamic else []
        for rule in self._dynamic:
            if static is not None and static.line < rule.line:
                yield static, Values({})
                static = None
            values = rule.source.match(path, parts)
            if values is not None:
                yield rule, Values(values)
        if static is not None:
            yield static, Values({})

    def take(self, rule: _Rule) -> bool:
        """Whether there is still room for a rule of its kind."""
        if rule.source.names:
            if len(self._dynamic) >= MAX_DYNAMIC:
                return False
            self._dynamic.append(rule)
        else:
            if len(self._static) >= MAX_STATIC:
                return False
            self._static[rule.source.literal] = rule
        return True


def parse_redirects(text: str) -> tuple[Redirects, list[str]]:
    """The rules of a `_redirects` file, and what was left out and why."""
    redirects, warnings = Redirects(), Warnings("_redirects")
    seen: set[tuple[bool, str]] = set()
    full: set[str] = set()
    for number, line in rule_lines(text, warnings):
        try:
            rule = _rule(number, line, warnings)
            if rule.source.key in seen:
                raise ValueError(f"{shown(line.split()[0])} has a rule already, the first one counts")
        except ValueError as wrong:
            warnings.add(number, f"{wrong}; the rule is left out.")
            continue
        seen.add(rule.source.key)
        if not redirects.take(rule):
            kind = f"{MAX_DYNAMIC} dynamic" if rule.source.names else f"{MAX_STATIC} static"
            if kind not in full:
                full.add(kind)
                warnings.add(number, f"a file has at most {kind} rules; this one and those after it are left out.")
    return redirects, warnings.all()


def _rule(number: int, line: str, warnings: Warnings) -> _Rule:
    words = line.split()
    # a comment after the rule; in the target a # begins the fragment
    comment = next((at for at, word in enumerate(words) if at > 1 and word.startswith("#")), len(words))
    words = words[:comment]
    _refuse_conditions(words)
    if len(words) not in (2, 3):
        raise ValueError(f"a rule is `source target [code]`, this one has {len(words)} words")
    source = _source(words[0])
    code = words[2] if len(words) == 3 else "302"
    forced, code = code.endswith("!"), code.removesuffix("!")
    if code not in STATUSES:
        raise ValueError(f"the code {shown(code)} is none of {', '.join(STATUSES)}")
    rule = _Rule(number, source, parse_target(words[1], source.names), STATUSES[code])
    if rule.status == 200 and rule.target.site:
        raise ValueError("a 200 rewrite can only lead to a path of this site")
    if rule.status == 200 and not rule.target.path.names and rule.moved("", Values({}), "") is None:
        raise ValueError(f"{shown(words[1])} is no path of this site")
    if not source.names and rule.moved(source.literal, Values({}), "") is None:
        raise ValueError(f"{shown(words[0])} would lead to itself, or to an address that is too long")
    if forced:
        warnings.add(number, "`!` is not supported: rules come before files anyway; the rule is kept without it.")
    return rule


def _refuse_conditions(words: list[str]) -> None:
    if len(words) > 1 and _CONDITION.match(words[1]):
        raise ValueError(f"query parameters in a source, as in {shown(words[1])}, are not supported")
    for word in words[2:]:
        if _CONDITION.match(word):
            raise ValueError(f"conditions, as in {shown(word)}, are not supported")


def _source(word: str) -> Pattern:
    # a browser keeps the fragment to itself
    path = word.partition("#")[0]
    if not path.startswith("/"):
        raise ValueError(f"the source {shown(word)} must be a path that begins with /")
    if "?" in path:
        raise ValueError(f"query parameters in a source, as in {shown(word)}, are not supported")
    return Pattern(path)
