"""Every event has its entry in the table, and leads to the documented callback with the documented arguments."""

from __future__ import annotations

from typing import get_args

import pytest

from tailwire import Action, GroupListener, User
from tailwire.sdk.dispatch import callbacks
from tailwire.sdk.dispatch.callbacks import Callbacks, Registries, event_of
from tailwire.sdk.listeners import events
from tailwire.wire.codec import message_from_wire
from tailwire.wire.entities import Group

BY, ON, TO = User("by"), User("on"), Group("g")


class Recording(GroupListener):
    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            return lambda *arguments: self.calls.append((name, *arguments))
        return super().__getattribute__(name)


def action(name: str) -> Action:
    def entity(kind, key, value):
        return {"entityType": kind, "entity": {key: value}}

    entities = {
        "by": entity("user", "uid", "by"),
        "on": entity("user", "uid", "on"),
        "for": entity("group", "guid", "g"),
    }
    data = {"action": name, "entities": entities, "extras": {"scope": {"new": "admin", "old": "participant"}}}
    wire = {
        "id": "1",
        "receiver": "g",
        "receiverType": "group",
        "category": "action",
        "type": "groupMember",
        "data": data,
    }
    read = message_from_wire(wire)
    assert isinstance(read, Action)
    return read


@pytest.mark.spec("S27")
@pytest.mark.parametrize(
    ("name", "callback", "arguments"),
    [
        ("joined", "on_group_member_joined", (BY, TO)),
        ("left", "on_group_member_left", (BY, TO)),
        ("kicked", "on_group_member_kicked", (ON, BY, TO)),
        ("banned", "on_group_member_banned", (ON, BY, TO)),
        ("unbanned", "on_group_member_unbanned", (ON, BY, TO)),
        ("added", "on_member_added_to_group", (BY, ON, TO)),
        ("scopeChanged", "on_group_member_scope_changed", (BY, ON, "admin", "participant", TO)),
    ],
)
async def test_group_actions_call_their_listener(name, callback, arguments):
    registries, listener, happened = Registries(), Recording(), action(name)
    registries.group.add("it", listener)
    await Callbacks(registries).handle(event_of(happened))
    assert listener.calls == [(callback, happened, *arguments)]


def test_every_event_has_an_entry_in_the_table():
    dispatched = {*callbacks.CALLS, events.MessageReceived} - {callbacks.StatusChanged, callbacks.LoginNotice}
    assert dispatched == set(get_args(events.Event))
