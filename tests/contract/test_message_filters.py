"""Lists of messages on each store, compared with a model: each condition alone, and at random together with others."""

from __future__ import annotations

import random
from typing import Any

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import ConversationFilter, MessageFilter
from tailwire.server.ports.records import Draft, EditedContent, GroupRow, MessageRow, Trait, UserRow
from tailwire.server.ports.standing import GroupAct, MessageAct

GROUP, ALICE_BOB, BOB_CAROL = key_of("", "g", "group"), key_of("alice", "bob", "user"), key_of("bob", "carol", "user")
ALICE_CAROL = key_of("alice", "carol", "user")
PLACES = (("alice", "g"), ("carol", "g"), ("bob", "g"), ("alice", "bob"), ("bob", "alice"), ("bob", "carol"))
KINDS = (("message", "text"), ("message", "image"), ("custom", "text"))
TRAITS = (0, Trait.LINK, Trait.ATTACHMENT, Trait.LINK | Trait.ATTACHMENT)


def anything(standing: object) -> None:
    pass


class History:
    """Messages in bob's conversations and one that he may not see, and what the model knows of them beyond their rows."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.chance = random.Random(3)
        self.rows: dict[int, MessageRow] = {}
        self.mentions: dict[int, tuple[str, ...]] = {}
        self.tags: dict[int, tuple[str, ...]] = {}
        self.places: dict[int, str] = {}
        self.saved: dict[int, int] = {}
        self.joined_after = 0
        self.cleared: dict[str, int] = {}
        self.read: dict[str, int] = {}
        self.delivered: dict[str, int] = {}

    async def send(self, sender: str, receiver: str, at: int, **more: Any) -> int:
        kind = "group" if receiver == "g" else "user"
        tags, mentions = more.pop("tags", ()), more.pop("mentions", ())
        body = b'{"data":{},"tags":[%b]}' % ",".join(f'"{tag}"' for tag in tags).encode()
        more = {"category": "message", "type": "text", "body": body, "sent_at": at, "mentions": mentions} | more
        place = key_of(sender, receiver, kind)
        number = (await self.store.messages.add(Draft(place, sender, receiver, kind, **more))).message.id
        self.mentions[number], self.tags[number], self.places[number] = mentions, tags, place
        return number

    async def fill(self) -> None:
        """Send messages that differ in everything that a filter names, some in the same second, and change some."""
        store, chance = self.store, self.chance
        for uid in ("alice", "bob", "carol"):
            await store.users.add(UserRow(uid, uid, created_at=1))
        await store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))
        numbers: list[int] = [await self.send("alice", "g", 10), await self.send("alice", "carol", 10)]
        for uid in ("carol", "bob"):
            joined = Draft(GROUP, uid, "g", "group", "action", "groupMember", b'{"data":{}}', 10)
            act = GroupAct("g", uid, uid, anything)
            stored = await store.members.add(act, "participant", 10, lambda _, joined=joined: joined)
            self.joined_after = stored.message.id - 1
            self.places[stored.message.id] = GROUP
            numbers.append(stored.message.id)
        for n in range(60):
            sender, receiver = chance.choice(PLACES)
            more: dict[str, Any] = {"traits": int(chance.choice(TRAITS))}
            more["category"], more["type"] = chance.choice(KINDS)
            more["tags"] = tuple(tag for tag in ("x", "y") if chance.random() < 0.3)
            more["mentions"] = tuple(uid for uid in ("bob", "carol") if chance.random() < 0.3)
            if chance.random() < 0.2:
                more["quoted_id"] = numbers[0]
            place = key_of(sender, receiver, "group" if receiver == "g" else "user")
            near = [m for m in numbers if self.places[m] == place]
            if near and chance.random() < 0.3:
                more["parent_id"] = chance.choice(near)
            set_back = 3 if n % 7 == 0 else 0
            numbers.append(await self.send(sender, receiver, 11 + n // 4 - set_back, **more))
        await self._change(numbers[4:])
        for number in range(1, max(numbers) + 50):
            if row := await store.messages.get(number):
                self.rows[row.id] = row
                self.mentions.setdefault(row.id, ())
                self.tags.setdefault(row.id, ())

    async def _change(self, numbers: list[int]) -> None:
        store = self.store
        chosen = self.chance.sample(numbers, 20)
        for at, (pinned, saved) in enumerate(zip(chosen[:8], chosen[4:12], strict=True), 40):
            await store.annotations.pin(MessageAct(pinned, "alice", anything), at // 2, 100, pinned=True)
            await store.annotations.save(MessageAct(saved, "bob", anything), at // 2, 100)
            self.saved[saved] = at // 2
        for change, number in enumerate(chosen[10:]):
            row = await store.messages.get(number)
            place = (row.conversation_id, row.sender, row.receiver, row.receiver_type)
            action = Draft(*place, "action", "message", b'{"data":{}}', 50)
            act = MessageAct(number, row.sender, anything)
            if change % 2:
                await store.messages.delete(act, 45, lambda _: b'{"data":{}}', lambda _, action=action: action)
                self.mentions[number], self.tags[number] = (), ()
                self.saved.pop(number, None)
            else:
                edited = EditedContent(b'{"data":{},"tags":["z"]}', 0, ("carol",))
                await store.messages.edit(act, 46, lambda _, edited=edited: edited, lambda _, action=action: action)
                self.mentions[number], self.tags[number] = ("carol",), ("z",)
        await store.blocks.add("bob", ["carol"], 5)
        for place, read, delivered in ((GROUP, numbers[20], numbers[35]), (ALICE_BOB, numbers[30], numbers[30])):
            await store.read_state.mark_up_to(place, "bob", read, 47, read=True)
            await store.read_state.mark_up_to(place, "bob", delivered, 48, read=False)
            self.read[place], self.delivered[place] = read, max(read, delivered)
        await store.read_state.clear(BOB_CAROL, "bob", numbers[10])
        self.cleared[BOB_CAROL] = numbers[10]

    def expected(self, f: MessageFilter) -> list[int]:
        """Return the ids that bob's list has."""
        found = [row for row in self.rows.values() if self._is_within(row, f) and self._matches(row, f)]
        if f.pinned:
            found.sort(key=lambda row: (row.pinned_at, row.id), reverse=True)
        elif f.saved:
            found.sort(key=lambda row: (self.saved[row.id], row.id), reverse=True)
        else:
            found.sort(key=lambda row: row.id, reverse=not f.newer)
        return [row.id for row in found][: f.limit]

    def _is_within(self, row: MessageRow, f: MessageFilter) -> bool:
        if f.conversation_id:
            if row.conversation_id != f.conversation_id or row.id <= f.since:
                return False
            missed = f.unread or f.undelivered
        else:
            if row.conversation_id == ALICE_CAROL or row.id <= self.cleared.get(row.conversation_id, 0):
                return False
            after = f.newer and (f.cursor is not None or f.sent_cursor is not None) and not f.before_joining
            missed = after or f.only_updates or f.unread or f.undelivered
        if missed and row.receiver_type == "group" and row.id <= self.joined_after:
            return False
        position, cursor = (row.id,), (f.cursor,)
        if (f.pinned or f.saved) and f.cursor is not None:
            times = {m: r.pinned_at for m, r in self.rows.items()} if f.pinned else self.saved
            known = times.get(f.cursor)
            return known is None or (times.get(row.id) or 0, row.id) < (known, f.cursor)
        if f.sent_cursor is not None:
            position, cursor = (row.sent_at, row.id), (f.sent_cursor, f.cursor)
            if f.cursor is None:
                position, cursor = (row.sent_at,), (f.sent_cursor,)
        elif f.cursor is None:
            return True
        return position > cursor if f.newer else position < cursor

    def _matches(self, row: MessageRow, f: MessageFilter) -> bool:
        of_others = row.sender != "bob" and row.category != "action"
        refused = (
            f.from_time is not None and row.sent_at < f.from_time,
            f.to_time is not None and row.sent_at > f.to_time,
            f.updated_after is not None and row.updated_at < f.updated_after,
            f.updated_after is not None and f.only_updates and row.updated_at <= row.sent_at,
            f.parent_id is not None and row.parent_id != f.parent_id,
            f.parent_id is None and f.hide_replies and row.parent_id is not None,
            f.sender and row.sender != f.sender,
            f.receiver_type and row.receiver_type != f.receiver_type,
            f.categories and row.category not in f.categories,
            f.types and row.type not in f.types,
            f.hide_deleted and row.deleted_at is not None,
            f.only_deleted and row.deleted_at is None,
            f.hide_quoted and row.quoted_id is not None,
            row.traits & f.traits != f.traits,
            f.mentioned and not {*f.mentioned} & {*self.mentions[row.id]},
            f.tags and not {*f.tags} & {*self.tags[row.id]},
            f.not_from_blocked and row.sender == "carol",
            f.pinned and row.pinned_at is None,
            f.saved and row.id not in self.saved,
            f.unread and not (of_others and row.id > self.read.get(row.conversation_id, 0)),
            f.unread and row.deleted_at is not None,
            f.undelivered and not (of_others and row.id > self.delivered.get(row.conversation_id, 0)),
        )
        return not any(refused)


