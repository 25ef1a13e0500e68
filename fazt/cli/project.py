"""The command-line projection of the registry: words become an Invocation, which somebody else carries out."""

from __future__ import annotations

import os
import sys
import types
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import msgspec

from fazt.cli.words import LONGEST_SHOWN
from kernel.base.errors import FaztError
from kernel.base.text import nearest
from kernel.syscall.declare import Declaration, Parameter, is_struct, plain
from kernel.syscall.registry import Entry, Registry

# what a group of commands is about
GROUPS = {
    "activity": "What people and keys did.",
    "alias": "The names below the node's domain; `fazt app link` and its like change them.",
    "analytics": "What visitors did: events, domains, tags.",
    "app": "Apps: make, show, rename, delete, restore.",
    "audit": "The ledger that is never cleaned.",
    "auth": "Your own sessions.",
    "client": "Which node this machine talks to.",
    "collections": "Collections of vectors.",
    "config": "The node's settings.",
    "ds": "Documents in collections.",
    "env": "Environment variables of an app; their values are never shown.",
    "files": "Blobs of an app, by key.",
    "index": "Indexes of collections.",
    "keys": "API keys and their scopes.",
    "kv": "The key-value store of an app.",
    "limits": "The node's limits.",
    "peer": "Other nodes this user knows.",
    "proc": "The process: start, stop, restart, status.",
    "rd": "Tables of an app, in SQL.",
    "redirects": "Short links, /r/<slug>.",
    "security": "The owner's password.",
    "server": "Setting a node up.",
    "sessions": "Where you are signed in.",
    "stdlib": "The libraries every app's code can require.",
    "storage": "What apps keep, writes as one, and content by its id.",
    "vector": "Texts with vectors, found by nearness.",
    "webhooks": "Addresses that other services call, /webhook/<endpoint>.",
}
# what an option means, where it means the same in every command
OPTIONS = {
    "after": "Go on behind this one.",
    "limit": "At most so many",
    "offset": "Leave out so many before",
    "order": "By age: desc is newest first, asc oldest first",
    "sort": 'By fields, as {"age": -1}: 1 upwards, -1 downwards.',
    "ttl": "How long it stays: 30s, 10m, 7d.",
    "user": "The rows of one of the app's users.",
}


@dataclass
class Invocation:
    """A command that was understood: which capability, for which app, with what."""

    entry: Entry
    app: str | None
    values: dict[str, Any]
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    @property
    def command(self) -> str:
        return " ".join(self.entry.declared.cli_words)

    def doubtful(self) -> list[str]:
        """Values that look like JSON and are none: probably the shell took their quotes."""
        said = [self.values.get(p.public) for p in self.entry.declared.parameters if p.is_json and not p.is_as_typed]
        return [word[:LONGEST_SHOWN] for word in said if isinstance(word, str) and word[:1] in ("{", "[")]

    def words(self) -> list[str]:
        """The command as words again, for another node to understand."""
        declared = self.entry.declared
        arguments = [name.rstrip("_") for name, _ in declared.cli_arguments]
        # a list that is one JSON value stays one word
        lists = {p.public for p in declared.parameters if p.many or _has(p.type, list)}
        named = {name: file for name, (file, _) in self.files.items()}
        given = {**({"app": self.app} if self.app is not None else {}), **self.values, **named}
        open_ended = {p.public for p in declared.parameters if p.holds_json and not p.is_as_typed}
        given = {name: _quoted(value) if name in open_ended else value for name, value in given.items()}
        # it was asked for before the words were understood
        options: list[str] = ["--confirm"] if declared.confirm else []
        positional: list[str] = []
        for name, value in given.items():
            if name not in arguments:
                options += _as_option(name, value, name in lists)
        for name in arguments:
            if name in given:
                said: list[Any] = given[name] if name in lists else [given[name]]
                positional += map(_as_word, said)
        return [*declared.cli_words, *options, *(["--", *positional] if positional else [])]


