"""How a capability looks from JavaScript: a descriptor for the prelude, a signature for `fazt.d.ts`."""

from __future__ import annotations

import types
import typing as t
from typing import Any

import msgspec

from kernel.base.json import plain as as_plain
from kernel.syscall.declare import Declaration, Parameter, flat, is_json, is_page, is_parcel, is_struct, plain
from kernel.syscall.registry import Entry
from kernel.syscall.words import OrNothing, Query, Upload, WithBlobs

_SIMPLE = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    dict: "Record<string, any>",
    list: "any[]",
    bytes: "string | ArrayBuffer | ArrayBufferView",
    type(None): "null",
    Upload: "Uint8Array",
}

# what the prelude makes of the bytes of a parcel
_UNPACKED = ("data: ArrayBuffer", "text(): string", "base64(): string")


def descriptor(entry: Entry) -> dict[str, Any]:
    """What the prelude needs to build the function: names never cross again, only the number does."""
    declared = entry.declared
    positional = [p for p in declared.parameters if not p.option and not p.many]
    return {
        "op": entry.number,
        "path": declared.js,
        "alias": list(declared.alias),
        "async": declared.colour in ("async", "stream"),
        "stream": declared.colour == "stream",
        "void": declared.quiet,
        "personal": declared.personal,
        # bytes come beside what is said of them
        "parcel": declared.gives_bytes,
        "args": [p.public for p in positional],
        # JSON has no `undefined`: the prelude fills holes with the defaults before it sends the array
        "defaults": [None if p.required else _jsonable(p.default) for p in positional if not p.is_bytes],
        # where any JSON may stand, a number that is none becomes null, as JSON has it; elsewhere it is a mistake
        "json": [index for index, p in enumerate(p for p in positional if not p.is_bytes) if p.holds_json],
        # where `undefined` is as good as null, though something must be said
        "nulls": [index for index, p in enumerate(positional) if p.type == OrNothing],
        "required": sum(p.required for p in positional),
        # what the prelude looks at closely, or makes JSON of
        "forms": {p.camel if p.option else p.public: form for p in declared.parameters if (form := _form(p))},
        "options": [p.camel for p in declared.parameters if p.option and not p.outside],
        "bytes": next((i for i, p in enumerate(positional) if p.is_bytes), -1),
        "rest": any(p.many for p in declared.parameters),
    }


def _form(p: Parameter) -> str | None:
    if p.type in (Query, WithBlobs):
        return "query" if p.type == Query else "blobs"
    return "numbers" if any(getattr(kind, "of_numbers", False) for kind in flat(p.type)) else None


def _jsonable(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=as_plain)


def signatures(declared: Declaration) -> list[str]:
    """The function as TypeScript: `get(key: string): any`; more than one where what is given decides what comes."""
    overloads = getattr(declared.answer, "overloads", None) or [({}, None)]
    return [_signature(declared, given, answer) for given, answer in overloads]


def signature(declared: Declaration) -> str:
    """The same as one line."""
    return "; ".join(signatures(declared))


def _signature(declared: Declaration, given: t.Mapping[str, str], answer: str | None) -> str:
    parts = []
    for p in declared.parameters:
        if p.many:
            parts.append(f"...{p.public}: {typescript(p.type)}[]")
        elif not p.option:
            parts.append(f"{p.public}{_optional(p)}: {given.get(p.name) or typescript(p.type)}")
    options = [p for p in declared.parameters if p.option and not p.outside]
    if options:
        mark = "" if any(p.required for p in options) else "?"
        fields = "; ".join(f"{p.camel}{_optional(p)}: {typescript(p.type)}" for p in options)
        parts.append(f"options{mark}: {{ {fields} }}")
    answer = answer or ("void" if declared.quiet else typescript(declared.answer, answering=True))
    if declared.colour == "stream":
        answer = f"AsyncIterable<{answer}>"
    elif declared.colour == "async":
        answer = f"Promise<{answer}>"
    last = (declared.js or declared.name).rpartition(".")[2]
    return f"{last}({', '.join(parts)}): {answer}"


def _optional(p: Parameter) -> str:
    return "" if p.required else "?"


def typescript(kind: Any, answering: bool = False) -> str:
    if kind is Any or is_json(kind):
        return "any"
    if kind is None or kind is type(None):
        return "void" if answering else "null"
    if kind is msgspec.UnsetType:
        return "undefined"
    kind = plain(kind)
    origin, args = t.get_origin(kind), t.get_args(kind)
    if origin in (t.Union, types.UnionType):
        return " | ".join(dict.fromkeys(typescript(arg) for arg in args))
    if origin is t.Literal:
        return " | ".join(f'"{arg}"' if isinstance(arg, str) else str(arg).lower() for arg in args)
    if origin in (list, set, frozenset, tuple):
        inner = typescript(args[0])
        return f"({inner})[]" if " | " in inner or " & " in inner else f"{inner}[]"
    if origin is dict:
        return f"Record<string, {typescript(args[1])}>"
    if is_page(kind):
        return f"{typescript(args[0])}[]" if args else "any[]"
    if is_parcel(kind):
        return "{ " + "; ".join([*(_fields(args[0]) if args else []), *_UNPACKED]) + " }"
    if is_struct(kind):
        return "{ " + "; ".join(_fields(kind)) + " }"
    if isinstance(kind, type) and hasattr(kind, "typescript"):
        return str(kind.typescript)
    return _SIMPLE.get(kind, "any")


def _fields(kind: Any) -> list[str]:
    return [f"{f.encode_name}{'' if f.required else '?'}: {typescript(f.type)}" for f in msgspec.structs.fields(kind)]


# stores of an app that are there by a short name as well: `fazt.app.kv` is `fazt.storage.kv`
_STORES = ("kv", "ds", "s3")


def declarations_file(entries: t.Iterable[Entry], guest: str = "") -> str:
    """The whole `fazt.d.ts`: what the guest makes by itself (`guest`), and one object type per word of the paths (its
    methods may be called `delete`)."""
    tree: dict[str, Any] = {}
    for entry in entries:
        if entry.declared.js:
            *spaces, _ = entry.declared.js.split(".")
            node = tree
            for space in spaces:
                node = node.setdefault(space, {})
            node.setdefault("", []).append(entry.declared)
    storage = tree.pop("storage", {})
    stores = " | ".join(f'"{name}"' for name in _STORES if name in storage)
    return "\n".join(
        [
            "// Generated from the registry by `fazt surface --types`. Do not edit.",
            "",
            guest,
            "interface FaztStorage {",
            *_members(storage, "  "),
            "}",
            "",
            "declare const fazt: FaztGuest & {",
            "  readonly storage: FaztStorage;",
            *(
                [f"  readonly app: Pick<FaztStorage, {stores}> & {{ readonly user: Pick<FaztStorage, {stores}> }};"]
                if stores
                else []
            ),
            *_members(tree, "  "),
            "};",
            "",
        ]
    )


def _members(tree: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for declared in tree.get("", []):
        summary = declared.summary.replace("*/", "* /")
        for line in signatures(declared):
            lines += [f"{indent}/** {summary} */", f"{indent}{line};"]
    for name in sorted(key for key in tree if key):
        lines += [f"{indent}readonly {name}: {{", *_members(tree[name], indent + "  "), f"{indent}}};"]
    return lines
