"""Composes the content of push notifications, from the message as it is when the notification is sent."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tailwire.server.ports.conversations import id_of
from tailwire.server.ports.push import Notification
from tailwire.server.ports.push_records import NotificationRow
from tailwire.server.ports.records import MessageRow
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.preferences import read_preferences

FULL, TITLE, NONE = "full", "title", "none"
CONTENTS = (FULL, TITLE, NONE)
"""The possible contents of a notification: the sender and the text, only the sender, or neither."""
NEW_MESSAGE, NEW_MESSAGES = "New message", "New messages"
DELETED_TEXT = "This message was deleted"
MAX_TITLE_CHARACTERS = 100
MAX_BODY_CHARACTERS = 2_000
MAX_NAMED_MENTIONS = 10
_KIND_TEXTS = {"image": "Image", "video": "Video", "audio": "Audio", "file": "File"}
_MENTION = re.compile(r"<@uid:([A-Za-z0-9_-]{1,100})>")
_SPACES = re.compile(r"\s+")


class _Data(msgspec.Struct, rename="camel"):
    text: Any = None
    conversation_text: str | None = None


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_decode = msgspec.json.Decoder(_Body).decode


class NotificationContent:
    """Composes notifications: the implementation of `ports.push.Composer`.

    Args:
        content: how much of a message they show: one of `CONTENTS`. A user may choose less than `full`.
        lifetime: for how many seconds after it was queued a notification may be sent.
    """

    def __init__(self, store: Store, world: World, content: str, lifetime: int) -> None:
        self._store = store
        self._world = world
        self._content = content
        self._lifetime = lifetime

    async def compose(self, row: NotificationRow) -> Notification | None:
        """Return the notification to send for a queued one, from the message or reaction as it is now.

        None means that nothing shall be sent: it is too old, the message was removed, the user has read the message
        or may no longer read it, or there is now a block between user and sender. For a message that was deleted after
        its notification was shown, a notification that withdraws it is returned.
        """
        message = await self._store.messages.get(row.message_id)
        seconds_left = row.queued_at + self._lifetime - self._world.seconds()
        if message is None or seconds_left <= 0 or not await self._may_read(row.uid, message):
            return None
        if row.reaction_id:
            return await self._reaction(row, message, seconds_left)
        if message.deleted_at is not None:
            return (
                await self._notification(row, message, seconds_left, "", DELETED_TEXT, "deleted") if row.shown else None
            )
        if await self._store.notifications.read_up_to(message.conversation_id, row.uid) >= message.id:
            return None
        if await self._store.blocks.blocker_between(row.uid, message.sender):  # a block since it was queued
            return None
        return await self._notification(
            row, message, seconds_left, message.sender, await self._text(message), "message"
        )

    async def _may_read(self, uid: str, message: MessageRow) -> bool:
        if message.receiver_type == "user":
            return uid in (message.sender, message.receiver)
        return await self._store.members.get(message.receiver, uid) is not None

    async def _reaction(self, row: NotificationRow, message: MessageRow, seconds_left: int) -> Notification | None:
        reaction = await self._store.notifications.reaction(row.reaction_id)
        if reaction is None or message.deleted_at is not None:
            return None
        if await self._store.blocks.blocker_between(row.uid, reaction.uid):
            return None
        return await self._notification(
            row, message, seconds_left, reaction.uid, f"Reacted with {reaction.reaction}", "reaction"
        )

    async def _notification(
        self, row: NotificationRow, message: MessageRow, seconds_left: int, by: str, text: str, action: str
    ) -> Notification:
        content = await self._content_for(row.uid)
        title, body = "", text
        in_group = message.receiver_type == "group"
        if content == NONE:
            title, body = NEW_MESSAGES, "" if action != "deleted" else text
        elif action != "deleted":
            name = await self._name(by)
            body = text if content == FULL else NEW_MESSAGE
            group = await self._store.groups.get(message.receiver) if in_group else None
            title = group.name if group else name
            body = f"{name}: {body}" if group else body
        data: dict[str, Any] = {
            "type": "chat",
            "action": action if not (action == "message" and row.shown) else "edited",
            "tag": _tag(row),
            "conversationId": id_of(message.conversation_id),
            "messageId": str(message.id),
            "sentAt": message.sent_at,
        }
        if content != NONE:
            data |= {
                "sender": by or message.sender,
                "receiver": message.receiver,
                "receiverType": message.receiver_type,
                "messageType": message.type,
            }
        return Notification(
            title=_line(title)[:MAX_TITLE_CHARACTERS],
            body=_line(body)[:MAX_BODY_CHARACTERS],
            tag=_tag(row),
            thread=data["conversationId"],
            badge=sum(count for _, count in await self._store.conversations.unread_counts(row.uid)),
            data=data,
            withdrawn=action == "deleted",
            silent=bool(row.shown),
            lifetime=seconds_left,
        )

    async def _content_for(self, uid: str) -> str:
        if self._content != FULL:
            return self._content
        stored, _ = await self._store.push_preferences.get(uid)
        return TITLE if read_preferences(stored).use_privacy_template else FULL

    async def _name(self, uid: str) -> str:
        user = await self._store.users.get(uid)
        return user.name if user else uid

    async def _text(self, message: MessageRow) -> str:
        try:
            data = _decode(message.body).data
        except (msgspec.DecodeError, RecursionError):
            data = _Data()
        text = data.text if isinstance(data.text, str) else data.conversation_text or ""
        for uid in list(dict.fromkeys(_MENTION.findall(text)))[:MAX_NAMED_MENTIONS]:
            text = text.replace(f"<@uid:{uid}>", f"@{await self._name(uid)}")
        return text or _KIND_TEXTS.get(message.type, NEW_MESSAGE)


def _tag(row: NotificationRow) -> str:
    # At most 32 characters of A-Z, a-z, 0-9, - and _, as topics of Web Push require.
    return f"m{row.message_id}" + (f"-r{row.reaction_id}" if row.reaction_id else "")


def _line(text: str) -> str:
    return _SPACES.sub(" ", text).strip()
