"""Live lists in random situations (Hypothesis): they match the server.

Real clients, real server, virtual time. The steps are drawn first and then run in one loop, so that a failure
shrinks. After each pause the lists are compared with a fresh fetch, and with the reported changes. The answers to the
phone may be late, so that events overtake them.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import CONNECTED, Actor, Stage
from late_answers import LateAnswers
from tailwire import (
    BaseMessage,
    CometChatException,
    Conversation,
    ConversationsRequestBuilder,
    CustomMessage,
    Group,
    GroupMember,
    MessagesRequestBuilder,
    TextMessage,
)
from tailwire.sdk.listeners import own
from tailwire.sdk.live import conversation_list, live_list, merging
from tailwire.sdk.live.conversation_list import ConversationList, LiveConversation
from tailwire.sdk.live.live_list import LiveList
from tailwire.sdk.live.message_list import MessageList
from tailwire.sdk.live.messages import LiveMessages
from tailwire.server.store.sql.change_log import CHANGES_PER_CLEANUP
from tailwire.testing.virtual.loop import virtual_run

WHO = ("phone", "laptop", "bob", "carol")  # the phone has the lists; the laptop belongs to the same user
PLACES = ("bob", "g")
numbers = st.integers(0, 9)
deeds = st.tuples(
    st.sampled_from(
        [
            *["send"] * 5, "reply", "quote", "custom", "mention", "edit", "edit", "delete", "delete", "react", "react",
            "unreact", "read", "read", "deliver", "read all", "unread", "pin", "unpin", "save", "unsave",
            "pin conversation", "unpin conversation", "tag", "block", "unblock", "leave", "join", "kick", "add", "ban",
            "unban", "scope", "rename", "queue", "forget", "pause",
        ]
    ),
    st.sampled_from(WHO),
    st.sampled_from(PLACES),
    numbers,
)  # fmt: skip
lines = st.tuples(
    st.sampled_from(["background", "foreground", "drop", "cut", "restore", "wait"]),
    st.just("phone"),
    st.just("g"),
    numbers,
)
waits = st.tuples(st.just("wait"), st.just("phone"), st.just("g"), numbers)
plays = st.one_of(
    st.lists(st.one_of(deeds, deeds, deeds, lines), min_size=1, max_size=30),
    st.lists(st.one_of(deeds, deeds, deeds, deeds, waits), min_size=1, max_size=30),  # no reconnect hides a fault
)


@st.composite
def overtaken_requests(draw: st.DrawFn) -> list[tuple[str, str, str, int]]:
    """Return steps: a request of the phone, which it does not wait for, and what others do in that place meanwhile."""
    place = draw(st.sampled_from(PLACES))
    request = draw(
        st.sampled_from(
            [
                ("refresh", "phone", place, 6),
                ("refresh", "phone", place, 7 + PLACES.index(place)),
                ("outdate", "phone", place, 6),
                ("tag", "phone", place, 6),
            ]
        )
    )
    act = st.tuples(
        st.sampled_from(["send", "send", "edit", "edit", "delete", "mention", "reply"]),
        st.sampled_from(("bob", "laptop")),
        st.just(place),
        st.integers(0, 2),
    )
    later = [("wait", "phone", place, draw(st.sampled_from([0, 7, 7])))]
    return [request, *draw(st.lists(act, min_size=1, max_size=4)), *later]


overtaken = st.lists(overtaken_requests(), min_size=1, max_size=3).map(
    lambda parts: [step for p in parts for step in p]
)


def as_shown(m: BaseMessage | None) -> Any:
    """Return what must be equal in a message. Times of receipts may differ slightly."""
    if m is None:
        return None
    quoted = m.quoted_message
    reactions = {r.reaction: (r.count, r.reacted_by_me) for r in m.reactions}
    receipts = (bool(m.delivered_at), bool(m.read_at)) if m.receiver_type == "user" else ()
    return {
        "id": m.id, "kind": (m.category, m.type), "text": getattr(m, "text", None), "edited": m.edited_at,
        "deleted": m.deleted_at, "reactions": reactions, "receipts": receipts, "replies": m.reply_count,
        "pinned": bool(m.pinned_at), "saved": bool(m.saved_at), "by": m.sender.uid,
        "quoted": (quoted.id, getattr(quoted, "text", ""), quoted.deleted_at) if quoted else None,
    }  # fmt: skip


def conversation_as_shown(c: Conversation) -> Any:
    other = c.conversation_with
    who = (other.name, other.members_count, other.scope) if isinstance(other, Group) else (
        other.name, other.status != "offline", other.blocked_by_me, other.has_blocked_me
    )  # fmt: skip
    return {
        "id": c.conversation_id, "unread": c.unread_message_count, "mentions": c.unread_mentions_count, "who": who,
        "read": c.last_read_message_id, "pinned": bool(c.pinned_at), "tags": c.tags, "updated": c.updated_at,
        "latest": c.latest_message_id, "last": as_shown(c.last_message),
    }  # fmt: skip


def item_as_shown(item: Any) -> Any:
    """Return what must be equal in an item. `==` of messages ignores what is read from `raw`."""
    if isinstance(item, LiveConversation):
        return item.key, conversation_as_shown(item.conversation), item.typing
    return item.key, as_shown(item.message), item.state


class Play:
    """One run: four clients act as drawn, and the phone's lists must follow."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.actors: dict[str, Actor] = {}
        self.messages: dict[str, list[int]] = {place: [] for place in PLACES}
        self.refresh = False
        self.under_way: list[asyncio.Task] = []
        self.count = 0

    async def begin(self) -> None:
        for name in WHO:
            uid = "alice" if name in ("phone", "laptop") else name
            self.actors[name] = await self.stage.enter(uid, presence=True, outbox=name == "phone")
        bob, self.phone = self.actors["bob"].chat, self.actors["phone"].chat
        await bob.create_group(Group("g", "Group"))
        await bob.add_members_to_group("g", [GroupMember("alice", scope="admin"), GroupMember("carol")])
        await self.actors["carol"].say("alice", "hello")
        self.conversations = await self.phone.live_conversations()
        self.lists = [await self.phone.live_messages(uid="bob"), await self.phone.live_messages(guid="g")]
        self.late = LateAnswers(self.actors["phone"])
        self.mine = [(live, list(live.items)) for live in (self.conversations, *self.lists)]
        for live, rows in self.mine:
            live.subscribe(lambda change, rows=rows: change.apply(rows))

    async def do(self, name: str, who: str, place: str, number: int) -> None:
        network = self.stage.network
        if name in ("background", "foreground"):
            self.phone.set_app_state(name)
        elif name in ("cut", "drop", "restore"):
            getattr(network, name)()
        elif name == "wait":
            await asyncio.sleep((0.001, 0.006, 0.02, 0.1, 0.5, 1, 3, 8, 20, 60)[number])
        elif name == "pause":
            await self.settle()
        elif name == "late":
            self.late.seconds = (0, 0, 0.01, 0.03, 0.1, 0.3, 1, 2, 3, 5)[number]
        elif name == "refresh":
            live = (self.conversations, *self.lists)[number % 3]
            self.under_way.append(asyncio.create_task(self.try_action(live.refresh)))
        elif name == "outdate":
            kind = "group" if place == "g" else "user"
            self.phone._parts.own.notify(own.ConversationOutdated(kind, place), self.phone._parts.sessions.uid)
        elif name == "forget the log":
            assert self.stage.server.parts is not None
            log = self.stage.server.parts.store.change_log
            log.max_entries, log._stored_since_cleanup = 0, CHANGES_PER_CLEANUP
        else:
            work = asyncio.create_task(self.try_action(self.action, name, who, place, number))
            self.under_way.append(work)
            if number < 6:
                await work

    async def try_action(self, action: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        with contextlib.suppress(CometChatException, TimeoutError):
            async with asyncio.timeout(60):
                await action(*arguments)

    async def action(self, name: str, who: str, place: str, number: int) -> None:
        chat = self.actors[who].chat
        me = chat.get_logged_in_user().uid
        kind = "group" if place == "g" else "user"
        to = place if kind == "group" or me == "alice" else "alice"
        if who == "carol" and kind == "user":
            return
        known = self.messages[place]
        target = known[-1 - number % len(known)] if known else 0
        if name in ("send", "reply", "quote", "mention", "custom", "queue"):
            self.count += 1
            more: dict[str, Any] = {"receiver": to, "receiver_type": kind}
            if name == "reply" and target:
                more["parent_message_id"] = target
            if name == "quote" and target:
                more["quoted_message_id"] = target
            text = f"{self.count}" + (" <@uid:alice> and <@uid:bob>" if name == "mention" else "")
            if name == "custom":
                sent: BaseMessage = await chat.send_custom_message(
                    CustomMessage(**more, type="x", custom_data={"a": 1}, update_conversation=bool(number % 2))
                )
            elif name == "queue" and who == "phone":
                sent = await chat.queue_message(TextMessage(**more, text=text)).result()
            else:
                sent = await chat.send_message(TextMessage(**more, text=text))
            if name != "reply":
                known.append(sent.id)
        elif target and name == "edit":
            self.count += 1
            text = f"e{self.count}"
            await chat.edit_message(TextMessage(id=target, receiver=to, receiver_type=kind, text=text))
        elif target and name in ("delete", "pin", "unpin", "save", "unsave"):
            await getattr(chat, f"{name}_message")(target)
        elif target and name in ("react", "unreact"):
            emoji = "ab"[number % 2]
            await (chat.add_reaction if name == "react" else chat.remove_reaction)(target, emoji)
        elif target and name in ("read", "deliver", "unread"):
            message = await chat.get_message(target)
            if name == "unread" and who == "phone":
                await chat.mark_message_as_unread(message)
            elif name != "unread":
                await (chat.mark_as_read if name == "read" else chat.mark_as_delivered)(message)
        else:
            await self.do_rare_action(name, who, chat, to, kind)

    async def do_rare_action(self, name: str, who: str, chat: Any, to: str, kind: str) -> None:
        own = who == "phone"
        if name == "read all":
            await chat.mark_conversation_as_read(await chat.get_conversation(to, kind))
        elif name == "tag" and own:
            await chat.tag_conversation(to, kind, ["t"])
        elif name in ("pin conversation", "unpin conversation") and who in ("phone", "laptop"):
            await getattr(chat, name.replace(" ", "_"))(to, kind)
        elif name == "block" and own:
            await chat.block_users(["bob"])
        elif name == "unblock" and own:
            await chat.unblock_users(["bob"])
        elif name == "forget" and own:
            await chat.delete_conversation(to, kind)
        elif name == "leave" and who != "bob":
            await chat.leave_group("g")
        elif name == "join" and who != "bob":
            await chat.join_group("g")
        elif name in ("kick", "ban", "unban"):
            uid = "carol" if who in ("phone", "laptop") else "alice"
            await getattr(chat, f"{name}_group_member")("g", uid)
        elif name == "add":
            uid = "carol" if who in ("phone", "laptop") else "alice"
            await chat.add_members_to_group("g", [GroupMember(uid)])
        elif name == "scope" and who == "bob":
            await chat.update_group_member_scope("g", "alice", "moderator")
        elif name == "rename":
            self.count += 1
            await chat.update_group(Group("g", f"Group {self.count}"))
            self.refresh = self.refresh or not own  # no event reports it

    async def settle(self) -> None:
        self.late.seconds = 0
        self.stage.network.restore()
        for actor in self.actors.values():
            actor.chat.set_app_state("foreground")
            with contextlib.suppress(CometChatException):
                await actor.chat.connect()
        await asyncio.gather(*self.under_way)
        self.under_way.clear()
        await asyncio.sleep(60)
        assert all(actor.status is CONNECTED for actor in self.actors.values())
        if self.refresh:
            await self.conversations.refresh()
            self.refresh = False
        await self.compare()

    async def compare(self) -> None:
        for live, rows in self.mine:
            assert [item_as_shown(i) for i in rows] == [item_as_shown(i) for i in live.items], (
                "the changes do not lead to the items"
            )
            assert live.error is None or live.gone
        request = ConversationsRequestBuilder().set_limit(50).with_tags().with_blocked_info().build(self.phone)
        fresh = [conversation_as_shown(c) for c in await request.fetch_next()]
        assert [conversation_as_shown(i.conversation) for i in self.conversations.items] == fresh
        assert self.conversations.complete
        assert not any(i.typing for i in self.conversations.items)
        for place, live in zip(PLACES, self.lists, strict=True):
            if live.gone:
                continue
            builder = MessagesRequestBuilder().hide_replies().set_limit(100)
            request = (builder.set_guid(place) if place == "g" else builder.set_uid(place)).build(self.phone)
            fetched = [m for m in await request.fetch_previous() if (m.category, m.type) != ("action", "message")]
            shown = [as_shown(i.message) for i in live.items if i.state == "sent"]
            assert shown == [as_shown(m) for m in fetched][-len(shown) or None :]
            assert live.complete == (len(shown) == len(fetched))
            keys = [i.key for i in live.items]
            assert len(set(keys)) == len(keys)


def run(steps: Any) -> None:
    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with Stage(Path(folder)) as stage:
                play = Play(stage)
                await play.begin()
                for step in steps:
                    await play.do(*step)
                await play.settle()

    virtual_run(main())


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=plays)
@pytest.mark.timeout(240)
@pytest.mark.slow
def test_live_lists_match_the_server(steps):
    run(steps)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=overtaken)
