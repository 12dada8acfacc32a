"""The sends that must not be stored again, although their muids are free: their messages were removed for good.

A proxy may deliver a send again, and a client repeats one whose answer it has not seen, even after days.
"""

from __future__ import annotations

KEPT_SECONDS = 14 * 24 * 3600
"""How long the muid of a removed message is kept: an outbox may repeat its send after days without a network."""
REMEMBER_SQL = """INSERT INTO removed_sends (uid, muid, at) SELECT sender, muid, {now} FROM messages
WHERE ({which}) AND muid IS NOT NULL AND sent_at > {since} ON CONFLICT DO NOTHING"""
FORGET_SQL = "DELETE FROM removed_sends WHERE at <= {since}"
IS_REMOVED_SQL = "SELECT 1 FROM removed_sends WHERE uid = ? AND muid = ?"
