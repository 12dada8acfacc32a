"""The OpenAPI document describes every operation, its parameters and its responses, with examples."""

from __future__ import annotations

import json
import re

import msgspec

from harness import Stage
from rest import Rest
from tailwire.server.config import Settings
from tailwire.server.rest import responses
from tailwire.server.rest.body_descriptions import BODY_FIELDS
from tailwire.server.rest.descriptions import PATH_PARAMETERS, QUERY_PARAMETERS
from tailwire.server.rest.examples import EXAMPLES
from tailwire.server.rest.openapi import document
from tailwire.server.rest.operations import Operation
from tailwire.server.rest.response_descriptions import RESPONSE_FIELDS

WITHOUT_CONTENT = {("/files", "post"), ("/files/{name}", "head")}


def operations(described):
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


async def fetched(stage: Stage):
    async with Rest(stage) as rest:
        return (await rest.answer("GET", "/openapi.json")).json()


async def test_every_operation_describes_the_data_of_a_success(stage: Stage):
    described = await fetched(stage)
    untyped = set()
    for path, method, operation in operations(described):
        content = operation["responses"]["200"].get("content", {})
        data = content.get("application/json", {}).get("schema", {}).get("properties", {}).get("data")
        if data == {} or not content:
            untyped.add((path, method))
    assert untyped == WITHOUT_CONTENT


async def test_every_response_type_has_a_valid_example(stage: Stage):
    components = (await fetched(stage))["components"]["schemas"]
    types = {
        name: kind
        for name, kind in vars(responses).items()
        if isinstance(kind, type) and issubclass(kind, responses.Shape) and kind is not responses.Shape
    }
    assert set(types) == set(EXAMPLES)
    for name, kind in types.items():
        assert components[name]["examples"] == [EXAMPLES[name]], name
        decoded = msgspec.json.decode(json.dumps(EXAMPLES[name]), type=kind)
        assert json.loads(msgspec.json.encode(decoded)).keys() <= EXAMPLES[name].keys(), name


async def test_every_operation_and_parameter_has_a_name_and_a_description(stage: Stage):
    described = await fetched(stage)
    ids = [operation["operationId"] for _, _, operation in operations(described)]
    assert len(ids) == len(set(ids)) > 90
    assert all(name.isidentifier() for name in ids)
    for path, method, operation in operations(described):
        assert operation["summary"], (path, method)
        for parameter in operation["parameters"]:
            assert parameter["description"].endswith("."), (path, parameter)


def body_fields(described):
    """Yield type, name and schema of each field that a body can contain."""
    components = described["components"]["schemas"]
    left = [operation["requestBody"] for _, _, operation in operations(described) if "requestBody" in operation]
    seen = set()
    while left:
        one = left.pop()
        if isinstance(one, dict) and "$ref" in one:
            name = one["$ref"].rpartition("/")[2]
            if name not in seen:
                seen.add(name)
                yield from ((name, field, schema) for field, schema in components[name].get("properties", {}).items())
                left.append(components[name])
        elif isinstance(one, dict | list):
            left += one.values() if isinstance(one, dict) else one


async def test_each_field_of_a_body_has_a_description(stage: Stage):
    found = list(body_fields(await fetched(stage)))
    assert len(found) > 130
    assert [(kind, name) for kind, name, schema in found if not schema.get("description", "").endswith(".")] == []
    used = {f"{kind}.{name}" for kind, name, _ in found} | {name for _, name, _ in found}
    assert set(BODY_FIELDS) <= used, "left over"


def undescribed(described):
    """Return the fields that have no description."""
    return [
        f"{kind}.{name}"
        for kind, schema in described["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        if not field.get("description", "").endswith(".")
    ]


async def test_each_field_of_a_response_has_a_description(stage: Stage):
    described = await fetched(stage)
    assert undescribed(described) == []
    of_bodies = {kind for kind, _, _ in body_fields(described)}
    fields = {
        f"{kind}.{name}"
        for kind, schema in described["components"]["schemas"].items()
        if kind not in of_bodies
        for name in schema.get("properties", {})
    }
    assert len(fields) > 300
    assert set(RESPONSE_FIELDS) <= fields | {field.partition(".")[2] for field in fields}, "left over"


def test_field_without_a_description_is_noticed():
    class Forgotten(responses.Shape, kw_only=True):
        plain: str
        at: responses.Timestamp

    described = document([Operation("GET", "/forgotten", "Get it", None, response=Forgotten)], "")
    assert undescribed(described) == ["Forgotten.plain", "Forgotten.at"]


async def test_descriptions_of_types_are_for_readers_of_the_api(stage: Stage):
    schemas = (await fetched(stage))["components"]["schemas"]
    assert [name for name, one in schemas.items() if not one.get("description", "").endswith(".")] == []
    assert [name for name, one in schemas.items() if "Attributes:" in one["description"]] == []


async def test_limits_in_descriptions_are_the_defaults_of_the_settings(stage: Stage):
    named = re.compile(r"`(max_[a-z_]+)` \((\d+)\)")
    limits = {
        pair for _, _, schema in body_fields(await fetched(stage)) for pair in named.findall(schema["description"])
    }
    assert {"max_name", "max_at_once", "max_tags", "max_file", "max_data"} <= {name for name, _ in limits}
    assert limits == {(name, str(getattr(Settings(), name))) for name, _ in limits}


async def test_every_described_parameter_is_one_of_an_operation(stage: Stage):
    found = {(p["in"], p["name"]) for _, _, o in operations(await fetched(stage)) for p in o["parameters"]}
    assert {("path", name) for name in PATH_PARAMETERS} | {("query", name) for name in QUERY_PARAMETERS} <= found
