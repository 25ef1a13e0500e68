"""`@syscall`: a function and a few words become a capability.

Positional parameters are positional in JavaScript; keyword-only ones are its options object, the flags of the
command line, flat fields over HTTP. `{app}` in a path, `<app>` or `--app` in a command fill `call.app`; it is
never a parameter. The return type says how the call runs: a value, `Write[…]`, `Scan[…]`, a coroutine (which may also
end in a plan), a stream.
"""

from __future__ import annotations

import functools
import inspect
import re
import types
import typing as t
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from kernel.syscall.call import ROLES
from kernel.syscall.plan import Later, Page, Parcel, Scan, Write
from kernel.syscall.words import JSON, WORDS, AppRef, AsTyped, Duration, Integer, Number, Secret, Text, Upload, UserRef

REQUIRED = inspect.Parameter.empty
MOST_FILE = 100 * 1024 * 1024
_HTTP = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)(?: -> (\d{3}))?(?: ([a-z]+/[a-z0-9.+-]+))?")
_ARGUMENT = re.compile(r"<(\w+)(\?)?>")
Colour = t.Literal["value", "write", "scan", "async", "stream"]


@dataclass(frozen=True)
class Parameter:
    name: str
    type: t.Any
    default: t.Any = REQUIRED
    option: bool = False  # keyword-only
    many: bool = False  # *values
    outside: bool = False  # for people only: it fills the call, apps do not see it

    @property
    def required(self) -> bool:
        return self.default is REQUIRED and not self.many

    @property
    def public(self) -> str:
        """The name outside: reserved words carry a trailing underscore inside."""
        return self.name.rstrip("_")

    @property
    def camel(self) -> str:
        """The name in JavaScript; HTTP takes both spellings."""
        head, *rest = self.public.split("_")
        return head + "".join(word.capitalize() for word in rest)

    @property
    def is_bytes(self) -> bool:
        return self.type is bytes

    @property
    def is_upload(self) -> bool:
        return self.type is Upload

    @property
    def is_secret(self) -> bool:
        return any(isinstance(kind, type) and issubclass(kind, Secret) for kind in flat(self.type))

    @property
    def is_json(self) -> bool:
        return is_json(self.type)

    @property
    def is_as_typed(self) -> bool:
        """Open JSON that a command takes as it was typed."""
        return bool(self.type == AsTyped)

    @property
    def holds_json(self) -> bool:
        """Is there open JSON anywhere in it, whose depth and text msgspec does not look at?"""
        return JSON in flat(self.type)


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    status: int
    mime: str | None

    @property
    def shape(self) -> tuple[str, str]:
        """What tells it from other routes: its words have no names to a router."""
        return self.method, re.sub(r"{\w+\+?}", "{}", self.path)

    @property
    def words(self) -> list[str]:
        return re.findall(r"{(\w+)\+?}", self.path)


