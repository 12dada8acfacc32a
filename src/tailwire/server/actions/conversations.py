"""Conversations, as each participant sees them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.payloads import conversation_payload
from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.rendering import Renderer
from tailwire.server.actions.services import Services
from tailwire.server.actions.views import (
    Blocks,
    ConversationView,
    GroupView,
    MissingGroup,
    MissingUser,
    UnreadView,
)
from tailwire.server.ports.conversations import ConversationKey, group_in, key_of, keys_with_id, other_in
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.records import ConversationRow, MemberRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.names import identifier

MAX_ATTEMPTS = 20
Write = Callable[[ConversationView], Awaitable[tuple[ConversationView, int | None]]]
"""Writes a change of a conversation in a user's list, and returns the changed conversation and a number.

The number is that of the change in the change log; 0 if nothing had to be changed; None if nothing was written, because
the conversation has left the list or another one was pinned meanwhile. Then `_change` reads it and calls this again.
"""


class Conversations:
    """Actions on conversations.

    Args:
        max_pins: how many conversations a user may pin.
    """

    def __init__(self, services: Services, renderer: Renderer, max_pins: int) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._renderer = renderer
        self._delivery = services.delivery
        self._world = services.world
        self._lengths = services.lengths
        self._max_pins = max_pins

    async def list_page(
        self, caller: Caller, criteria: ConversationFilter, *, with_tags: bool, with_blocks: bool
    ) -> tuple[list[ConversationView], int]:
        """Return a page of the caller's conversations that match a filter, and how many match in total.

        Pinned conversations come first; apart from that, they are sorted by their last message, newest first. The app
        itself gets the conversations of all users, sorted by uid first.

        Args:
            caller: the user, or the app itself.
            criteria: the filter, with the `limit` and `offset` of the page.
            with_tags: include the tags that the user gave to each. They are always included if the filter names tags.
            with_blocks: include whether the user has blocked the other user of each conversation, and vice versa.
        """
        if caller.system:
            criteria = replace(criteria, uid="")
        rows, total = await self._store.conversations.find(criteria)
        views = await self._views(caller, rows, with_tags=with_tags or bool(criteria.tags))
        return (await self._with_blocks(views) if with_blocks else views), total

    async def _with_blocks(self, views: list[ConversationView]) -> list[ConversationView]:
        partners: dict[str, list[str]] = {}
        for one in views:
            partners.setdefault(one.row.uid, []).append(other_in(one.row.conversation_id, one.row.uid))
        found = {uid: await self._store.blocks.with_users(uid, uids) for uid, uids in partners.items()}
        blocks = [found[one.row.uid].get(other_in(one.row.conversation_id, one.row.uid), ()) for one in views]
        return [replace(one, blocks=Blocks(*between)) for one, between in zip(views, blocks, strict=True)]

    async def _views(
        self, caller: Caller, rows: list[ConversationRow], *, with_tags: bool = True
    ) -> list[ConversationView]:
        found = await self._store.messages.by_ids([row.shown_message_id for row in rows if row.shown_message_id])
        last = [found[row.shown_message_id] for row in rows if row.shown_message_id in found]
        last = [message for message in last if not message.deleted_at]
        rendered = dict(zip([m.id for m in last], await self._renderer.render_all(last, caller.reader), strict=True))
        guids: dict[str, list[str]] = {}
        for row in rows:
            guid = group_in(row.conversation_id)
            if guid:
                guids.setdefault(row.uid, []).append(guid)
        memberships = {uid: await self._store.members.in_groups(names, uid) for uid, names in guids.items()}
        return [
            ConversationView(
                row,
                await self._partner(row, memberships.get(row.uid, {})),
                rendered.get(row.shown_message_id),
                with_tags=with_tags,
                with_uid=caller.system,
            )
            for row in rows
        ]

    async def _partner(
        self, row: ConversationRow, memberships: Mapping[str, MemberRow]
    ) -> GroupView | msgspec.Raw | MissingUser | MissingGroup:
        guid = group_in(row.conversation_id)
        if guid:
            found = await self._store.groups.get(guid)
            return GroupView(found, memberships.get(guid)) if found else MissingGroup(guid)
        uid = other_in(row.conversation_id, row.uid)
        return await self._directory.entity_if_there(uid, row.uid) or MissingUser(uid)

    async def get(self, caller: Caller, kind: str, other: str) -> ConversationView:
        """Return a conversation in the caller's list.

        Args:
            caller: the user.
            kind: `user` or `group`.
            other: the uid or guid.

        Raises:
            Refused: ERR_UID_NOT_FOUND or ERR_GUID_NOT_FOUND: the other user, or the group, does not exist;
                ERR_NOT_A_MEMBER: the caller is not a member of the group; ERR_CONVERSATION_NOT_ACCESSIBLE: it is not in
                the caller's list, because it has no message, or none since they deleted it.
        """
        conversation = await self._authorizer.conversation(caller, kind, other)
        row = await self._store.conversations.get(conversation, caller.uid, kind)
        if row is None:
            raise Refused("ERR_CONVERSATION_NOT_ACCESSIBLE")
        (view,) = await self._views(caller, [row])
        return view

    async def by_id(self, caller: Caller, conversation_id: str) -> tuple[str, str]:
        """Return what `get` needs to find the conversation with an id: `user` and a uid, or `group` and a guid.

        Several conversations may have the same id, because it is composed of uids or a guid. Only those in which the
        caller participates are considered. If there are both, the conversation with a user is returned.

        Raises:
            Refused: ERR_CONVERSATION_NOT_FOUND: the caller participates in none with this id.
        """
        for key in keys_with_id(conversation_id):
            guid, other = group_in(key), other_in(key, caller.uid)
            if guid and await self._store.members.get(guid, caller.uid) is not None:
                return "group", guid
            if other and await self._store.conversations.get(key, caller.uid, "user") is not None:
                return "user", other
        raise Refused("ERR_CONVERSATION_NOT_FOUND")

    async def key_for_app(self, conversation_id: str) -> ConversationKey:
        """Return the unique key of the conversation with an id, on behalf of the app itself, which sees all of them.

        Raises:
            Refused: ERR_CONVERSATION_NOT_FOUND: no conversation with messages has the id; ERR_BAD_REQUEST: several do.
        """
        known = [key for key in keys_with_id(conversation_id) if await self._store.conversations.last_message_id(key)]
        if len(known) > 1:
            advice = "Several conversations have this id. Use onBehalfOf with a participant, or name the group."
            raise Refused("ERR_BAD_REQUEST", {"conversationId": advice})
        if not known:
            raise Refused("ERR_CONVERSATION_NOT_FOUND")
        return known[0]

    async def tag(self, caller: Caller, kind: str, other: str, tags: list[str]) -> ConversationView:
        """Replace the caller's tags of a conversation, and return it.

        Raises:
            Refused: as in `get`; ERR_BAD_REQUEST: there are too many tags, or one is empty or too long;
                ERR_UNAVAILABLE: other changes of the list prevented each of `MAX_ATTEMPTS` attempts.
        """

        async def write(view: ConversationView) -> tuple[ConversationView, int | None]:
            encoded = encode(self._lengths.check_tags(tags)).decode() if tags else None
            key = view.row.conversation_id
            number = await self._store.read_state.tag(key, caller.uid, encoded, caller.device)
            return replace(view, row=view.row._replace(tags=encoded)), number

        view, number = await self._change(caller, kind, other, write)
        if number:
            self._delivery.publish_own_list_change(caller, "changed", number, view.row.conversation_id)
        return view

    async def _change(self, caller: Caller, kind: str, other: str, write: Write) -> tuple[ConversationView, int]:
        # Reads a conversation in the caller's list and calls `write`, again if the conversation has left the list in
        # between. The calling method publishes the change without another await, so that publications keep the order
        # of the numbers, and nothing that happens after the commit can prevent them.
        for _ in range(MAX_ATTEMPTS):
            view, number = await write(await self.get(caller, kind, other))
            if number is not None:
                return view, number
        raise Refused("ERR_UNAVAILABLE", retry_after=1.0)

    async def delete(self, caller: Caller, kind: str, other: str, *, permanently: bool) -> ConversationKey:
        """Remove a conversation from the caller's list, and return its key. It reappears with its next message.

        Args:
            caller: the user.
            kind: `user` or `group`.
            other: the uid or guid.
            permanently: delete the messages, for all participants; otherwise they are only hidden from the caller.

        Raises:
            Refused: as in `get`.
        """
        await self.get(caller, kind, other)
        conversation = await self._authorizer.conversation(caller, kind, other)
        if permanently:
            numbers = await self._store.removal.remove_conversation(conversation, caller.uid, caller.device)
            if numbers:
                self._delivery.publish_removed_conversation(caller, conversation, numbers)
        else:
            last = await self._last_message_id(conversation)
            number = await self._store.read_state.clear(conversation, caller.uid, last, caller.device)
            if number:
                self._delivery.publish_own_list_change(caller, "removed", number, conversation)
        return conversation

    async def _last_message_id(self, conversation: ConversationKey) -> int:
        # The id up to which the conversation is hidden. Without any message it is hidden up to the first message id of
        # the app, which belongs to another conversation; 0 if the app has no message at all.
        last = await self._store.conversations.last_message_id(conversation)
        if last:
            return last
        newest = await self._store.notifications.newest_id()
        return await self._store.conversations.last_message_id(conversation) or min(newest, 1)

    async def pin(self, caller: Caller, kind: str, other: str) -> ConversationView:
        """Pin a conversation to the head of the caller's list. Return it as changed.

        Args:
            caller: the user.
            kind: `user` or `group`.
            other: the uid of the other user, or the guid of the group.

        Raises:
            Refused: as in `get`; ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED: the caller has pinned as many as they may;
                ERR_UNAVAILABLE: other changes of the list prevented each of `MAX_ATTEMPTS` attempts.
        """

        async def write(view: ConversationView) -> tuple[ConversationView, int | None]:
            if view.row.pinned_at is None:
                count = await self._store.read_state.pinned_count(caller.uid)
                if count >= self._max_pins:
                    raise Refused("ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED", {"limit": self._max_pins})
            at, key = self._world.seconds(), view.row.conversation_id
            number = await self._store.read_state.pin(key, caller.uid, at, self._max_pins, caller.device)
            return replace(view, row=view.row._replace(pinned_at=at)), number

        view, number = await self._change(caller, kind, other, write)
        self._publish_pin(caller, "pinned", view, number)
        return view

    def _publish_pin(self, caller: Caller, action: str, view: ConversationView, number: int | None) -> None:
        if number:
            frame = self._delivery.frames.conversation_pin(caller, action, encode(conversation_payload(view)))
            self._delivery.to_own_devices(caller, frame, number)

    async def unpin(self, caller: Caller, kind: str, other: str) -> ConversationView:
        """Unpin a conversation. Return it as changed.

        If the caller has pinned it and it is no longer in their list, it is unpinned as well, and returned empty.

        Args:
            caller: the user.
            kind: `user` or `group`.
            other: the uid of the other user, or the guid of the group.

        Raises:
            Refused: as in `get`, unless the caller has pinned it.
        """
        other = identifier(other, "guid" if kind == "group" else "uid")
        key, unpin = key_of(caller.uid, other, kind), self._store.read_state.pin
        try:
            view = await self.get(caller, kind, other)
        except Refused as refusal:
            # No frame reports it, neither now nor in a catch-up: no device of the user shows the conversation.
            if refusal.is_temporary or not await unpin(key, caller.uid, None, self._max_pins, caller.device):
                raise
            partner = MissingGroup(other) if kind == "group" else MissingUser(other)
            return ConversationView(ConversationRow(caller.uid, key, 0, 0, 0, 0, 0, 0, None, None), partner)
        number = await unpin(key, caller.uid, None, self._max_pins, caller.device)
        view = replace(view, row=view.row._replace(pinned_at=None))
        self._publish_pin(caller, "unpinned", view, number)
        return view

    async def unread_counts(
        self, caller: Caller, *, kind: str = "", other: str = "", not_from_blocked: bool = False
    ) -> list[UnreadView]:
        """Return how many messages the caller has not read, for each conversation with unread messages.

        Conversations with users come before those of groups. All are returned. The messages of each are counted up to
        1000.

        Args:
            caller: the user.
            kind: `user` or `group` to count only conversations of this kind; "" for both.
            other: the uid or guid of one conversation, of the given kind, to count only this one; "" for all.
            not_from_blocked: do not count messages of users whom the caller has blocked.

        Raises:
            Refused: with `other`: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, or ERR_NOT_A_MEMBER.
        """
        wanted_key = await self._authorizer.conversation(caller, kind, other) if other else None
        listed: list[UnreadView] = []
        for each in (kind,) if kind else ("user", "group"):
            found = await self._store.conversations.unread_counts(caller.uid, each, wanted_key, not_from_blocked)
            for conversation, count in found:
                partner = group_in(conversation) or other_in(conversation, caller.uid)
                listed.append(UnreadView(each, partner, count))
        return listed