@pytest.mark.timeout(240)
@pytest.mark.slow
def test_live_lists_match_the_server_after_events_that_overtook_its_answers(steps):
    run([*FIRST_MESSAGES, WAIT_3_SECONDS, ANSWERS_ARE_LATE, *steps])


# Planted faults: each rule of the lists is broken in turn, and the steps that need it fail.

FIRST_MESSAGES = [("send", "bob", place, 0) for place in PLACES] + [("send", "phone", place, 0) for place in PLACES]
WAIT_3_SECONDS = ("wait", "phone", "g", 6)
ANSWERS_ARE_LATE, ANSWERS_ARE_PROMPT = ("late", "phone", "g", 7), ("late", "phone", "g", 0)
IN_BACKGROUND = [("background", "phone", "g", 0), ("wait", "phone", "g", 7)]


def nothing(*arguments: Any, **named: Any) -> None:
    """Do nothing."""


def without_own(self: LiveMessages, event: object, *, unsure: bool) -> None:
    if not isinstance(event, own.MessageStored):
        HONEST(self, event, unsure=unsure)


def fill_and_take_all_for_applied(self: MessageList, *arguments: Any, **named: Any) -> None:
    acts, replies = dict(self.applied.acts), dict(self.applied.replies)
    honest_fill(self, *arguments, **named)
    self.applied.acts = {number: act for number, act in acts.items() if number in self._items}
    self.applied.replies = replies


