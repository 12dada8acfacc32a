"""Frames that clients send, decoded from untrusted bytes. Fields that the server does not use are ignored."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.fanout.hub import ALL_USERS, FRIENDS_ONLY
from tailwire.server.rules.decoding import decode, decode_part

MAX_PLATFORM_CHARACTERS = 50
MAX_PRESENCE_ROLES = 100


class ClientFrame(msgspec.Struct, rename="camel"):
    """The envelope of a frame, with its body still encoded."""

    type: str = ""
    action: str = ""
    receiver: str = ""
    receiver_type: str = ""
    device_id: str = ""
    sender: str = ""
    body: msgspec.Raw = msgspec.Raw(b"{}")


class LastSocket(msgspec.Struct):
    """How the previous socket of a client ended (feature `cause`): cause, lifetime in seconds, attempts since."""

    cause: str = ""
    lived: float = 0.0
    attempts: int = 0


class ClientInfo(msgspec.Struct):
    """`tailwire` in the auth frame: the features that a client of ours supports, and how its last socket ended."""

    features: list[str] = []
    last: LastSocket | None = None


NO_CLIENT_INFO = ClientInfo()


class Params(msgspec.Struct):
    """`params` of the auth frame."""

    platform: Any = ""
    tailwire: ClientInfo | None = None


class Auth(msgspec.Struct, rename="camel"):
    """The body of an auth frame."""

    auth: str = ""
    device_id: str = ""
    presence_subscription: str | list[str] | None = None
    roles: list[str] = []
    params: Params | None = None

    @property
    def platform(self) -> str:
        """The client's name for the platform that it runs on; "" if it sent none."""
        named = self.params.platform if self.params else ""
        return named[:MAX_PLATFORM_CHARACTERS] if isinstance(named, str) else ""

    @property
    def client(self) -> ClientInfo:
        """The facts that a client of ours sent about itself; empty for other clients."""
        return self.params.tailwire if self.params and self.params.tailwire else NO_CLIENT_INFO


class Receipt(msgspec.Struct, rename="camel"):
    """The body of a receipt."""

    action: str = ""
    message_id: str | int = ""


class Transient(msgspec.Struct):
    """The body of a transient message."""

    data: msgspec.Raw = msgspec.Raw(b"null")


class Typing(msgspec.Struct):
    """The body of a typing indicator."""

    action: str = ""
    metadata: msgspec.Raw = msgspec.Raw(b"null")


class AppState(msgspec.Struct):
    """The body of an app state frame (feature `appState`). `window`: how many seconds the app may be silent."""

    state: str = ""
    window: float = 30.0


def decode_frame(text: bytes) -> ClientFrame:
    """Decode the envelope of a frame.

    Raises:
        Refused: ERR_BAD_REQUEST, the text is not JSON of this form, or is nested too deeply or too large.
    """
    return decode(text, ClientFrame, "frame")


def body_of(frame: ClientFrame, kind: Any) -> Any:
    """Decode the body of a frame as an instance of the type `kind`.

    Raises:
        Refused: ERR_BAD_REQUEST, the body does not have this form.
    """
    return decode_part(frame.body, kind)


def presence_subscription(requested: str | list[str] | None, roles: list[str]) -> frozenset[str] | None:
    """Return the roles whose presence a client subscribes to, `ALL_USERS` or `FRIENDS_ONLY`; None for no presence.

    Args:
        requested: "ALL_USERS", "FRIENDS", "ROLES" for `roles`, or a list of roles; anything else for no presence.
        roles: the roles that the auth frame lists separately.
    """
    if requested == "ALL_USERS":
        return ALL_USERS
    if requested == "FRIENDS":
        return FRIENDS_ONLY
    if requested == "ROLES":
        requested = roles
    if isinstance(requested, list):
        return frozenset(requested[:MAX_PRESENCE_ROLES]) or None
    return None
