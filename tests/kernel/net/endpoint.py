"""What the tables say of one endpoint, and whether an answer has the shape that is said there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ROLES = {"public": 0, "user": 1, "admin": 2, "owner": 3}
Shape = Any
text, number, flag = str, int, bool
maybe_number, maybe_text = (int, type(None)), (str, type(None))
# what is said of a page
PAGE = {"offset", "limit", "total", "has_more"}


@dataclass(frozen=True)
class Endpoint:
    """`path` and `body` are what a successful request sends; `{…}` in the path is filled from what `furnish` made."""

    route: str
    role: str  # the least role that reaches it
    path: str
    shape: Shape = None
    status: int = 200
    body: Any = None
    raw: bytes | None = None  # a body that is no JSON object
    whole: bool = False  # the body may have any fields: the other values stand in the query
    headers: dict[str, str] = field(default_factory=dict)
    meta: set[str] = field(default_factory=set)
    writes: bool = False
    deploy: bool = False  # a `deploy` key reaches it
    any_key: bool = False  # every key reaches it, whatever its scope
    any_deploy: bool = False  # also a `deploy` key for an app, whatever the app
    looks: bool = False  # it may change something, but this request only looks
    methods: tuple[str, ...] = ()  # all that its path answers; its own, if empty

    @property
    def method(self) -> str:
        return self.route.split()[0]

    @property
    def named(self) -> bool:
        """The body has the names of the parameters; else they stand in the query."""
        return self.method in ("POST", "PUT", "PATCH") and self.raw is None and not self.whole

    @property
    def of_app(self) -> bool:
        return "{app}" in self.route

    @property
    def allow(self) -> set[str]:
        methods = set(self.methods or (self.method,))
        return methods | ({"HEAD"} if "GET" in methods else set())


def endpoint(route: str, role: str, shape: Shape = None, **how: Any) -> Endpoint:
    return Endpoint(route, role, how.pop("path", route.split()[1]), shape, **how)


def fits(value: Any, shape: Shape) -> str | None:
    """What is wrong with a value; None when it has the shape.

    A type or a tuple of types, `Any`, a dict with exactly these names (one whose value may be null may be left out),
    a list whose items all have the shape (at least one; `[]` says: an empty list), else the value itself.
    """
    if shape is Any:
        return None
    if isinstance(shape, type | tuple):
        return None if isinstance(value, shape) else f"{value!r} is not {shape}"
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{value!r} is no object"
        unknown = set(value) - set(shape)
        missing = {name for name in set(shape) - set(value) if not _nullable(shape[name])}
        if unknown or missing:
            return f"unknown {sorted(unknown)}, missing {sorted(missing)}"
        wrong = ((name, fits(item, shape[name])) for name, item in value.items())
        return next((f"{name}: {why}" for name, why in wrong if why), None)
    if isinstance(shape, list) and len(shape) == 1 and isinstance(shape[0], dict):
        if not isinstance(value, list) or not value:
            return f"{value!r} is no list with items"
        return next((why for item in value if (why := fits(item, shape[0]))), None)
    return None if value == shape else f"{value!r} is not {shape!r}"


def _nullable(shape: Shape) -> bool:
    return shape in (Any, dict, type(None)) or (isinstance(shape, tuple) and type(None) in shape)
