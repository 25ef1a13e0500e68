"""The `_headers` file of a site: what its answers carry besides, or do not carry."""

from __future__ import annotations

import re
from typing import NamedTuple

from kernel.fs.rule_patterns import Pattern
from kernel.fs.rules import Template, Values, Warnings, rule_lines, shown

MAX_RULES = 100
MAX_HEADERS = 2000
MAX_VALUE = 4096
# more than this in one answer and clients give up on it
MAX_APPLIED = 16_384
# an answer would contradict itself, speak for the node, or reach sibling hosts, if a site could set these
_OWNED = re.compile(
    r"accept-ranges|clear-site-data|connection|content-(encoding|length|range)|date|etag|host|keep-alive|last-modified|proxy-.*|server"
    r"|set-cookie|te|trailer|transfer-encoding|upgrade|vary|x-request-id",
    re.IGNORECASE,
)
_PATTERN = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*://")
_ABSOLUTE = re.compile(r"https://([^/?#]*)(.*)", re.IGNORECASE)
_PORT = re.compile(r":\d*$")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# a comma, a semicolon or a quote of a visitor must not end the value he stands in
_IN_VALUE = "/~"


class Applied(NamedTuple):
    """What to do to an answer: remove first (names in lower case), then set (names as written)."""

    set: dict[str, str]
    remove: frozenset[str]


class _Line(NamedTuple):
    key: str
    name: str
    value: Template


class _Rule:
    def __init__(self, host: Pattern | None, path: Pattern) -> None:
        self.host, self.path = host, path
        self.set: list[_Line] = []
        self.remove: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        return self.path.names | (self.host.names if self.host else frozenset())

    def match(self, host: str, labels: list[str], path: str, parts: list[str]) -> dict[str, str] | None:
        values = self.path.match(path, parts)
        if values is None or self.host is None:
            return values
        more = self.host.match(host, labels)
        return None if more is None else values | more


class Headers:
    """The header rules of one site."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def __len__(self) -> int:
        return len(self._rules)

    def take(self, rule: _Rule) -> None:
        self._rules.append(rule)

    def find(self, host: str, path: str) -> Applied:
        """What all rules together say for a decoded, normalised path; the port of the host does not count."""
        host = _PORT.sub("", host).lower()
        labels, parts = host.split("."), path.split("/")
        applied: dict[str, tuple[str, str]] = {}
        removed: set[str] = set()
        size = 0
        for rule in self._rules:
            values = rule.match(host, labels, path, parts)
            if values is not None:
                size = _apply(rule, Values(values), applied, removed, size)
        return Applied(dict(applied.values()), frozenset(removed))


def _apply(rule: _Rule, values: Values, applied: dict[str, tuple[str, str]], removed: set[str], size: int) -> int:
    """What the rule adds to the size of all that was ever set: what was removed again was work all the same."""
    for key in rule.remove:
        applied.pop(key, None)
        removed.add(key)
    for key, name, template in rule.set:
        # a text that has no room is not made
        length = template.length(values)
        if length is None or size + len(name) + length + 2 > MAX_APPLIED:
            continue
        value = template.filled(values)
        size += len(name) + length + 2
        before = applied.get(key)
        applied[key] = (before[0], f"{before[1]}, {value}") if before else (name, value)
        removed.discard(key)
    return size


def parse_headers(text: str) -> tuple[Headers, list[str]]:
    """The rules of a `_headers` file, and what was left out and why."""
    headers, warnings = Headers(), Warnings("_headers")
    # a rule is kept once it has a header; those below a pattern that is none are left out with it
    rule: _Rule | None = None
    begun, refused, read = 0, False, 0
    for number, line in rule_lines(text, warnings):
        if _PATTERN.match(line):
            _warn_if_empty(rule, begun, warnings)
            rule, begun, refused = None, number, False
            if len(headers) >= MAX_RULES:
                warnings.add(number, f"a file has at most {MAX_RULES} rules; this one and those after it are left out.")
                break
            try:
                rule = _rule(line)
            except ValueError as wrong:
                refused = True
                warnings.add(number, f"{wrong}; the rule is left out.")
        elif rule is not None:
            read += 1
            if read > MAX_HEADERS:
                warnings.add(number, f"a file has at most {MAX_HEADERS} headers; the rest is left out.")
                break
            _add(rule, number, line, headers, warnings)
        elif not refused:
            warnings.add(number, f"{shown(line)} comes before the first path; the line is left out.")
    _warn_if_empty(rule, begun, warnings)
    return headers, warnings.all()


def _warn_if_empty(rule: _Rule | None, line: int, warnings: Warnings) -> None:
    if rule and not rule.set and not rule.remove:
        warnings.add(line, "no usable header follows this path; the rule is left out.")


def _add(rule: _Rule, number: int, line: str, headers: Headers, warnings: Warnings) -> None:
    try:
        first = not rule.set and not rule.remove
        if line.startswith("!"):
            rule.remove.add(_name(line[1:].strip()).lower())
        else:
            rule.set.append(_line(line, rule))
        if first:
            headers.take(rule)
    except ValueError as wrong:
        warnings.add(number, f"{wrong}; the line is left out.")


def _line(line: str, rule: _Rule) -> _Line:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError(f"{shown(line)} is no `Name: value`")
    name, value = _name(name.strip()), value.strip()
    if not value:
        raise ValueError(f"{shown(name)} has no value")
    return _Line(name.lower(), name, Template(value, rule.names, _IN_VALUE, MAX_VALUE))


def _name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{shown(name)} is no header name")
    if _OWNED.fullmatch(name):
        raise ValueError(f"{shown(name)} is set by the server")
    return name


def _rule(pattern: str) -> _Rule:
    if " " in pattern:
        raise ValueError(f"the path {shown(pattern)} must have no spaces")
    if pattern.startswith("/"):
        return _Rule(None, _path(pattern))
    absolute = _ABSOLUTE.fullmatch(pattern)
    if not absolute:
        raise ValueError(f"{shown(pattern)} must be a path, or an address that begins with https://")
    if not absolute[1] or _PORT.search(absolute[1]):
        raise ValueError(f"{shown(pattern)} must have a host without a port")
    # the whole address has one *, and each name once
    Pattern(pattern[len("https://") :])
    return _Rule(Pattern(_host(absolute[1]), "."), _path(absolute[2]))


def _host(host: str) -> str:
    """A host in lower case; the names of its placeholders stay as they are."""
    return "".join(
        piece if piece.startswith(":") else piece.lower() for piece in re.split(r"(:[A-Za-z]\w*)", host, flags=re.ASCII)
    )


def _path(pattern: str) -> Pattern:
    path = pattern.partition("#")[0]
    if "?" in path:
        raise ValueError(f"query parameters, as in {shown(pattern)}, are not supported")
    return Pattern(path or "/")
