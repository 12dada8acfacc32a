"""What comes over a socket: receipts, typing, and coming and going."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.messages import message_id
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.groups import check_visible
from tailwire.server.rules.messages import may_read
from tailwire.server.rules.names import identifier

Later = Callable[[float, Callable[[], None]], object]


class Live:
    """Receipts, typing, presence.

    Args:
        later: calls a function after some seconds.
        receipt_delay: how long receipts are held back and merged, in seconds: a receipt that overtakes the answer to
            the send that it speaks of is lost by the JavaScript SDK.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        delivery: Delivery,
        world: World,
        later: Later,
        receipt_delay: float,
    ) -> None:
        self._store = store
        self._directory = directory
        self._delivery = delivery
        self._world = world
        self._later = later
        self._receipt_delay = receipt_delay
        self._receipts: dict[tuple[str, str, str], tuple[Caller, str, str, str, dict[str, Any]]] = {}

    async def typing(self, caller: Caller, receiver: str, receiver_type: str, action: str, metadata: Any) -> None:
        """Tell those concerned that the caller began (`started`) or stopped (`ended`) typing.

        Raises:
            Refused: when she may not write there, or the frame is not valid.
        """
        if action not in ("started", "ended"):
            raise Refused("ERR_BAD_REQUEST", {"body.action": "Use started or ended."})
        receiver = await self._addressee(caller, receiver, receiver_type)
        user = await self._directory.user_entity(caller.uid)
        body = {"action": action, "user": user, "metadata": metadata or {}}
        self._delivery.typing(caller, receiver, receiver_type, body)

    async def _addressee(self, caller: Caller, receiver: str, receiver_type: str) -> str:
        if receiver_type not in ("user", "group"):
            raise Refused("ERR_INVALID_RECEIVER_TYPE")
        receiver = identifier(receiver, "receiver")
        if receiver_type == "user":
            await self._directory.user_entity(receiver)
            return receiver
        member = await self._store.member(receiver, caller.uid)
        check_visible(await self._store.group(receiver), member)
        if member is None:
            raise Refused("ERR_NOT_A_MEMBER")
        return receiver

    async def receipt(self, caller: Caller, action: str, wanted: str | int) -> None:
        """Note that the caller has received, or read, a conversation up to a message; tell its sender.

        Raises:
            Refused: when there is no such message for her, or the frame is not valid.
        """
        if action not in ("delivered", "read"):
            raise Refused("ERR_BAD_REQUEST", {"body.action": "Use delivered or read."})
        row = await self._store.message(message_id(wanted))
        group = row is not None and row.receiver_type == "group"
        member = await self._store.member(row.receiver, caller.uid) if row and group else None
        if row is None or not may_read(row, caller.uid, member.joined_after_id if member else None):
            raise Refused("ERR_MESSAGE_ID_NOT_FOUND")
        if row.sender == caller.uid:
            return
        now = self._world.seconds()
        read = action == "read"
        if not await self._store.mark(row.conversation_id, caller.uid, row.id, now, read=read, group=group):
            return
        user = await self._directory.user_entity(caller.uid)
        body = {"action": action, "messageId": str(row.id), "user": user, "timestamp": now}
        receiver = row.receiver if group else row.sender
        if not self._receipts:
            self._later(self._receipt_delay, self._send_receipts)
        key = (row.conversation_id + "\0" + row.sender, caller.uid, action)
        self._receipts[key] = (caller, receiver, row.receiver_type, row.sender, body)

    def _send_receipts(self) -> None:
        held, self._receipts = self._receipts, {}
        for caller, receiver, receiver_type, sender, body in held.values():
            self._delivery.receipt(caller, receiver, receiver_type, sender, body)

    async def came(self, uid: str) -> None:
        """The first socket of a user opened."""
        await self._presence(uid, "online")

    async def went(self, uid: str) -> None:
        """The last socket of a user ended."""
        await self._store.seen(uid, self._world.seconds())
        if not self._directory.is_online(uid):  # she may be back already: then offline would be the last word
            await self._presence(uid, "offline")

    async def _presence(self, uid: str, action: str) -> None:
        self._directory.forget(uid)
        row = await self._directory.user(uid)
        body = {"action": action, "timestamp": self._world.seconds(), "user": self._directory.present(row)}
        self._delivery.presence(uid, row.role, body)
