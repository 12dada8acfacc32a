"""Frames that clients send, decoded from untrusted bytes. Fields that the server does not use are ignored."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.fanout.hub import ALL_USERS, FRIENDS_ONLY
from tailwire.server.rules.decoding import decode, decode_part

MAX_PLATFORM_CHARACTERS = 50
MAX_PRESENCE_ROLES = 100


class ClientFrame(msgspec.Struct, rename="camel"):
    """A frame with its body still encoded. The type of the frame determines the type of the body (see `handlers`)."""

    type: str = ""
    action: str = ""
    receiver: str = ""
    receiver_type: str = ""
    device_id: str = ""
    sender: str = ""
    body: msgspec.Raw = msgspec.Raw(b"{}")


class LastSocket(msgspec.Struct):
    """How the previous socket of a client ended, as the client reports it (feature `cause`).

    Attributes:
        cause: why it ended.
        lived: how many seconds it was open.
        attempts: how many attempts to connect the client has made since.
    """

    cause: str = ""
    lived: float = 0.0
    attempts: int = 0


class ClientInfo(msgspec.Struct):
    """The field `tailwire` in `params` of the auth frame, which only Tailwire's own SDK sends.

    Attributes:
        features: the protocol extensions that the client supports.
        last: how its previous socket ended; None if it had none, or does not report it.
    """

    features: list[str] = []
    last: LastSocket | None = None


NO_CLIENT_INFO = ClientInfo()


class Params(msgspec.Struct):
    """The field `params` of the auth frame."""

    platform: Any = ""
    tailwire: ClientInfo | None = None


class Auth(msgspec.Struct, rename="camel"):
    """The body of an auth frame.

    Attributes:
        auth: the user's pass (see `auth.secrets`).
        device_id: the client's name for its device.
        presence_subscription, roles: whose presence it subscribes to (see the function `presence_subscription`).
    """

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
        """What Tailwire's own SDK sent about itself; without any features for other clients."""
        return self.params.tailwire if self.params and self.params.tailwire else NO_CLIENT_INFO


class Receipt(msgspec.Struct, rename="camel"):
    """The body of a receipt.

    Attributes:
        action: `delivered` or `read`.
        message_id: the newest message that was delivered or read; the receipt holds for all before it too.
    """

    action: str = ""
    message_id: str | int = ""


class Transient(msgspec.Struct):
    """The body of a transient message, which is delivered to online users and not stored.

    Attributes:
        data: JSON for the receivers.
    """

    data: msgspec.Raw = msgspec.Raw(b"null")


class Typing(msgspec.Struct):
    """The body of a typing indicator.

    Attributes:
        action: `started` or `ended`.
        metadata: a JSON object for the receivers, or `null`.
    """

    action: str = ""
    metadata: msgspec.Raw = msgspec.Raw(b"null")


class AppState(msgspec.Struct):
    """The body of a frame with which a client reports its app's state (feature `appState`).

    Attributes:
        state: "background" or "foreground".
        window: for how many seconds the socket may stay open in the background without another ping.
    """

    state: str = ""
    window: float = 30.0


def decode_frame(text: bytes) -> ClientFrame:
    """Decode the envelope of a frame.

    Raises:
        Refused: ERR_BAD_REQUEST, the text is not JSON of the form of `ClientFrame`, is too large or nested too deeply.
    """
    return decode(text, ClientFrame, "frame")


def body_of(frame: ClientFrame, kind: Any) -> Any:
    """Return the decoded body of a frame.

    Args:
        frame: the frame.
        kind: the type of the body, such as `Receipt`.

    Raises:
        Refused: ERR_BAD_REQUEST, the body does not have the form of this type.
    """
    return decode_part(frame.body, kind)


def presence_subscription(requested: str | list[str] | None, roles: list[str]) -> frozenset[str] | None:
    """Return whose presence a client subscribes to: `ALL_USERS`, `FRIENDS_ONLY`, or a set of roles; None for nobody's.

    Args:
        requested: "ALL_USERS", "FRIENDS", "ROLES" for `roles`, or a list of roles. Anything else stands for nobody.
        roles: the field `roles` of the auth frame. Only the first `MAX_PRESENCE_ROLES` roles count. The case of their
            letters does not matter.
    """
    if requested == "ALL_USERS":
        return ALL_USERS
    if requested == "FRIENDS":
        return FRIENDS_ONLY
    if requested == "ROLES":
        requested = roles
    if isinstance(requested, list):
        return frozenset(role.lower() for role in requested[:MAX_PRESENCE_ROLES]) or None
    return None
