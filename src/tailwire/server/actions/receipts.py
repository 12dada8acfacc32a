"""Receipts: how far somebody has received and read a conversation, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.present import encode
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import Event, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World

Later = Callable[[float, Callable[[], None]], object]
_ALL = {False: "deliveredToAll", True: "readByAll"}


class Receipts:
    """Notes and tells.

    Args:
        overload: whether there is time for this.
        later: calls a function after some seconds.
        delay: how long receipts are held back and merged, in seconds: a receipt that overtakes the answer to the send
            that it speaks of is lost by the JavaScript SDK.
        most_members: of a group whose members' receipts are told and kept one by one.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        doors: Doors,
        delivery: Delivery,
        world: World,
        overload: Overload,
        later: Later,
        delay: float,
        most_members: int,
    ) -> None:
        self._store = store
        self._directory = directory
        self._doors = doors
        self._delivery = delivery
        self._world = world
        self._overload = overload
        self._later = later
        self._delay = delay
        self._most_members = most_members
        self._held: dict[tuple[str, str, str], Callable[[], None]] = {}

    async def receipt(self, caller: Caller, action: str, wanted: str | int) -> None:
        """Note that the caller has received, or read, a conversation up to a message; tell its sender.

        Raises:
            Refused: when there is no such message for them, or the frame is not valid; RECEIPTS_TEMPORARILY_BLOCKED.
        """
        self._see_whether_there_is_time()
        if action not in ("delivered", "read"):
            raise Refused("ERR_BAD_REQUEST", {"body.action": "Use delivered or read."})
        row = await self._doors.message(caller, wanted, "read")
        if row.sender != caller.uid:
            await self._note(caller, row, read=action == "read")

    def _see_whether_there_is_time(self) -> None:
        if self._overload.sheds(Level.RECEIPTS):
            raise Refused("RECEIPTS_TEMPORARILY_BLOCKED", retry_after=self._overload.later())

    async def _note(self, caller: Caller, row: MessageRow, *, read: bool) -> None:
        group = row.receiver if row.receiver_type == "group" else ""
        found = await self._store.groups.get(group) if group else None
        small = found is not None and found.members_count <= self._most_members
        now = self._world.seconds()
        told = small or not group
        action = "read" if read else "delivered"
        user = await self._directory.user_entity(caller.uid)
        body = {"action": action, "messageId": str(row.id), "user": user, "timestamp": now}
        receiver = group or row.sender
        events = []
        if told and self._store.webhooks.enabled:
            events.append(Event(f"message_{'read' if read else 'delivery'}_receipt", encode({
                "receiver": receiver, "receiverType": row.receiver_type, "type": "receipts", "sender": caller.uid,
                "messageSender": row.sender, "body": body,
            })))  # fmt: skip
        marked = await self._store.read_state.mark(
            row.conversation_id, caller.uid, row.id, now, read=read, group=group, log=small, events=events
        )
        if marked is None or not told:
            return
        concerned = [row.sender, *(sender for sender, _, _ in marked.by_all)]
        # Who has left a group is not told who reads there.
        heard = await self._store.members.among(group, concerned) if group else concerned
        to = row.sender if row.sender in heard else caller.uid
        self._hold(
            (f"{row.conversation_id}\0{row.sender}", caller.uid, action),
            lambda: self._delivery.receipt(caller, receiver, row.receiver_type, row.sender, body, to),
        )
        for sender, number, all_read in marked.by_all:
            if sender not in heard:
                continue
            of_all = {"action": _ALL[all_read], "messageId": str(number), "user": user, "timestamp": now}
            self._hold(
                (f"{row.conversation_id}\0{sender}", "", _ALL[all_read]),
                lambda sender=sender, body=of_all: self._delivery.receipt_of_all(caller, group, sender, body),  # type: ignore[misc]
            )

    def _hold(self, key: tuple[str, str, str], tell: Callable[[], None]) -> None:
        if not self._held:
            self._later(self._delay, self._tell_held)
        self._held[key] = tell

    def _tell_held(self) -> None:
        held, self._held = self._held, {}
        for tell in held.values():
            tell()

    # Whole conversations, over HTTP.

    async def mark_conversation(
        self, caller: Caller, kind: str, other: str, up_to: int | None, *, read: bool
    ) -> dict[str, Any]:
        """Note that the caller has received, or read, a conversation: all of it, or up to a message.

        Args:
            kind: `user` or `group`.
            other: the uid or guid.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER, ERR_CONVERSATION_NOT_ACCESSIBLE,
                RECEIPTS_TEMPORARILY_BLOCKED.
        """
        self._see_whether_there_is_time()
        conversation = await self._doors.conversation(caller, kind, other)
        last = await self._last_from_others(conversation, caller.uid, up_to)
        if last is not None:
            await self._note(caller, last, read=read)
        what = "read" if read else "delivered"
        where = "from the user" if kind == "user" else "in the group"
        text = f"All the messages {where} are marked as {what} for the requesting user."
        return {"success": True, "Message" if kind == "user" else "message": text}

    async def _last_from_others(self, conversation: ConversationKey, uid: str, up_to: int | None) -> MessageRow | None:
        # The last message, or the one that is named: whose sender is told.
        last = await self._store.conversations.last_from_others(conversation, uid, up_to)
        return await self._store.messages.get(last) if last else None

    async def mark_unread(self, caller: Caller, kind: str, other: str, wanted: str | int) -> dict[str, Any]:
        """Note that the caller has not read a conversation from a message on.

        A client's message counts as unread itself; with a REST key only those after it do.

        Returns:
            `{"conversation": …}` is added by `Conversations`; here the text of the success.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, and as `mark_conversation`.
        """
        conversation = await self._doors.conversation(caller, kind, other)
        row = await self._doors.message(caller, wanted, "read")
        if row.conversation_id != conversation:
            raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"messageId": "There is no such message in this conversation."})
        await self._store.read_state.unmark(conversation, caller.uid, row.id if caller.key else row.id - 1)
        where = f"from the user {other}" if kind == "user" else f"in the group {other}"
        text = f"The messages after the message id {row.id} {where} are marked as unread for the user {caller.uid}."
        return {"success": True, "message": text}
