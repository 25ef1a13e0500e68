"""Old spellings. Each works as its new one; those that are going say so once on stderr."""

from __future__ import annotations

OLD = {
    ("server", "create-key"): ("keys", "create"),
    ("server", "status"): ("proc", "status"),
    ("server", "start"): ("proc", "start"),
    ("server", "stop"): ("proc", "stop"),
    ("proc", "init"): ("server", "init"),
    ("logs", "list"): ("activity", "list"),
    ("logs", "stats"): ("activity", "stats"),
    ("logs", "cleanup"): ("activity", "cleanup"),
    ("redirect", "list"): ("redirects", "list"),
    ("app", "remove"): ("app", "delete"),
}
GOING = {("server", "status"), ("server", "start"), ("server", "stop")}


VALUED = {"--db", "--server", "--token", "--format"}


def current(words: list[str]) -> tuple[list[str], str | None]:
    """The words as they are spelled now, and what to say about it. Options may stand before them."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in VALUED else 1
    if len(words) < at + 2:
        return words, None
    old = (words[at], words[at + 1])
    new = OLD.get(old)
    if new is None:
        return words, None
    note = f"`fazt {' '.join(old)}` is now `fazt {' '.join(new)}`." if old in GOING else None
    return [*words[:at], *new, *words[at + 2 :]], note