class Group(click.Group):
    """A group that knows what somebody probably meant."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if self.get_command(ctx, name) is None:
            name = name[:LONGEST_SHOWN]
            close = nearest(name, self.list_commands(ctx))
            where = ctx.command_path if ctx.parent else "fazt"
            hint = f"Did you mean `{where} {close}`?" if close else f"See `{where} --help`."
            raise FaztError("USAGE", f"{where} has no command {name}.", hint)
        return super().resolve_command(ctx, args)


def build(registry: Registry, shared: list[click.Parameter], here: bool = True) -> Group:
    """The tree of all declared commands; `shared` options stand on each of them.

    `here`: the words were typed on this machine, and a file they name is a file of it.
    """
    root = Group("fazt")
    for entry in registry:
        if entry.declared.cli:
            attach(root, entry.declared.cli_words, command(entry, shared, here))
    return root


def attach(root: click.Group, words: list[str], made: click.Command) -> None:
    group = root
    for word in words[:-1]:
        found = group.commands.get(word)
        if not isinstance(found, click.Group):
            found = Group(word, help=GROUPS.get(word, f"Commands about {word}."))
            group.add_command(found)
        group = found
    group.add_command(made, words[-1])


def command(entry: Entry, shared: list[click.Parameter], here: bool) -> click.Command:
    declared = entry.declared
    parameters = {p.public: p for p in declared.parameters}
    arguments = {name.rstrip("_"): required for name, required in declared.cli_arguments}
    made: list[click.Parameter] = []
    for name, required in arguments.items():
        many = name in parameters and parameters[name].many
        made.append(click.Argument([name], required=required and not many, nargs=-1 if many else 1))
    made += [_option(p) for name, p in parameters.items() if name not in arguments]
    if declared.wants_app and not arguments.get("app"):
        made.append(click.Option(["app_", "--app"], help="The app, by id or alias (else FAZT_APP, else .fazt/app)."))
    if declared.confirm:
        made.append(click.Option(["--confirm"], is_flag=True, help=declared.confirm))
    own = {name for param in made for name in param.opts}
    made += [option for option in shared if not own & set(option.opts)]

    def understood(**given: Any) -> Invocation:
        if declared.confirm and not given.pop("confirm"):
            raise FaztError("CONFIRMATION_REQUIRED", declared.confirm, "Confirm with --confirm.")
        # elsewhere `app` is a value like others
        app = _which_app(given.pop("app_", None) or given.pop("app", None), here) if declared.wants_app else None
        named = {name: given.pop(name) for name, p in parameters.items() if p.is_bytes or p.is_upload}
        files = {name: _file(path) for name, path in named.items() if here and path is not None}
        values: dict[str, Any] = {
            name: _loose(parameters[name], value, here)
            for name, value in given.items()
            if value is not None and value != ()
        }
        return Invocation(entry, app, values, files)

    return click.Command(
        declared.cli_words[-1], params=made, callback=understood, help=_help(declared), short_help=declared.summary
    )


def _help(declared: Declaration) -> str:
    if not declared.route:
        return declared.doc
    return f"{declared.doc}\n\nThe same over HTTP: {declared.route.method} {declared.route.path}"


def _option(p: Parameter) -> click.Option:
    names = [p.public, "--" + p.public.replace("_", "-")]
    required = p.required
    if _has(p.type, bool):
        if p.default is False:
            return click.Option(names, is_flag=True, default=None, flag_value=True)
        names[1] += f"/--no-{p.public.replace('_', '-')}"
        return click.Option(names, default=None, required=required)
    default = None if p.required or p.default in (None, "", []) else p.default
    said = [f"default {default}"] if default is not None else []
    text = "; ".join([*([OPTIONS[p.public]] if p.public in OPTIONS else []), *said]) or None
    return click.Option(names, default=None, required=required, multiple=_has(p.type, list), help=text)


def _members(kind: Any) -> list[Any]:
    kind = plain(kind)
    inner = t.get_args(kind) if t.get_origin(kind) in (t.Union, types.UnionType) else (kind,)
    return [plain(member) for member in inner]


def _has(kind: Any, wanted: type) -> bool:
    return any(member is wanted or t.get_origin(member) is wanted for member in _members(kind))


def _loose(p: Parameter, value: Any, here: bool = True) -> Any:
    """Words become values: JSON where the type is open or structured, lists by repetition or commas."""
    if _has(p.type, list) and isinstance(value, tuple):
        return [item.strip() for word in value for item in word.split(",") if item.strip()]
    if p.many:
        return list(value)
    if here and any(getattr(member, "of_this_machine", False) for member in _members(p.type)):
        # the node stands in another folder
        return os.path.abspath(value)
    if p.is_as_typed:
        return value
    open_ended = p.is_json or _has(p.type, dict) or any(is_struct(member) for member in _members(p.type))
    if open_ended and isinstance(value, str):
        try:
            return msgspec.json.decode(value.encode())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return value
    return value


def _which_app(said: str | None, here: bool) -> str:
    if said:
        return said
    if here and os.environ.get("FAZT_APP"):
        return os.environ["FAZT_APP"]
    linked = Path(".fazt/app")
    if here and linked.is_file():
        return linked.read_text().strip()
    # what stands around the words counts where they were typed only
    hint = "Add --app NAME, set FAZT_APP, or run it in a deployed folder." if here else "Add --app NAME."
    raise FaztError("USAGE", "Which app is meant?", hint, field="app")


def _file(path: str) -> tuple[str, bytes]:
    if path == "-":
        return "-", sys.stdin.buffer.read()
    try:
        return Path(path).name, Path(path).read_bytes()
    except OSError as error:
        raise FaztError("USAGE", f"{path} cannot be read: {error.strerror}.") from None


def _quoted(value: Any) -> Any:
    """Text that the other side would read as JSON of another kind, as JSON."""
    if isinstance(value, str) and _reads_as_json(value):
        return msgspec.json.encode(value).decode()
    return value


def _reads_as_json(text: str) -> bool:
    try:
        msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def _as_option(name: str, value: Any, several: bool) -> list[str]:
    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag] if value else [f"--no-{flag[2:]}"]
    if several:
        return [f"{flag}={_as_word(item)}" for item in value]
    return [f"{flag}={_as_word(value)}"]


def _as_word(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
