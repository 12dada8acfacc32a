"""Users over HTTP: access they are, whom they block, with whom they are friends."""

from __future__ import annotations

from functools import partial
from typing import Any

from tailwire.server.actions.export import Export
from tailwire.server.actions.keys import TokenChange, device_of
from tailwire.server.actions.relations import Blocked, NewFriends, Relations, Unfriended
from tailwire.server.actions.sessions import Sessions
from tailwire.server.actions.users import Deactivated, Deleted, NewUser, Reactivated, UserChange, Users
from tailwire.server.limits.rates import Kind
from tailwire.server.ports.file_urls import with_address
from tailwire.server.ports.filters import UserFilter
from tailwire.server.ports.records import TokenRow
from tailwire.server.rest import responses
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.operations import Access, Call, Operation, Streamed
from tailwire.server.rest.queries import BlockQuery, SearchQuery, UserQuery


class TokenWanted(TokenChange, rename="camel"):
    """For which device an auth token is wanted."""

    device_id: str | None = None
    force: bool = False


class UserRoutes:
    """The resource `users`."""

    def __init__(
        self, users: Users, sessions: Sessions, relations: Relations, export: Export, addresses: Addresses
    ) -> None:
        self._users = users
        self._export = export
        self._addresses = addresses
        self._sessions = sessions
        self._relations = relations

    def operations(self) -> list[Operation]:
        """The operations."""
        u, one, done = self._users, responses.User, responses.Done
        return [
            Operation("POST", "/users", "Create a user", self._create, access=Access.KEY, body=NewUser, response=one,
                      rate=Kind.CORE),
            Operation("GET", "/users", "List users", self._list, query=UserQuery, response=list[responses.User],
                      feature="listUsers", enveloped=True),
            Operation("GET", "/users/{uid}", "See a user", lambda c: u.get(c.caller, c.params["uid"]), response=one,
                      feature="getUser"),
            Operation("PUT", "/users/{uid}", "Change a user", lambda c: u.update(c.params["uid"], c.body),
                      access=Access.ADMIN, body=UserChange, response=one),
            Operation("DELETE", "/users/{uid}", "Delete a user", self._delete, access=Access.ADMIN, body=Deleted,
                      response=done, rate=Kind.CORE),
            Operation("GET", "/users/{uid}/export", "Get all that is kept about a user, in lines of JSON",
                      self._exported, access=Access.ADMIN),
            Operation("DELETE", "/users", "Deactivate users", lambda c: u.deactivate(c.body.uids_to_deactivate),
                      access=Access.ADMIN, body=Deactivated, response=responses.Deactivated),
            Operation("PUT", "/users", "Reactivate users", lambda c: u.reactivate(c.body.uids_to_activate),
                      access=Access.ADMIN, body=Reactivated, response=responses.Reactivated),
            Operation("POST", "/users/{uid}/auth_tokens", "Create an auth token", self._create_token, access=Access.KEY,
                      body=TokenWanted, response=one, rate=Kind.CORE),
            *self._blocks("/blockedusers"),
            *self._blocks("/users/{uid}/blockedusers"),
            *self._friends("/friends"),
            *self._friends("/users/{uid}/friends"),
        ]  # fmt: skip

    def _blocks(self, path: str) -> list[Operation]:
        r, outcome = self._relations, dict[str, responses.Outcome]
        access = Access.ADMIN if "{" in path else Access.USER

        async def block(call: Call) -> Any:
            return await r.block(await self._acting(call), call.body)

        async def unblock(call: Call) -> Any:
            return await r.block(await self._acting(call), call.body, take_back=True)

        async def listed(call: Call) -> Any:
            q: BlockQuery = call.query
            caller = await self._acting(call)
            return await r.blocked(caller, direction=q.direction, search=q.search_key, limit=q.size, number=q.page)

        return [
            Operation("POST", path, "Block users", block, access=access, body=Blocked, response=outcome,
                      feature="blockUser"),
            Operation("DELETE", path, "Unblock users", unblock, access=access, body=Blocked, response=outcome,
                      feature="unblockUser"),
            Operation("GET", path, "List blocked users", listed, access=access, query=BlockQuery,
                      response=list[responses.User], feature="getBlockedUsers", enveloped=True),
        ]  # fmt: skip

    def _friends(self, path: str) -> list[Operation]:
        r = self._relations
        access = Access.ADMIN if "{" in path else Access.USER

        async def befriend(call: Call) -> Any:
            return await r.befriend(await self._acting(call), call.body)

        async def unfriend(call: Call) -> Any:
            return await r.unfriend(await self._acting(call), call.body)

        async def listed(call: Call) -> Any:
            q: SearchQuery = call.query
            return await r.friends(await self._acting(call), search=q.search_key, limit=q.size, number=q.page)

        reading = Operation("GET", path, "List friends", listed, access=access, query=SearchQuery,
                            response=list[responses.User], enveloped=True)  # fmt: skip
        if access is Access.USER:
            return [reading]  # who are friends is for the app to say
        return [
            Operation(
                "POST", path, "Make friends", befriend, access=access, body=NewFriends, response=responses.Accepted
            ),
            Operation(
                "DELETE", path, "End friendships", unfriend, access=access, body=Unfriended, response=responses.Done
            ),
            reading,
        ]

    async def _delete(self, call: Call) -> Any:
        wanted: Deleted = call.body
        return await self._users.delete(call.params["uid"], permanent=wanted.permanent, anonymous=wanted.anonymous)

    async def _exported(self, call: Call) -> Streamed:
        lines = await self._export.begin(call.params["uid"])
        base = partial(self._addresses.base, call.scope)
        headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
        return Streamed(200, headers, (with_address(line, base) async for line in lines))

    async def _acting(self, call: Call) -> Any:
        # With a REST key the path says for whom.
        if "uid" not in call.params:
            return call.caller
        return await self._sessions.key_caller(call.header(b"apikey"), call.params["uid"])

    async def _create(self, call: Call) -> dict[str, Any]:
        made = await self._users.create(call.body)
        if call.body.with_auth_token:
            made |= {"authToken": (await self._sessions.create_token(made["uid"]))["authToken"]}
        return made

    async def _create_token(self, call: Call) -> dict[str, Any]:
        device = device_of(call.body, TokenRow("", "", 0))
        return await self._sessions.create_token(call.params["uid"], device)

    async def _list(self, call: Call) -> dict[str, Any]:
        q: UserQuery = call.query
        deactivated: bool | None = False
        if call.caller.system and (q.only_deactivated or q.with_deactivated):
            deactivated = True if q.only_deactivated else None
        wanted = UserFilter(
            reader=call.caller.reader,
            search=q.search_key,
            search_in=tuple(f for f in q.search_in if f in ("name", "uid")) or ("name", "uid"),
            uids=tuple(uid.lower() for uid in q.uids),
            roles=tuple(q.roles) or ((q.role,) if q.role else ()),
            tags=tuple(q.tags),
            friends_only=q.friends_only,
            hide_blocked=q.hide_blocked_users,
            deactivated=deactivated,
            sort_by=q.sort_by,
            descending=q.sort_order == "desc",
            limit=q.size,
            offset=q.offset,
        )
        return await self._users.listed(call.caller, wanted, status=q.status, number=q.page)
