"""Adapters: one compiled function per syscall and door, so that the registry costs next to nothing.

`for_javascript` takes a JSON array (and raw bytes beside it), `for_names` a mapping of named values, as HTTP, the
command line and MCP have them. Both check the grant, count the call, validate every argument and run the function.
What comes back may be a plan; settling it is the driver's work.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kernel.base.errors import FaztError
from kernel.base.json import plain
from kernel.base.text import check_json
from kernel.syscall.blame import refuse_argument, refuse_field
from kernel.syscall.declare import Declaration, Parameter
from kernel.syscall.words import parse_word

Named = Callable[..., Any]


def _field(parameter: Parameter) -> tuple[Any, ...]:
    if parameter.required:
        return (parameter.name, parameter.type)
    default = parameter.default
    if isinstance(default, list | dict | msgspec.Struct):
        # each call gets its own
        return (parameter.name, parameter.type, msgspec.field(default_factory=lambda: copy.deepcopy(default)))
    return (parameter.name, parameter.type, default)


def _struct(name: str, parameters: list[Parameter], camel: bool = False) -> type[msgspec.Struct]:
    fields = sorted((_field(p) for p in parameters), key=len)
    rename = {p.name: p.camel if camel else p.public for p in parameters}
    return msgspec.defstruct(name, fields, kw_only=True, frozen=True, forbid_unknown_fields=True, rename=rename)


def list_of(kind: Any) -> Any:
    return list[kind]


def _checked_json(value: Any, field: str, code: str) -> Any:
    try:
        check_json(msgspec.to_builtins(value, enc_hook=plain) if isinstance(value, msgspec.Struct) else value)
        return value
    except (ValueError, RecursionError) as error:
        raise FaztError(code, f"{field}: {error}", field=field) from None


def _value(parameter: Parameter, source: str, code: str) -> str:
    """The expression that takes a parameter from a decoded struct."""
    if parameter.holds_json:
        return f"checked({source}.{parameter.name}, {parameter.public!r}, {code!r})"
    return f"{source}.{parameter.name}"


def for_javascript(declared: Declaration, number: int) -> Callable[..., Any]:
    """`adapter(call, arguments: JSON array, data: bytes | None)`, for calls from an app."""
    positional = [p for p in declared.parameters if not p.option and not p.many and not p.is_bytes]
    options = [p for p in declared.parameters if p.option and not p.outside]
    many = next((p for p in declared.parameters if p.many), None)
    scope: dict[str, Any] = {
        "fn": declared.fn,
        "needs": declared.needs,
        "number": number,
        "checked": _checked_json,
        "missing": _missing,
        "FaztError": FaztError,
        "refuse": refuse_argument(declared),
        "errors": (msgspec.ValidationError, msgspec.DecodeError, RecursionError),
    }
    arguments = []
    if many:
        scope["decode"] = msgspec.json.Decoder(list_of(many.type), dec_hook=parse_word).decode
        arguments = ["*a"]
    else:
        fields = [_field(p) for p in positional]
        if options:
            held = _struct("Options", options, camel=True)
            wanted = any(p.required for p in options)
            fields.append(("options_", held) if wanted else ("options_", held, msgspec.field(default_factory=held)))
        scope["decode"] = msgspec.json.Decoder(
            msgspec.defstruct("Arguments", fields, array_like=True, frozen=True, forbid_unknown_fields=True, gc=False),
            dec_hook=parse_word,
        ).decode
        taken = {p.name for p in positional}
        arguments = [
            _value(p, "a", "INVALID_ARGUMENT")
            if p.name in taken
            else f"data if data is not None else missing({p.public!r})"
            for p in declared.parameters
            if not p.option
        ]
        arguments += [f"{p.name}={_value(p, 'a.options_', 'INVALID_ARGUMENT')}" for p in options]
        arguments += [f"{declared.beside}=data or b''"] if declared.beside else []
    guard = (
        (
            "    if needs not in call.grants:\n"
            "        raise FaztError('PERMISSION_DENIED', 'Permission denied: ' + needs)\n"
        )
        if declared.needs
        else ""
    )
    source = (
        f"def adapter(call, buffer, data=None):\n{guard}"
        f"    call.meter[number] += 1\n"
        f"    try: a = decode(buffer)\n"
        f"    except errors as error: raise refuse(error, buffer) from None\n"
        f"    result = fn({', '.join(['call', *arguments])})\n"
        f"    if call.rec is not None: call.rec.append((number, buffer, result))\n"
        f"    return result\n"
    )
    exec(source, scope)  # noqa: S102 - the source is made above from checked names only
    adapter: Callable[..., Any] = scope["adapter"]
    return adapter


def arguments_struct(declared: Declaration) -> type[msgspec.Struct]:
    """The named arguments as one struct: what HTTP bodies, MCP inputs and their schemas are made of."""
    parameters = [
        Parameter(p.name, list_of(p.type), [], p.option) if p.many else p
        for p in declared.parameters
        if not p.is_bytes and not p.is_upload
    ]
    return _struct(re.sub(r"\W", "_", declared.name), parameters)


def for_names(declared: Declaration, number: int) -> Named:
    """`adapter(call, values, lax=…, files=…, raw=…)`: lax where all values arrive as text (queries, flags)."""
    shape = arguments_struct(declared)
    other_spelling = {p.camel: p.public for p in declared.parameters if p.camel != p.public}
    jsons = [p for p in declared.parameters if p.holds_json]
    fn, needs = declared.fn, declared.needs
    uploads = {p.public for p in declared.parameters if p.is_upload or p.is_bytes}
    in_body = {p.name for p in declared.parameters if not p.is_bytes and not p.is_upload}

    def adapter(
        call: Any,
        values: Mapping[str, Any],
        *,
        lax: bool = False,
        files: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
    ) -> Any:
        if call.via == "js" and needs and needs not in call.grants:
            raise FaztError("PERMISSION_DENIED", f"Permission denied: {needs}")
        call.meter[number] += 1
        if other_spelling:
            values = _one_spelling(values, other_spelling)
        try:
            given = msgspec.convert(values, shape, strict=not lax, dec_hook=parse_word)
        except (msgspec.ValidationError, RecursionError) as error:
            raise refuse_field(error, values, declared) from None
        for p in jsons:
            _checked_json(getattr(given, p.name), p.public, "VALIDATION_FAILED")
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for p in declared.parameters:
            value = getattr(given, p.name) if p.name in in_body else _sent(p, raw, files)
            if p.many:
                positional.extend(value or ())
            elif p.outside:
                if value is not None:
                    call.be(value)
            elif p.option:
                named[p.name] = value
            else:
                positional.append(value)
        for name in files or ():
            if name not in uploads:
                raise FaztError("VALIDATION_FAILED", f"{name}: there is no file of that name", field=name)
        return fn(call, *positional, **named)

    return adapter


def _sent(parameter: Parameter, raw: bytes | None, files: Mapping[str, Any] | None) -> Any:
    """What came beside the named values: a body of bytes, a file."""
    found = raw if parameter.is_bytes else (files or {}).get(parameter.public)
    if found is None and parameter.required:
        raise FaztError("MISSING_FIELD", f"{parameter.public}: a file is required", field=parameter.public)
    return parameter.default if found is None else found


def _missing(name: str) -> Any:
    raise FaztError("INVALID_ARGUMENT", f"{name}: bytes are required", field=name)


def _one_spelling(values: Mapping[str, Any], other: Mapping[str, str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    said: dict[str, str] = {}
    for name, value in values.items():
        real = other.get(name, name)
        if real in merged:
            raise FaztError("VALIDATION_FAILED", f"{real}: given twice, as {said[real]} and {name}", field=real)
        merged[real], said[real] = value, name
    return merged
