"""Writes messages. Sends are written without reading first. Edits and deletions read the message, and are decided again
if it has changed before they are written."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, EditedContent, ListedRow, MessageRow, Stored, Trait
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.store.postgres.access import (
    DatabaseAccess,
    OvertakenError,
    new_row,
    stored_result,
    texts_of,
    use_files,
)
from tailwire.server.store.postgres.chores import Chores
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.lane import Placement
from tailwire.server.store.postgres.search import SearchIndex
from tailwire.server.store.postgres.standings import Standings
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.sql.messages import MessageRows
from tailwire.server.store.sql.removed_names import REMOVED_SQL, names_of
from tailwire.server.store.sql.removed_sends import IS_REMOVED_SQL

TABLES_OF_MESSAGES = ("reactions", "mentions", "saves", "flags", "interactions", "subscriptions", "edits")
"""Tables whose rows belong to the message in their column `message_id`, and are deleted with it."""
_SEARCHABLE = int(Trait.SEARCHABLE)
_EDIT_SQL = """UPDATE messages SET body = :body::bytea, traits = :traits::int, edited_at = :now::bigint, edited_by =
:by, updated_at = :now::bigint WHERE id = :id::bigint"""
_DELETE_SQL = """UPDATE messages SET body = :body::bytea, traits = 0, deleted_at = :now::bigint, deleted_by = :by,
updated_at = :now::bigint, pinned_at = NULL, pinned_by = NULL WHERE id = :id::bigint"""
_NOBODY_REMOVED_SQL = f"SELECT 1 WHERE NOT EXISTS ({REMOVED_SQL})"
_LAST_EDIT_ID = "(SELECT action_id FROM edits WHERE message_id = :id::bigint)"


class Messages(MessageRows):
    """`MessageStore` on PostgreSQL."""

    def __init__(
        self, access: DatabaseAccess, standings: Standings, index: SearchIndex, chores: Chores, webhooks: Webhooks
    ) -> None:
        super().__init__(access.reads)
        self._access = access
        self._standings = standings
        self._index = index
        self._chores = chores
        self._webhooks = webhooks

    async def add(self, draft: Draft, act: GroupAct | None = None) -> Stored:
        events = await self._webhooks.wanted_events(draft.events)
        placed: Placement = await self._access.lane.submit(Entry(draft, by_member=act is not None, events=events))
        # No await for a new message, so that the callers continue in the order of the ids.
        if placed.new:
            if draft.traits & _SEARCHABLE:
                self._index.update_soon()
            if events:
                self._webhooks.report_queued(events)
            return Stored(new_row(draft, placed.id), new=True, predecessor_id=placed.predecessor_id)
        row = await self.get(placed.id) if placed.id else None
        if row is None:
            if act is not None:  # the sender left, was removed, or the group was deleted meanwhile
                await self._standings.group(act)
            if await self._db.first_row(IS_REMOVED_SQL, (draft.sender, draft.muid)) is not None:
                raise Refused("ERR_MESSAGE_REMOVED")
            await self._access.check_names(draft)
            raise Refused("ERR_NOT_A_MEMBER")
        return Stored(row, new=False)

    async def _search(self, criteria: MessageFilter) -> list[ListedRow]:
        return await self._index.search(criteria, await self._searched(criteria))

    async def edit(
        self,
        act: MessageAct,
        now: int,
        change: Callable[[MessageRow], EditedContent],
        announce: Callable[[MessageRow], Draft],
    ) -> Stored:
        async def attempt() -> Stored:
            unit = Unit()
            before = (await self._standings.read_message(unit, act)).message
            after = change(before)
            traits = after.traits | (before.traits & (Trait.REACTION | Trait.INTERACTED))
            unit.run(_EDIT_SQL, body=after.body, traits=int(traits), now=now, by=act.actor, id=before.id)
            if after.mentions is not None:
                unit.run("DELETE FROM mentions WHERE message_id = :id::bigint", id=before.id)
                unit.run(
                    "INSERT INTO mentions (message_id, uid, conversation_id)"
                    f" SELECT :id::bigint, uid, :conversation FROM {texts_of('uids')} AS t (uid)"
                    " ON CONFLICT DO NOTHING",
                    id=before.id, conversation=before.conversation_id, uids=list(after.mentions),
                )  # fmt: skip
            if after.files is not None:
                use_files(unit, "message", before.id, after.files, self._access.world.seconds())
            self._index.replace(unit, before, after.body)
            forget_last_edit(unit, before.id)
            unit.run(
                "INSERT INTO edits (message_id, action_id) VALUES (:id::bigint, :message_id::bigint)", id=before.id
            )
            draft = announce(before._replace(
                body=after.body, traits=int(traits), edited_at=now, edited_by=act.actor, updated_at=now))  # fmt: skip
            return await self._announce(unit, draft)

        return await self._access.decide(("message", act.message_id), attempt)

    async def delete(
        self, act: MessageAct, now: int, empty: Callable[[MessageRow], bytes], announce: Callable[[MessageRow], Draft]
    ) -> Stored:
        async def attempt() -> Stored:
            unit = Unit()
            before = (await self._standings.read_message(unit, act)).message
            body = empty(before)
            unit.run(_DELETE_SQL, body=body, now=now, by=act.actor, id=before.id)
            for table in ("mentions", "reactions", "saves"):
                unit.run(f"DELETE FROM {table} WHERE message_id = :id::bigint", id=before.id)
            use_files(unit, "message", before.id, (), self._access.world.seconds())
            self._index.replace(unit, before, None)
            forget_last_edit(unit, before.id)  # its action message has the content
            draft = announce(before._replace(
                body=body, traits=0, deleted_at=now, deleted_by=act.actor, updated_at=now, pinned_at=None,
                pinned_by=None))  # fmt: skip
            return await self._announce(unit, draft)

        return await self._access.decide(("message", act.message_id), attempt)

    async def _announce(self, unit: Unit, draft: Draft) -> Stored:
        events = await self._webhooks.wanted_events(draft.events)
        unit.run_required_first(_NOBODY_REMOVED_SQL, **names_of(draft))
        answer = await self._access.carry_out(unit, draft, events)
        if answer.ended is not None:
            await self._access.check_names(draft)
            raise OvertakenError  # another one has the name by now
        self._webhooks.report_queued(events)
        self._chores.report_added()
        return stored_result(draft, answer)


def forget_last_edit(unit: Unit, message_id: int) -> None:
    """Add to a unit the steps that delete the message that announced the last edit of a message, if there is one.

    The rows that belong to that announcement are deleted too. Call this before a new edit is announced: only one
    announcement is kept for each message.
    """
    for table in TABLES_OF_MESSAGES:
        unit.run(f"DELETE FROM {table} WHERE message_id = {_LAST_EDIT_ID}", id=message_id)
    unit.run(f"DELETE FROM messages WHERE id = {_LAST_EDIT_ID}", id=message_id)
    unit.run("DELETE FROM edits WHERE message_id = :id::bigint", id=message_id)
