"""POST /api/cmd: a command in words, as another machine's `fazt @peer …` sends it.

The same tree understands the words here and there, so the two programs may be of different versions.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import click
from msgspec import UNSET, Struct, UnsetType

from fazt.cli.compat import current
from fazt.cli.output import render
from fazt.cli.project import build
from fazt.cli.words import understand
from kernel.apps.caller import Caller
from kernel.base.errors import FaztError, invalid
from kernel.base.text import check_json
from kernel.syscall import Call, Line, Page, Text, Upload, syscall

MOST_WORDS = 200


class Word(Text):
    """One word of a command: a value may be long and hold anything; whoever takes it looks at it."""

    @classmethod
    def parse(cls, value: Any) -> Word:
        if not isinstance(value, str) or len(value) > cls.most:
            raise ValueError(f"must be text of at most {cls.most} characters")
        check_json(value)
        return cls(value)


class Base64(Text):
    most = 140 << 20


class FileSent(Struct, forbid_unknown_fields=True):
    name: Line
    data: Base64


class Done(Struct, omit_defaults=True):
    success: bool
    output: str
    data: Any = None
    meta: dict[str, Any] | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET
    exit: int = 0


class Commands(Line):
    least, most = 1, 200


@syscall("command.run", role="user", http="POST /api/cmd", js=False, weight=0, scope="any")
async def run(call: Call, command: Commands, args: list[Word] = [], *, files: dict[str, FileSent] = {}) -> Done:  # noqa: B006
    """Run a command of the command line on this node, as whoever asks."""
    if len(args) > MOST_WORDS:
        raise invalid("args", f"must be at most {MOST_WORDS} words")
    try:
        invocation = _understand(call, [*command.split(), *args])
        if isinstance(invocation, str):
            return Done(True, invocation)
        result = await carry_out(call.use(Caller), call, invocation, _files(files))
    except FaztError as error:
        return Done(False, error.message, error=error.public(), exit=error.exit_code)
    data = result.items if isinstance(result, Page) else None if result is UNSET else result
    meta = result.meta if isinstance(result, Page) else UNSET
    return Done(True, render(invocation.entry.declared.name, data, meta or None), data, meta)


async def carry_out(caller: Caller, call: Call, invocation: Any, files: dict[str, Upload]) -> Any:
    """Run a command in this process, with all the checks of any other door."""
    entry = invocation.entry
    if entry.declared.colour == "stream":
        raise FaztError("USAGE", f"`fazt {invocation.command}` streams; it cannot run through /api/cmd.")
    inner = caller.call(entry, call.who, "cli", invocation.app, call.trace)
    named = {**{name: Upload.of(*file) for name, file in invocation.files.items()}, **files}
    raw = next((named[p.public].data for p in entry.declared.parameters if p.is_bytes and p.public in named), None)
    return await caller.driver.invoke(entry, inner, invocation.values, lax=True, files=named, raw=raw)


def _understand(call: Call, words: list[str]) -> Any:
    if not words:
        raise FaztError("USAGE", "There is no command.", "For instance: app list", field="command")
    words, _ = current(words)
    tree = build(call.use(Caller).driver.registry, [], here=False)
    local = ("up", "server", "proc", "service", "peer", "client", "surface", "deploy", "open", "status")
    if words[0] in local and not _known(tree, words):
        raise FaztError("USAGE", f"`fazt {' '.join(words[:2])}` works on its own machine only.")
    return understand(tree, words)


def _known(tree: click.Group, words: list[str]) -> bool:
    group: click.Command | None = tree
    for word in words:
        if not isinstance(group, click.Group):
            return True
        group = group.commands.get(word)
        if group is None:
            return False
    return True


def _files(sent: dict[str, FileSent]) -> dict[str, Upload]:
    try:
        return {name: Upload.of(file.name, base64.b64decode(file.data, validate=True)) for name, file in sent.items()}
    except binascii.Error:
        raise invalid("files", "must be base64") from None
