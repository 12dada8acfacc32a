"""Remembers the muids of messages that were removed for good, so that a repeated send does not store them again.

A proxy may deliver a send twice, and a client repeats a send whose answer it has not seen, even after days.
"""

from __future__ import annotations

KEPT_SECONDS = 14 * 24 * 3600
"""How long the muid of a removed message is kept. The outbox of a client may repeat a send after days without a
network."""
REMEMBER_SQL = """INSERT INTO removed_sends (uid, muid, at) SELECT sender, muid, {now} FROM messages
WHERE ({which}) AND muid IS NOT NULL AND sent_at > {since} ON CONFLICT DO NOTHING"""
FORGET_SQL = "DELETE FROM removed_sends WHERE at <= {since}"
IS_REMOVED_SQL = "SELECT 1 FROM removed_sends WHERE uid = ? AND muid = ?"
