"""Find missed receipts by fetching the messages that they changed (K2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tailwire.sdk.continuity import catch_up, updates
from tailwire.sdk.continuity.state import CatchUp
from tailwire.sdk.dispatch import history
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.listeners import events as e
from tailwire.wire.entities import BaseMessage, MessageReceipt, User


async def fetch_missed(
    fetch: history.Fetch,
    queue: EventQueue,
    machine: CatchUp,
    uid: str,
    begin: int,
    chance: Callable[[], float],
    on_failure: Callable[[], None],
) -> int:
    """Fetch the messages that changed since a server time, and queue the receipts that the app has not received yet.

    For each page of messages, conversation and kind (delivered or read), only the receipt of the newest message is
    queued. A failed request is repeated.

    Args:
        fetch: requests messages, with the parameters of a query.
        queue: gets a `ReceiptReceived` for each receipt; while it is full, nothing is requested.
        machine: records which receipts were handed over.
        uid: the logged-in user; only receipts of their own messages are queued.
        begin: the server time, in seconds since 1970.
        chance, on_failure: the arguments of `history.retry_until_answered`.

    Returns:
        The newest `updated_at` of these messages; 0 if nothing changed.

    Raises:
        Abandoned: if `on_failure` raised it.
    """
    cursor, newest = 0, 0
    while True:
        await history.wait_for_capacity(queue)
        most = catch_up.MAX_PAGE_SIZE
        query = {"per_page": most, "affix": "append", "id": cursor, "updatedAt": begin, "onlyUpdates": 1}
        listed = await history.retry_until_answered(partial(fetch, query), chance, on_failure)
        messages = [message for _, message in history.messages_with_ids(listed) if isinstance(message, BaseMessage)]
        for kind in ("delivered", "read"):
            latest = {(m.receiver_type, m.receiver): m for m in messages if _has_receipt(m, kind, uid, begin)}
            for message in latest.values():
                _queue_receipt(queue, machine, uid, message, kind)
        newest = max([newest, *(m.updated_at for m in messages)])
        end = max(map(history.id_of, listed), default=0)
        if len(listed) < most or end <= cursor:
            return newest
        cursor = end


def _has_receipt(message: BaseMessage, kind: str, uid: str, begin: int) -> bool:
    at = message.delivered_at if kind == "delivered" else message.read_at
    mine = message.sender.uid == uid
    return mine and at >= begin


def _queue_receipt(queue: EventQueue, machine: CatchUp, uid: str, message: BaseMessage, kind: str) -> None:
    at = message.delivered_at if kind == "delivered" else message.read_at
    if message.receiver_type == "group":
        # The times of a group message are those when all members had received or read it.
        of_all = "deliveredToAll" if kind == "delivered" else "readByAll"
        group = message.receiver
        if updates.record_receipt(machine, uid, f"group {group}", of_all, message.id):
            queue.put(e.ReceiptReceived(MessageReceipt(message.id, User(""), group, "group", of_all, at)))
        return
    reader = message.receiver_entity
    if not isinstance(reader, User):
        reader = User(message.receiver)
    if updates.record_receipt(machine, uid, reader.uid, kind, message.id):
        queue.put(e.ReceiptReceived(MessageReceipt(message.id, reader, uid, "user", kind, at)))
