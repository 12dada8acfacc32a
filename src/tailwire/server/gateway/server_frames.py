"""Frames that the gateway itself sends."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.fanout.frames import text_frame
from tailwire.server.ports.refusal import Refused
from tailwire.wire.frames import FrameType

_encode = msgspec.json.Encoder().encode

PONG = text_frame(b'{"action":"pong","ack":"true"}')


def server_frame(body: dict[str, Any]) -> bytes:
    """Return a frame of type `server`; only sockets with a feature that defines such frames receive it."""
    return text_frame(_encode({"type": FrameType.SERVER, "body": body}))


def auth_result(app_id: str, device: str, uid: str, body: dict[str, Any]) -> bytes:
    """Return the reply to an auth frame.

    Args:
        uid: the user who has authenticated; "" if the token was rejected.
        body: the body of the frame: the status, and the features that were granted.
    """
    return text_frame(
        _encode({
            "appId": app_id, "receiver": uid, "receiverType": "user", "deviceId": device, "type": FrameType.AUTH,
            "sender": uid, "body": body,
        })
    )  # fmt: skip


def refusal_body(refused: Refused) -> str:
    """Return the HTTP body with which an upgrade is refused."""
    return _encode({"error": refused.as_error()}).decode()
