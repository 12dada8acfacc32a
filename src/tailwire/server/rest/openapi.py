"""Generates the OpenAPI 3.1 document from the operations and the types of their queries, bodies and responses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from tailwire.server.rest import responses
from tailwire.server.rest.body_descriptions import BODY_FIELDS
from tailwire.server.rest.descriptions import PATH_PARAMETERS, QUERY_PARAMETERS
from tailwire.server.rest.examples import EXAMPLES
from tailwire.server.rest.operations import Access, Operation, lists_of
from tailwire.server.rest.response_base import Shape
from tailwire.server.rest.response_descriptions import RESPONSE_FIELDS
from tailwire.wire.catalogue import CATALOGUE

REFERENCE_TEMPLATE = "#/components/schemas/{name}"
_EXTRA_SCHEMAS = {
    "User": responses.User,
    "Refusal": responses.Refusal,
    "Meta": responses.Meta,
}
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.ANYONE: [],
    Access.USER: [{"authToken": []}, {"apiKey": []}],
    Access.PASS: [{"pass": []}],
    Access.KEY: [{"apiKey": []}],
    Access.ADMIN: [{"apiKey": []}],
}
_SECURITY_SCHEMES = {
    "authToken": {"type": "apiKey", "in": "header", "name": "authtoken", "description": "The auth token of a user."},
    "apiKey": {
        "type": "apiKey", "in": "header", "name": "apikey",
        "description": "An API key. Operations of the app need the scope fullAccess.",
    },
    "pass": {
        "type": "apiKey", "in": "header", "name": "authorization",
        "description": "The pass for a WebSocket (`jwt` of PUT /me).",
    },
}  # fmt: skip


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Return the OpenAPI document."""
    listed = list(operations)
    types = {t for o in listed for t in (o.body, o.response, o.alternative) if t is not None}
    ordered = sorted(types | set(_EXTRA_SCHEMAS.values()), key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=REFERENCE_TEMPLATE)
    by_type = dict(zip(ordered, schemas, strict=True))
    for schema in components.values():
        _remove_defaults(schema)
    of_bodies = _named_in([by_type[o.body] for o in listed if o.body is not None], components)
    for name, schema in components.items():
        _describe(name, schema, BODY_FIELDS if name in of_bodies else RESPONSE_FIELDS)
    for name, example in EXAMPLES.items():
        if name in components:
            components[name]["examples"] = [example]
    paths: dict[str, Any] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tailwire",
            "version": version,
            "description": "The client and REST API of a Tailwire server. Every path is also served under /v3.0.",
        },
        "servers": [{"url": "/v3"}],
        "tags": [{"name": name} for name in sorted({_tag(o) for o in listed})],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY_SCHEMES},
    }


def _remove_defaults(schema: dict[str, Any]) -> None:
    # The default values in the types only make fields optional; they say nothing to clients.
    for name in schema.get("properties", {}):
        schema["properties"][name].pop("default", None)


def _describe(name: str, schema: dict[str, Any], texts: dict[str, str]) -> None:
    # The "Attributes:" of a docstring are for readers of the code. In the document, each field has its own description.
    if "description" in schema:
        schema["description"] = re.split(r"\s+Attributes:", schema["description"])[0]
    owners = _lineage(name, Shape) or [name]
    for field, properties in schema.get("properties", {}).items():
        own = [texts[f"{owner}.{field}"] for owner in owners if f"{owner}.{field}" in texts]
        if own or field in texts:
            properties["description"] = own[0] if own else texts[field]


def _lineage(name: str, kind: type[Shape]) -> list[str]:
    # The names of a response type and of the types that it inherits from; [] if there is no such type.
    if kind.__name__ == name:
        return [base.__name__ for base in kind.__mro__]
    for heir in kind.__subclasses__():
        if found := _lineage(name, heir):
            return found
    return []


