"""Groups and their members over HTTP."""

from __future__ import annotations

from typing import Any

from tailwire.server.actions.groups import GroupChange, Groups, NewGroup, NewOwner
from tailwire.server.actions.members import Join, Members, NewMembers, NewScope
from tailwire.server.limits.rates import Kind
from tailwire.server.ports.filters import GroupFilter, MemberFilter
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Call, Operation
from tailwire.server.rest.queries import GroupQuery, MemberQuery


class JoinOrAdd(NewMembers, rename="camel"):
    """A client joins with it (`password`), a REST key adds members with it (the lists)."""

    password: str | None = None


class GroupRoutes:
    """The resource `groups`."""

    def __init__(self, groups: Groups, members: Members) -> None:
        self._groups = groups
        self._members = members

    def operations(self) -> list[Operation]:
        """The operations."""
        g, one, done = self._groups, responses.Group, responses.Done
        path = "/groups/{guid}"
        return [
            Operation("POST", "/groups", "Create a group", lambda c: g.create(c.caller, c.body), body=NewGroup,
                      response=one, feature="createGroup", rate=Kind.CORE),
            Operation("GET", "/groups", "List groups", self._list, query=GroupQuery, response=list[responses.Group],
                      feature="listGroups", enveloped=True, compressed=True),
            Operation("GET", path, "See a group", lambda c: g.get(c.caller, c.params["guid"]), response=one,
                      feature="getGroup"),
            Operation("PUT", path, "Change a group", lambda c: g.update(c.caller, c.params["guid"], c.body),
                      body=GroupChange, response=one, feature="updateGroup"),
            Operation("DELETE", path, "Delete a group", lambda c: g.delete(c.caller, c.params["guid"]), response=done,
                      feature="deleteGroup"),
            Operation("PATCH", path + "/owner", "Transfer the ownership of a group",
                      lambda c: g.transfer(c.caller, c.params["guid"], c.body.owner), body=NewOwner, response=done,
                      feature="patchOwner"),
            *self._of_members(path),
            *self._of_banned(path + "/bannedusers"),
            *self._of_banned(path + "/banned_members"),
        ]  # fmt: skip

    def _of_members(self, path: str) -> list[Operation]:
        m = self._members
        return [
            Operation("GET", path + "/members", "List the members of a group", self._listed, query=MemberQuery,
                      response=list[responses.Member], feature="listGroupMembers", enveloped=True),
            Operation("POST", path + "/members", "Join a group; with a REST key, add members", self._join_or_add,
                      body=JoinOrAdd, response=Any, feature="joinGroup", rate=Kind.CORE),
            Operation("PUT", path + "/members", "Add members to a group",
                      lambda c: m.add(c.caller, c.params["guid"], c.body), body=NewMembers, response=Any,
                      feature="addMember"),
            Operation("DELETE", path + "/members", "Leave a group", lambda c: m.leave(c.caller, c.params["guid"]),
                      response=responses.Message, feature="leaveGroup"),
            Operation("PUT", path + "/members/{uid}", "Change the scope of a member", self._change_scope,
                      body=NewScope, response=Any, feature="changeScope"),
            Operation("DELETE", path + "/members/{uid}", "Kick a member", self._kick, response=Any,
                      feature="kickMember"),
        ]  # fmt: skip

    def _of_banned(self, path: str) -> list[Operation]:
        return [
            Operation(
                "GET",
                path,
                "List who is banned from a group",
                self._banned,
                query=MemberQuery,
                response=list[responses.User],
                feature="listBannedUsers",
                enveloped=True,
            ),
            Operation("POST", path + "/{uid}", "Ban a user from a group", self._ban, response=Any, feature="ban"),
            Operation("DELETE", path + "/{uid}", "Lift a ban", self._unban, response=Any, feature="unban"),
        ]

    async def _list(self, call: Call) -> dict[str, Any]:
        q: GroupQuery = call.query
        wanted = GroupFilter(
            reader=call.caller.reader,
            joined=q.has_joined and bool(call.caller.reader),
            search=q.search_key,
            search_in=tuple(f for f in q.search_in if f in ("name", "guid")) or ("name", "guid"),
            types=tuple(q.types) or ((q.type,) if q.type else ()),
            tags=tuple(q.tags),
            updated=q.updated_at,
            sort_by=q.sort_by,
            descending=q.affix == "prepend" if q.updated_at else q.sort_order == "desc",
            limit=q.size,
            offset=q.offset,
        )
        return await self._groups.listed(call.caller, wanted, number=q.page)

    def _wanted(self, call: Call) -> MemberFilter:
        q: MemberQuery = call.query
        if q.status not in ("", "online", "available", "offline"):
            raise Refused("ERR_BAD_REQUEST", {"status": "Use available, online or offline."})
        return MemberFilter(
            guid=call.params["guid"],
            search=q.search_key,
            scopes=tuple(q.scopes),
            online=q.status != "offline" if q.status else None,
            limit=q.size,
            offset=q.offset,
        )

    async def _listed(self, call: Call) -> dict[str, Any]:
        return await self._members.listed(call.caller, self._wanted(call), number=call.query.page)

    async def _banned(self, call: Call) -> dict[str, Any]:
        return await self._members.banned(call.caller, self._wanted(call), number=call.query.page)

    async def _join_or_add(self, call: Call) -> Any:
        body: JoinOrAdd = call.body
        if call.caller.key and (body.admins or body.moderators or body.participants or body.users_to_ban):
            return await self._members.add(call.caller, call.params["guid"], body)
        return await self._members.join(call.caller, call.params["guid"], Join(body.password))

    # What a client is answered with the action message, a REST key is answered with a text.

    async def _change_scope(self, call: Call) -> Any:
        guid, uid = call.params["guid"], call.params["uid"]
        action, member = await self._members.change_scope(call.caller, guid, uid, call.body.scope)
        if not call.caller.key:
            return action
        return {"guid": member.guid, "uid": member.uid, "scope": member.scope, "joinedAt": member.joined_at}

    async def _kick(self, call: Call) -> Any:
        guid, uid = call.params["guid"], call.params["uid"]
        action = await self._members.kick(call.caller, guid, uid)
        return _said(call, action, f"The member with {uid} has been kicked from the Group with {guid}.")

    async def _ban(self, call: Call) -> Any:
        guid, uid = call.params["guid"], call.params["uid"]
        action = await self._members.ban(call.caller, guid, uid)
        return _said(call, action, f"The user with uid {uid} has been banned from the Group with {guid}.")

    async def _unban(self, call: Call) -> Any:
        guid, uid = call.params["guid"], call.params["uid"]
        action = await self._members.unban(call.caller, guid, uid)
        return _said(call, action, f"The user with uid {uid} has been unbanned from the Group with {guid}.")


def _said(call: Call, action: bytes, text: str) -> Any:
    return {"success": True, "message": text} if call.caller.key else action
