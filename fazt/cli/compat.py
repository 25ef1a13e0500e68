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
    ("storage", "migrate"): ("storage", "move"),
}
# options of commands about apps; what stands for the app itself becomes the word it is now
OPTIONS = {
    ("app", "link"): {"--id": "--app"},
    ("app", "fork"): {"--as": "--alias", "--no-storage": "--no-copy-storage"},
}
NAMING = ("--id", "--alias")
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
    if old == ("app", "list") and "--aliases" in words:
        return [*words[:at], "alias", "list", *(word for word in words[at + 2 :] if word != "--aliases")], None
    new = OLD.get(old, old)
    rest = _options(new, words[at + 2 :])
    note = f"`fazt {' '.join(old)}` is now `fazt {' '.join(new)}`." if old in GOING else None
    return [*words[:at], *new, *rest], note


def _options(command: tuple[str, str], words: list[str]) -> list[str]:
    end = words.index("--") if "--" in words else len(words)
    ours, rest = words[:end], words[end:]
    renamed = OPTIONS.get(command, {})
    # where the app is said by its place, the same option may mean something else
    if command[0] == "app" and not rest and (not ours or ours[0].startswith("-")):
        ours = _placed(ours, [option for option in NAMING if option not in renamed])
    made = []
    for word in ours:
        option, equals, value = word.partition("=")
        made.append(renamed.get(option, option) + equals + value)
    return made + rest


def _placed(words: list[str], naming: list[str]) -> list[str]:
    """`--id X` and `--alias X` as the word X, the first of the command."""
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in naming:
            if equals:
                return [value, *words[:at], *words[at + 1 :]]
            if at + 1 < len(words):
                return [words[at + 1], *words[:at], *words[at + 2 :]]
    return words
