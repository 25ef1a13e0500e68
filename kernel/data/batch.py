"""Several writes as one: all of them happen, or none.

What may be part of a batch is found in the registry: everything that has a JavaScript name and answers with a plan.
Each operation goes through the adapters of its own capability, so grants, validation and answers are those of a call
by itself.
"""

from __future__ import annotations

import base64
import binascii
import copy
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from msgspec import UNSET

from kernel.base.errors import FaztError
from kernel.base.json import encode
from kernel.base.units import format_size
from kernel.data.object_content import SMALL
from kernel.data.object_places import standing
from kernel.data.once import once as happening_once
from kernel.observe.activity import AUDITED
from kernel.security.access import authorize
from kernel.syscall import Call, Declaration, Json, Key, Page, Registry, Step, Write, syscall
from kernel.syscall.registry import Entry

MOST_OPERATIONS = 1000
MOST_BYTES = 16 << 20
NAME = "storage.batch"
LONGEST_SHOWN = 100


class Operations:
    """A list of `[name, …arguments]`, as the capabilities are called in JavaScript."""

    typescript: ClassVar[str] = "[operation: string, ...given: any[]][]"

    def __init__(self, items: list[list[Any]]) -> None:
        self.items = items

    @classmethod
    def parse(cls, value: Any) -> Operations:
        if not isinstance(value, list):
            raise ValueError("must be a list of operations")
        if len(value) > MOST_OPERATIONS:
            raise ValueError(f"must have at most {MOST_OPERATIONS} operations")
        for index, operation in enumerate(value):
            if not isinstance(operation, list) or not operation or not isinstance(operation[0], str):
                raise ValueError(f"[{index}] must be a list: the name of an operation and its arguments")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        one = {"type": "array", "prefixItems": [{"type": "string"}], "minItems": 1}
        return {"type": "array", "items": one, "maxItems": MOST_OPERATIONS}


class Part(NamedTuple):
    """One operation, planned. `quiet`: its answer is not said."""

    plan: Write[Any]
    quiet: bool

    def answer(self, rows: list[list[Any]]) -> Any:
        result = self.plan.result(rows)
        if isinstance(result, Page):
            result = result.items
        return None if self.quiet or result is UNSET else result

    @property
    def known(self) -> Any:
        """The answer if nothing has to be carried out for it but the statements."""
        if self.quiet and self.plan.steps:
            return None
        return self.plan.known


@syscall(NAME, http="POST /api/apps/{app}/storage/batch")
def storage_batch(
    call: Call, operations: Operations, *, once: Key | None = None, beside: bytes = b""
) -> Write[list[Json] | None]:
    """Several writes as one: all of them happen, or none. With `once`, at most once under that key.

    An operation is `[name, …arguments]` as in JavaScript, named without `storage.`: `["kv.set", "k", 1]`. The answers
    come in the same order. Bytes are text or `{"base64": …}` outside of JavaScript. What has happened under the same
    key in the last thirty days gives null in JavaScript and CONFLICT elsewhere.
    """
    before: list[Step] = [] if once is None else list(happening_once(call, once).steps)
    planning = Planning(call, beside)
    parts = [planning.part(index, operation) for index, operation in enumerate(operations.items)]
    return _one(before, parts)


def _one(before: list[Step], parts: list[Part]) -> Write[list[Any] | None]:
    steps = [*before]
    spans = []
    for index, part in enumerate(parts):
        start = len(steps)
        told = functools.partial(at, index)
        steps += [step._replace(told=told) for step in part.plan.steps]
        spans.append((start, len(steps)))

    def answers(rows: list[list[Any]]) -> list[Any]:
        return [part.answer(rows[start:end]) for part, (start, end) in zip(parts, spans, strict=True)]

    known = [part.known for part in parts]
    certain = not before and not any(answer is UNSET for answer in known)
    return Write(steps, answers, known if certain else UNSET)


def at(index: int, error: FaztError) -> FaztError:
    """The error of an operation, with its place in the batch."""
    message = f"operations[{index}]: {error.message}"
    return FaztError(error.code, message, error.hint, **{**error.details, "operation": index})