def _named_in(schemas: list[dict[str, Any]], components: dict[str, Any]) -> set[str]:
    # The names of all types that the schemas refer to, directly or indirectly.
    found: set[str] = set()
    unvisited: list[Any] = list(schemas)
    while unvisited:
        one = unvisited.pop()
        if isinstance(one, dict) and "$ref" in one:
            name = one["$ref"].rpartition("/")[2]
            unvisited += [] if name in found else [components[name]]
            found.add(name)
        elif isinstance(one, dict):
            unvisited += one.values()
        elif isinstance(one, list):
            unvisited += one
    return found


def _tag(o: Operation) -> str:
    return o.path.split("/")[1]


def _operation_id(o: Operation) -> str:
    # For example postUsersByUidAuthTokens: unique, stable, and a valid name in every language.
    words = re.findall(r"{\w+}|[A-Za-z0-9]+", o.path.replace("_", "-"))
    parts = [f"By{w[1:-1].capitalize()}" if w.startswith("{") else w[0].upper() + w[1:] for w in words]
    return o.method.lower() + "".join(parts)


def _operation(o: Operation, by_type: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(o),
        "summary": o.summary,
        "tags": [_tag(o)],
        "parameters": _parameters(o),
        "responses": _responses(o, by_type),
        "security": _SECURITY[o.access],
    }
    if o.acts_for_user:
        described["description"] = "A REST key names the user for whom it acts in the header onBehalfOf."
    content: dict[str, Any] = {}
    if o.body is not None:
        content["application/json"] = {"schema": by_type[o.body]}
    if o.form_handler is not None:
        content["multipart/form-data"] = {"schema": {"type": "object"}}
    if content:
        described["requestBody"] = {"content": content, "required": False}
    return described


def _parameters(o: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATH_PARAMETERS[name],
            "schema": {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"{(\w+)}", o.path)
    ]
    if o.access is not Access.ANYONE:
        found.append(_header("appid", "The id of the app; optional with an API key."))
    if o.access is Access.USER:
        found.append(_header("onBehalfOf", "The uid of the user for whom a REST key acts."))
    if o.query is not None:
        (schema,), components = msgspec.json.schema_components([o.query], ref_template=REFERENCE_TEMPLATE)
        lists = lists_of(o.query)
        for name, field in components[schema["$ref"].rpartition("/")[2]]["properties"].items():
            parameter: dict[str, Any] = {"name": name, "in": "query", "schema": _not_null(field)}
            description = parameter["schema"].pop("description", field.get("description"))
            parameter["description"] = description or QUERY_PARAMETERS[name]
            if name in lists:
                parameter |= {"style": "form", "explode": False}
            found.append(parameter)
    return found


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _not_null(field: dict[str, Any]) -> dict[str, Any]:
    # A query cannot contain null, so "a number or null" is documented as a number.
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    return {k: v for k, v in kinds[0].items() if k != "default"}


def _responses(o: Operation, by_type: dict[Any, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Success"}
    if o.response is not None:
        data: Any = by_type[o.response]
        if o.alternative is not None:
            data = {"anyOf": [data, by_type[o.alternative]]}
        properties = {"data": data}
        if o.enveloped:
            properties["meta"] = {"$ref": REFERENCE_TEMPLATE.format(name="Meta")}
        schema = {"type": "object", "properties": properties, "required": list(properties)}
        success["content"] = {"application/json": {"schema": schema}}
    elif o.media:
        success["content"] = {o.media: {}}
    refusal = {"application/json": {"schema": {"$ref": REFERENCE_TEMPLATE.format(name="Refusal")}}}
    statuses = sorted({entry.status for entry in CATALOGUE.values() if 400 <= entry.status < 500} | {503})
    found: dict[str, Any] = {"200": success}
    found |= {str(status): {"description": description} for status, description in o.statuses.items()}
    return found | {str(s): {"description": "Refused", "content": refusal} for s in statuses}
