"""Actions on single messages: reactions, pins, saves, followed threads, reports, interactions."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.payloads import reaction_payload
from tailwire.server.actions.raw_json import encode, with_field
from tailwire.server.actions.rendering import Renderer, envelope_of
from tailwire.server.actions.services import Services
from tailwire.server.actions.views import ReactionView, ReportView
from tailwire.server.ports.filters import Position
from tailwire.server.ports.records import Event, MessageRow, ReactionRow, ReportRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules import messages as rules
from tailwire.server.rules.reasons import FLAG_REASONS, MAX_REMARK_CHARACTERS

MAX_REACTIONS = 100
"""How many different reactions a message may have."""
MAX_ELEMENTS = 100
MAX_ELEMENT_CHARACTERS = 100


class Reactions:
    """Actions on single messages.

    Args:
        max_pins: how many messages of a conversation may be pinned.
        max_saves: how many messages a user may save.
    """

    def __init__(self, services: Services, renderer: Renderer, *, max_pins: int, max_saves: int) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._renderer = renderer
        self._delivery = services.delivery
        self._world = services.world
        self._max_pins = max_pins
        self._max_saves = max_saves

    async def _render(self, row: MessageRow, reader: str) -> bytes:
        current = await self._store.messages.get(row.id)
        return await self._renderer.render(current if current is not None else row, reader)

    async def _render_changed(self, row: MessageRow, reader: str, saved_at: int = 0) -> bytes:
        # Returns a message after its change. If the store cannot be read now, the message is returned without reactions
        # and the like, because the change is stored and has to be announced.
        try:
            return await self._render(row, reader)
        except Refused:
            return with_field(row.json(), b"savedAt", b"%d" % saved_at) if saved_at else row.json()

    # Reactions.

    async def react(self, caller: Caller, message_id: str, reaction: str, *, take_back: bool = False) -> bytes:
        """Add the caller's reaction to a message, or (`take_back`) remove it. Return the message, encoded.

        Nothing changes if they have reacted with it already, or have no such reaction to remove.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND: there is no such message, or the caller may not read it;
                ERR_MESSAGE_ACTION_NOT_ALLOWED: it is deleted, or an action message; ERR_BLOCKED_RECEIVER,
                ERR_BLOCKED_SENDER: there is a block between the two users; ERR_BAD_REQUEST: the reaction is invalid.
        """
        act = self._authorizer.message_act(caller, message_id, "react", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        rules.check_reaction(reaction)
        now = self._world.seconds()
        by = await self._directory.entity_if_there(caller.uid, "")
        name = "message_reaction_removed" if take_back else "message_reaction_added"

        def events(changed: ReactionRow) -> tuple[Event, ...]:
            return (Event(name, encode({"reaction": reaction_payload(ReactionView(changed, by))})),)

        telling = events if self._store.webhooks.any_enabled else None
        if take_back:
            changed = await self._store.reactions.remove(act, reaction, now, telling)
        else:
            changed = await self._store.reactions.add(act, reaction, now, MAX_REACTIONS, telling)
        if changed is not None:
            self._delivery.publish_reaction(
                caller, row, {"action": name, **reaction_payload(ReactionView(changed, by))}, changed.number
            )
        if changed is not None and changed.message is not None:
            return await self._renderer.render(changed.message, caller.reader)
        return await self._render(row, caller.reader)

    async def reactions(
        self, caller: Caller, message_id: str, reaction: str, *, newer: bool, cursor: int | None, limit: int
    ) -> list[ReactionView]:
        """Return reactions to a message, oldest first.

        Args:
            caller: the reader.
            message_id: the message.
            reaction: only this reaction; "" for all.
            newer: return the oldest reactions after the cursor; otherwise the newest ones before it.
            cursor: the id of a reaction; None for the oldest (`newer`) or the newest reactions to the message.
            limit: how many to return at most.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND.
        """
        row = await self._authorizer.message(caller, message_id, "read")
        rows = await self._store.reactions.find(row.id, reaction, newer=newer, cursor=cursor, limit=limit)
        return [ReactionView(row, await self._directory.entity_if_there(row.uid, caller.reader)) for row in rows]

    # Pins and saves.

    async def pin(self, caller: Caller, message_id: str, *, pinned: bool) -> bytes:
        """Pin a message in its conversation for all participants, or unpin it. Return the message, encoded.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND: there is no such message, or the caller may not read it;
                ERR_MESSAGE_ACTION_NOT_ALLOWED: it is deleted, or an action message; ERR_BLOCKED_RECEIVER,
                ERR_BLOCKED_SENDER: there is a block between the two users; ERR_PERMISSION_DENIED: the caller is only a
                participant of the group; ERR_PINNED_MESSAGES_LIMIT_EXCEEDED: the conversation has as many pinned
                messages as it may have.
        """
        act = self._authorizer.message_act(caller, message_id, "pin", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        now = self._world.seconds()
        number = await self._store.annotations.pin(act, now, self._max_pins, pinned=pinned)
        if not number:
            raise Refused("ERR_PINNED_MESSAGES_LIMIT_EXCEEDED", {"limit": self._max_pins})
        action = "pinned" if pinned else "unpinned"
        at, by = (now, caller.uid) if pinned else (None, None)
        row = row._replace(pinned_at=at, pinned_by=by, updated_at=now)
        frame = self._delivery.frames.pin(caller, row, action, await self._render_changed(row, ""))
        self._delivery.to_conversation(caller, row, frame, number)
        return await self._render_changed(row, caller.reader)

    async def save(self, caller: Caller, message_id: str) -> bytes:
        """Save a message for the caller. Return the message, encoded.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND: there is no such message, or the caller may not read it;
                ERR_MESSAGE_ACTION_NOT_ALLOWED: it is deleted, or an action message; ERR_SAVED_MESSAGES_LIMIT_EXCEEDED:
                the caller has saved as many as they may.
        """
        act = self._authorizer.message_act(caller, message_id, "save", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        now = self._world.seconds()
        number = await self._store.annotations.save(act, now, self._max_saves)
        if not number:
            raise Refused("ERR_SAVED_MESSAGES_LIMIT_EXCEEDED", {"limit": self._max_saves})
        rendered = await self._render_changed(row, caller.reader, now)
        self._delivery.to_own_devices(caller, self._delivery.frames.save(caller, "saved", rendered), number)
        return rendered

    async def unsave(self, caller: Caller, message_id: str) -> bytes:
        """Remove a message from the caller's saved messages. Return the message, encoded.

        If they have saved it and can no longer read it, it is removed as well, and returned without its content.

        Raises:
            Refused: as in `save` for the message, unless they have saved it.
        """
        act = self._authorizer.message_act(caller, message_id, "save", rules.check_changeable)
        try:
            row = (await self._store.standings.message(act)).message
        except Refused as refusal:
            return await self._unsave_unreadable(caller, act.message_id, refusal)
        number = await self._store.annotations.unsave(row.id, caller.uid, caller.device)
        rendered = await self._render_changed(row, caller.reader)
        if number:
            self._delivery.to_own_devices(caller, self._delivery.frames.save(caller, "unsaved", rendered), number)
        return rendered

    async def _unsave_unreadable(self, caller: Caller, message_id: int, refusal: Refused) -> bytes:
        # No frame reports it, neither now nor in a catch-up: no device of the user shows the message.
        if refusal.is_temporary:
            raise refusal
        row = await self._store.messages.get(message_id)
        if row is None or not await self._store.annotations.unsave(message_id, caller.uid, caller.device):
            raise refusal
        return envelope_of(row)

    # Threads, reports, interactions.

    async def follow(self, caller: Caller, message_id: str, *, following: bool) -> int:
        """Have the caller follow the thread of a message, or no longer follow it. Return the message's id.

        Args:
            caller: the user.
            message_id: the message to which the thread replies.
            following: whether they follow it from now on.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND.
        """
        act = self._authorizer.message_act(caller, message_id, "follow")
        await self._store.annotations.subscribe(act, following=following)
        return act.message_id

    async def list_followed_threads(self, caller: Caller, *, limit: int, offset: int) -> tuple[list[msgspec.Raw], int]:
        """Return a page of the threads that the caller follows, and how many there are in total.

        For each thread, the message to which it replies is returned, encoded.
        """
        ids, total = await self._store.annotations.followed_threads(caller.uid, limit=limit, offset=offset)
        found = await self._store.messages.by_ids(ids)
        rows = [found[i] for i in ids if i in found]
        rendered = await self._renderer.render_all(rows, caller.reader, following=True)
        return [msgspec.Raw(s) for s in rendered], total

    async def flag(self, caller: Caller, message_id: str, reason: str, remark: str | None) -> int:
        """Report a message to those who operate the app. Return the message's id.

        If the caller has reported it before, the new report replaces that one.

        Args:
            caller: who reports it.
            message_id: the message.
            reason: why, one of `FLAG_REASONS`.
            remark: a further explanation, or None.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND; ERR_REASON_NOT_FOUND: the reason is not one of `FLAG_REASONS`;
                ERR_BAD_REQUEST: the remark is too long.
        """
        act = self._authorizer.message_act(caller, message_id, "flag")
        row = (await self._store.standings.message(act)).message
        if reason not in FLAG_REASONS:
            raise Refused("ERR_REASON_NOT_FOUND", {"id": f"Use one of {', '.join(FLAG_REASONS)}."})
        if remark is not None and len(remark) > MAX_REMARK_CHARACTERS:
            raise Refused("ERR_BAD_REQUEST", {"remark": f"Use at most {MAX_REMARK_CHARACTERS} characters."})
        await self._store.annotations.add_report(act, reason, remark, self._world.seconds())
        return row.id

    async def list_reports(self, *, limit: int, offset: int) -> tuple[list[ReportView], int]:
        """Return a page of the reports of all messages, newest first, and how many there are. For REST keys only."""
        rows, total = await self._store.annotations.list_reports(limit=limit, offset=offset)
        return await self._report_views(rows), total

    async def reports_after(self, position: Position, limit: int) -> list[ReportView]:
        """Return reports as in `list_reports`, but after a position instead of an offset.

        Args:
            position: the values of the last report that was read by which they are ordered; () to begin.
            limit: how many to return at most.
        """
        return await self._report_views(await self._store.annotations.reports_after(position, limit))

    async def _report_views(self, rows: Sequence[ReportRow]) -> list[ReportView]:
        found = await self._store.messages.by_ids([row.message_id for row in rows])
        return [
            ReportView(number, found[number].json() if number in found else None, uid, reason, remark, at)
            for number, uid, reason, remark, at in rows
        ]

    async def interact(self, caller: Caller, message_id: str, elements: list[str]) -> int:
        """Store that the caller used elements, such as buttons, of an interactive message. Return the message's id.

        Args:
            caller: the user.
            message_id: the message.
            elements: the ids of the elements.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND; ERR_INVALID_MESSAGE_CATEGORY: it is not interactive; ERR_BAD_REQUEST:
                there are none or too many elements, or the name of one is empty or too long.
        """
        act = self._authorizer.message_act(caller, message_id, "interact")
        row = (await self._store.standings.message(act)).message
        if row.category != "interactive":
            raise Refused("ERR_INVALID_MESSAGE_CATEGORY", "Only interactive messages have elements.")
        valid = all(0 < len(e) <= MAX_ELEMENT_CHARACTERS for e in elements)
        if not valid or not 0 < len(elements) <= MAX_ELEMENTS:
            raise Refused("ERR_BAD_REQUEST", {"interactions": f"Name 1 to {MAX_ELEMENTS} elements."})
        await self._store.annotations.add_interactions(act, elements, self._world.seconds())
        return row.id
