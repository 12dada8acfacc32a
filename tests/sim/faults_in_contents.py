"""Faults that are planted in tags, mentions and files, in logouts of single devices, and at limits that are set low."""

from __future__ import annotations

import json
from collections.abc import Callable

from planting import Planter
from tailwire.sdk.continuity import catch_up, chain
from tailwire.server.actions.catch_up import CatchUp
from tailwire.server.actions.delivery import Delivery
from tailwire.server.fanout.hub import Hub
from tailwire.server.ports.push_records import DueNotification, NotificationRow
from tailwire.server.store.sql.notifications import _N_COLUMNS, NotificationRows
from tailwire.server.uploads.folder import FolderUploads
from tailwire.wire.close_codes import CloseCode


def _missed_messages_lack(patch: Planter, change: Callable[[dict], object]) -> None:
    honest = CatchUp._render

    async def render(self, caller, rows, former):
        rendered = await honest(self, caller, rows, former)
        found = [json.loads(one) for one in rendered]
        for one in found:
            change(one)
        return [json.dumps(one).encode() for one in found]

    patch.setattr(CatchUp, "_render", render)


def _missed_messages_lack_their_tags(patch: Planter) -> None:
    _missed_messages_lack(patch, lambda message: message.pop("tags", None))


def _missed_messages_lack_their_mentions(patch: Planter) -> None:
    _missed_messages_lack(
        patch, lambda message: isinstance(message["data"], dict) and message["data"].pop("mentions", 0)
    )


def _files_of_deleted_messages_stay(patch: Planter) -> None:
    async def remove(self, names):
        return None

    patch.setattr(FolderUploads, "remove", remove)


def _logout_of_one_device_ends_the_others(patch: Planter) -> None:
    def close_revoked(self, subject, revoked):
        self.flush()
        for socket in list(self._by_subject.get(subject, ())):
            socket.close(CloseCode.NORMAL, "logged out")

    patch.setattr(Hub, "_close_revoked", close_revoked)


def _sockets_of_revoked_tokens_stay(patch: Planter) -> None:
    patch.setattr(Delivery, "close_revoked", lambda self, uid, token, reason: None)


def devices_that_were_logged_out_are_notified(patch: Planter) -> None:
    async def queue(self, message_id, reaction_id, uids, registered_before, now):
        values = [message_id, reaction_id, now, now, registered_before]
        wanted = self._db.dialect.any_of("t.uid", uids, values)
        await self._db.run(
            "INSERT INTO notifications (message_id, reaction_id, token_hash, uid, provider, queued_at, due_at)"
            " SELECT ?, ?, t.token_hash, t.uid, t.provider, ?, ? FROM push_tokens t"
            f" WHERE t.created_at <= ? AND {wanted} ON CONFLICT (message_id, reaction_id, token_hash) DO NOTHING",
            values,
        )

    async def due(self, provider, now, limit):
        rows = await self._db.rows(
            f"SELECT {_N_COLUMNS}, t.platform, t.token FROM notifications n"
            " LEFT JOIN push_tokens t ON t.token_hash = n.token_hash AND t.uid = n.uid"
            " WHERE n.provider = ? AND n.sent_at IS NULL AND n.failed_at IS NULL AND n.due_at <= ? LIMIT ?",
            (provider, now, limit),
        )
        return [DueNotification(NotificationRow._make(row[:-2]), row[-2] or "", row[-1]) for row in rows]

    patch.setattr(NotificationRows, "queue", queue)
    patch.setattr(NotificationRows, "due_notifications", due)


def _what_is_not_remembered_counts_as_new(patch: Planter) -> None:
    patch.setattr(catch_up, "_forget_oldest", lambda m: m.recent.popitem(last=False) and None)


def known_messages_count_as_missed(patch: Planter) -> None:
    honest = chain.on_wait_over

    def waited(m):
        found = honest(m)
        m.in_full = False
        return [catch_up.next_page(m)] if found else []

    patch.setattr(chain, "on_wait_over", waited)


FAULTS_IN_CONTENTS: list[Callable[[Planter], None]] = [
    _missed_messages_lack_their_tags,
    _missed_messages_lack_their_mentions,
    _files_of_deleted_messages_stay,
    _logout_of_one_device_ends_the_others,
    _sockets_of_revoked_tokens_stay,
    _what_is_not_remembered_counts_as_new,
]
"""Found by early seeds, which `fault_seeds.json` names."""
