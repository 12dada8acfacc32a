"""Find missed receipts (K2). A receipt changes older messages and has no id, so update times are compared.

The state has the server time up to which all receipts were received. It only rises, and only on a connection that has
caught up. Receipts are requested from `MARGIN_SECONDS` earlier, because the server delays them for a moment; those that
were handed over before are recognised by conversation, reader, kind and message id.
"""

from __future__ import annotations

from tailwire.sdk.continuity.state import CatchUp

MARGIN_SECONDS = 5
MAX_RECEIPTS = 2000


def request_since(m: CatchUp) -> int | None:
    """Return the server time from which to request changed messages, in seconds since 1970.

    None if no time is known, or catch-up is disabled.
    """
    if not m.enabled or m.position is None or m.position.updated_at <= 0:
        return None
    return max(1, m.position.updated_at - MARGIN_SECONDS)


def record_time(m: CatchUp, updated_at: int) -> None:
    """Record a server time, in seconds since 1970, up to which all changes were received.

    Does nothing during a catch-up: older changes may be missing.
    """
    if m.behind is None and m.position is not None and updated_at > m.position.updated_at:
        m.position = m.position._replace(updated_at=updated_at)


def record_receipt(m: CatchUp, conversation: str, reader: str, kind: str, message_id: int) -> bool:
    """Record a receipt. Return False if the app already received it, or one for a newer message.

    The last `MAX_RECEIPTS` combinations of conversation, reader and kind are remembered.

    Args:
        kind: the `receipt_type`, such as `read`.
    """
    key = (conversation, reader, kind)
    if m.receipts.get(key, 0) >= message_id:
        return False
    m.receipts[key] = message_id
    m.receipts.move_to_end(key)
    if len(m.receipts) > MAX_RECEIPTS:
        m.receipts.popitem(last=False)
    return True
