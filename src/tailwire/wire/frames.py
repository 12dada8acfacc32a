"""The frames of the WebSocket: their types, and those that a client sends."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

PING: dict[str, str] = {"action": "ping", "ack": "true"}
CLIENT_FEATURES = (
    "heartbeat",
    "appState",
    "restart",
    "chain",
    "epoch",
    "grace",
    "cause",
    "throttled",
    "renew",
    "lists",
)
"""The extensions of CometChat's protocol that this SDK supports, which its auth frame names."""

CLIENT_HEADER = "x-tailwire-client"
"""The header of requests and upgrades in which the SDK names itself and its version."""

REQUEST_HEADER = "x-tailwire-request"
"""The header with which the SDK numbers its requests, so that a server recognises one that comes late or again."""

PROOF_HEADER = "x-tailwire-proof"
"""The header of a WebSocket request with `proof_of` the client's pass.

A busy server admits clients with a valid proof before unknown ones.
"""


def proof_of(signed: str) -> str:
    """Return a proof that the client has a pass, without disclosing the pass: its content and a hash of its signature.

    The proof does not authenticate the client.

    Args:
        signed: a pass, the signed proof of an auth token. For a text of another form, "" is returned.
    """
    content, dot, signature = signed.rpartition(".")
    return f"{content}.{hashlib.sha256(signature.encode()).hexdigest()}" if dot and signed.isascii() else ""


class FrameType(StrEnum):
    """The `type` of a frame; pings and pongs have no type.

    Attributes:
        AUTH: from the client: authenticates the socket, or renews its token. From the server: the answer.
        APP_STATE: from the client only: whether the app is in the background.
        SERVER: from the server only: a notice to the client (restart, load, an invalid frame).
        CONVERSATION_LIST: from the server only, with the feature `lists`: a change to the user's list of conversations
            that no other frame reports.
    """

    AUTH = "auth"
    APP_STATE = "app_state"
    SERVER = "server"
    MESSAGE = "message"
    RECEIPTS = "receipts"
    TYPING = "typing_indicator"
    TRANSIENT = "transient_message"
    PRESENCE = "presence"
    REACTION = "reaction"
    PIN = "pin"
    SAVE = "save"
    CONVERSATION_PIN = "conversation_pin"
    CONVERSATION_LIST = "conversation_list"


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
    """Return the first frame of a client: its user, its presence subscription, and the features that it supports.

    Args:
        device: the client's resource, by which the server tells several clients of one user apart.
        jwt: the pass of the user's auth token.
        presence: whose presence events the client receives: a subscription, or a list of roles; None or "" for none.
        version: the name and version of the client.
        last: how the client's last socket ended: `cause`, `lived` in seconds, `attempts` since; None for the first.
    """
    ours: dict[str, Any] = {"features": CLIENT_FEATURES, **({"last": last} if last else {})}
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
    """Return a frame that a client sends to a user or group, such as a typing indicator.

    Args:
        sender: the uid of the logged-in user.
        device: the client's resource.
        receiver: the uid or guid.
        receiver_type: `user` or `group`.
        body: the content of the frame, which depends on `kind`.
    """
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
    """Return the frame that reports the app state to the server.

    Args:
        device: the client's resource.
        state: `foreground` or `background`.
        window: for how many seconds the client may send nothing while the app is in the background.
    """
    return {
        "appId": app_id,
        "deviceId": device,
        "type": str(FrameType.APP_STATE),
        "sender": uid,
        "body": {"state": state, "window": window},
    }
