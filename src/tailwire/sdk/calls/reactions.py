"""What is done to messages: reactions, pins, saves, threads followed, reports, interactions."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.sdk.calls.access import Access, OnError, OnSuccess, checked_id, quoted, settle, text_of
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.listeners.events import MessagePinned, MessageSaved
from tailwire.sdk.listeners.own import Reacted
from tailwire.wire.codec import message_from_wire
from tailwire.wire.entities import BaseMessage, FlagDetail, FlagReason
from tailwire.wire.social import reasons_from_wire


class ReactionCalls(Access):
    """The part of a client that deals with what hangs on messages."""

    async def add_reaction(
        self, message_id: int, reaction: str, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage:
        """React to a message.

        Args:
            reaction: an emoji, or a short word.

        Returns:
            The message, with its `reactions`.

        Raises:
            CometChatException: as the server refused it (`ERR_MESSAGE_ID_NOT_FOUND` …).
        """
        return await settle(self._react(message_id, reaction, added=True), on_success, on_error)

    async def remove_reaction(
        self, message_id: int, reaction: str, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage:
        """Take a reaction back. Arguments, result and errors as `add_reaction`."""
        return await settle(self._react(message_id, reaction, added=False), on_success, on_error)

    async def _react(self, message_id: int, reaction: str, *, added: bool) -> BaseMessage:
        path = f"/messages/{checked_id(message_id)}/reactions/{quoted(reaction)}"
        message = await self._fetch(message_from_wire, "POST" if added else "DELETE", path)
        if any(r.reaction == reaction and r.reacted_by_me for r in message.reactions) is added:
            self._done_here(Reacted(message.id, reaction, added))
        return message

    # Pins and saves: told to the listeners of this device too.

    async def pin_message(
        self, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage:
        """Pin a message in its conversation; in groups its moderators, admins and owner may.

        Returns:
            The message, with `pinned_at` and `pinned_by`.

        Raises:
            CometChatException: `ERR_PERMISSION_DENIED`, `ERR_PINNED_MESSAGES_LIMIT_EXCEEDED` (`details["limit"]`),
                `ERR_MESSAGE_ID_NOT_FOUND`.
        """
        return await settle(self._pin(message_id, pinned=True), on_success, on_error)

    async def unpin_message(
        self, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage:
        """Take the pin of a message away. Result and errors as `pin_message`."""
        return await settle(self._pin(message_id, pinned=False), on_success, on_error)

    async def _pin(self, message_id: int, *, pinned: bool) -> BaseMessage:
        path = f"/messages/{checked_id(message_id)}/pin"
        message = await self._fetch(message_from_wire, "POST" if pinned else "DELETE", path)
        self._tell(MessagePinned(message, pinned))
        return message

    async def save_message(
        self, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage:
        """Save a message for oneself: nobody else sees it.

        Returns:
            The message, with `saved_at`.

        Raises:
            CometChatException: `ERR_SAVED_MESSAGES_LIMIT_EXCEEDED` (`details["limit"]`), `ERR_MESSAGE_ID_NOT_FOUND`.
        """
        return await settle(self._save_message(message_id, saved=True), on_success, on_error)

    async def unsave_message(
        self, message_id: int, *, on_success: OnSuccess[BaseMessage] = None, on_error: OnError = None
    ) -> BaseMessage:
        """Save a message no longer. Result and errors as `save_message`."""
        return await settle(self._save_message(message_id, saved=False), on_success, on_error)

    async def _save_message(self, message_id: int, *, saved: bool) -> BaseMessage:
        path = f"/messages/{checked_id(message_id)}/save"
        message = await self._fetch(message_from_wire, "POST" if saved else "DELETE", path)
        self._tell(MessageSaved(message, saved))
        return message

    def is_pin_message_enabled(self) -> bool:
        """Whether the server offers pins. No I/O; true until the server has said otherwise."""
        return bool(self._parameters().get("features.ux.messages.pinned.enabled", True))

    def is_save_message_enabled(self) -> bool:
        """Whether the server offers to save messages. No I/O; true until the server has said otherwise."""
        return bool(self._parameters().get("features.ux.messages.saved.enabled", True))

    def get_pinned_messages_limit(self) -> int | None:
        """How many messages of a conversation can be pinned; None when it is not known. No I/O."""
        limit = self._parameters().get("features.ux.messages.pinned.limit")
        return int(limit) if isinstance(limit, int) else None

    def get_saved_messages_limit(self) -> int | None:
        """How many messages a user can save; None when it is not known. No I/O."""
        limit = self._parameters().get("features.ux.messages.saved.limit")
        return int(limit) if isinstance(limit, int) else None

    # Threads, reports, interactions.

    async def subscribe_to_thread(
        self, message_id: int, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Follow the thread of a message. Who replies in it follows it too."""
        return await settle(self._follow(message_id, "POST"), on_success, on_error)

    async def unsubscribe_from_thread(
        self, message_id: int, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Follow the thread of a message no longer."""
        return await settle(self._follow(message_id, "DELETE"), on_success, on_error)

    async def _follow(self, message_id: int, method: str) -> str:
        return text_of(await self._ask(method, f"/messages/{checked_id(message_id)}/thread/subscription"))

    async def get_flag_reasons(
        self, *, on_success: OnSuccess[list[FlagReason]] = None, on_error: OnError = None
    ) -> list[FlagReason]:
        """Why a message can be reported."""
        return await settle(self._fetch(reasons_from_wire, "GET", "/moderation/reasons"), on_success, on_error)

    async def flag_message(
        self, message_id: int, detail: FlagDetail, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Report a message.

        Args:
            detail: the id of a reason of `get_flag_reasons`, and perhaps a remark.

        Raises:
            CometChatException: `INVALID_REASON_ID`, or as the server refused it.
        """

        async def flag() -> str:
            body = {"id": detail.reason_id, **({"remark": detail.remark} if detail.remark else {})}
            try:
                return text_of(await self._ask("POST", f"/messages/{checked_id(message_id)}/flagged", body=body))
            except CometChatException as e:
                if e.code == "ERR_REASON_NOT_FOUND":
                    raise failure("INVALID_REASON_ID") from e
                raise

        return await settle(flag(), on_success, on_error)

    async def mark_as_interacted(
        self, message_id: int, elements: Sequence[str], *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str:
        """Say that elements of an interactive message were used. Once more is no error; the first time counts."""

        async def mark() -> str:
            body = {"interactions": [str(e) for e in elements]}
            return text_of(await self._ask("PATCH", f"/messages/{checked_id(message_id)}/interacted", body=body))

        return await settle(mark(), on_success, on_error)
