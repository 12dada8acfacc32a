"""Reads the receipts of the time without a connection (K2): from the messages that they changed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tailwire.sdk.continuity import catch_up, updates
from tailwire.sdk.continuity.state import Machine
from tailwire.sdk.dispatch import history
from tailwire.sdk.dispatch.queue import Queue
from tailwire.sdk.listeners import events as e
from tailwire.wire.entities import BaseMessage, MessageReceipt, User


async def read(
    fetch: history.Fetch,
    queue: Queue,
    machine: Machine,
    uid: str,
    begin: int,
    chance: Callable[[], float],
    failed: Callable[[], None],
) -> int:
    """Read what changed since a server time, and put the receipts into the queue.

    Args:
        machine: knows which receipts were told already.
        uid: the user, whose own messages are concerned.
        begin: server time, in seconds.
        chance, failed: as `history.until_it_comes` takes them.

    Returns:
        The newest server time that was read; 0 when nothing changed.
    """
    cursor, newest = 0, 0
    while True:
        await history.wait_for_room(queue)
        query = {"per_page": catch_up.PAGE, "affix": "append", "id": cursor, "updatedAt": begin, "onlyUpdates": 1}
        listed = await history.until_it_comes(partial(fetch, query), chance, failed)
        messages = [message for _, message in history.known(listed) if isinstance(message, BaseMessage)]
        for kind in ("delivered", "read"):
            latest = {(m.receiver_type, m.receiver): m for m in messages if _has_receipt(m, kind, uid, begin)}
            for message in latest.values():
                _tell(queue, machine, uid, message, kind)
        newest = max([newest, *(m.updated_at for m in messages)])
        end = max(map(history.id_of, listed), default=0)
        if len(listed) < catch_up.PAGE or end <= cursor:
            return newest
        cursor = end


def _has_receipt(message: BaseMessage, kind: str, uid: str, begin: int) -> bool:
    at = message.delivered_at if kind == "delivered" else message.read_at
    mine = message.sender.uid == uid
    return mine and at >= begin


def _tell(queue: Queue, machine: Machine, uid: str, message: BaseMessage, kind: str) -> None:
    at = message.delivered_at if kind == "delivered" else message.read_at
    if message.receiver_type == "group":
        # The times of a group's message say when all of its members had received, or read, it.
        of_all = "deliveredToAll" if kind == "delivered" else "readByAll"
        group = message.receiver
        if updates.told(machine, uid, f"group {group}", of_all, message.id):
            queue.put(e.ReceiptReceived(MessageReceipt(message.id, User(""), group, "group", of_all, at)))
        return
    reader = message.receiver_entity
    if not isinstance(reader, User):
        reader = User(message.receiver)
    if updates.told(machine, uid, reader.uid, kind, message.id):
        queue.put(e.ReceiptReceived(MessageReceipt(message.id, reader, uid, "user", kind, at)))
