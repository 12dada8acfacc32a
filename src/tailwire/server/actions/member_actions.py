"""The action messages of groups: who came, went, was put out, or may do something else from now on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.payloads import encode, entity, group
from tailwire.server.ports.conversations import conversation_of, key_of
from tailwire.server.ports.records import Draft, Event
from tailwire.server.ports.standing import GroupStanding

_EVENTS = {
    "joined": "group_member_joined",
    "left": "group_member_left",
    "added": "group_member_added",
    "kicked": "group_member_kicked",
    "banned": "group_member_banned",
    "unbanned": "group_member_unbanned",
    "scopeChanged": "group_member_scope_changed",
}
_CHANGES = {"joined": 1, "added": 1, "left": -1, "kicked": -1, "banned": -1}


class MemberActions:
    """Makes action messages."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def of(
        self,
        caller: Caller,
        action: str,
        uid: str,
        now: int,
        extras: Callable[[GroupStanding], dict[str, Any] | None] = lambda _: None,
    ) -> Callable[[GroupStanding], Draft]:
        """Return what makes the action message, from how things stood before the change.

        Args:
            action: `joined`, `left`, `added`, `kicked`, `banned`, `unbanned` or `scopeChanged`.
            uid: who is acted on.
            now: whole seconds since 1970.
            extras: what else it says.
        """
        by = await self._directory.stored_entity(caller.uid)
        on = await self._directory.stored_entity(uid) if uid != caller.uid else by

        def told(before: GroupStanding) -> Draft:
            comes_or_goes = action in ("joined", "added") or before.on is not None
            change = _CHANGES.get(action, 0) if comes_or_goes else 0
            after = {**group(before.group, None), "membersCount": before.group.members_count + change}
            more = extras(before) or {}
            entities = {"by": entity(by, "user"), "on": entity(on, "user"), "for": entity(after, "group")}
            data: dict[str, Any] = {"action": action, "entities": entities, "resource": caller.device}
            if more:
                data["extras"] = more
            guid = before.group.guid
            fields = {
                "conversationId": conversation_of("", guid, "group"),
                "sender": caller.uid,
                "receiverType": "group",
                "receiver": guid,
                "category": "action",
                "type": "groupMember",
                "data": data,
                "sentAt": now,
            }
            member: Any = on
            if action == "scopeChanged" and more:  # documented: on the member, not beside them
                scopes = {"scope": more["scope"]["new"], "oldScope": more["scope"]["old"]}
                member = msgspec.Raw(b"%b,%b" % (bytes(on)[:-1], encode(scopes)[1:]))
            event = Event(_EVENTS[action], encode({"group": after, "members": {uid: member}, "by": by}))
            return Draft(
                key_of("", guid, "group"), caller.uid, guid, "group", "action", "groupMember", encode(fields), now,
                events=(event,),
            )  # fmt: skip

        return told
