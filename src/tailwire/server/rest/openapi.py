"""OpenAPI 3.1, made from the operations: their paths, and the types of their queries, bodies and answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Operation, lists_of
from tailwire.wire.catalogue import CATALOGUE

REFERENCE = "#/components/schemas/{name}"
_ALWAYS = {
    "User": responses.User,
    "Refusal": responses.Refusal,
    "Meta": responses.Meta,
}


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The description of the API."""
    listed = list(operations)
    types = {t for o in listed for t in (o.body, o.response) if t is not None and t is not Any} | set(_ALWAYS.values())
    ordered = sorted(types, key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=REFERENCE)
    by_type = dict(zip(ordered, schemas, strict=True))
    for schema in components.values():
        _open(schema)
    paths: dict[str, Any] = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tailwire",
            "version": version,
            "description": "The client and REST API of a Tailwire server. Every path also stands under /v3.0.",
        },
        "servers": [{"url": "/v3"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "authToken": {"type": "apiKey", "in": "header", "name": "authtoken"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "apikey"},
                "pass": {"type": "apiKey", "in": "header", "name": "authorization"},
            },
        },
    }


def _open(schema: dict[str, Any]) -> None:
    # Defaults say "may be left out", no more.
    for name in schema.get("properties", {}):
        schema["properties"][name].pop("default", None)


def _operation(o: Operation, by_type: dict[Any, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{o.method.lower()}{o.path}").strip("_"),
        "summary": o.summary,
        "tags": [o.path.split("/")[1]],
        "parameters": _parameters(o),
        "responses": _responses(o, by_type),
    }
    security: dict[Access, list[dict[str, list[str]]]] = {
        Access.ANYONE: [],
        Access.USER: [{"authToken": []}, {"apiKey": []}],
        Access.PASS: [{"pass": []}],
        Access.KEY: [{"apiKey": []}],
        Access.ADMIN: [{"apiKey": []}],
    }
    described["security"] = security[o.access]
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
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", o.path)
    ]
    if o.access is not Access.ANYONE:
        found.append({"name": "appid", "in": "header", "schema": {"type": "string"}})
    if o.access is Access.USER:
        found.append({"name": "onBehalfOf", "in": "header", "schema": {"type": "string"}})
    if o.query is not None:
        (schema,), components = msgspec.json.schema_components([o.query], ref_template=REFERENCE)
        lists = lists_of(o.query)
        for name, field in components[schema["$ref"].rpartition("/")[2]]["properties"].items():
            parameter: dict[str, Any] = {"name": name, "in": "query", "schema": _asked(field)}
            if name in lists:
                parameter |= {"style": "form", "explode": False}
            found.append(parameter)
    return found


def _asked(field: dict[str, Any]) -> dict[str, Any]:
    # Of "a number or null" the number: a query cannot say null.
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    return {k: v for k, v in kinds[0].items() if k != "default"}


def _responses(o: Operation, by_type: dict[Any, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done"}
    if o.response is not None:
        value: Any = {} if o.response is Any else by_type[o.response]
        properties = {"data": value}
        required = ["data"]
        if o.enveloped:
            properties["meta"] = {"$ref": REFERENCE.format(name="Meta")}
            required.append("meta")
            value = {"anyOf": [value, {"type": "array"}]} if "/messages" in o.path else value
            properties["data"] = value
        schema = {"type": "object", "properties": properties, "required": required}
        good["content"] = {"application/json": {"schema": schema}}
    refusal = {"application/json": {"schema": {"$ref": REFERENCE.format(name="Refusal")}}}
    statuses = sorted({entry.status for entry in CATALOGUE.values() if 400 <= entry.status < 500} | {503})
    answers: dict[str, Any] = {"200": good}
    if o.path.startswith("/files"):
        answers |= {"204": {"description": "Taken"}, "206": {"description": "A part"}}
        answers |= {"304": {"description": "Known"}, "416": {"description": "No such part"}}
    return answers | {str(s): {"description": "Refused", "content": refusal} for s in statuses}
