"""Check that clients receive the events of each object in the order of their commits, and each event once.

An object is a message with its edits, deletion, reactions, pins and saves; the group with its members and owner; or a
conversation in a user's list. Of several missed changes some need not arrive, but those that arrive keep the order.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.ports.conversations import ConversationKey, other_in
from tailwire.testing.simulation.commits import Change, Commits, StoredAction, Transfer
from tailwire.testing.simulation.device import Device

CONCURRENT_SECONDS = 3.0
"""Changes that were committed within this time may arrive in either order.

The server takes less time from the commit of a change until it sends the frame.
"""
Event = tuple[tuple[Any, ...], Any]
"""What changed, and its new value; None if any value is right, because the event contains the state of a later time."""
_REACTIONS = {ChangeKind.REACTION_ADDED: True, ChangeKind.REACTION_REMOVED: False}
_FLAGS = {
    ChangeKind.PINNED: ("pin", True), ChangeKind.UNPINNED: ("pin", False),
    ChangeKind.SAVED: ("save", True), ChangeKind.UNSAVED: ("save", False),
}  # fmt: skip
_LISTS = {ChangeKind.LIST_CHANGED: "changed", ChangeKind.LIST_REMOVED: "removed", ChangeKind.BLOCKS: "blocks"}
_GROUPS = {ChangeKind.GROUP: "group", ChangeKind.GROUP_REMOVED: "groupRemoved"}
_PINS = {ChangeKind.CONVERSATION_PINNED: True, ChangeKind.CONVERSATION_UNPINNED: False}


class _Happened(NamedTuple):
    at: float
    event: Event
    out_of_order: bool  # whether it may arrive before earlier events, or after later ones


def wrong_event(commits: Commits, device: Device, lost: set[int]) -> str:
    """Return a description of an event that a device received twice or in a wrong order; "" if there is none.

    It begins with the name of the broken rule and a colon.

    Args:
        commits: the record of the changes.
        device: the device.
        lost: the ids of messages that the server did not deliver (`Losses`); their changes may arrive before them.
    """
    history: dict[Any, list[_Happened]] = defaultdict(list)
    for one in commits.history:
        if not isinstance(one, Transfer):
            out_of_order = _resource_of(one) in device.resources or (isinstance(one, StoredAction) and one.id in lost)
            for event in _events_of(one, device.uid):
                history[_object(event[0])].append(_Happened(one.at, event, out_of_order))
    for about, happened in _taken_back_for_nothing(commits, device):
        history[about].append(happened)
    for life, stream in enumerate(device.streams, 1):
        # Messages that an earlier life of the app received may come again if that was killed.
        before = {one.id for one in device.received if one.life < life}
        found = _wrong_in(stream.sequence, history, before | lost)
        if found:
            return f"{found[0]}: {device.name} received {found[1]}"
    return ""


def _taken_back_for_nothing(commits: Commits, device: Device) -> Iterator[tuple[tuple[Any, ...], _Happened]]:
    # Yield the events for which the server has committed no change: if an app removes a message from the saved ones
    # that was not among them, its own listeners are notified nevertheless.
    made = [one for one in commits.changes if one.kind == ChangeKind.UNSAVED and one.device in device.resources]
    for number, calls in device.unsaved.items():
        left = list(calls)
        for change in made:
            before = [at for at in left if change.message_id == number and at <= change.at]
            if before:
                left.remove(before[-1])  # the call that made the change
        event: Event = ("save", number), False
        for at in left:
            yield _object(event[0]), _Happened(at, event, out_of_order=True)


def _wrong_in(
    sequence: list[tuple[tuple[Any, ...], Any, float]], history: Any, known: set[int]
) -> tuple[str, str] | None:
    several: dict[Any, list[tuple[Event, float]]] = defaultdict(list)
    begun: set[int] = set()  # messages whose changes have arrived
    for key, value, at in sequence:
        about = _object(key)
        if about[0] == "message":
            if key[0] == "message":
                if key[1] in begun - known:
                    return "sequence", f"the message {key[1]} at {at}, after its changes {several[about]}"
                continue
            begun.add(key[1])
        several[about].append(((key, None if _is_current_state(key) else value), at))
    for about, received in several.items():
        found = _first_wrong(history[about], received)
        if found:
            return found[0], f"{found[1]}, of {history[about]}"
    return None


def _first_wrong(history: list[_Happened], received: list[tuple[Event, float]]) -> tuple[str, Any] | None:
    # Match each received event with a committed one that no earlier event was matched with. Of two that were committed
    # at nearly the same time, either may arrive first. Two kinds may arrive at any time (`out_of_order`): what the
    # device itself did, which its app is notified of at once, and what the server lost, which comes with a page of
    # history.
    left, newest = list(history), 0.0
    for event, at in received:
        matching = [one for one in left if one.event == event and one.at <= at]
        if not matching:
            return "once", (event, at)
        following = [one for one in matching if one.out_of_order or one.at >= newest - CONCURRENT_SECONDS]
        if not following:
            return "sequence", (event, at)
        # Prefer a committed event that may arrive at any time, so that the others keep their order.
        match = next((one for one in following if one.out_of_order), following[0])
        left.remove(match)
        if not match.out_of_order:
            newest = max(newest, match.at)
    return None


def _resource_of(one: Change | StoredAction) -> str:
    return one.device if isinstance(one, Change) else str(json.loads(one.body)["data"].get("resource", ""))


def _is_current_state(key: tuple[Any, ...]) -> bool:
    return key[0] in ("edited", "member") or key[:2] == ("conversation", "group")


def _object(key: tuple[Any, ...]) -> tuple[Any, ...]:
    kind = key[0]
    if kind in ("message", "edited", "deleted", "reaction", "pin", "save"):
        return "message", key[1]
    if kind == "member" or key[:2] in (("conversation", "group"), ("conversation", "groupRemoved")):
        return ("group",)
    return "conversation", key[-1]


def _events_of(one: Change | StoredAction, uid: str) -> Iterator[Event]:
    if isinstance(one, StoredAction):
        yield from _of_action(one)
    elif one.kind in _REACTIONS:
        yield ("reaction", one.message_id, one.detail.split(" ", 2)[2], one.uid), _REACTIONS[ChangeKind(one.kind)]
    elif one.kind in _FLAGS:
        what, value = _FLAGS[ChangeKind(one.kind)]
        if what == "pin" or one.uid == uid:
            yield (what, one.message_id), value
    elif one.kind in _GROUPS:
        what = _GROUPS[ChangeKind(one.kind)]
        yield ("conversation", what, one.detail), None if what == "group" else True
    elif one.kind in _LISTS and one.uid == uid:
        yield ("conversation", _LISTS[ChangeKind(one.kind)], other_in(ConversationKey(one.detail), uid)), True
    elif one.kind in _PINS and one.uid == uid:
        yield ("conversation pin", other_in(ConversationKey(one.detail), uid)), _PINS[ChangeKind(one.kind)]


def _of_action(one: StoredAction) -> Iterator[Event]:
    data = json.loads(one.body)["data"]
    if one.type == "groupMember":
        yield ("member", one.id), None
        return
    number = int(data["entities"]["on"]["entity"]["id"])
    if data["action"] == "edited":
        yield ("edited", number), None
    elif data["action"] == "deleted":
        yield ("deleted", number), True
