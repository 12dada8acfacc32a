"""What clients send over a socket, as far as it is read. Decoded from the bytes of strangers."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.fanout.hub import ALL_USERS, FRIENDS
from tailwire.server.rules.decoding import decode, decode_part

MAX_PLATFORM = 50


class FrameIn(msgspec.Struct, rename="camel"):
    """What a client sends, as far as it is read."""

    type: str = ""
    action: str = ""
    receiver: str = ""
    receiver_type: str = ""
    device_id: str = ""
    sender: str = ""
    body: msgspec.Raw = msgspec.Raw(b"{}")


class Last(msgspec.Struct):
    """How the last socket of a client ended (feature `cause`)."""

    cause: str = ""
    lived: float = 0.0
    attempts: int = 0


class Ours(msgspec.Struct):
    """What a client of ours says of itself: `tailwire` in the auth frame."""

    features: list[str] = []
    last: Last | None = None


NOTHING = Ours()


class Params(msgspec.Struct):
    """`params` of the auth frame."""

    platform: Any = ""
    tailwire: Ours | None = None


class Auth(msgspec.Struct, rename="camel"):
    """The body of an auth frame."""

    auth: str = ""
    device_id: str = ""
    presence_subscription: str | list[str] | None = None
    roles: list[str] = []
    params: Params | None = None

    @property
    def platform(self) -> str:
        """What the client calls the platform that it runs on; "" when it does not say."""
        named = self.params.platform if self.params else ""
        return named[:MAX_PLATFORM] if isinstance(named, str) else ""

    @property
    def ours(self) -> Ours:
        """What a client of ours says of itself."""
        return self.params.tailwire if self.params and self.params.tailwire else NOTHING


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
    """Where the app is (feature `appState`)."""

    state: str = ""
    window: float = 30.0


def decode_frame(text: bytes) -> FrameIn:
    """A frame.

    Raises:
        Refused: ERR_BAD_REQUEST.
    """
    return decode(text, FrameIn, "frame")


def body_of(frame: FrameIn, kind: Any) -> Any:
    """The body of a frame.

    Raises:
        Refused: ERR_BAD_REQUEST.
    """
    return decode_part(frame.body, kind)


def subscription(asked: str | list[str] | None, roles: list[str]) -> frozenset[str] | None:
    """Whose presence a client wants to hear of; None for nobody's."""
    if asked == "ALL_USERS":
        return ALL_USERS
    if asked == "FRIENDS":
        return FRIENDS
    if asked == "ROLES":
        asked = roles
    if isinstance(asked, list):
        return frozenset(asked[:100]) or None
    return None
