"""What the gateway itself says to a socket, as frames."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.fanout.frames import text_frame

_encode = msgspec.json.Encoder().encode


def server_says(body: dict[str, Any]) -> bytes:
    """Something between our server and our SDK: sent only to those who asked for it."""
    return text_frame(_encode({"type": "server", "body": body}))


def auth_answer(app_id: str, device: str, uid: str, body: dict[str, Any]) -> bytes:
    """The answer to an auth frame."""
    return text_frame(
        _encode({
            "appId": app_id, "receiver": uid, "receiverType": "user", "deviceId": device, "type": "auth",
            "sender": uid, "body": body,
        })
    )  # fmt: skip
