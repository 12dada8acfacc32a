"""Blocks and friendships between users."""

from __future__ import annotations

from collections.abc import Mapping

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.services import Services
from tailwire.server.actions.views import Blocks, UserView
from tailwire.server.ports.filters import UserFilter
from tailwire.server.ports.records import Event
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.names import identifier


class Relations:
    """Actions on the relations between two users.

    Args:
        max_friends: how many friends a user may have.
    """

    def __init__(self, services: Services, max_friends: int) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._delivery = services.delivery
        self._world = services.world
        self._lengths = services.lengths
        self._max_friends = max_friends

    # Blocks.

    async def block(self, caller: Caller, uids: list[str], *, take_back: bool = False) -> Mapping[str, str | Refused]:
        """Block users, or unblock them. A refusal for one of them does not affect the others.

        Args:
            caller: the user who blocks them.
            uids: the users to block.
            take_back: whether to unblock them.

        Returns:
            For each uid as it was given: the normalized uid if it was successful, else the refusal.

        Raises:
            Refused: ERR_BAD_REQUEST: there are no uids, or too many.
        """
        outcome: dict[str, str | Refused] = {}
        done = {}
        for uid in self._check_uids(uids, "blockedUids"):
            try:
                other = outcome[uid] = await self._authorizer.user(caller, uid, "block")
            except Refused as e:
                outcome[uid] = e
                continue
            done[other] = await self._directory.user_entity(other)
        if done:
            trigger = "user_unblocked" if take_back else "user_blocked"
            event = Event(trigger, encode({"users": done, "by": await self._directory.user_entity(caller.uid)}))
            if take_back:
                number = await self._store.blocks.remove(caller.uid, list(done), [event], caller.device)
            else:
                now = self._world.seconds()
                number = await self._store.blocks.add(caller.uid, list(done), now, [event], caller.device)
            if number:
                self._delivery.publish_own_list_change(caller, "blocks", number)
        return outcome

    async def list_blocked(
        self, caller: Caller, *, direction: str, search: str, limit: int, offset: int
    ) -> tuple[list[UserView], int]:
        """Return a page of the users whom the caller has blocked or who have blocked the caller, and how many match.

        They are sorted by uid.

        Args:
            caller: the user.
            direction: `blockedByMe`, `hasBlockedMe` or `both`.
            search: a prefix of the other user's name or uid; "" for all.
            limit, offset: the page.
        """
        rows, total = await self._store.blocks.find(caller.uid, direction, search=search, limit=limit, offset=offset)
        listed = []
        for uid, mine, theirs in rows:
            row = await self._store.users.get(uid)
            if row is not None:
                listed.append((await self._directory.view(row, caller.reader))._replace(blocks=Blocks(mine, theirs)))
        return listed, total

    # Friends.

    async def befriend(
        self, caller: Caller, uids: list[str], *, with_conversation: bool = False
    ) -> Mapping[str, Refused | None]:
        """Make the caller and other users friends. A refusal for one of them does not affect the others.

        Args:
            caller: the user.
            uids: the other users.
            with_conversation: also add a conversation without messages with each of them to both lists.

        Returns:
            For each uid as it was given: None if it was successful, else the refusal.

        Raises:
            Refused: ERR_BAD_REQUEST: there are no uids, or too many.
        """
        outcome: dict[str, Refused | None] = {}
        now = self._world.seconds()
        for uid in self._check_uids(uids, "accepted"):
            try:
                other = await self._authorizer.user(caller, uid, "befriend")
                problem = await self._store.friends.add(caller.uid, other, now, self._max_friends)
                if problem:
                    raise Refused("ERR_ALREADY_FRIEND" if problem == "known" else "ERR_FAILED_TO_ADD_FRIEND")
            except Refused as e:
                outcome[uid] = e
                continue
            if with_conversation:
                await self._store.conversations.start(caller.uid, other, now)
            outcome[uid] = None
        return outcome

    async def list_friends(self, caller: Caller, *, search: str, limit: int, offset: int) -> tuple[list[UserView], int]:
        """Return a page of the caller's friends, and how many match in total.

        Args:
            caller: the user.
            search: only friends whose name or uid begins with this; "" for all.
            limit, offset: the page.
        """
        criteria = UserFilter(caller.uid, search=search, friends_only=True, limit=limit, offset=offset)
        rows, total = await self._store.users.find(criteria)
        return [await self._directory.view(r, caller.reader) for r in rows], total

    async def unfriend(self, caller: Caller, uids: list[str]) -> None:
        """End the friendships between the caller and other users. Those of them who are not friends are ignored.

        Raises:
            Refused: ERR_BAD_REQUEST: there are no uids, or too many, or one is invalid; ERR_NOT_A_FRIEND: none of the
                users is a friend.
        """
        friends = [identifier(uid, "friends") for uid in self._check_uids(uids, "friends")]
        ended = [await self._store.friends.remove(caller.uid, uid) for uid in friends]
        if not any(ended):
            raise Refused("ERR_NOT_A_FRIEND")

    def _check_uids(self, uids: list[str], field: str) -> list[str]:
        self._lengths.check_count(len(uids), field, "uids")
        return list(dict.fromkeys(uids))
