"""REST operations on groups and their members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.groups import Groups
from tailwire.server.actions.member_actions import MemberLists
from tailwire.server.actions.members import Members, Outcome
from tailwire.server.actions.payloads import group_payload
from tailwire.server.limits.rates import RequestKind
from tailwire.server.ports.filters import GroupFilter, MemberFilter
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest import requests, responses
from tailwire.server.rest.cursors import Order, order_by
from tailwire.server.rest.entity_payloads import ban_payload, member_payload
from tailwire.server.rest.operations import Call, Operation
from tailwire.server.rest.queries import BanQuery, GroupQuery, MemberQuery
from tailwire.server.rest.results import SUCCESS, confirmation, page, refused_outcome

_BY_UID = Order("uid", {"uid": str})
_NO_USERS_TEXT = "Name users in admins, moderators, participants or usersToBan, or who joins in the header onBehalfOf."


class GroupRoutes:
    """The REST operations on groups, their members and bans."""

    def __init__(self, groups: Groups, members: Members) -> None:
        self._groups = groups
        self._members = members

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        one, path = responses.Group, "/groups/{guid}"
        return [
            Operation("POST", "/groups", "Create a group", self._create, body=requests.CreateGroup,
                      response=responses.CreatedGroup, feature="createGroup", rate=RequestKind.CORE),
            Operation("GET", "/groups", "List groups", self._list, query=GroupQuery, response=list[responses.Group],
                      feature="listGroups", enveloped=True, compressed=True),
            Operation("GET", path, "Get a group", self._get, response=one, feature="getGroup"),
            Operation("PUT", path, "Change a group", self._update, body=requests.UpdateGroup, response=one,
                      feature="updateGroup"),
            Operation("DELETE", path, "Delete a group", self._delete, response=responses.Confirmation,
                      feature="deleteGroup"),
            Operation("PATCH", path + "/owner", "Transfer the ownership of a group", self._transfer,
                      body=requests.TransferOwnership, response=responses.Confirmation, feature="patchOwner"),
            *self._member_operations(path),
            *self._ban_operations(path + "/bannedusers"),
            *self._ban_operations(path + "/banned_members"),
        ]  # fmt: skip

    def _member_operations(self, path: str) -> list[Operation]:
        members, member = path + "/members", path + "/members/{uid}"
        return [
            Operation("GET", members, "List the members of a group", self._list_members, query=MemberQuery,
                      response=list[responses.Member], feature="listGroupMembers", enveloped=True),
            Operation("POST", members, "Join a group; with a REST key, add members", self._join_or_add,
                      body=requests.JoinOrAddMembers, response=responses.Message, alternative=responses.AddedMembers,
                      feature="joinGroup", rate=RequestKind.CORE),
            Operation("PUT", members, "Add members to a group", self._add, body=requests.AddMembers,
                      response=responses.AddedMembers, feature="addMember"),
            Operation("DELETE", members, "Leave a group", self._leave, response=responses.Message,
                      feature="leaveGroup"),
            Operation("PUT", member, "Change the scope of a member", self._change_scope, body=requests.ChangeScope,
                      response=responses.Message, alternative=responses.Membership, feature="changeScope"),
            Operation("DELETE", member, "Kick a member", self._kick, response=responses.Message,
                      alternative=responses.Confirmation, feature="kickMember"),
        ]  # fmt: skip

    def _ban_operations(self, path: str) -> list[Operation]:
        user = path + "/{uid}"
        return [
            Operation("GET", path, "List the users who are banned from a group", self._list_banned, query=BanQuery,
                      response=list[responses.BannedUser], feature="listBannedUsers", enveloped=True),
            Operation("POST", user, "Ban a user from a group", self._ban, response=responses.Message,
                      alternative=responses.Confirmation, feature="ban"),
            Operation("DELETE", user, "Lift a ban", self._unban, response=responses.Message,
                      alternative=responses.Confirmation, feature="unban"),
        ]  # fmt: skip

    async def _create(self, call: Call) -> dict[str, Any]:
        new = call.body.to_group()
        created = await self._groups.create(call.caller, new)
        fields = group_payload(created)
        if new.members is not None:
            guid = created.row.guid
            fields["members"] = await self._add_members(call, guid, new.members)
            count = await self._groups.members_count(guid)
            fields["membersCount"] = fields["membersCount"] if count is None else count
        return fields

    async def _list(self, call: Call) -> dict[str, Any]:
        q: GroupQuery = call.query
        criteria = GroupFilter(
            reader=call.caller.reader,
            joined=q.has_joined and bool(call.caller.reader),
            search=q.search_key,
            search_in=tuple(f for f in q.search_in if f in ("name", "guid")) or ("name", "guid"),
            types=tuple(q.types) or ((q.type,) if q.type else ()),
            tags=tuple(q.tags),
            updated_from=q.updated_at,
            sort_by=q.sort_by,
            descending=q.affix == "prepend" if q.updated_at else q.sort_order == "desc",
            limit=q.size,
            offset=q.offset,
        )
        if not q.cursor:
            rows, total = await self._groups.list_page(call.caller, criteria)
            return page(q, list(map(group_payload, rows)), total)
        if q.updated_at:
            raise Refused("ERR_BAD_REQUEST", {"updatedAt": "It is read by page, not by cursor."})
        order = order_by(q.sort_by, q.sort_order, "guid")
        position = order.position_in(q.cursor)
        found = await self._groups.list_after(call.caller, replace(criteria, limit=q.size + 1, offset=0), position)
        return order.page(found, q.size, group_payload, lambda one: one.row)

    async def _get(self, call: Call) -> dict[str, Any]:
        return group_payload(await self._groups.get(call.caller, call.params["guid"]))

    async def _update(self, call: Call) -> dict[str, Any]:
        return group_payload(await self._groups.update(call.caller, call.params["guid"], call.body.to_change()))

    async def _delete(self, call: Call) -> dict[str, Any]:
        guid = await self._groups.delete(call.caller, call.params["guid"])
        return confirmation(f"Group with guid {guid} has been deleted successfully.")

    async def _transfer(self, call: Call) -> dict[str, Any]:
        guid, uid = await self._groups.transfer(call.caller, call.params["guid"], call.body.owner)
        return confirmation(f"The ownership of the group {guid} is transferred to the user {uid}.")

    # Members.

    async def _list_members(self, call: Call) -> dict[str, Any]:
        q: MemberQuery = call.query
        criteria = _filter(call)
        if not q.cursor:
            rows, total = await self._members.list_page(call.caller, criteria)
            return page(q, list(map(member_payload, rows)), total)
        position = _BY_UID.position_in(q.cursor)
        found = await self._members.list_after(call.caller, replace(criteria, limit=q.size + 1, offset=0), position)
        return _BY_UID.page(found, q.size, member_payload, lambda one: one.member)

    async def _list_banned(self, call: Call) -> dict[str, Any]:
        rows, total = await self._members.list_banned(call.caller, _filter(call))
        return page(call.query, list(map(ban_payload, rows)), total)

    async def _join_or_add(self, call: Call) -> Any:
        body: requests.JoinOrAddMembers = call.body
        if call.caller.key and (body.admins or body.moderators or body.participants or body.users_to_ban):
            return await self._add(call)
        if call.caller.system:
            raise Refused("ERR_BAD_REQUEST", {"participants": _NO_USERS_TEXT})
        return await self._members.join(call.caller, call.params["guid"], body.password)

    async def _add(self, call: Call) -> dict[str, Any]:
        return await self._add_members(call, call.params["guid"], call.body.to_lists())

    async def _add_members(self, call: Call, guid: str, lists: MemberLists) -> dict[str, Any]:
        return _outcomes(await self._members.add(call.caller, guid, lists))

    async def _leave(self, call: Call) -> bytes:
        return await self._members.leave(call.caller, call.params["guid"])

    # Clients get the action message. REST keys get a text.

    async def _change_scope(self, call: Call) -> Any:
        guid, uid = call.params["guid"], call.params["uid"]
        action, member = await self._members.change_scope(call.caller, guid, uid, call.body.scope)
        if not call.caller.key:
            return action
        return {"guid": member.guid, "uid": member.uid, "scope": member.scope, "joinedAt": member.joined_at}

    async def _kick(self, call: Call) -> Any:
        guid, uid = call.params["guid"], call.params["uid"]
        action = await self._members.kick(call.caller, guid, uid)
        return _message_or_text(call, action, f"The member with {uid} has been kicked from the Group with {guid}.")

    async def _ban(self, call: Call) -> Any:
        guid, uid = call.params["guid"], call.params["uid"]
        action = await self._members.ban(call.caller, guid, uid)
        return _message_or_text(call, action, f"The user with uid {uid} has been banned from the Group with {guid}.")

    async def _unban(self, call: Call) -> Any:
        guid, uid = call.params["guid"], call.params["uid"]
        action = await self._members.unban(call.caller, guid, uid)
        return _message_or_text(call, action, f"The user with uid {uid} has been unbanned from the Group with {guid}.")


def _filter(call: Call) -> MemberFilter:
    q: BanQuery = call.query
    return MemberFilter(
        guid=call.params["guid"],
        search=q.search_key,
        scopes=tuple(q.scopes),
        online=q.status != "offline" if q.status else None,
        limit=q.size,
        offset=q.offset,
    )


def _outcomes(by_list: Mapping[str, Mapping[str, Outcome]]) -> dict[str, Any]:
    return {name: {uid: _outcome(one) for uid, one in by_uid.items()} for name, by_uid in by_list.items()}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        return refused_outcome(outcome)
    return {"success": True, "data": msgspec.Raw(outcome)} if outcome else SUCCESS


def _message_or_text(call: Call, action: bytes, text: str) -> Any:
    return confirmation(text) if call.caller.key else action
