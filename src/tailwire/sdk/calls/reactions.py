"""Reactions, pins, saves, threads, reports and interactions of messages."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.sdk.calls.checks import checked_id, quoted, text_of
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.events import MessagePinned, MessageSaved
from tailwire.sdk.listeners.own import Reacted
from tailwire.wire.catalogue import CATALOGUE
from tailwire.wire.codec import message_from_wire
from tailwire.wire.entities import BaseMessage, FlagDetail, FlagReason
from tailwire.wire.social import reasons_from_wire


class ReactionCalls:
    """The calls on reactions, pins, saves, threads, reports and interactions of messages."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def add_reaction(self, message_id: int, reaction: str) -> BaseMessage:
        """React to a message.

        Args:
            message_id: the id of a stored message.
            reaction: an emoji, or a word of at most 100 characters.

        Returns:
            The message, with its `reactions`.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERR_BLOCKED_RECEIVER` when the logged-in
                user has blocked the other user, `ERR_BLOCKED_SENDER` when the other user has blocked them; or another
                code of the server.
        """
        return await self._react(message_id, reaction, added=True)

    async def remove_reaction(self, message_id: int, reaction: str) -> BaseMessage:
        """Remove the logged-in user's reaction from a message.

        Args:
            message_id: the id of a stored message.
            reaction: the reaction as it was added.

        Returns:
            The message, with its `reactions`.

        Raises:
            CometChatException: as for `add_reaction`.
        """
        return await self._react(message_id, reaction, added=False)

    async def _react(self, message_id: int, reaction: str, *, added: bool) -> BaseMessage:
        path = f"/messages/{checked_id(message_id)}/reactions/{quoted(reaction)}"
        me = self._parts.sessions.uid
        message = await self._parts.requests.fetch(message_from_wire, "POST" if added else "DELETE", path)
        if any(r.reaction == reaction and r.reacted_by_me for r in message.reactions) is added:
            self._parts.own.notify(Reacted(message.id, reaction, added), me)
        return message

    # The listeners of this device receive its own pins and saves too.

    async def pin_message(self, message_id: int) -> BaseMessage:
        """Pin a message in its conversation. In a group, its moderators, admins and owner may do so.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message, with `pinned_at` and `pinned_by`.

        Raises:
            CometChatException: `ERR_PERMISSION_DENIED` when the logged-in user may not pin there;
                `ERR_PINNED_MESSAGES_LIMIT_EXCEEDED` when too many are pinned (`details["limit"]`);
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERROR_INVALID_MESSAGE_ID` when the id is not
                a positive number; `ERR_BLOCKED_RECEIVER` when the logged-in user has blocked the other user,
                `ERR_BLOCKED_SENDER` when the other user has blocked them.
        """
        return await self._pin(message_id, pinned=True)

    async def unpin_message(self, message_id: int) -> BaseMessage:
        """Remove the pin of a message.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message.

        Raises:
            CometChatException: as for `pin_message`, except `ERR_PINNED_MESSAGES_LIMIT_EXCEEDED`.
        """
        return await self._pin(message_id, pinned=False)

    async def _pin(self, message_id: int, *, pinned: bool) -> BaseMessage:
        path = f"/messages/{checked_id(message_id)}/pin"
        me = self._parts.sessions.uid
        message = await self._parts.requests.fetch(message_from_wire, "POST" if pinned else "DELETE", path)
        self._parts.own.hand_over(MessagePinned(message, pinned), me)
        return message

    async def save_message(self, message_id: int) -> BaseMessage:
        """Save a message for the logged-in user. Nobody else sees it.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message, with `saved_at`.

        Raises:
            CometChatException: `ERR_SAVED_MESSAGES_LIMIT_EXCEEDED` when too many are saved (`details["limit"]`);
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERR_MESSAGE_ACTION_NOT_ALLOWED` when it is
                an action message or deleted; `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number.
        """
        return await self._save(message_id, saved=True)

    async def unsave_message(self, message_id: int) -> BaseMessage:
        """Remove a message from the logged-in user's saved messages.

        Args:
            message_id: the id of a stored message.

        Returns:
            The message, without its content if the user may no longer read it.

        Raises:
            CometChatException: as for `save_message`, except `ERR_SAVED_MESSAGES_LIMIT_EXCEEDED`.
        """
        return await self._save(message_id, saved=False)

    async def _save(self, message_id: int, *, saved: bool) -> BaseMessage:
        path = f"/messages/{checked_id(message_id)}/save"
        me = self._parts.sessions.uid
        message = await self._parts.requests.fetch(message_from_wire, "POST" if saved else "DELETE", path)
        self._parts.own.hand_over(MessageSaved(message, saved), me)
        return message

    # Threads, reports, interactions.

    async def subscribe_to_thread(self, message_id: int) -> str:
        """Follow the thread of a message. Users who reply in a thread follow it automatically.

        Args:
            message_id: the id of the parent message of the thread.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message.
        """
        return await self._follow(message_id, "POST")

    async def unsubscribe_from_thread(self, message_id: int) -> str:
        """Stop following the thread of a message.

        Args:
            message_id: the id of the parent message of the thread.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message.
        """
        return await self._follow(message_id, "DELETE")

    async def _follow(self, message_id: int, method: str) -> str:
        path = f"/messages/{checked_id(message_id)}/thread/subscription"
        return text_of(await self._parts.requests.ask(method, path))

    async def get_flag_reasons(self) -> list[FlagReason]:
        """Return the reasons for which a message can be reported.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._parts.requests.fetch(reasons_from_wire, "GET", "/moderation/reasons")

    async def flag_message(self, message_id: int, detail: FlagDetail) -> str:
        """Report a message to the app's moderators.

        Args:
            message_id: the id of a stored message.
            detail: the id of a reason from `get_flag_reasons`, and optionally a remark.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `INVALID_REASON_ID` when there is no such reason; `ERROR_INVALID_MESSAGE_ID` when the
                message id is not a positive number; `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; or
                another code of the server.
        """
        body = {"id": detail.reason_id, **({"remark": detail.remark} if detail.remark else {})}
        path = f"/messages/{checked_id(message_id)}/flagged"
        try:
            return text_of(await self._parts.requests.ask("POST", path, body=body))
        except CometChatException as e:
            if e.code == "ERR_REASON_NOT_FOUND":
                advice = CATALOGUE["INVALID_REASON_ID"].details
                raise CometChatException("INVALID_REASON_ID", e.message, advice) from e
            raise

    async def mark_as_interacted(self, message_id: int, elements: Sequence[str]) -> str:
        """Report that the logged-in user used elements of an interactive message.

        Only the first report of an element counts.

        Args:
            message_id: the id of an interactive message.
            elements: the ids of the elements.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERROR_INVALID_MESSAGE_ID` when the id is not a positive number;
                `ERR_MESSAGE_ID_NOT_FOUND` when there is no such message; `ERR_INVALID_MESSAGE_CATEGORY` when it is not
                interactive; or another code of the server.
        """
        body = {"interactions": [str(e) for e in elements]}
        path = f"/messages/{checked_id(message_id)}/interacted"
        return text_of(await self._parts.requests.ask("PATCH", path, body=body))
