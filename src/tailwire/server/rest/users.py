"""REST operations on users, blocks and friends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.export import Export
from tailwire.server.actions.keys import with_device
from tailwire.server.actions.payloads import user_payload
from tailwire.server.actions.relations import Relations
from tailwire.server.actions.sessions import Sessions
from tailwire.server.actions.users import Users
from tailwire.server.limits.rates import RequestKind
from tailwire.server.ports.file_urls import with_address
from tailwire.server.ports.filters import UserFilter
from tailwire.server.ports.key_records import TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest import requests, responses
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.cursors import order_by
from tailwire.server.rest.entity_payloads import blocked_payload, token_payload
from tailwire.server.rest.operations import Access, Call, Operation, Streamed
from tailwire.server.rest.queries import BlockQuery, SearchQuery, UserQuery
from tailwire.server.rest.results import confirmation, outcomes, page, refused_outcome


class UserRoutes:
    """The REST operations on users."""

    def __init__(self, users: Users, sessions: Sessions, export: Export, addresses: Addresses) -> None:
        self._users = users
        self._export = export
        self._addresses = addresses
        self._sessions = sessions

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        one, admin = responses.User, Access.ADMIN
        return [
            Operation("POST", "/users", "Create a user", self._create, access=Access.KEY, body=requests.CreateUser,
                      response=one, rate=RequestKind.CORE),
            Operation("GET", "/users", "List users", self._list, query=UserQuery, response=list[responses.User],
                      feature="listUsers", enveloped=True),
            Operation("GET", "/users/{uid}", "Get a user", self._get, response=one, feature="getUser"),
            Operation("PUT", "/users/{uid}", "Change a user", self._update, access=admin, body=requests.UpdateUser,
                      response=one),
            Operation("DELETE", "/users/{uid}", "Delete a user", self._delete, access=admin, body=requests.DeleteUser,
                      response=responses.Confirmation, rate=RequestKind.CORE),
            Operation("GET", "/users/{uid}/export", "Export all data about a user as lines of JSON", self._export_user,
                      access=admin, media="application/x-ndjson"),
            Operation("DELETE", "/users", "Deactivate users", self._deactivate, access=admin,
                      body=requests.DeactivateUsers, response=responses.DeactivatedUsers),
            Operation("PUT", "/users", "Reactivate users", self._reactivate, access=admin,
                      body=requests.ReactivateUsers, response=responses.ReactivatedUsers),
            Operation("POST", "/users/{uid}/auth_tokens", "Create an auth token", self._create_token,
                      access=Access.KEY, body=requests.CreateAuthToken, response=one, rate=RequestKind.CORE),
        ]  # fmt: skip

    async def _create(self, call: Call) -> dict[str, Any]:
        body: requests.CreateUser = call.body
        created = await self._users.create(body.to_user())
        if body.with_auth_token:
            made = await self._sessions.create_token(created.row.uid)
            return {**user_payload(created), "authToken": made.token}
        return user_payload(created)

    async def _get(self, call: Call) -> dict[str, Any]:
        return user_payload(await self._users.get(call.caller, call.params["uid"]))

    async def _update(self, call: Call) -> dict[str, Any]:
        return user_payload(await self._users.update(call.params["uid"], call.body.to_change()))

    async def _delete(self, call: Call) -> dict[str, Any]:
        body: requests.DeleteUser = call.body
        uid = await self._users.delete(call.params["uid"], permanent=body.permanent, anonymous=body.anonymous)
        return confirmation(f"User with {uid} has been deleted successfully.")

    async def _export_user(self, call: Call) -> Streamed:
        lines = await self._export.begin(call.params["uid"])
        base = partial(self._addresses.base, call.scope)
        headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
        return Streamed(200, headers, (with_address(line, base) async for line in lines))

    async def _deactivate(self, call: Call) -> dict[str, Any]:
        return {"deactivatedUids": await self._users.deactivate(call.body.uids_to_deactivate)}

    async def _reactivate(self, call: Call) -> dict[str, Any]:
        return {"nonDeactivatedUids": await self._users.reactivate(call.body.uids_to_activate)}

    async def _create_token(self, call: Call) -> dict[str, Any]:
        body: requests.CreateAuthToken = call.body
        device = with_device(TokenRow("", "", 0), body.to_device())
        return token_payload(await self._sessions.create_token(call.params["uid"], device))

    async def _list(self, call: Call) -> dict[str, Any]:
        q: UserQuery = call.query
        deactivated: bool | None = False
        if call.caller.system and (q.only_deactivated or q.with_deactivated):
            deactivated = True if q.only_deactivated else None
        criteria = UserFilter(
            reader=call.caller.reader,
            search=q.search_key,
            search_in=tuple(f for f in q.search_in if f in ("name", "uid")) or ("name", "uid"),
            uids=tuple(uid.lower() for uid in q.uids),
            roles=tuple(role.lower() for role in q.roles or (q.role,) if role),
            tags=tuple(q.tags),
            friends_only=q.friends_only,
            hide_blocked=q.hide_blocked_users,
            deactivated=deactivated,
            sort_by=q.sort_by,
            descending=q.sort_order == "desc",
            limit=q.size,
            offset=q.offset,
        )
        if not q.cursor:
            rows, total = await self._users.list_page(call.caller, criteria, status=q.status)
            return page(q, list(map(user_payload, rows)), total)
        order = order_by(q.sort_by, q.sort_order, "uid")
        position = order.position_in(q.cursor)
        criteria = replace(criteria, limit=q.size + 1, offset=0)
        found = await self._users.list_after(call.caller, criteria, position, status=q.status)
        return order.page(found, q.size, user_payload, lambda one: one.row)


class RelationRoutes:
    """The REST operations on blocked users and friends of the caller or, with a REST key, of the user in the path."""

    def __init__(self, relations: Relations, sessions: Sessions) -> None:
        self._relations = relations
        self._sessions = sessions

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        return [
            *self._block_operations("/blockedusers", Access.USER),
            *self._block_operations("/users/{uid}/blockedusers", Access.ADMIN),
            # Users may list their friends; only the app's backend may change them.
            self._list_of_friends("/friends", Access.USER),
            *self._friend_operations("/users/{uid}/friends"),
        ]

    def _block_operations(self, path: str, access: Access) -> list[Operation]:
        outcome = dict[str, responses.Outcome]
        return [
            Operation("POST", path, "Block users", self._block, access=access, body=requests.BlockUsers,
                      response=outcome, feature="blockUser"),
            Operation("DELETE", path, "Unblock users", self._unblock, access=access, body=requests.BlockUsers,
                      response=outcome, feature="unblockUser"),
            Operation("GET", path, "List blocked users", self._list_blocked, access=access, query=BlockQuery,
                      response=list[responses.User], feature="getBlockedUsers", enveloped=True),
        ]  # fmt: skip

    def _list_of_friends(self, path: str, access: Access) -> Operation:
        return Operation("GET", path, "List friends", self._list_friends, access=access, query=SearchQuery,
                         response=list[responses.User], enveloped=True)  # fmt: skip

    def _friend_operations(self, path: str) -> list[Operation]:
        admin = Access.ADMIN
        return [
            Operation("POST", path, "Add friends", self._befriend, access=admin, body=requests.AddFriends,
                      response=responses.AddedFriends),
            Operation("DELETE", path, "Remove friends", self._unfriend, access=admin, body=requests.RemoveFriends,
                      response=responses.Confirmation),
            self._list_of_friends(path, admin),
        ]  # fmt: skip

    async def _acting_caller(self, call: Call) -> Caller:
        # A REST key acts for the user in the path.
        if "uid" not in call.params:
            return call.caller
        return await self._sessions.key_caller(call.header(b"apikey"), call.params["uid"])

    async def _block(self, call: Call) -> dict[str, Any]:
        return await self._change_blocks(call, take_back=False)

    async def _unblock(self, call: Call) -> dict[str, Any]:
        return await self._change_blocks(call, take_back=True)

    async def _change_blocks(self, call: Call, *, take_back: bool) -> dict[str, Any]:
        caller = await self._acting_caller(call)
        found = await self._relations.block(caller, call.body.blocked_uids, take_back=take_back)
        text = f"The user with UID {caller.uid} has {'unblocked' if take_back else 'blocked'} user with UID"
        return {
            uid: refused_outcome(other) if isinstance(other, Refused) else confirmation(f"{text} {other} successfully.")
            for uid, other in found.items()
        }

    async def _list_blocked(self, call: Call) -> dict[str, Any]:
        q: BlockQuery = call.query
        caller = await self._acting_caller(call)
        rows, total = await self._relations.list_blocked(
            caller, direction=q.direction, search=q.search_key, limit=q.size, offset=q.offset
        )
        return page(q, list(map(blocked_payload, rows)), total)

    async def _befriend(self, call: Call) -> dict[str, Any]:
        body: requests.AddFriends = call.body
        caller = await self._acting_caller(call)
        found = await self._relations.befriend(caller, body.accepted, with_conversation=body.add_to_conversations)
        return {"accepted": outcomes(found, "Created relationship with status accepted.")}

    async def _unfriend(self, call: Call) -> dict[str, Any]:
        caller = await self._acting_caller(call)
        await self._relations.unfriend(caller, call.body.friends)
        return confirmation(f"The friends have been removed successfully for the user {caller.uid}.")

    async def _list_friends(self, call: Call) -> dict[str, Any]:
        q: SearchQuery = call.query
        caller = await self._acting_caller(call)
        rows, total = await self._relations.list_friends(caller, search=q.search_key, limit=q.size, offset=q.offset)
        return page(q, list(map(user_payload, rows)), total)
