"""What the gateway itself says to a socket, as frames."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.fanout.frames import text_frame
from tailwire.server.ports.refusal import Refused

_encode = msgspec.json.Encoder().encode


def server_says(body: dict[str, Any]) -> bytes:
    """Something between our server and our SDK: sent only to those who asked for it."""
    return text_frame(_encode({"type": "server", "body": body}))


def refusal(refused: Refused) -> str:
    """Return the body with which an upgrade is refused."""
    return _encode({"error": refused.as_error()}).decode()


def auth_answer(app_id: str, device: str, uid: str, body: dict[str, Any]) -> bytes:
    """The answer to an auth frame."""
    return text_frame(
        _encode({
            "appId": app_id, "receiver": uid, "receiverType": "user", "deviceId": device, "type": "auth",
            "sender": uid, "body": body,
        })
    )  # fmt: skip
