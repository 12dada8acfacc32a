"""Frames and webhook events in the terms of the model, and their comparison with the expected ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from rights.operations import Key, ReceivedChange
from rights.stage import Client

GROUP_EVENTS = ("group_created", "group_updated", "group_deleted", "group_owner_transferred")


def key_of(frame: dict[str, Any]) -> Key:
    """Return a frame in the terms of the model."""
    kind, body = frame["type"], frame["body"]
    if kind == "message":
        return "message", int(body["id"])
    if kind == "reaction":
        return kind, body["action"], int(body["messageId"]), body["reaction"], body["uid"]
    if kind in ("pin", "save"):
        return kind, body["action"], int(body["message"]["id"])
    if kind == "presence":
        return kind, body["action"], body["user"]["uid"]
    if kind == "typing_indicator":
        return kind, body["action"], frame["sender"], frame["receiverType"], frame["receiver"]
    if kind == "transient_message":
        return kind, frame["sender"], frame["receiverType"], frame["receiver"], body["data"]["mark"]
    if kind == "receipts":
        return kind, frame["sender"]
    return kind, frame["sender"]


def wrong_frames(
    clients: Iterable[Client], received: dict[Client, list[Key]], changes: Iterable[tuple[ReceivedChange, str]]
) -> list[tuple[str, str]]:
    """Return the missing and the unexpected frames, as (rule, text).

    Args:
        clients: the open sockets.
        received: the frames that each of them has received.
        changes: each frame with the device that caused it and does not receive it.
    """
    found = []
    listed = list(changes)
    for client in clients:
        must: Counter[Key] = Counter()
        may: Counter[Key] = Counter()
        for one, device in listed:
            if client.device != device and client.uid in one.must:
                must[one.key] += 1
            elif client.device != device and client.uid in one.once:
                may[one.key] += 1
            elif client.device != device and client.uid in one.may:
                may[one.key] += 5
        got = Counter(received[client])
        for key, count in (must - got).items():
            found.append((f"frame missing: {key[0]}", f"{client.device} did not get {key} ({count})"))
        for key, count in (got - must - may).items():
            found.append((f"frame: {key[0]}", f"{client.device} got {key} ({count})"))
    return found


def hook_of(body: dict[str, Any]) -> Key:
    """Return a webhook event in the terms of the model."""
    trigger, data = body["trigger"], body["data"]
    if "message" in data:
        return trigger, int(data["message"]["id"])
    if "reaction" in data:
        r = data["reaction"]
        return trigger, int(r["messageId"]), r["reaction"], r["uid"]
    if "users" in data:
        return trigger, data["by"]["uid"], *sorted(data["users"])
    if trigger in GROUP_EVENTS:
        return trigger, data["group"]["guid"]
    return trigger, data["group"]["guid"], *sorted(data["members"])


def wrong_hooks(received: Iterable[dict[str, Any]], right: Iterable[Key]) -> list[tuple[str, str]]:
    """Return the missing and the unexpected webhook events, as (rule, text).

    Args:
        received: the bodies that the receiver got.
        right: the events that it should have got.
    """
    got, must = Counter(hook_of(one) for one in received), Counter(right)
    more = [(f"webhook: {key[0]}", f"told {key} ({count})") for key, count in (got - must).items()]
    return more + [(f"webhook missing: {key[0]}", f"not told {key} ({count})") for key, count in (must - got).items()]
