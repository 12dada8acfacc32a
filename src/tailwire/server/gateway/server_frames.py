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
    """Return an encoded WebSocket frame with a notice from the server.

    It may only be sent to sockets that have the feature that defines this notice.

    Args:
        body: the body; `action` tells what the notice is about.
    """
    return text_frame(_encode({"type": FrameType.SERVER, "body": body}))


def auth_result(app_id: str, device: str, uid: str, body: dict[str, Any]) -> bytes:
    """Return the reply to an auth frame as an encoded WebSocket frame.

    Args:
        app_id: the id of the app.
        device: the client's name for its device.
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
    """Return the JSON body of the HTTP response that refuses an upgrade."""
    return _encode({"error": refused.as_error()}).decode()
