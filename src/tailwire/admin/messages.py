"""Messages: sent and read as the app, or on behalf of a user."""

from __future__ import annotations

from typing import Any, TypeVar

from tailwire.admin.listing import Listing, message_listing, numbered_listing
from tailwire.admin.requester import Requester, query_parameters
from tailwire.sdk.calls.checks import checked_id, checked_receiver, decoded, quoted
from tailwire.sdk.exceptions import failure
from tailwire.wire.codec import message_from_wire
from tailwire.wire.encoding import message_to_wire
from tailwire.wire.entities import Action, BaseMessage, Conversation
from tailwire.wire.social import conversation_from_wire

M = TypeVar("M", bound=BaseMessage)


class Messages:
    """The messages of the app (`admin.messages`).

    With `on_behalf_of`, a call has the permissions of that user, who is also the sender. Without it, the app itself
    (the user `app_system`) acts; it may do everything.
    """

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def send(self, message: M, *, on_behalf_of: str = "") -> M:
        """Send a message, and return it as it was stored.

        Messages to the same receiver on behalf of the same user are sent in the order of the calls. The server stores a
        message once, however often it is retried, because it recognises its `muid`; this call sets the `muid` of the
        given object if it is empty. After an error that leaves open whether the message was stored, send the same
        object again.

        Args:
            message: a `TextMessage`, `CustomMessage`, `InteractiveMessage`, or a `MediaMessage` with `attachments` by
                URL.
            on_behalf_of: uid of the sender; the app by default.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if `message` is not a message; `ERR_INVALID_RECEIVER_TYPE` if its
                `receiver_type` is neither `user` nor `group`; `ERR_UID_NOT_FOUND` if there is no such user;
                `ERR_GUID_NOT_FOUND` if there is no such group; `ERR_BAD_REQUEST` if the server finds an argument
                invalid; or another code of the server.
        """
        if not isinstance(message, BaseMessage):
            raise failure("ERR_INVALID_ARGUMENT", f"Give a message, not a {type(message).__name__}.")
        checked_receiver(message.receiver, message.receiver_type)
        message.muid = message.muid or self._requester.unique()
        place = f"{message.receiver_type} {message.receiver}"
        stored = await self._requester.send(place, message_to_wire(message), on_behalf_of)
        return decoded(message_from_wire, stored)  # type: ignore[return-value]

    async def get(self, message_id: int, *, on_behalf_of: str = "") -> BaseMessage:
        """Return a message.

        Args:
            message_id: the id of a stored message.
            on_behalf_of: uid of the user with whose permissions the message is read; by default the app's.

        Raises:
            CometChatException: `ERR_MESSAGE_ID_NOT_FOUND` if there is no such message; `ERROR_INVALID_MESSAGE_ID` if
                the id is not a number above 0.
        """
        path = f"/messages/{checked_id(message_id)}"
        return await self._requester.fetch(message_from_wire, "GET", path, on_behalf_of=on_behalf_of)

    async def edit(self, message: BaseMessage, *, on_behalf_of: str = "") -> BaseMessage:
        """Edit a message, and return it as it is now.

        Args:
            message: a message with the `id` of the one to edit, and the new content.
            on_behalf_of: uid of the user who edits the message; the app by default.

        Raises:
            CometChatException: `ERR_MESSAGE_ID_NOT_FOUND` if there is no such message; `ERROR_INVALID_MESSAGE_ID` if
                the id is not a number above 0; `ERR_BAD_ERROR_RESPONSE` if the response contains no message; or another
                code of the server.
        """
        body = message_to_wire(message)
        change: dict[str, Any] = {key: body[key] for key in body if key in ("data", "tags")}
        path = f"/messages/{checked_id(message.id)}"
        action = await self._requester.fetch(message_from_wire, "PUT", path, body=change, on_behalf_of=on_behalf_of)
        if isinstance(action, Action) and isinstance(action.action_on, BaseMessage):
            return action.action_on
        raise failure("ERR_BAD_ERROR_RESPONSE", "The response of the server contains no message.")

    async def delete(self, message_id: int, *, permanently: bool = False, on_behalf_of: str = "") -> None:
        """Delete a message.

        Args:
            message_id: the message.
            permanently: remove the message and its files completely. Otherwise it stays in the history as a deleted
                message without content.
            on_behalf_of: uid of the user who deletes the message; the app by default.

        Raises:
            CometChatException: `ERR_MESSAGE_ID_NOT_FOUND` if there is no such message; `ERROR_INVALID_MESSAGE_ID` if
                the id is not a number above 0; `ERR_MESSAGE_ACTION_NOT_ALLOWED` for an action message, or without
                `permanently` for a message that is already deleted; or another code of the server.
        """
        path, body = f"/messages/{checked_id(message_id)}", {"permanent": True} if permanently else None
        await self._requester.ask("DELETE", path, body=body, on_behalf_of=on_behalf_of)

    async def react(self, message_id: int, reaction: str, *, on_behalf_of: str) -> None:
        """Add a reaction of a user to a message.

        Args:
            message_id: the message.
            reaction: an emoji.
            on_behalf_of: uid of the user who reacts.

        Raises:
            CometChatException: `ERR_MESSAGE_ID_NOT_FOUND` if there is no such message; `ERROR_INVALID_MESSAGE_ID` if
                the id is not a number above 0; or another code of the server.
        """
        path = f"/messages/{checked_id(message_id)}/reactions/{quoted(reaction)}"
        await self._requester.ask("POST", path, on_behalf_of=on_behalf_of)

    def between(self, uid: str, other: str, *, search: str = "", newest_first: bool = False) -> Listing[BaseMessage]:
        """Return the messages between two users, as the user `uid` sees them.

        Args:
            uid: uid of the user whose view of the conversation is returned.
            other: uid of the other user.
            search: only messages that contain all of these words; the last word may be incomplete. "" for all.
            newest_first: the order; oldest first by default.
        """
        return self._history(f"/users/{quoted(other)}/messages", uid, search, newest_first=newest_first)

    def in_group(
        self, guid: str, *, on_behalf_of: str = "", search: str = "", newest_first: bool = False
    ) -> Listing[BaseMessage]:
        """Return the messages of a group.

        Args:
            guid: the group.
            on_behalf_of: uid of the member whose view of the group is returned; by default all messages.
            search: only messages that contain all of these words; the last word may be incomplete. "" for all.
            newest_first: the order; oldest first by default.
        """
        return self._history(f"/groups/{quoted(guid)}/messages", on_behalf_of, search, newest_first=newest_first)

    def all(self, *, on_behalf_of: str = "", search: str = "", newest_first: bool = False) -> Listing[BaseMessage]:
        """Return the messages of all conversations.

        Args:
            on_behalf_of: only the conversations of this user; by default all conversations of the app.
            search: only messages that contain all of these words; the last word may be incomplete. "" for all.
            newest_first: the order; oldest first by default.
        """
        return self._history("/messages", on_behalf_of, search, newest_first=newest_first)

    def conversations(self, uid: str) -> Listing[Conversation]:
        """Return the conversations of a user: first pinned ones, then the others, each most recent first.

        Args:
            uid: the uid of the user.
        """
        return numbered_listing(
            self._requester.ask_list("/conversations", uid), {}, conversation_from_wire, "conversation"
        )

    def _history(self, path: str, reader: str, search: str, *, newest_first: bool) -> Listing[BaseMessage]:
        ask = self._requester.ask_list(path, reader)
        return message_listing(ask, query_parameters(searchKey=search), message_from_wire, newest_first=newest_first)
