"""The frames that cross a WebSocket: their names, and how a client builds its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

PING: dict[str, str] = {"action": "ping", "ack": "true"}
FEATURES = ("heartbeat", "appState", "restart", "chain", "epoch", "grace", "cause", "throttled", "renew")
"""What our own server and SDK agree on beyond the documented protocol."""

CLIENT_HEADER = "x-tailwire-client"
"""Header of the upgrade, and of requests, with which our SDK names itself."""

PROOF_HEADER = "x-tailwire-proof"
"""Header of the upgrade with which our SDK shows that it has a pass: it is let in beside those who show none."""


def proof_of(signed: str) -> str:
    """Return what shows that one has a pass, and is none: with it alone nobody gets in. "" for what is no such pass."""
    said, dot, signature = signed.rpartition(".")
    return f"{said}.{hashlib.sha256(signature.encode()).hexdigest()}" if dot and signed.isascii() else ""


class FrameType(StrEnum):
    """`type` of a frame."""

    AUTH = "auth"
    MESSAGE = "message"
    TYPING = "typing_indicator"
    RECEIPTS = "receipts"
    PRESENCE = "presence"
    TRANSIENT = "transient_message"
    APP_STATE = "app_state"
    REACTION = "reaction"
    PIN = "pin"
    SAVE = "save"
    CONVERSATION_PIN = "conversation_pin"
    SERVER = "server"


def auth_frame(
    app_id: str,
    uid: str,
    device: str,
    jwt: str,
    presence: str | Sequence[str] | None,
    *,
    version: str,
    last: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The first frame of a client: who it is, whose presence it wants, and which of our features it knows.

    Args:
        last: how its last socket ended: `cause`, `lived` in seconds, `attempts` since.
    """
    ours: dict[str, Any] = {"features": FEATURES, **({"last": last} if last else {})}
    body: dict[str, Any] = {
        "auth": jwt,
        "deviceId": device,
        "params": {"platform": "python", "deviceId": device, "userAgent": version, "tailwire": ours},
    }
    if isinstance(presence, str) and presence:
        body["presenceSubscription"] = presence
    elif presence:
        body |= {"presenceSubscription": "ROLES", "roles": list(presence)}
    return {"appId": app_id, "deviceId": device, "type": FrameType.AUTH, "sender": uid, "body": body}


def envelope(
    app_id: str, kind: FrameType, sender: str, device: str, receiver: str, receiver_type: str, body: Mapping[str, Any]
) -> dict[str, Any]:
    """A frame of a client to somebody."""
    return {
        "appId": app_id,
        "receiver": receiver,
        "receiverType": str(receiver_type),
        "deviceId": device,
        "type": str(kind),
        "sender": sender,
        "body": body,
    }


def app_state_frame(app_id: str, uid: str, device: str, state: str, window: float) -> dict[str, Any]:
    """Tells the server where the app is, and for how many seconds it may be silent there."""
    return {
        "appId": app_id,
        "deviceId": device,
        "type": str(FrameType.APP_STATE),
        "sender": uid,
        "body": {"state": state, "window": window},
    }
