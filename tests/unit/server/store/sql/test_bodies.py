"""Bodies that strict parsers refuse can still be read, so that one of them cannot stop a pass over all messages."""

from __future__ import annotations

import json

import pytest

from tailwire.server.store.sql.bodies import DELETED_NAME, read_body, without_user, write_body

DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    "odd",
    [rb'"\ud800"', b'"\xff"', b"9" * 5000, DEEP, b"1" + b"0" * 30],
    ids=["half a pair", "no text", "long", "deep", "large"],
)
def test_bodies_accepted_by_earlier_versions_are_read_and_written(odd):
    message = read_body(b'{"sender":"alice","data":{"x":%b}}' % odd)
    assert message["sender"] == "alice"
    message["sender"] = "bob"
    written = write_body(message)
    assert written.startswith(b'{"sender":"bob","data":{"x":')
    assert json.loads(written) == message == read_body(written)


def test_invalid_json_is_read_as_none():
    assert read_body(b'{"sender":') is None


def of_user(uid: str) -> dict[str, object]:
    return {"entityType": "user", "entity": {"uid": uid, "name": uid.title(), "metadata": {"city": "Oslo"}}}


def test_only_the_copies_of_the_deleted_user_are_replaced_in_a_body():
    group = {"entityType": "group", "entity": {"guid": "g", "uid": "alice", "name": "Alice's"}}
    mentions = {"alice": {"uid": "alice", "name": "Alice"}, "bob": {"uid": "bob", "name": "Bob"}}
    inner = {"data": {"text": "hi", "entities": {"sender": of_user("alice"), "receiver": of_user("bob")}}}
    on = {"entityType": "message", "entity": inner}
    entities = {"sender": of_user("alice"), "receiver": of_user("bob"), "for": group, "on": on}
    body = write_body({"data": {"text": "alice", "mentions": mentions, "entities": entities}})
    left = read_body(without_user(body, "alice"))["data"]
    placeholder = {"uid": "alice", "name": DELETED_NAME, "role": "default", "status": "offline"}
    replaced = {"entityType": "user", "entity": placeholder}
    inner_left = {"data": {"text": "hi", "entities": {"sender": replaced, "receiver": of_user("bob")}}}
    assert left == {
        "text": "alice",
        "mentions": {"alice": placeholder, "bob": mentions["bob"]},
        "entities": {
            "sender": replaced,
            "receiver": of_user("bob"),
            "for": group,
            "on": {"entityType": "message", "entity": inner_left},
        },
    }


@pytest.mark.parametrize(
    "body", [b'{"data":{"text":"alice"}}', b'{"data":{"entities":{"sender":{"uid":"alicia"}}}}', b'{"uid":"alice"']
)
def test_messages_without_copies_of_a_deleted_user_stay_as_they_are(body):
    assert without_user(body, "alice") is None


@pytest.mark.parametrize("odd", ["[]", "7", '{"entities":[1]}', '{"entities":{"on":5},"mentions":["alice"]}'])
def test_bodies_of_an_unexpected_structure_are_left_unchanged(odd):
    body = b'{"data":%b,"by":{"uid":"alice"}}' % odd.encode()
    assert read_body(without_user(body, "alice")) == read_body(body)