def put_and_take_all_for_applied(self: ConversationList, conversation: Conversation, **named: Any) -> None:
    key = conversation_list.key_of_conversation(conversation)
    applied = list(self._applied.get(key, ()))
    honest_put(self, conversation, **named)
    for number in applied:
        self._mark_applied(key, number)


def put_and_take_it_for_current(self: ConversationList, conversation: Conversation, *, reached: int = 0) -> None:
    honest_put(self, conversation, reached=reached)


HONEST = LiveMessages._apply
FAULTS = {
    "edits and deletions are ignored": (MessageList, "_apply_action", nothing, [("delete", "bob", "g", 1)]),
    "an edit is taken for all there is": (
        merging, "after_edit", lambda known, now: now, [("react", "bob", "bob", 0), ("edit", "phone", "bob", 0)],
    ),
    "reactions are ignored": (MessageList, "record_reaction", nothing, [("react", "bob", "g", 0)]),
    "receipts are ignored": (MessageList, "apply_receipt", nothing, [("read", "bob", "bob", 0)]),
    "what another device has read is ignored": (ConversationList, "record_own_receipt", nothing, [("read", "laptop", "bob", 1)]),
    "nothing counts as unread": (merging, "is_unread", lambda *_: False, []),
    "pinned conversations do not come first": (
        conversation_list._Row, "rank", lambda row: (False, -row.item.conversation.updated_at, 0),
        [("pin conversation", "laptop", "bob", 0), WAIT_3_SECONDS, WAIT_3_SECONDS, ("send", "bob", "g", 0)],
    ),
    "replies are not counted": (MessageList, "_count_reply", nothing, [("reply", "bob", "g", 0)]),
    "pins are ignored": (MessageList, "record_flags", nothing, [("pin", "bob", "g", 0)]),
    "one's own messages are ignored": (LiveMessages, "_apply", without_own, []),
    "who was put out keeps the conversation": (ConversationList, "_apply_own_membership", lambda *_: False, [("kick", "bob", "g", 0)]),
    "nothing is read again after a reconnect": (
        LiveList, "_want_all", nothing,
        [*IN_BACKGROUND, ("forget the log", "phone", "g", 0), ("react", "bob", "g", 0), ("foreground", "phone", "g", 0)],
    ),
    "quoted messages stay as they were": (
        merging, "with_quoted", lambda message, quoted: message,
        [("quote", "phone", "g", 1), WAIT_3_SECONDS, ("edit", "bob", "g", 2)],
    ),
    "reactions are changed and not told": (
        merging, "reads_alike", lambda one, other: one == other, [("react", "bob", "g", 0)],
    ),
    "what is shown is built once": (
        MessageList, "items", lambda self: self.__dict__.setdefault("once", honest_items(self)), [],
    ),
    "what overtook a refresh is not applied again": (
        MessageList, "fill", fill_and_take_all_for_applied,
        [ANSWERS_ARE_LATE, ("refresh", "phone", "bob", 7), ("delete", "bob", "bob", 1), ANSWERS_ARE_PROMPT],
    ),
    "a reply that overtook a refresh is not counted again": (
        MessageList, "fill", fill_and_take_all_for_applied,
        [ANSWERS_ARE_LATE, ("refresh", "phone", "g", 8), ("reply", "bob", "g", 0), ANSWERS_ARE_PROMPT],
    ),
    "what overtook an answer about a conversation is not applied again": (
        ConversationList, "put", put_and_take_all_for_applied,
        [ANSWERS_ARE_LATE, ("outdate", "phone", "bob", 6), ("send", "bob", "bob", 0), ANSWERS_ARE_PROMPT],
    ),
    "an answer to tagging is taken for current": (
        ConversationList, "put", put_and_take_it_for_current,
        [ANSWERS_ARE_LATE, ("tag", "phone", "bob", 6), ("send", "bob", "bob", 0), ANSWERS_ARE_PROMPT],
    ),
    "steps are left out": (
        live_list, "steps", lambda old, new: honest_steps(old, new)[1:], [],
    ),
}  # fmt: skip
honest_steps, honest_items = live_list.steps, MessageList.items
honest_fill, honest_put = MessageList.fill, ConversationList.put


