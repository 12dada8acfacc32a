"""A store in which everything exists several times, so that a write that touches its neighbours is noticed."""

from __future__ import annotations

import itertools
from typing import Any

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.file_records import FileRow
from tailwire.server.ports.form_records import FormLimits, FormRow
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.push_records import MuteRow, PushTokenRow
from tailwire.server.ports.records import Draft, Event, GroupRow, RoleRow, UserRow
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.ports.world import World

USERS = ("alice", "bob", "carol")
PAIRS = {"ab": ("alice", "bob"), "ac": ("alice", "carol"), "bc": ("bob", "carol")}
GROUPS = ("team", "crew")
FILES = "abcdef12"
PLACES = {
    **{name: (key_of(*pair, "user"), *pair, "user") for name, pair in PAIRS.items()},
    **{guid: (key_of("", guid, "group"), "alice", guid, "group") for guid in GROUPS},
}
KEYS = {name: place[0] for name, place in PLACES.items()}
IDENTITIES = {
    "api_keys": "key_hash", "auth_tokens": "token_hash", "bans": "guid uid", "blocks": "uid blocked",
    "conversations": "conversation_id", "deliveries": "webhook trigger", "edits": "message_id", "ended_tokens": "token_hash",
    "file_uses": "place key name", "files": "name", "flags": "message_id uid", "friends": "uid friend", "groups": "guid",
    "interactions": "message_id uid element_id", "issued_forms": "name", "marks": "conversation_id uid", "members": "guid uid",
    "mentions": "message_id uid", "messages": "id", "notifications": "message_id token_hash",
    "participants": "uid conversation_id", "push_mutes": "uid conversation_id", "push_preferences": "uid",
    "push_tokens": "token_hash", "reactions": "message_id reaction uid", "receipts": "conversation_id uid read up_to",
    "removed_names": "kind name", "removed_sends": "uid muid", "restrictions": "role feature", "roles": "role", "saves": "uid message_id",
    "subscriptions": "uid message_id", "users": "uid", "webhook_states": "webhook", "webhooks": "id",
}  # fmt: skip
"""The tables, each with the columns that tell its rows apart."""
_WITH_MESSAGES = {"messages.id", "file_uses.key", "receipts.up_to"}


class Clock(World):
    """A clock that stands still until it is set, soon after everything was written."""

    now = 40

    def seconds(self) -> int:
        return self.now


def anything(standing: object) -> None:
    pass


def file_name(name: str) -> str:
    """Return the stored name of the file that tests call by a letter."""
    return f"{name * 40}.png"