def conditions(history: History) -> list[dict[str, Any]]:
    """Return values for each field of a filter, at the borders of what is stored."""
    ids = sorted(history.rows)
    row = history.rows[ids[len(ids) // 2]]
    parent = next(row.parent_id for row in history.rows.values() if row.parent_id)
    saved, pinned = next(iter(history.saved)), next(r.id for r in history.rows.values() if r.pinned_at)
    return [
        {"sender": "alice"}, {"receiver_type": "user"}, {"categories": ("custom", "action")}, {"types": ("image",)},
        {"parent_id": parent}, {"hide_replies": True}, {"hide_deleted": True}, {"only_deleted": True},
        {"hide_quoted": True}, {"unread": True}, {"undelivered": True}, {"from_time": row.sent_at},
        {"to_time": row.sent_at}, {"traits": int(Trait.LINK | Trait.ATTACHMENT)}, {"traits": int(Trait.LINK)},
        {"mentioned": ("bob", "alice")}, {"tags": ("y", "z")}, {"not_from_blocked": True}, {"pinned": True},
        {"saved": True}, {"saved": True, "cursor": saved}, {"pinned": True, "cursor": pinned},
        {"updated_after": 46}, {"updated_after": row.sent_at, "only_updates": True}, {"cursor": row.id}, {"cursor": 0},
        {"cursor": 0, "before_joining": True}, {"unread": True, "before_joining": True},
        {"sent_cursor": row.sent_at}, {"sent_cursor": row.sent_at, "cursor": row.id}, {"sent_cursor": row.sent_at, "cursor": ids[-1]}, {"limit": 5}, {"limit": 1}, {"newer": True}, {"since": ids[9]},
    ]  # fmt: skip


async def test_filtered_message_lists_equal_those_of_the_model(open_store):
    store = await open_store()
    history = History(store)
    await history.fill()
    each, chance, lengths = conditions(history), random.Random(11), list[int]()
    together = [chance.choice(each) | chance.choice(each) | chance.choice(each) for _ in range(250)]
    for fields in [*each, *[one | {"newer": True} for one in each], *together]:
        if fields.get("pinned") and fields.get("saved"):
            continue  # no caller asks for these together
        place = chance.choice((None, None, GROUP, ALICE_BOB))
        criteria = MessageFilter("bob", place, **({"limit": 100} | fields))
        found = [row.id for row in await store.messages.find(criteria)]
        assert found == history.expected(criteria), criteria
        lengths.append(len(found))
    assert lengths.count(0) < len(lengths) / 2
    await store.close()


async def test_list_of_unread_messages_has_those_that_are_counted(open_store):
    store = await open_store()
    history = History(store)
    await history.fill()
    await store.read_state.mark_unread_after(GROUP, "bob", 0)
    counts = {row.conversation_id: row.unread for row in (await store.conversations.find(ConversationFilter("bob")))[0]}
    for place in (GROUP, ALICE_BOB):
        found = await store.messages.find(MessageFilter("bob", place, unread=True, limit=100))
        assert len(found) == counts[place] > 0
    await store.close()
