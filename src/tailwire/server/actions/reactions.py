"""What is done to single messages: reactions, pins, saves, threads followed, flags, interactions."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.present import encode, page
from tailwire.server.actions.views import Views
from tailwire.server.ports.records import Event, MessageRow, ReactionRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import messages as rules
from tailwire.server.rules.reasons import FLAG_REASONS, MAX_REMARK

MAX_KINDS = 100
MAX_ELEMENTS = 100


class Flag(msgspec.Struct, rename="camel"):
    """A report of a message as a client sends it."""

    id: str = ""
    reason_id: str = ""
    remark: str | None = None


class Interactions(msgspec.Struct):
    """Which elements of an interactive message were used."""

    interactions: list[str] = []


class Reactions:
    """What can be done to messages.

    Args:
        most_pins, most_saves: in a conversation, of a user.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        doors: Doors,
        views: Views,
        delivery: Delivery,
        world: World,
        *,
        most_pins: int,
        most_saves: int,
    ) -> None:
        self._store = store
        self._directory = directory
        self._doors = doors
        self._views = views
        self._delivery = delivery
        self._world = world
        self._most_pins = most_pins
        self._most_saves = most_saves

    async def _shown(self, row: MessageRow, reader: str) -> bytes:
        fresh = await self._store.messages.get(row.id)
        return await self._views.one(fresh if fresh is not None else row, reader)

    # Reactions.

    async def react(self, caller: Caller, wanted: str, reaction: str, *, take_back: bool = False) -> bytes:
        """React to a message, or take a reaction back. The answer is the message.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, ERR_MESSAGE_ACTION_NOT_ALLOWED, ERR_BAD_REQUEST.
        """
        act = self._doors.message_act(caller, wanted, "react", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        rules.check_reaction(reaction)
        now = self._world.seconds()
        by = await self._by(caller.uid)
        name = "message_reaction_removed" if take_back else "message_reaction_added"

        def told(changed: ReactionRow) -> tuple[Event, ...]:
            return (Event(name, encode({"reaction": _flat(changed, by)})),)

        telling = told if self._store.webhooks.enabled else None
        if take_back:
            changed = await self._store.reactions.remove(act, reaction, now, telling)
        else:
            changed = await self._store.reactions.add(act, reaction, now, MAX_KINDS, telling)
        if changed is not None:
            self._delivery.reaction(caller, row, {"action": name, **_flat(changed, by)})
        return await self._shown(row, caller.reader)

    async def _by(self, uid: str, reader: str = "") -> Any:
        try:
            return await self._directory.entity_for(uid, reader)
        except Refused:
            return {"uid": uid, "name": uid}

    async def reactions(
        self, caller: Caller, wanted: str, reaction: str, *, newer: bool, cursor: int | None, limit: int
    ) -> dict[str, Any]:
        """Who reacted to a message, in the cursor style.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND.
        """
        row = await self._doors.message(caller, wanted, "read")
        rows = await self._store.reactions.find(row.id, reaction, newer=newer, cursor=cursor, limit=limit)
        meta: dict[str, Any] = {"current": {"limit": limit, "count": len(rows)}}
        if rows:
            edge = rows[-1] if newer else rows[0]
            meta["next"] = {"affix": "append" if newer else "prepend", "id": str(edge.id)}
        return {"data": [_flat(r, await self._by(r.uid, caller.reader)) for r in rows], "meta": meta}

    # Pins and saves.

    async def pin(self, caller: Caller, wanted: str, *, pinned: bool) -> bytes:
        """Pin a message in its conversation, or take the pin away. The answer is the message.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, ERR_PERMISSION_DENIED, ERR_PINNED_MESSAGES_LIMIT_EXCEEDED.
        """
        act = self._doors.message_act(caller, wanted, "pin", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        if not await self._store.annotations.pin(act, self._world.seconds(), self._most_pins, pinned=pinned):
            raise Refused("ERR_PINNED_MESSAGES_LIMIT_EXCEEDED", {"limit": self._most_pins})
        self._delivery.pin(caller, row, "pinned" if pinned else "unpinned", await self._shown(row, ""))
        return await self._shown(row, caller.reader)

    async def save(self, caller: Caller, wanted: str, *, saved: bool) -> bytes:
        """Save a message for oneself, or no longer. The answer is the message.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, ERR_SAVED_MESSAGES_LIMIT_EXCEEDED.
        """
        act = self._doors.message_act(caller, wanted, "save", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        if not saved:
            await self._store.annotations.unsave(row.id, caller.uid)
        elif not await self._store.annotations.save(act, self._world.seconds(), self._most_saves):
            raise Refused("ERR_SAVED_MESSAGES_LIMIT_EXCEEDED", {"limit": self._most_saves})
        shown = await self._shown(row, caller.reader)
        self._delivery.save(caller, "saved" if saved else "unsaved", shown)
        return shown

    # Threads, flags, interactions.

    async def follow(self, caller: Caller, wanted: str, *, following: bool) -> dict[str, Any]:
        """Follow a thread, or no longer.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND.
        """
        act = self._doors.message_act(caller, wanted, "follow")
        await self._store.annotations.subscribe(act, wanted=following)
        what = "subscribed to" if following else "unsubscribed from"
        return {
            "success": True,
            "message": f"The user {caller.uid} has {what} the thread of message id {act.message_id}.",
        }

    async def threads(self, caller: Caller, *, limit: int, number: int) -> bytes:
        """A page of the messages whose threads the caller follows."""
        ids, total = await self._store.annotations.followed_threads(
            caller.uid, limit=limit, offset=(number - 1) * limit
        )
        found = await self._store.messages.by_ids(ids)
        rows = [found[i] for i in ids if i in found]
        shown = await self._views.many(rows, caller.reader, following=True)
        return encode(page([msgspec.Raw(s) for s in shown], total=total, limit=limit, number=number))

    async def flag(self, caller: Caller, wanted: str, flag: Flag) -> dict[str, Any]:
        """Report a message.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, ERR_REASON_NOT_FOUND, ERR_BAD_REQUEST.
        """
        act = self._doors.message_act(caller, wanted, "flag")
        row = (await self._store.standings.message(act)).message
        reason = flag.reason_id or flag.id
        if reason not in FLAG_REASONS:
            raise Refused("ERR_REASON_NOT_FOUND", {"id": f"Use one of {', '.join(FLAG_REASONS)}."})
        if flag.remark is not None and len(flag.remark) > MAX_REMARK:
            raise Refused("ERR_BAD_REQUEST", {"remark": f"Use at most {MAX_REMARK} characters."})
        await self._store.annotations.flag(act, reason, flag.remark, self._world.seconds())
        return {"success": True, "message": f"Message {row.id} has been flagged successfully."}

    async def flagged(self, *, limit: int, number: int) -> bytes:
        """A page of what was reported, newest first (REST keys)."""
        rows, total = await self._store.annotations.flags(limit=limit, offset=(number - 1) * limit)
        found = await self._store.messages.by_ids([row[0] for row in rows])
        listed = [
            {
                "message": msgspec.Raw(found[number_].json()) if number_ in found else None,
                "messageId": str(number_),
                "flaggedBy": uid,
                "reasonId": reason,
                "remark": remark,
                "flaggedAt": at,
            }
            for number_, uid, reason, remark, at in rows
        ]
        return encode(page(listed, total=total, limit=limit, number=number))

    async def interact(self, caller: Caller, wanted: str, sent: Interactions) -> dict[str, Any]:
        """Keep that elements of an interactive message were used.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, ERR_INVALID_MESSAGE_CATEGORY, ERR_BAD_REQUEST.
        """
        act = self._doors.message_act(caller, wanted, "interact")
        row = (await self._store.standings.message(act)).message
        if row.category != "interactive":
            raise Refused("ERR_INVALID_MESSAGE_CATEGORY", "Only interactive messages have elements.")
        if not 0 < len(sent.interactions) <= MAX_ELEMENTS or any(not 0 < len(e) <= 100 for e in sent.interactions):
            raise Refused("ERR_BAD_REQUEST", {"interactions": f"Name 1 to {MAX_ELEMENTS} elements."})
        await self._store.annotations.interact(act, sent.interactions, self._world.seconds())
        text = f"The message id {row.id} has been marked as interacted for the user {caller.uid}."
        return {"success": True, "message": text}


def _flat(r: ReactionRow, by: Any) -> dict[str, Any]:
    return {
        "id": str(r.id),
        "messageId": str(r.message_id),
        "reaction": r.reaction,
        "uid": r.uid,
        "reactedAt": r.reacted_at,
        "reactedBy": by,
    }
