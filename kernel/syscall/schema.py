"""JSON Schema of arguments and answers, for OpenAPI and MCP."""

from __future__ import annotations

import types
import typing as t
from typing import Any

import msgspec

from kernel.syscall.adapt import arguments_struct, list_of
from kernel.syscall.declare import Declaration, Parameter, harden, is_json, is_page, is_struct
from kernel.syscall.words import Upload, word_schema

REFERENCE = "#/components/schemas/{name}"


class Schemas:
    """Collects the schemas of a document; structs that several share become its components."""

    def __init__(self, reference: str = REFERENCE) -> None:
        self.reference = reference
        self.components: dict[str, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        if kind is bytes or kind is Upload:
            return {"type": "string", "format": "binary"}
        if kind is Any or is_json(kind):
            return {}
        if kind is None or kind is type(None):
            return {"type": "null"}
        if t.get_origin(kind) in (t.Union, types.UnionType) and sum(map(is_struct, t.get_args(kind))) > 1:
            # msgspec could not tell them apart when decoding; an answer is only described
            return {"anyOf": [self.of(member) for member in t.get_args(kind)]}
        (shape,), parts = msgspec.json.schema_components(
            [harden(kind)], schema_hook=word_schema, ref_template=self.reference
        )
        return self._keep(shape, parts)

    def answer(self, declared: Declaration) -> dict[str, Any]:
        """The envelope around what a capability gives."""
        kind = declared.answer
        if is_page(kind):
            items = (t.get_args(kind) or (Any,))[0]
            meta = {
                "type": "object",
                "properties": {
                    "offset": {"type": "integer"},
                    "limit": {"type": "integer"},
                    "total": {"type": "integer"},
                    "has_more": {"type": "boolean"},
                },
            }
            return _object({"data": {"type": "array", "items": self.of(items)}, "meta": meta}, ["data", "meta"])
        return _object({"data": self.of(without_unset(kind))}, ["data"])

    def arguments(self, declared: Declaration) -> dict[str, Any]:
        """All named arguments as one self-contained object."""
        shape = arguments_struct(declared)
        (_,), parts = msgspec.json.schema_components([shape], schema_hook=word_schema, ref_template=self.reference)
        own: dict[str, Any] = parts.pop(shape.__name__)
        self.components.update(parts)
        own.pop("title", None)
        return own

    def _keep(self, shape: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
        """Two structs of one name keep their own shapes: the later one gets a number."""
        whole = msgspec.json.encode([shape, parts]).decode()
        for name, part in parts.items():
            new, n = name, 2
            while new in self.components and self.components[new] != part:
                new, n = f"{name}{n}", n + 1
            if new != name:
                old_ref, new_ref = self.reference.format(name=name), self.reference.format(name=new)
                whole = whole.replace(f'"{old_ref}"', f'"{new_ref}"').replace(
                    f'"{name}":{{"title"', f'"{new}":{{"title"'
                )
        shape, parts = msgspec.json.decode(whole)
        self.components.update(parts)
        return shape

    def parameter(self, parameter: Parameter) -> dict[str, Any]:
        shape = self.of(list_of(parameter.type) if parameter.many else parameter.type)
        if not parameter.required and isinstance(parameter.default, str | int | float | bool):
            shape = {**shape, "default": parameter.default}
        return shape


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def without_unset(kind: Any) -> Any:
    """An answer that may be left out in JavaScript (`undefined`) is null elsewhere."""
    if t.get_origin(kind) in (t.Union, types.UnionType):
        kept = [arg for arg in t.get_args(kind) if arg is not msgspec.UnsetType]
        return t.Union[tuple(kept)]  # noqa: UP007
    return kind


def tool(declared: Declaration) -> dict[str, Any]:
    """The MCP tool of a capability. Structs stand under its own `$defs`: a tool's schema is read alone."""
    schemas = Schemas("#/$defs/{name}")
    shape = schemas.arguments(declared)
    properties, required = dict(shape.get("properties", {})), list(shape.get("required", []))
    for p in declared.parameters:
        if p.is_bytes or p.is_upload:
            properties[p.public] = {"type": "string", "contentEncoding": "base64"}
            required.append(p.public)
    if declared.wants_app:
        properties = {"app": {"type": "string", "description": "app id or alias"}, **properties}
        required.insert(0, "app")
    whole = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if schemas.components:
        whole["$defs"] = schemas.components
    return {
        "name": declared.tool,
        "description": declared.doc,
        "inputSchema": whole,
        "annotations": {"readOnlyHint": not declared.writes, "destructiveHint": declared.confirm is not None},
    }
