"""Messages as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailwire.server.ports.records import ListedRow

PLAIN = ListedRow(7, 5, 6, None, None, None, None, None, None, b'{"data":{"text":"hello"}}', 0, None, None, None, 0)
SHOWN = {"id": "7", "data": {"text": "hello"}, "updatedAt": 6}


SET: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"delivered_at": 8}, {"deliveredAt": 8}),
    ({"read_at": 9}, {"readAt": 9}),
    ({"edited_at": 10, "edited_by": "alice"}, {"editedAt": 10, "editedBy": "alice"}),
    ({"deleted_at": 11, "deleted_by": "bob"}, {"deletedAt": 11, "deletedBy": "bob"}),
    ({"reply_count": 2}, {"replyCount": 2}),
    ({"pinned_at": 12, "pinned_by": "carol"}, {"pinnedAt": 12, "pinnedBy": "carol"}),
    ({"quoted_id": 3, "traits": 5}, {}),
]


@pytest.mark.parametrize(("fields", "shown"), SET, ids=lambda value: next(iter(value), "nothing"))
def test_listed_message_has_each_field_that_is_set(fields: dict[str, Any], shown: dict[str, Any]):
    assert json.loads(PLAIN._replace(**fields).json()) == SHOWN | shown
    assert {name for one, _ in SET for name in one} == {*ListedRow._fields} - {"id", "sent_at", "updated_at", "body"}


def test_long_message_is_listed_unchanged():
    body = json.dumps({"data": {"text": "x" * 5000}}).encode()
    assert json.loads(PLAIN._replace(body=body).json())["data"]["text"] == "x" * 5000
