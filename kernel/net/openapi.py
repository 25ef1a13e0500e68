"""OpenAPI 3.1 of the whole HTTP surface, made from the registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kernel.base.errors import CODES
from kernel.base.json import encode
from kernel.base.site import Site
from kernel.syscall import Call, Declaration, Registry, syscall
from kernel.syscall.schema import Schemas

if TYPE_CHECKING:
    from kernel.net.router import Endpoint

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "enum": sorted(CODES)},
                "message": {"type": "string"},
                "hint": {"type": "string"},
                "details": {"type": "object"},
            },
        }
    },
}


@dataclass
class Published:
    """What the document tells beside the registry."""

    version: str
    endpoints: list[Endpoint] = field(default_factory=list)


@syscall("openapi.document", role="public", http="GET /api/openapi.json application/json", js=False)
def openapi(call: Call) -> bytes:
    """The OpenAPI 3.1 document of this node."""
    published = call.use(Published)
    made = document(call.use(Registry), published.endpoints, published.version, call.use(Site).admin_url)
    return encode(made)


def document(registry: Registry, endpoints: Iterable[Endpoint], version: str, server: str) -> dict[str, Any]:
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for declared in registry.declared:
        if declared.route:
            paths.setdefault(declared.route.path.replace("+}", "}"), {})[declared.route.method.lower()] = _operation(
                declared, schemas
            )
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _endpoint(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fazt", "version": version, "summary": "A personal cloud in one file."},
        "servers": [{"url": server}],
        "security": [{"key": []}, {"session": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {"Error": ERROR, **schemas.components},
            "responses": {
                "Error": {
                    "description": "What happened and what to do.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                }
            },
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-fazt_admin"},
            },
        },
    }


def _operation(declared: Declaration, schemas: Schemas) -> dict[str, Any]:
    route = declared.route
    assert route
    in_path = set(route.words)
    in_query = route.method in ("GET", "DELETE") or any(p.is_bytes for p in declared.parameters)
    parameters = [_parameter("app", "path", {"type": "string"}, True)] if "app" in in_path else []
    in_query = in_query or bool(declared.whole)
    body: list[str] = []
    for p in declared.parameters:
        if p.name in in_path or p.public in in_path:
            parameters.append(_parameter(p.public, "path", schemas.parameter(p), True))
        elif in_query and not p.is_bytes and p.public != declared.whole:
            parameters.append(_parameter(p.public, "query", schemas.parameter(p), p.required))
        else:
            body.append(p.public)
    operation: dict[str, Any] = {
        "operationId": declared.name,
        "summary": declared.summary,
        "description": declared.doc,
        "tags": [declared.name.split(".")[0]],
        "parameters": parameters,
        "responses": {
            str(route.status): _success(declared, schemas),
            "default": {"$ref": "#/components/responses/Error"},
        },
        "x-role": declared.role,
        "x-cli": declared.command,
    }
    if body:
        operation["requestBody"] = _body(declared, body, schemas)
    if declared.role == "public":
        operation["security"] = [{}]
    return operation


def _parameter(name: str, where: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "schema": schema}


def _body(declared: Declaration, names: list[str], schemas: Schemas) -> dict[str, Any]:
    if any(p.is_bytes for p in declared.parameters):
        return {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    if declared.whole:
        shape = next(schemas.parameter(p) for p in declared.parameters if p.public == declared.whole)
        return {"required": True, "content": {"application/json": {"schema": shape}}}
    properties = {p.public: schemas.parameter(p) for p in declared.parameters if p.public in names}
    required = [p.public for p in declared.parameters if p.public in names and p.required]
    shape = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    mime = "multipart/form-data" if any(p.is_upload for p in declared.parameters) else "application/json"
    return {"required": bool(required), "content": {mime: {"schema": shape}}}


def _success(declared: Declaration, schemas: Schemas) -> dict[str, Any]:
    route = declared.route
    assert route
    if route.status == 204:
        return {"description": "Done."}
    if declared.colour == "stream":
        return {"description": "A stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    if route.mime:
        return {"description": "Done.", "content": {route.mime: {"schema": {"type": "string"}}}}
    if declared.gives_bytes:
        shape = {"type": "string", "format": "binary"}
        return {"description": "The bytes, as the type they have.", "content": {"*/*": {"schema": shape}}}
    return {"description": "Done.", "content": {"application/json": {"schema": schemas.answer(declared)}}}


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    words = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.method.lower()}{endpoint.path.replace('/', '.')}".replace("{", "").replace("}", ""),
        "summary": endpoint.doc,
        "tags": ["pages"],
        "parameters": [_parameter(word, "path", {"type": "string"}, True) for word in words],
        "responses": {"200": {"description": "Done."}, "default": {"$ref": "#/components/responses/Error"}},
        "x-role": endpoint.role,
    }
    if endpoint.role == "public":
        operation["security"] = [{}]
    return operation
