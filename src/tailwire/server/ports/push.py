"""The providers that send notifications to devices, and what they send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from tailwire.server.ports.push_records import NotificationRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification, as a provider sends it.

    Attributes:
        title, body: the texts that the device shows; for a withdrawn one the body says that the message was deleted.
        tag: identifies the message or reaction that it reports. On the device it replaces an earlier notification with
            the same tag.
        thread: identifies its conversation. Devices group notifications by it.
        badge: how many messages the user has not read.
        data: the data that the app receives with it.
        withdrawn: whether the message was deleted, so that the device removes what it has shown.
        silent: whether it makes no sound, because it replaces a notification that the device has shown.
        lifetime: for how many seconds the provider keeps it for a device that cannot be reached.
    """

    title: str
    body: str
    tag: str
    thread: str
    badge: int
    data: Mapping[str, Any]
    withdrawn: bool = False
    silent: bool = False
    lifetime: int = 86_400


class SendResult(StrEnum):
    """The result of an attempt to send a notification."""

    SENT = "sent"
    GONE = "gone"  # the provider no longer knows the device
    LATER = "later"  # it failed, but a further attempt may succeed
    REFUSED = "refused"  # a further attempt would be refused as well


class SendOutcome(NamedTuple):
    """The outcome of an attempt to send a notification: its result, with details.

    Attributes:
        problem: what went wrong, without secrets such as the push token; "" if nothing did.
        wait: the seconds that the provider asks to wait before a further attempt; 0 if it does not ask.
        paused: whether all notifications of the provider have to wait, not only this one.
    """

    result: SendResult
    problem: str = ""
    wait: float = 0.0
    paused: bool = False


class PushProvider(Protocol):
    """Sends notifications through one service.

    Attributes:
        name: `web`, `apns` or `fcm`.
    """

    name: str

    async def send(self, token: str, notification: Notification) -> SendOutcome:
        """Send a notification to a device. A failure is returned as an outcome, not raised.

        Args:
            token: what the provider needs to reach the device (`PushTokenRow.token`).
            notification: the notification.
        """

    async def close(self) -> None:
        """Close all connections to the service."""


class Composer(Protocol):
    """Makes the content of a notification when it is about to be sent."""

    async def compose(self, row: NotificationRow) -> Notification | None:
        """Return the notification for a row of the queue, with the message as it is now.

        None if it is no longer wanted, for example because the user has read the message.
        """
