"""Frames that official clients do not know go only to sockets that asked for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.ports.conversations import key_of

ALICE = Caller("alice", "device", "token")


class RecordingBroker:
    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []

    def publish(self, subject: str, publication: Any) -> None:
        self.published.append((subject, publication))


@pytest.mark.parametrize(
    ("publish", "subjects"),
    [
        (lambda d: d.own_list_changed(ALICE, "blocks", 1), {"user.alice"}),
        (lambda d: d.conversation_removed(ALICE, key_of("", "team", "group"), {"": 1}), {"group.team"}),
        (
            lambda d: d.conversation_removed(ALICE, key_of("alice", "bob", "user"), {"alice": 1, "bob": 2}),
            {"user.alice", "user.bob"},
        ),
    ],
)
def test_changes_of_lists_go_to_sockets_with_the_feature_lists(publish, subjects):
    broker = RecordingBroker()
    publish(Delivery(broker, "app", "http://server"))  # type: ignore[arg-type]
    assert {subject for subject, _ in broker.published} == subjects
    assert {json.loads(one.payload)["type"] for _, one in broker.published} == {"conversation_list"}
    assert {one.feature for _, one in broker.published} == {"lists"}
