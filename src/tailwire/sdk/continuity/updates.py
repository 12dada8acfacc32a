"""Which receipts were missed: they change older messages and have no id of their own, so the update time tells (K2).

Rules: the time only rises, and only by what was heard on a connection that has caught up; it is asked for with a
margin, because the server holds receipts back for a moment; what was told already is known by reader, kind and id.
"""

from __future__ import annotations

from tailwire.sdk.continuity.state import CatchUp

MARGIN = 5
MAX_TOLD = 2000


def since(m: CatchUp) -> int | None:
    """From which server time on to ask for changes; None when there is nothing to go by."""
    if not m.enabled or m.position is None or m.position.updated_at <= 0:
        return None
    return max(1, m.position.updated_at - MARGIN)


def heard(m: CatchUp, updated_at: int) -> None:
    """Something of this server time was heard. It counts only while nothing older can be missing."""
    if m.behind is None and m.position is not None and updated_at > m.position.updated_at:
        m.position = m.position._replace(updated_at=updated_at)


def told(m: CatchUp, conversation: str, reader: str, kind: str, message_id: int) -> bool:
    """A receipt is about to be told. Answers whether it says more than what was told before, and notes it."""
    key = (conversation, reader, kind)
    if m.told.get(key, 0) >= message_id:
        return False
    m.told[key] = message_id
    m.told.move_to_end(key)
    if len(m.told) > MAX_TOLD:
        m.told.popitem(last=False)
    return True