class Declaration:
    """Everything the doors need to know of one capability: plain data."""

    def __init__(
        self,
        name: str,
        fn: Callable[..., t.Any],
        *,
        needs: str | None = None,
        role: str | None = "admin",
        http: str | None = None,
        cli: str | None = None,
        js: str | bool = True,
        alias: t.Sequence[str] = (),
        confirm: str | None = None,
        weight: int | None = None,
        scope: t.Literal["deploy", "named", "any"] | None = None,
        body: int = MOST_FILE,
        deleted: bool = False,
        quiet: bool = False,
        personal: bool = False,
        whole: str | None = None,
        since: str = "0.1.0",
    ) -> None:
        self.name, self.fn, self.needs, self.role = name, fn, needs, role
        self.cli, self.alias, self.confirm, self.scope, self.since = cli, tuple(alias), confirm, scope, since
        # `body`: the most bytes a raw body may have
        self.body = body
        # `deleted`: the app it is about may be one that was deleted
        self.deleted = deleted
        # `quiet`: JavaScript gets nothing back, where other doors answer with what was made
        self.quiet = quiet
        # `personal`: there for the rows of one person too, as `fazt.app.user.…` and with `user` from outside
        self.personal = personal
        # `whole`: the HTTP body is this parameter; the others come from path and query
        self.whole = whole
        self.js = name if js is True else js or None
        self.module = fn.__module__
        self.doc = inspect.cleandoc(fn.__doc__ or "")
        hints = t.get_type_hints(fn, include_extras=True)
        taken = list(inspect.signature(fn).parameters.values())[1:]
        # bytes that only the prelude sends, beside the arguments of a call: no door shows them
        self.beside = next((p.name for p in taken if p.kind is p.KEYWORD_ONLY and hints[p.name] is bytes), None)
        self.parameters = [_parameter(p, hints) for p in taken if p.name != self.beside]
        if personal:
            self.parameters.append(Parameter("user", UserRef | None, None, option=True, outside=True))
        self.returns = hints.get("return", t.Any)
        self.colour: Colour = _colour(fn, self.returns)
        self.route = self._route(http) if http else None
        self.writes = self.colour == "write" or (
            self.colour == "async" and not (self.route and self.route.method == "GET")
        )
        self.weight = weight if weight is not None else 5 if self.writes else 3
        self._check()

    @functools.cached_property
    def is_of_names(self) -> bool:
        """Do named values say all of it? Not so where files are."""
        return not any(p.is_bytes or p.is_upload for p in self.parameters)

    @functools.cached_property
    def gives_bytes(self) -> bool:
        """Does its answer have bytes beside what it says?"""
        return any(map(is_parcel, _members(self.answer)))

    @functools.cached_property
    def naming(self) -> list[str]:
        """The words that say what a call is about."""
        words = self.route.words if self.route else [name for name, _ in self.cli_arguments]
        known = {p.public for p in self.parameters if not p.is_secret}
        return [word for word in words if word in known]

    @property
    def tool(self) -> str:
        """The name of its MCP tool."""
        return "fazt_" + self.name.replace(".", "_")

    @property
    def summary(self) -> str:
        return self.doc.splitlines()[0]

    @property
    def cli_words(self) -> list[str]:
        return [word for word in (self.cli or "").split() if word[0] not in "<["]

    @property
    def cli_arguments(self) -> list[tuple[str, bool]]:
        """(name, required) of the positional arguments of the command."""
        return [(name, not optional) for name, optional in _ARGUMENT.findall(self.cli or "")]

    @property
    def command(self) -> str | None:
        """The command as people write it."""
        return re.sub(r"<(\w+?)_(\??)>", r"<\1\2>", self.cli) if self.cli else None

    @property
    def wants_app(self) -> bool:
        """Does a person have to say which app is meant?"""
        return bool(self.route and "app" in self.route.words) or any(n == "app" for n, _ in self.cli_arguments)

    @property
    def answer(self) -> t.Any:
        """The type of what the caller gets, without the plan around it."""
        if self.colour == "stream":
            return t.get_args(self.returns)[0]
        # of several plans the first says it: they differ in how they come to the answer
        first = _members(self.returns)[0]
        return t.get_args(first)[0] if t.get_origin(first) in (Write, Scan, Later) else self.returns

    def _route(self, text: str) -> Route:
        matched = _HTTP.fullmatch(text)
        if not matched:
            raise TypeError(f"{self.name}: cannot read http={text!r}")
        method, path, status, mime = matched.groups()
        return Route(method, path, int(status or 200), mime)

    def _check(self) -> None:
        names = {p.name for p in self.parameters}
        if not self.doc:
            raise TypeError(f"{self.name}: a syscall needs a docstring, it is the documentation")
        if self.role is not None and self.role not in ROLES:
            raise TypeError(f"{self.name}: no role called {self.role}")
        if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(self.fn).parameters.values()):
            raise TypeError(f"{self.name}: a syscall names its parameters; it takes no **names")
        if any(p.many for p in self.parameters) and any(not p.many and not p.option for p in self.parameters):
            raise TypeError(f"{self.name}: what takes any number of values takes nothing before them")
        if self.whole and (self.whole not in names or not self.route or self.route.method in ("GET", "DELETE")):
            raise TypeError(f"{self.name}: {self.whole} is not a parameter that a body could be")
        if "app" in names:
            raise TypeError(f"{self.name}: `app` fills call.app and may not be a parameter")
        said = [*(self.route.words if self.route else ()), *(name for name, _ in self.cli_arguments)]
        for word in said:
            if word != "app" and word not in names and f"{word}_" not in names:
                raise TypeError(f"{self.name}: {word} is not a parameter")
        if (
            self.js
            and any(AppRef in flat(p.type) for p in self.parameters)
            and not (self.needs or "").startswith("kernel:")
        ):
            raise TypeError(f"{self.name}: from JavaScript another app is reached under a kernel:* grant only")


