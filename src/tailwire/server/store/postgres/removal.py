"""Permanent removal of users, groups, conversations and messages, with all that belongs to them. Ids are not reused.

If there are many messages, most of them are removed first, in several transactions, so that none delays other writes
for long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tailwire.server.ports import change_log
from tailwire.server.ports.changes import GROUP_REMOVED
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import Event, MemberRow, MessageRow
from tailwire.server.ports.standing import GroupAct, GroupStanding
from tailwire.server.store.postgres.access import DatabaseAccess, use_files
from tailwire.server.store.postgres.change_log import ChangeLog, stored_number, stored_numbers
from tailwire.server.store.postgres.chores import Chores, add_chores
from tailwire.server.store.postgres.messages import TABLES_OF_MESSAGES
from tailwire.server.store.postgres.read_state import record_times_without
from tailwire.server.store.postgres.standings import Standings
from tailwire.server.store.postgres.tokens import end_tokens
from tailwire.server.store.postgres.unit import Unit, Value
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.sql import removed_names
from tailwire.server.store.sql.change_log import OF_CONVERSATION_CONDITION, OF_USER_CONDITION
from tailwire.server.store.sql.files import CONDEMNED
from tailwire.server.store.sql.read_state import MEMBERSHIPS_WITH_RECEIPTS_SQL
from tailwire.server.store.sql.removed_sends import FORGET_SQL, KEPT_SECONDS, REMEMBER_SQL
from tailwire.server.store.sql.users import FORGET_READ_STATE_SQL, LEAVE_GROUPS_SQL, TABLES_OF_USER

MESSAGES_PER_STEP = 2_000
MESSAGES_PER_SEARCH = 20_000
"""How many messages of all users one read looks through for those of a removed user. No index finds all of them: it
would be written by each send."""

_OWN = "(SELECT conversation_id FROM participants WHERE uid = :uid)"
_THEIRS = f"(sender = :uid OR conversation_id IN {_OWN})"
_SEARCHED_SQL = """SELECT max(id), count(*) FROM (SELECT id FROM messages WHERE id > :after ORDER BY id LIMIT :most)
AS following"""
_FIND_SQL = f"SELECT id FROM messages WHERE id > :after AND id <= :until AND {_THEIRS} ORDER BY id"
_LISTED = "SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(:ids::jsonb)"
_LISTED_OR_NEW = f"id IN ({_LISTED} UNION SELECT id FROM messages WHERE id > :after::bigint AND {_THEIRS})"
_LAST_MESSAGE_ID = (
    "coalesce((SELECT m.id FROM messages m WHERE m.conversation_id = c.conversation_id {which}"
    " ORDER BY m.id DESC LIMIT 1), 0)"
)
_SHOWN = (
    "AND m.id <= c.shown_message_id AND m.parent_id IS NULL AND NOT (m.category = 'action' AND m.type = 'message') AND"
    " NOT (m.category = 'custom' AND convert_from(m.body, 'UTF8') IS JSON"
    " AND tailwire_json(m.body) #> '{data,updateConversation}' IS NOT DISTINCT FROM 'false'::jsonb)"
)
_UPDATE_LAST_SQL = (
    f"UPDATE conversations c SET last_message_id = {_LAST_MESSAGE_ID.format(which='')},"
    f" shown_message_id = {_LAST_MESSAGE_ID.format(which=_SHOWN)}"
    " WHERE c.conversation_id IN (SELECT conversation_id FROM removed)"
)
_COUNT_REPLIES_SQL = (
    "UPDATE messages p SET reply_count = (SELECT count(*) FROM messages r WHERE r.parent_id = p.id)"
    " WHERE p.id IN (SELECT parent_id FROM removed)"
)
# The rows are emptied rather than deleted. Otherwise a process that has already read a message could still index it.
_FORGET_WORDS_SQL = (
    "INSERT INTO words (message_id, words) SELECT id, '' FROM removed ORDER BY id"
    " ON CONFLICT (message_id) DO UPDATE SET words = ''"
)
_RELEASE_SQL = (
    "WITH gone AS (DELETE FROM file_uses WHERE place = 'message' AND key IN (SELECT CAST(id AS text) FROM removed)"
    " RETURNING key, name) UPDATE files f SET unused_since = :now::bigint FROM (SELECT DISTINCT name FROM gone) AS g"
    " WHERE f.name = g.name AND f.used < 2 AND NOT EXISTS (SELECT FROM file_uses u WHERE u.name = f.name"
    " AND NOT (u.place = 'message' AND u.key IN (SELECT key FROM gone)))"
)
_NO_CONVERSATION_CONDITION = "NOT EXISTS (SELECT FROM conversations WHERE conversation_id = :conversation)"
_REMEMBER_REMOVED_SQL = REMEMBER_SQL.format(
    which="id IN (SELECT id FROM removed)", now=":now::bigint", since=":since::bigint"
)


class Removal:
    """`ports.store.Removal` on PostgreSQL."""

    def __init__(
        self, access: DatabaseAccess, standings: Standings, chores: Chores, webhooks: Webhooks, log: ChangeLog
    ) -> None:
        self._access = access
        self._standings = standings
        self._chores = chores
        self._webhooks = webhooks
        self._log = log
        chores.add_late_removal = self._remove_late

    async def remove_user(
        self, uid: str, *, with_messages: bool, anonymous: bool = False, receipt_members: int = 0
    ) -> tuple[list[str], list[str]]:
        left = await self._remove_most_of(uid) if with_messages else {}
        values = {"uid": uid, "most": receipt_members}
        memberships = [MemberRow(*row) for row in await self._access.reads.rows(MEMBERSHIPS_WITH_RECEIPTS_SQL, values)]
        unit = Unit()
        unit.run_returning("SELECT guid FROM members WHERE uid = :uid ORDER BY guid", uid=uid)
        end_tokens(unit, "uid = :uid", uid=uid)
        for membership in sorted(memberships, key=lambda one: one.guid):  # in the order in which receipts take turns
            record_times_without(unit, membership, self._access.world.seconds())
        unit.run(LEAVE_GROUPS_SQL.format(uid=":uid"), uid=uid)
        if with_messages:
            self.remove_messages(unit, _LISTED_OR_NEW, {"uid": uid, **left}, None)
            for table in ("marks", "conversations"):
                unit.run(f"DELETE FROM {table} WHERE conversation_id IN {_OWN}", uid=uid)
            unit.run(f"DELETE FROM participants WHERE conversation_id IN {_OWN}", uid=uid)
            unit.run(f"UPDATE files SET used = {CONDEMNED}, unused_since = 0 WHERE uid = :uid", uid=uid)
        if with_messages or anonymous:
            unit.run("UPDATE files SET uid = '', file_name = 'file' WHERE uid = :uid", uid=uid)
            add_chores(unit, uid, self._access.world.seconds(), with_messages=with_messages)
        use_files(unit, "user", uid, (), self._access.world.seconds())
        for statement in FORGET_READ_STATE_SQL:
            unit.run(statement.format(uid=":uid"), uid=uid)
        for table in TABLES_OF_USER:
            unit.run(f"DELETE FROM {table} WHERE uid = :uid", uid=uid)
        self._remember(unit, "user", uid)
        unit.run("DELETE FROM blocks WHERE uid = :uid OR blocked = :uid", uid=uid)
        unit.run("DELETE FROM friends WHERE uid = :uid OR friend = :uid", uid=uid)
        self._log.remove_entries(unit, OF_USER_CONDITION, uid=uid, own=change_log.own_subject(uid))
        unit.invalidate("user", uid)
        results = (await self._access.carry_out(unit)).results
        self._chores.report_added()
        return [row["guid"] for row in results[0]], [row["token_hash"] for row in results[2]]

    def _remove_late(self, unit: Unit, uid: str, after_id: int) -> None:
        # If a user with this uid was created again, the messages sent since then are theirs.
        theirs = (
            f"id > :after::bigint AND {_THEIRS} AND NOT EXISTS"
            " (SELECT FROM users u WHERE u.uid = :uid AND u.created_at <= messages.sent_at)"
        )
        self.remove_messages(unit, theirs, {"uid": uid, "after": after_id}, None)
        empty = f"conversation_id IN {_OWN} AND NOT EXISTS (SELECT FROM users WHERE uid = :uid)"
        for table in ("marks", "conversations", "participants"):
            unit.run(f"DELETE FROM {table} WHERE {empty}", uid=uid)

    async def remove_group(
        self, act: GroupAct, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> tuple[list[str], int]:
        key = key_of("", act.guid, "group")

        async def attempt() -> tuple[list[str], int]:
            async def allowed(unit: Unit) -> None:
                await self._standings.read_group(unit, act)

            await self._thin_out("conversation_id = :conversation", {"conversation": key}, allowed)
            unit = Unit()
            reported = await self._webhooks.wanted_events(events(await self._standings.read_group(unit, act)))
            unit.run_returning("SELECT uid FROM members WHERE guid = :guid ORDER BY uid", guid=act.guid)
            self._remove_conversation(unit, key)
            self._log.add_group_removal(unit, act.guid, act.actor, act.device)
            use_files(unit, "group", act.guid, (), self._access.world.seconds())
            for table in ("members", "bans", "groups"):
                unit.run(f"DELETE FROM {table} WHERE guid = :guid", guid=act.guid)
            self._remember(unit, "group", act.guid)
            self._webhooks.queue(unit, reported)
            unit.invalidate("group", act.guid)
            unit.invalidate(GROUP_REMOVED, act.guid)
            answer = await self._access.carry_out(unit)
            self._webhooks.report_queued(reported)
            self._chores.report_added()
            return [row["uid"] for row in answer.results[0]], stored_number(answer)

        return await self._access.decide(("group", act.guid), attempt)

    def _remember(self, unit: Unit, kind: str, name: str) -> None:
        # The messages of the same batch, and those that wait behind it, are not stored.
        now = self._access.world.seconds()
        unit.run(removed_names.REMEMBER_SQL.format(now=":now::bigint"), kind=kind, name=name, now=now)
        unit.run(removed_names.FORGET_SQL.format(since=":since::bigint"), since=now - removed_names.KEPT_SECONDS)

    async def clean(self) -> None:
        """Forget the names of the removed that were kept for `removed_names.KEPT_SECONDS`."""
        since = self._access.world.seconds() - removed_names.KEPT_SECONDS
        await self._access.reads.run(removed_names.FORGET_SQL.format(since="?"), (since,))

    async def remove_conversation(
        self, conversation_id: ConversationKey, by: str = "", device: str = ""
    ) -> dict[str, int]:
        await self._thin_out("conversation_id = :conversation", {"conversation": conversation_id})
        unit = Unit()
        changes = change_log.conversation_removed(conversation_id, by, device)
        unit.end_if(_NO_CONVERSATION_CONDITION, conversation=conversation_id)
        self._remove_conversation(unit, conversation_id)
        for change in changes.values():
            self._log.add(unit, change, self._access.world.seconds())
        unit.invalidate("conversation", conversation_id)
        answer = await self._access.carry_out(unit)
        self._chores.report_added()
        return dict(zip(changes, stored_numbers(answer), strict=True)) if answer.ended is None else {}

    async def remove_message(self, message: MessageRow) -> None:
        unit = Unit()
        self.remove_messages(unit, "id = :id::bigint", {"id": message.id}, None)
        await self._access.carry_out(unit)
        self._chores.report_added()

    async def _remove_most_of(self, uid: str) -> dict[str, Value]:
        # Removes messages of a user, and of their conversations with one other user, step by step until few are left.
        # They are looked for without the lock of writes, which a search of the whole table would hold for too long.
        # Returns the ids of those that are left, and the id up to which it was looked, for `_LISTED_OR_NEW`.
        ids: list[int] = []
        after, read = 0, MESSAGES_PER_SEARCH
        while read == MESSAGES_PER_SEARCH:
            bounds = {"after": after, "most": MESSAGES_PER_SEARCH}
            until, read = await self._access.reads.first_row(_SEARCHED_SQL, bounds)
            if until is not None:
                values = {"uid": uid, "after": after, "until": until}
                ids += [row[0] for row in await self._access.reads.rows(_FIND_SQL, values)]
                after = until
            while len(ids) >= MESSAGES_PER_STEP:
                unit = Unit()
                self.remove_messages(unit, f"id IN ({_LISTED})", {"ids": ids[:MESSAGES_PER_STEP]}, None)
                await self._access.carry_out(unit)
                del ids[:MESSAGES_PER_STEP]
        return {"ids": ids, "after": after}

    async def _thin_out(
        self, which: str, values: dict[str, Value], allowed: Callable[[Unit], Awaitable[None]] | None = None
    ) -> None:
        # Removes messages step by step until few are left.
        while True:
            unit = Unit()
            if allowed is not None:
                await allowed(unit)
            unit.end_if(
                f"(SELECT count(*) FROM (SELECT FROM messages WHERE {which} LIMIT {MESSAGES_PER_STEP}) AS m)"
                f" < {MESSAGES_PER_STEP}",
                **values,
            )
            self.remove_messages(unit, which, values, MESSAGES_PER_STEP)
            if (await self._access.carry_out(unit)).ended is not None:
                return

    def _remove_conversation(self, unit: Unit, conversation_id: ConversationKey) -> None:
        self.remove_messages(unit, "conversation_id = :conversation", {"conversation": conversation_id}, None)
        for table in ("conversations", "marks", "receipts", "participants"):
            unit.run(f"DELETE FROM {table} WHERE conversation_id = :conversation", conversation=conversation_id)
        self._log.remove_entries(unit, OF_CONVERSATION_CONDITION, conversation=conversation_id)

    def remove_messages(self, unit: Unit, which: str, values: dict[str, Value], most: int | None) -> None:
        """Add to a unit the steps that remove messages, with all that belongs to them.

        Later steps of the unit may use the temporary table `removed`, which has a row (`id`, `conversation_id`,
        `parent_id`) for each removed message.

        Args:
            unit: the unit.
            which: the condition on the messages, in SQL with `:name` for each of `values`.
            values: the values of the condition.
            most: how many messages to remove at most, besides the announcements of their edits; None for all.
        """
        limit = f"LIMIT {most}" if most is not None else ""
        unit.run("DROP TABLE IF EXISTS removed")
        unit.run(
            "CREATE TEMPORARY TABLE removed ON COMMIT DROP AS"
            f" SELECT id, conversation_id, parent_id FROM messages WHERE {which} {limit}",
            **values,
        )
        # The action message of an edit has the content, and may be from another sender.
        unit.run(
            "INSERT INTO removed SELECT m.id, m.conversation_id, m.parent_id FROM messages m WHERE m.id = ANY"
            " (ARRAY(SELECT action_id FROM edits WHERE message_id IN (SELECT id FROM removed)))"  # found by the index
            " AND m.id NOT IN (SELECT id FROM removed)"
        )
        for table in TABLES_OF_MESSAGES:
            unit.run(f"DELETE FROM {table} WHERE message_id IN (SELECT id FROM removed)")
        unit.run(_FORGET_WORDS_SQL)
        unit.run(_RELEASE_SQL, now=self._access.world.seconds())
        now = self._access.world.seconds()
        unit.run(_REMEMBER_REMOVED_SQL, now=now, since=now - KEPT_SECONDS)
        unit.run(FORGET_SQL.format(since=":since::bigint"), since=now - KEPT_SECONDS)
        unit.run("DELETE FROM messages WHERE id IN (SELECT id FROM removed)")
        unit.run(_UPDATE_LAST_SQL)
        unit.run(_COUNT_REPLIES_SQL)
