"""Frames that official clients do not know go only to sockets that asked for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery, for_sender
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.log import LoggedMessage
from tailwire.server.ports.records import MessageRow, Stored

ALICE = Caller("alice", "device", "token")


class RecordingBroker:
    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []

    def publish(self, subject: str, publication: Any) -> None:
        self.published.append((subject, publication))


@pytest.mark.parametrize(
    ("publish", "subjects"),
    [
        (lambda d: d.publish_own_list_change(ALICE, "blocks", 1), {"user.alice"}),
        (lambda d: d.publish_removed_conversation(ALICE, key_of("", "team", "group"), {"": 1}), {"group.team"}),
        (
            lambda d: d.publish_removed_conversation(ALICE, key_of("alice", "bob", "user"), {"alice": 1, "bob": 2}),
            {"user.alice", "user.bob"},
        ),
    ],
)
def test_frames_of_type_conversation_list_go_only_to_sockets_with_the_feature_lists(publish, subjects):
    broker = RecordingBroker()
    publish(Delivery(broker, "app", "http://server"))  # type: ignore[arg-type]
    assert {subject for subject, _ in broker.published} == subjects
    assert {json.loads(one.payload)["type"] for _, one in broker.published} == {"conversation_list"}
    assert {one.feature for _, one in broker.published} == {"lists"}


def joined() -> MessageRow:
    body = b'{"data":{"action":"joined","resource":"alice-phone"}}'
    return MessageRow(
        9, key_of("", "team", "group"), "alice", "team", "group", "action", "groupMember", 1, 1,
        None, None, None, None, None, None, body,
    )  # fmt: skip


def test_join_message_is_published_with_the_end_of_the_last_membership_on_every_server():
    broker = RecordingBroker()
    delivery = Delivery(broker, "app", "http://server")  # type: ignore[arg-type]
    delivery.publish_message(Stored(joined(), new=True, predecessor_id=7, membership_end=5), b"{}", "alice-phone")
    here = broker.published[0][1]
    elsewhere = delivery.publication_of_logged(LoggedMessage(joined(), predecessor_id=7, membership_end=5))
    for one in (here, elsewhere):
        assert (one.id, one.predecessor_id, one.membership_end) == (9, 7, 5)
        assert (one.not_to, one.caused_by) == ("alice-phone", "alice")


@pytest.mark.parametrize(
    ("chained", "before", "ended", "added"),
    [
        (True, 7, 5, {"before": 7, "ended": 5}),
        (True, 7, 0, {"before": 7}),
        (True, 0, 0, {}),
        (False, 7, 5, {}),
    ],
)
def test_response_names_the_preceding_message_only_for_clients_that_asked_for_it(chained, before, ended, added):
    caller = ALICE._replace(chained=chained)
    json_ = for_sender(caller, b'{"id":9}', Stored(joined(), new=True, predecessor_id=before, membership_end=ended))
    assert json.loads(json_) == {"id": 9, **added}