def syscall(name: str, **words: t.Any) -> Callable[[Callable[..., t.Any]], Callable[..., t.Any]]:
    """Declare a capability. Takes the keyword arguments of `Declaration`."""

    def attach(fn: Callable[..., t.Any]) -> Callable[..., t.Any]:
        fn.syscall = Declaration(name, fn, **words)  # type: ignore[attr-defined]
        return fn

    return attach


def is_json(kind: t.Any) -> bool:
    return kind is t.Any or (t.get_origin(kind) is t.Annotated and JSON in kind.__metadata__)


def flat(kind: t.Any) -> set[t.Any]:
    """All types a type is made of, itself included; fields of structs too."""
    found = {kind} if isinstance(kind, type) else set()
    if is_json(kind):
        return {JSON}
    if is_struct(kind):
        return found.union(*(flat(field.type) for field in msgspec.structs.fields(kind)))
    return found.union(*(flat(arg) for arg in t.get_args(kind) if isinstance(arg, type) or t.get_origin(arg)))


def _parameter(p: inspect.Parameter, hints: dict[str, t.Any]) -> Parameter:
    kind = harden(hints[p.name])
    default = p.default
    if Duration in _members(kind) and isinstance(default, str):
        default = int(Duration.parse(default))
    default = as_default(default)
    return Parameter(p.name, kind, default, p.kind is p.KEYWORD_ONLY, p.kind is p.VAR_POSITIONAL)


def harden(kind: t.Any) -> t.Any:
    """The type with every unguarded `str`, `int` and `float` inside replaced by its guarded word."""
    guarded = {str: Text, int: Integer, float: Number}.get(kind) if isinstance(kind, type) else None
    if guarded is not None:
        return guarded
    origin, args = t.get_origin(kind), t.get_args(kind)
    if origin in (list, dict, tuple, set, frozenset):
        # a key of a mapping stays text: msgspec wants str there
        inner = [a if origin is dict and i == 0 else harden(a) for i, a in enumerate(args)]
        return origin[tuple(inner)] if len(inner) != 1 else origin[inner[0]]
    if is_struct(kind):
        return _hardened_struct(kind)
    if origin is t.Annotated and t.get_origin(args[0]) in (list, dict):
        return t.Annotated[(harden(args[0]), *kind.__metadata__)]
    if origin in (t.Union, types.UnionType):
        return t.Union[tuple(harden(a) for a in args)]  # noqa: UP007
    return kind


@functools.cache
def _hardened_struct(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """A struct whose fields are guarded and whose defaults are plain; the same one where they all are."""
    changed = []
    for f in msgspec.structs.fields(kind):
        guarded, default = harden(f.type), as_default(f.default)
        if guarded != f.type or default is not f.default:
            how: dict[str, t.Any] = {}
            if f.default_factory is not msgspec.NODEFAULT:
                how = {"default_factory": f.default_factory}
            elif not f.required:
                how = {"default": default}
            changed.append((f.name, guarded, msgspec.field(name=f.encode_name, **how)))
    return msgspec.defstruct(kind.__name__, changed, bases=(kind,), kw_only=True) if changed else kind


def as_default(default: t.Any) -> t.Any:
    """Words are subclasses of text and numbers: a default is kept as what it is, so that it can be shown."""
    if isinstance(default, bool) or type(default) in (str, int):
        return default
    return str(default) if isinstance(default, str) else int(default) if isinstance(default, int) else default


def _members(kind: t.Any) -> tuple[t.Any, ...]:
    return t.get_args(kind) if t.get_origin(kind) in (t.Union, types.UnionType) else (kind,)


def _colour(fn: Callable[..., t.Any], returns: t.Any) -> Colour:
    if inspect.isasyncgenfunction(fn):
        return "stream"
    if inspect.iscoroutinefunction(fn):
        return "async"
    first = _members(returns)[0]
    origin = t.get_origin(first) or first
    return "write" if origin is Write else "scan" if origin in (Scan, Later) else "value"


def plain(kind: t.Any) -> t.Any:
    """The type without its annotations: what an author calls it."""
    return t.get_args(kind)[0] if t.get_origin(kind) is t.Annotated else kind


def is_parcel(kind: t.Any) -> bool:
    return Parcel in (kind, t.get_origin(kind))


def is_page(kind: t.Any) -> bool:
    return (t.get_origin(kind) or kind) is Page


def is_struct(kind: t.Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def is_as_typed(kind: t.Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, WORDS)