class Planning:
    """Makes a plan of each operation, in the name of who asked for the batch."""

    def __init__(self, call: Call, beside: bytes) -> None:
        # what is remembered of a call to repeat it is the batch, not its parts
        self._call = copy.copy(call)
        self._call.rec = None
        self._person: Call | None = None
        self._from_app = call.via == "js"
        self._known = operations_of(call.use(Registry))
        self._beside, self._at, self._size = beside, 0, len(beside)
        self._brought: bytes | None = None  # the bytes of the operation that is planned

    def part(self, index: int, operation: list[Any]) -> Part:
        try:
            name, arguments, self._brought = operation[0], operation[1:], None
            entry = self._entry(name)
            plan = self._of_app(name, entry, arguments) if self._from_app else self._of_person(entry, arguments)
            if not isinstance(plan, Write):
                raise self._waits(name)
        except FaztError as error:
            raise at(index, error) from None
        return Part(plan, self._from_app and (entry.declared.quiet or entry.declared.answer is None))

    def _waits(self, name: str) -> FaztError:
        if self._brought is not None and len(self._brought) > SMALL and standing(self._call).place.inside:
            return FaztError(
                "LIMIT_EXCEEDED",
                f"{name}: more than {format_size(SMALL)} cannot be part of a batch.",
                "Store it by itself, before the batch.",
                most=SMALL,
            )
        return FaztError("INVALID_ARGUMENT", f"{name} cannot be part of a batch here: it waits for others.")

    def _entry(self, name: str) -> Entry:
        bare = name.removeprefix("user.") if self._from_app else name
        entry = self._known.get(bare)
        if entry is None or (bare != name and not entry.declared.personal):
            raise FaztError(
                "INVALID_ARGUMENT",
                f"There is no operation {name[:LONGEST_SHOWN]} that could be part of a batch.",
                "A batch takes what writes, as kv.set or ds.insert.",
            )
        return entry

    def _of_app(self, name: str, entry: Entry, arguments: list[Any]) -> Any:
        data = None
        if bytes_at(entry.declared) is not None and arguments:
            # apps send the bytes of all operations beside them; here stands how many
            data = self._brought = self._taken(arguments.pop(0))
        try:
            buffer = encode(arguments)
        except (UnicodeEncodeError, RecursionError, ValueError):
            raise FaztError("INVALID_ARGUMENT", "The arguments are not JSON.") from None
        self._count(len(buffer))
        return entry.javascript(self._personal(name) if name.startswith("user.") else self._call, buffer, data)

    def _of_person(self, entry: Entry, arguments: list[Any]) -> Any:
        declared = entry.declared
        authorize(declared, self._call.who)
        position, data = bytes_at(declared), None
        if position is not None and position < len(arguments):
            data = self._brought = _sent(arguments.pop(position))
            self._count(len(data))
        # `user` is for this operation only
        call = copy.copy(self._call) if declared.personal else self._call
        return entry.named(call, named(declared, arguments), raw=data)

    def _personal(self, name: str) -> Call:
        if self._person is None:
            if not self._call.person:
                raise FaztError("LOGIN_REQUIRED", f"fazt.app.{name} requires login", "Sign in first.")
            self._person = copy.copy(self._call)
            self._person.be(self._call.person)
        return self._person

    def _taken(self, said: Any) -> bytes | None:
        if said is None:
            return None
        if isinstance(said, str):
            return _sent(said)
        end = self._at + said if isinstance(said, int) and said >= 0 else -1
        if isinstance(said, bool) or not self._at <= end <= len(self._beside):
            raise FaztError("INVALID_ARGUMENT", "There are no such bytes.")
        data, self._at = self._beside[self._at : end], end
        return data

    def _count(self, more: int) -> None:
        self._size += more
        if self._size > MOST_BYTES:
            raise FaztError("LIMIT_EXCEEDED", f"A batch may have {format_size(MOST_BYTES)}.", "Make it smaller ones.")


@functools.lru_cache(8)
def operations_of(registry: Registry) -> Mapping[str, Entry]:
    """What may be part of a batch, by its name in JavaScript: what is written down singly is not."""
    found = {}
    for entry in registry:
        declared = entry.declared
        alone = declared.weight >= AUDITED or any(p.is_upload for p in declared.parameters)
        if declared.js and declared.colour == "write" and declared.name != NAME and not alone:
            for path in (declared.js, *declared.alias):
                found[path.removeprefix("fazt.").removeprefix("storage.")] = entry
    return found


@functools.cache
def bytes_at(declared: Declaration) -> int | None:
    """Where among its arguments bytes stand."""
    positional = [p for p in declared.parameters if not p.option]
    return next((index for index, p in enumerate(positional) if p.is_bytes), None)


def named(declared: Declaration, arguments: list[Any]) -> dict[str, Any]:
    """Arguments as JavaScript has them, by their names: the options come last."""
    positional = [p for p in declared.parameters if not p.option and not p.is_bytes]
    if positional and positional[0].many:
        return {positional[0].public: arguments}
    # JSON cannot leave out what stands before something else
    pairs = zip(positional, arguments, strict=False)
    values = {p.public: value for p, value in pairs if value is not None or p.required or p.holds_json}
    beyond = arguments[len(positional) :]
    if not beyond:
        return values
    options = beyond[0]
    taken = {p.public for p in positional}
    if len(beyond) > 1 or not isinstance(options, dict) or taken & options.keys():
        raise FaztError("INVALID_ARGUMENT", f"{declared.name}: there are too many arguments.")
    return values | options


def _sent(said: Any) -> bytes:
    """Bytes as JSON has them: text, or what base64 stands for."""
    try:
        if isinstance(said, str):
            return said.encode()
        if isinstance(said, dict) and said.keys() == {"base64"}:
            return base64.b64decode(said["base64"], validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError, TypeError):
        pass
    raise FaztError("INVALID_ARGUMENT", 'Bytes are text, or {"base64": "…"}.')
