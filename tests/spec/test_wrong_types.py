"""A value of a wrong type anywhere in a request's body is a clear refusal, or is accepted as a value: never an error 500."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness import Stage
from rest import Rest
from sizes import size
from tailwire.server.rest.openapi import document
from tailwire.server.rest.operations import Operation
from tailwire.testing.server import UNLIMITED
from tailwire.wire.catalogue import CATALOGUE

WRONG: list[Any] = [
    None, True, 0, -1, 1.5, 10**18, "", "x", "\0", [], [None], ["x"], [[]], [{}], {}, {"a": None}, {"a": {"b": [1]}},
]  # fmt: skip
PARAMS = {"guid": "team", "key": "none", "token": "none", "role": "default"}
DATA = {
    "text": "hi <@uid:bob>",
    "metadata": {"@injected": {"extensions": {}}, "note": 1},
    "mentions": {"bob": {"uid": "bob"}},
    "attachments": [{"url": "https://example.com/a.png", "name": "a.png", "size": 7, "mimeType": "image/png"}],
    "url": "https://example.com/a.png",
    "customData": {"a": 1},
    "subType": "poll",
    "updateConversation": True,
    "pushNotification": "New",
    "interactiveData": {"title": "Form", "formFields": []},
    "interactionGoal": {"type": "anyAction", "elementIds": ["a"]},
    "tags": ["one"],
}
BY_NAME = {
    "data": DATA,
    "metadata": {"a": {"b": [1]}},
    "appInfo": {"version": "1"},
    "type": "text",
    "triggers": ["message_sent"],
    "unset": [],
    "subscription": {"endpoint": "https://example.com/push", "keys": {"p256dh": "x", "auth": "x"}},
    "groupPreferences": {"groupMessages": 1},
    "oneOnOnePreferences": {"oneOnOneMessages": 1},
    "mutePreferences": {"dnd": 1, "schedule": {"monday": {"from": 900, "to": 1700, "dnd": False}}},
}


def example(schema: dict[str, Any], components: dict[str, Any], name: str = "") -> Any:
    """Return a value of a type of the OpenAPI document, with all its fields."""
    if name in BY_NAME and not schema.get("enum"):
        return BY_NAME[name]
    if "$ref" in schema:
        return example(components[schema["$ref"].rpartition("/")[2]], components)
    if "anyOf" in schema:
        kinds = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return example({**kinds[0], **{k: v for k, v in schema.items() if k == "examples"}}, components)
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {key: example(value, components, key) for key, value in schema["properties"].items()}
        case "object":
            inner = schema.get("additionalProperties")
            return {"a": example(inner, components)} if isinstance(inner, dict) else {"a": 1}
        case "array":
            return [example(schema.get("items", {}), components)]
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
    return "alice"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each part of a value, the whole one first."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    """Return a copy of a value with another part at a path."""
    if not path:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def with_body(operations: list[Operation]) -> list[tuple[str, str, Any]]:
    """Return method, path and an example of the body of each operation that has one."""
    documented = document(operations, "")
    components = documented["components"]["schemas"]
    found = []
    for path, methods in documented["paths"].items():
        for method, described in methods.items():
            schema = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            if schema is not None:
                found.append((method.upper(), path, example(schema, components)))
    return found


async def filled(rest: Rest, path: str) -> str:
    """Return a path with its parameters, of things that exist, whatever earlier requests have done to them."""
    await rest.answer("POST", "/users", json={"uid": "dora", "name": "Dora"})
    await rest.answer("PUT", "/users", json={"uidsToActivate": ["dora"]})
    await rest.answer("POST", "/groups", json={"guid": "team", "name": "Team", "type": "public"}, behalf="alice")
    message = {"receiver": "bob", "receiverType": "user", "data": {"text": "one"}}
    sent = await rest("POST", "/messages", json=message, behalf="alice")
    for name, value in {**PARAMS, "uid": "bob" if "conversation" in path else "dora", "id": sent["id"]}.items():
        path = path.replace(f"{{{name}}}", str(value))
    assert "{" not in path
    return path


def test_helper_fills_each_field_of_an_example_and_replaces_one_field():
    components = {"Inner": {"type": "object", "properties": {"uids": {"type": "array", "items": {"type": "string"}}}}}
    schema = {"type": "object", "properties": {"inner": {"$ref": "#/c/Inner"}, "on": {"type": "boolean"}}}
    value = example(schema, components)
    assert value == {"inner": {"uids": ["alice"]}, "on": True}
    assert list(places(value)) == [(), ("inner",), ("inner", "uids"), ("inner", "uids", 0), ("on",)]
    assert replaced(value, ("inner", "uids", 0), 7) == {"inner": {"uids": [7]}, "on": True}


async def test_json_beyond_the_bounds_is_refused_in_each_body(stage: Stage):
    too_deep = f'{{"nobody reads this": {"[" * 70 + "]" * 70}}}'
    async with Rest(stage) as rest:
        bodies = with_body(stage.server.parts.api.operations)
        assert len(bodies) > 40
        signed = {"authorization": (await rest("PUT", "/me", as_="alice", json={}))["jwt"]}
        for method, template, _ in bodies:
            path = await filled(rest, template)
            answer = await rest.answer(method, path, behalf="alice", headers=signed, content=too_deep.encode())
            assert answer.status_code == 400, (method, path, answer.text)
            assert "64 deep" in answer.text, (method, path, answer.text)


@pytest.mark.slow
@pytest.mark.thorough
async def test_wrong_type_in_a_body_is_never_an_error_of_the_server(stage: Stage):
    stage.server._settings = replace(stage.server._settings, **UNLIMITED)
    tried = 0
    async with Rest(stage) as rest:
        for method, template, body in with_body(stage.server.parts.api.operations):
            path = await filled(rest, template)
            for place in places(body):
                for value in size(WRONG[tried % len(WRONG) :][:1], WRONG):
                    changed = replaced(body, place, value)
                    answer = await rest.answer(method, path, behalf="alice", json=changed)
                    assert answer.status_code < 500, (method, path, place, value, answer.text)
                    if answer.status_code >= 400:
                        error = answer.json()["error"]
                        assert error["code"] in CATALOGUE, (method, path, place, value, answer.text)
                        assert error["details"] or error["message"]
                    tried += 1
    assert tried > size(300, 6000)
