"""The OpenAPI document describes every operation, its parameters and its responses, with examples."""

from __future__ import annotations

import json

import msgspec

from harness import Stage
from rest import Rest
from tailwire.server.rest import responses
from tailwire.server.rest.descriptions import PATH_PARAMETERS, QUERY_PARAMETERS
from tailwire.server.rest.examples import EXAMPLES

WITHOUT_CONTENT = {("/files", "post"), ("/files/{name}", "head")}


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


async def fetched(stage: Stage):
    async with Rest(stage) as rest:
        return (await rest.answer("GET", "/openapi.json")).json()


async def test_every_operation_says_what_a_success_contains(stage: Stage):
    document = await fetched(stage)
    untyped = set()
    for path, method, operation in operations(document):
        content = operation["responses"]["200"].get("content", {})
        data = content.get("application/json", {}).get("schema", {}).get("properties", {}).get("data")
        if data == {} or not content:
            untyped.add((path, method))
    assert untyped == WITHOUT_CONTENT


async def test_every_type_of_a_response_has_an_example_that_is_one(stage: Stage):
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


async def test_names_and_descriptions_are_there_for_every_operation_and_parameter(stage: Stage):
    document = await fetched(stage)
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 90
    assert all(name.isidentifier() for name in ids)
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        for parameter in operation["parameters"]:
            assert parameter["description"].endswith("."), (path, parameter)


async def test_no_description_is_left_over(stage: Stage):
    found = {(p["in"], p["name"]) for _, _, o in operations(await fetched(stage)) for p in o["parameters"]}
    assert {("path", name) for name in PATH_PARAMETERS} | {("query", name) for name in QUERY_PARAMETERS} <= found