FOUND = {
    "a whole conversation is marked as read": [("quote", "bob", "bob", 7), ("read all", "phone", "bob", 6)],
    "a deletion brings the receipt of a newer message first": [
        ("send", "laptop", "bob", 4), ("send", "laptop", "bob", 1), ("read", "bob", "bob", 6),
        ("react", "laptop", "bob", 3), ("delete", "phone", "bob", 4),
    ],
    "what tells of an edit names nobody": [("send", "bob", "bob", 0), WAIT_3_SECONDS, ("edit", "bob", "bob", 0)],
}  # fmt: skip


@pytest.mark.parametrize("play", FOUND)
def test_live_lists_match_the_server_after_steps_that_failed_earlier(play):
    run([*FOUND[play], WAIT_3_SECONDS])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_steps_of_planted_faults_pass_without_a_fault():
    run(
        [
            *FIRST_MESSAGES,
            WAIT_3_SECONDS,
            *(step for *_, steps in FAULTS.values() for step in [*steps, WAIT_3_SECONDS]),
            WAIT_3_SECONDS,
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_found(fault, monkeypatch):
    where, name, broken, steps = FAULTS[fault]
    play = [*FIRST_MESSAGES, WAIT_3_SECONDS, *steps, WAIT_3_SECONDS]
    monkeypatch.setattr(where, name, broken)
    with pytest.raises(AssertionError):
        run(play)