class Neighbours:
    """The store, and the numbers of its messages by their names: `team1`, `team2`, `ab1` and so on."""

    def __init__(self, store: Any, clock: Clock | None = None) -> None:
        self.store = store
        self.clock = clock or Clock()
        self.ids: dict[str, int] = {}

    def act(self, name: str, uid: str) -> MessageAct:
        return MessageAct(self.ids[name], uid, anything)

    @staticmethod
    def in_group(guid: str, uid: str) -> GroupAct:
        return GroupAct(guid, "alice", uid, anything)

    @staticmethod
    def draft(place: str, at: int = 10, **more: Any) -> Draft:
        key, sender, receiver, kind = PLACES[place]
        return Draft(key, sender, receiver, kind, more.pop("category", "message"), "text", b'{"data":{}}', at, **more)

    async def fill(self) -> None:
        """Write all rows, each next to others that have one of its columns in common with it."""
        await self._people()
        for place in PLACES:
            for number in (1, 2):
                name, more = f"{place}{number}", dict[str, Any](muid=f"{place}{number}", mentions=("bob", "carol"))
                if place in GROUPS:
                    more["files"] = (file_name("abcd"[2 * GROUPS.index(place) + number - 1]),)
                self.ids[name] = (await self.store.messages.add(self.draft(place, **more))).message.id
        for name, uid in itertools.product(self.ids, USERS):
            await self._annotate(self.act(name, uid))
        for place, uid in itertools.product(PLACES, USERS):
            await self._mark(place, uid)
        await self._devices()
        await self._deliveries()
        announced = await self.store.database.rows("SELECT id FROM messages WHERE category = 'action' ORDER BY id")
        self.ids |= {f"announced{n}": number for n, (number,) in enumerate(announced, 1)}

    async def _people(self) -> None:
        s = self.store
        for role, feature in itertools.product(("calm", "loud"), ("one", "two")):
            await s.roles.add(RoleRow(role, role, created_at=1, updated_at=1))
            await s.roles.restrict(role, [feature], 1)
        for name in FILES:
            await s.files.add(FileRow(file_name(name), "bob" if name in "ab" else "alice", "f", "image/png", 7, 5))
        for uid in USERS:
            forms = [FormRow(f"{uid}-{number}", uid, 7, 5) for number in (1, 2)]
            await s.files.issue_forms(forms, FormLimits(0, 10, 0, 0))
        for uid, role, face in zip(USERS, ("calm", "loud", "calm"), "ef1", strict=True):
            avatar = f"tailwire:/files/{file_name(face)}"
            await s.users.add(UserRow(uid, uid, avatar, role=role, created_at=1))
            for number in (1, 2):
                await s.tokens.add(TokenRow(f"{uid}-{number}", uid, 1), 10)
        for uid, other in itertools.permutations(USERS, 2):
            await s.blocks.add(uid, [other], 5)
            await s.friends.add(uid, other, 5, 10)
        for guid in GROUPS:
            await s.groups.add(GroupRow(guid, guid, "public", owner="alice", members_count=1, created_at=1))
            for uid in ("bob", "carol"):
                await s.members.add(self.in_group(guid, uid), "participant", 5, self.announcement(guid))
            for uid in ("dave", "erin"):
                await s.members.remove(self.in_group(guid, uid), self.announcement(guid), banned_at=5)
        for key in ("first", "second", "third"):
            await s.keys.add(KeyRow(key, key, "fullAccess", 1))

    def announcement(self, guid: str) -> Any:
        return lambda standing: self.draft(guid, category="action")

    async def _annotate(self, act: MessageAct) -> None:
        s = self.store
        for reaction in ("x", "y"):
            await s.reactions.add(act, reaction, 5, 10)
        await s.annotations.save(act, 5, 20)
        await s.annotations.subscribe(act, following=True)
        await s.annotations.add_report(act, "spam", None, 5)
        await s.annotations.add_interactions(act, ["one", "two"], 5)

    async def _mark(self, place: str, uid: str) -> None:
        key, s = KEYS[place], self.store
        await s.read_state.mark_up_to(key, uid, 1, 20, read=True)  # also for those who do not have the conversation
        await s.read_state.tag(key, uid, '["x"]')
        await s.read_state.pin(key, uid, 5, 20)
        if place in GROUPS or uid in PAIRS[place]:
            await s.read_state.mark_up_to(
                key, uid, self.ids[f"{place}1"], 20, read=True, group=place if place in GROUPS else ""
            )

    async def _devices(self) -> None:
        s = self.store
        for uid, number, device in itertools.product(USERS, (1, 2), ("phone", "desk")):
            name = f"{uid}-{number}-{device}"
            await s.push_tokens.put(
                PushTokenRow(name, uid, f"{uid}-{number}", "web_push", "web", "", f"of {name}", 5, 5), 10
            )
        for uid in USERS:
            await s.push_preferences.put(uid, "{}")
            await s.push_preferences.mute(uid, [MuteRow(KEYS[guid], 500) for guid in GROUPS], 10)
        for name in ("ab1", "ab2"):
            await s.notifications.queue(self.ids[name], 0, ["bob", "carol"], 10, 20)

    async def _deliveries(self) -> None:
        s = self.store
        for webhook in ("first", "second"):
            await s.webhooks.add(WebhookRow(webhook, webhook, "https://x.test", "a,b,c,d"))
        await s.webhooks.add_events([Event(trigger, b"{}") for trigger in "abcd"])
        for webhook in ("first", "second"):
            for row in (await s.deliveries.find(webhook, failed=False, limit=2, offset=0))[0]:
                await s.deliveries.give_up(row, 30, "status 400")

    async def rows(self) -> dict[str, dict[str, tuple[Any, ...]]]:
        """Return all rows of all tables by what tells them apart: messages, conversations and files by their short names."""
        names = {number: name for name, number in self.ids.items()}
        short = {key: name for name, key in KEYS.items()} | {file_name(letter): letter for letter in FILES}
        found: dict[str, dict[str, tuple[Any, ...]]] = {}
        for table, columns in IDENTITIES.items():
            wanted = columns.split()
            rows = await self.store.database.rows(f"SELECT {', '.join(wanted)}, t.* FROM {table} t")
            found[table] = of = {}
            for row in map(tuple, rows):
                words = []
                for column, value in zip(wanted, row, strict=False):
                    if column == "message_id" or f"{table}.{column}" in _WITH_MESSAGES:
                        value = names.get(int(value), "new") if str(value).isdigit() else value
                    words.append(str(short.get(value, value)))
                of[" ".join(words)] = row
        return found

    async def changed(self, before: dict[str, dict[str, tuple[Any, ...]]]) -> dict[str, set[str]]:
        """Return for each table which rows are other ones than before, new or gone."""
        now = await self.rows()
        changes = {
            table: {name for name in before[table].keys() | of.keys() if before[table].get(name) != of.get(name)}
            for table, of in now.items()
        }
        return {table: names for table, names in changes.items() if names}


async def filled(open_store: Any) -> Neighbours:
    """Return a store with everything in it."""
    clock = Clock()
    town = Neighbours(await open_store(clock), clock)
    await town.fill()
    return town
