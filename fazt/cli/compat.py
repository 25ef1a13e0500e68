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


def current(words: list[str]) -> tuple[list[str], str | None]:
    """The words as they are spelled now, and what to say about it."""
    new = OLD.get((words[0], words[1])) if len(words) > 1 else None
    if new is None:
        return words, None
    note = f"`fazt {' '.join(words[:2])}` is now `fazt {' '.join(new)}`." if (words[0], words[1]) in GOING else None
    return [*new, *words[2:]], note
