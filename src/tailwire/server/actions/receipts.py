"""Receipts: store up to which message a user has received or read a conversation, and notify the senders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.services import Services
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.ports.conversations import ConversationKey, other_in
from tailwire.server.ports.records import Event, MessageRow, Stored
from tailwire.server.ports.refusal import Refused

CallLater = Callable[[float, Callable[[], None]], object]
_ACTIONS_OF_ALL = {False: "deliveredToAll", True: "readByAll"}


class Receipts:
    """Stores receipts and publishes them.

    Args:
        overload: decides when receipts are refused because of the load.
        call_later: calls a function after a delay in seconds.
        delay: seconds for which receipts are held back before they are published. Of several receipts of a user for the
            same sender and conversation, only the last is published. The delay is needed because the JavaScript SDK
            drops a receipt that arrives before the response to the send of its message.
        max_members: in groups with more members, receipts are stored, but neither written to the change log nor
            published.

    Attributes:
        max_members: this argument.
    """

    def __init__(
        self, services: Services, overload: Overload, call_later: CallLater, delay: float, max_members: int
    ) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._delivery = services.delivery
        self._world = services.world
        self._overload = overload
        self._call_later = call_later
        self._delay = delay
        self.max_members = max_members
        self._held: dict[tuple[str, str, str], Callable[[], None]] = {}

    async def record_receipt(self, caller: Caller, action: str, message_id: str | int) -> None:
        """Store that the caller has received or read a message and all before it, and notify the message's sender.

        In a group, all senders are notified whose messages have thereby been received or read by all members.

        Args:
            caller: the reader. For their own message nothing is done.
            action: `delivered` or `read`.
            message_id: the message's id.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, also for a message that the caller may not read; ERR_BAD_REQUEST: the
                action is not one of these; RECEIPTS_TEMPORARILY_BLOCKED: the server has too much to do.
        """
        self._check_load()
        if action not in ("delivered", "read"):
            raise Refused("ERR_BAD_REQUEST", {"body.action": "Use delivered or read."})
        row = await self._authorizer.message(caller, message_id, "read")
        if row.sender != caller.uid:
            await self._mark(caller, row, read=action == "read")

    def _check_load(self) -> None:
        if self._overload.sheds(Level.RECEIPTS):
            raise Refused("RECEIPTS_TEMPORARILY_BLOCKED", retry_after=self._overload.retry_after())

    async def _mark(self, caller: Caller, row: MessageRow, *, read: bool) -> None:
        group = row.receiver if row.receiver_type == "group" else ""
        found = await self._store.groups.get(group) if group else None
        small = found is not None and found.members_count <= self.max_members
        now = self._world.seconds()
        published = small or not group
        action = "read" if read else "delivered"
        user = await self._directory.user_entity(caller.uid)
        body = {"action": action, "messageId": str(row.id), "user": user, "timestamp": now}
        # Between two users the other one, also if the app has sent the message, which reports an edit or a deletion.
        sender = row.sender if group else other_in(row.conversation_id, caller.uid)
        receiver = group or sender
        events = []
        if published and self._store.webhooks.any_enabled:
            events.append(Event(f"message_{'read' if read else 'delivery'}_receipt", encode({
                "receiver": receiver, "receiverType": row.receiver_type, "type": "receipts", "sender": caller.uid,
                "messageSender": sender, "body": body,
            })))  # fmt: skip
        marked = await self._store.read_state.mark_up_to(
            row.conversation_id,
            caller.uid,
            row.id,
            now,
            read=read,
            group=group,
            log=small,
            sender=sender,
            device=caller.device,
            events=events,
        )
        if marked is None or not published:
            return
        senders = [sender, *(author for author, *_ in marked.by_all)]
        notified = await self._members_then(group, senders, marked.number) if group else senders
        to = sender if sender in notified else caller.uid
        change_number = marked.number
        self._hold_publication(
            (f"{row.conversation_id}\0{sender}", caller.uid, action),
            lambda: self._delivery.publish_receipt(
                caller, receiver, row.receiver_type, sender, body, to, change_number
            ),
        )
        for author, number, all_read, logged in marked.by_all:
            if author not in notified:
                continue
            of_all = {"action": _ACTIONS_OF_ALL[all_read], "messageId": str(number), "user": user, "timestamp": now}
            self._hold_publication(
                (f"{row.conversation_id}\0{author}", "", _ACTIONS_OF_ALL[all_read]),
                partial(self._delivery.publish_receipt_of_all, caller, group, author, of_all, logged),
            )

    async def notify_without(self, stored: Stored, leaver: str, now: int) -> None:
        """Notify senders whose messages all members of a group have received or read, now that a member has left it.

        Args:
            stored: the action message that reports the departure, as the store returned it with the senders concerned
                (`by_all`).
            leaver: the uid of the member who left.
            now: the time, in seconds since 1970.
        """
        if not stored.by_all:
            return
        guid, senders = stored.message.receiver, [sender for sender, *_ in stored.by_all]
        try:
            user = await self._directory.entity_if_there(leaver, "") or await self._directory.absent_entity(leaver)
        except Refused:
            return  # the senders find it in a catch-up
        members = await self._members_then(guid, senders, stored.by_all[-1][3])
        for sender, number, read, logged in stored.by_all:
            if sender in members:
                body = {"action": _ACTIONS_OF_ALL[read], "messageId": str(number), "user": user, "timestamp": now}
                self._delivery.publish_receipt_of_all(Caller(leaver, "", ""), guid, sender, body, logged)

    async def _members_then(self, guid: str, senders: list[str], number: int) -> list[str]:
        # Returns those of the senders who were members of the group at the change with this number. Senders who left
        # the group only afterwards are notified as well, as they are in a catch-up.
        try:
            members = await self._store.members.members_among(guid, senders)
            others = [uid for uid in senders if uid not in members]
            return members + (await self._store.change_log.left_after(guid, others, number) if others else [])
        except Refused:
            return []  # the receipt is stored: the senders find it in a catch-up, and the reader's devices are notified

    def _hold_publication(self, key: tuple[str, str, str], publish: Callable[[], None]) -> None:
        if not self._held:
            self._call_later(self._delay, self._publish_held)
        self._held[key] = publish

    def _publish_held(self) -> None:
        held, self._held = self._held, {}
        for publish in held.values():
            publish()

    # Whole conversations, over HTTP.

    async def mark_conversation(self, caller: Caller, kind: str, other: str, up_to: int | None, *, read: bool) -> None:
        """Store that the caller has received or read a conversation up to a message, and notify senders.

        It is the same as `record_receipt` for the last message of others up to `up_to`. If there is none, nothing is
        done.

        Args:
            caller: the reader.
            kind: `user` or `group`.
            other: the uid or guid.
            up_to: the id of a message; None for the whole conversation.
            read: True if they have read it, False if they have only received it.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER: the caller has no such conversation;
                RECEIPTS_TEMPORARILY_BLOCKED: the server has too much to do.
        """
        self._check_load()
        conversation = await self._authorizer.conversation(caller, kind, other)
        last = await self._last_from_others(conversation, caller.uid, up_to)
        if last is not None:
            await self._mark(caller, last, read=read)

    async def _last_from_others(self, conversation: ConversationKey, uid: str, up_to: int | None) -> MessageRow | None:
        last = await self._store.conversations.last_from_others(conversation, uid, up_to)
        return await self._store.messages.get(last) if last else None

    async def mark_unread(self, caller: Caller, kind: str, other: str, message_id: str | int) -> int:
        """Mark a conversation as unread from a message on. Return the message's id.

        For a client, the message itself becomes unread. For a REST key, only the messages after it do. Earlier messages
        stay read or unread, as they are.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER: the caller has no such conversation;
                ERR_MESSAGE_ID_NOT_FOUND: it has no such message.
        """
        conversation = await self._authorizer.conversation(caller, kind, other)
        row = await self._authorizer.message(caller, message_id, "read")
        if row.conversation_id != conversation:
            raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"messageId": "This message is not in this conversation."})
        after = row.id if caller.key else row.id - 1
        number = await self._store.read_state.mark_unread_after(conversation, caller.uid, after, caller.device)
        if number:
            self._delivery.publish_own_list_change(caller, "changed", number, conversation)
        return row.id
