"""Action messages of groups: messages that report that a user joined, left, was kicked, has another scope …"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.payloads import as_entity, group_payload
from tailwire.server.actions.raw_json import encode, with_field
from tailwire.server.actions.views import GroupView
from tailwire.server.ports.conversations import conversation_of, key_of
from tailwire.server.ports.records import Draft, Event
from tailwire.server.ports.standing import GroupStanding

MemberAction = Literal["joined", "left", "added", "kicked", "banned", "unbanned", "scopeChanged"]


@dataclass(frozen=True, slots=True)
class MemberLists:
    """The uids of users to add to a group, by the scope that they get, and of users to ban from it."""

    admins: list[str]
    moderators: list[str]
    participants: list[str]
    banned: list[str]


_TRIGGERS: dict[MemberAction, str] = {
    "joined": "group_member_joined",
    "left": "group_member_left",
    "added": "group_member_added",
    "kicked": "group_member_kicked",
    "banned": "group_member_banned",
    "unbanned": "group_member_unbanned",
    "scopeChanged": "group_member_scope_changed",
}
_COUNT_CHANGES: dict[MemberAction, int] = {"joined": 1, "added": 1, "left": -1, "kicked": -1, "banned": -1}


class MemberActions:
    """Drafts action messages that report what happens to the members of a group."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def drafter(
        self,
        caller: Caller,
        action: MemberAction,
        uid: str,
        now: int,
        extras: Callable[[GroupStanding], dict[str, Any] | None] = lambda _: None,
    ) -> Callable[[GroupStanding], Draft]:
        """Return a function that drafts the action message; the store calls it in the transaction of the change.

        Args:
            caller: who acts.
            action: what happens.
            uid: the user who is acted on. They may have been deactivated.
            now: whole seconds since 1970.
            extras: returns further content of the message, or None if there is none.

        Returns:
            The function. It and `extras` get the group and the memberships of both users before the change.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the caller does not exist, or is deactivated.
        """
        by = await self._directory.stored_entity(caller.uid)
        on = await self._directory.stored_entity_even_if_absent(uid) if uid != caller.uid else by

        def draft(before: GroupStanding) -> Draft:
            counts = action in ("joined", "added") or before.subject is not None
            change = _COUNT_CHANGES.get(action, 0) if counts else 0
            after = {**group_payload(GroupView(before.group)), "membersCount": before.group.members_count + change}
            more = extras(before) or {}
            entities = {"by": as_entity(by, "user"), "on": as_entity(on, "user"), "for": as_entity(after, "group")}
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
            member = bytes(on)
            if action == "scopeChanged" and more:  # in webhooks the scopes are fields of the member, as in CometChat's
                member = with_field(member, b"scope", encode(more["scope"]["new"]))
                member = with_field(member, b"oldScope", encode(more["scope"]["old"]))
            data = {"group": after, "members": {uid: msgspec.Raw(member)}, "by": by}
            event = Event(_TRIGGERS[action], encode(data))
            return Draft(
                key_of("", guid, "group"), caller.uid, guid, "group", "action", "groupMember", encode(fields), now,
                events=(event,),
            )  # fmt: skip

        return draft
