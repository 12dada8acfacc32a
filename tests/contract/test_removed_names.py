"""A message is not stored once its sender, its receiver or its group was removed, although it was checked before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contract.neighbours import Clock
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, EditedContent, GroupRow, MessageRow, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.rules.names import SYSTEM_USER
from tailwire.server.store.postgres.store import PostgresStore
from tailwire.server.store.sql.removed_names import KEPT_SECONDS


def anything(standing: object) -> None:
    pass


def draft(sender: str, receiver: str, kind: str = "user", **more: Any) -> Draft:
    return Draft(
        key_of(sender, receiver, kind), sender, receiver, kind, more.pop("category", "message"), "text",
        b'{"data":{}}', more.pop("at", 40), **more,
    )  # fmt: skip


class Town:
    """A store with the users alice, bob and carol, and alice's group g with the member bob."""

    def __init__(self, store: Any, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    @classmethod
    async def open(cls, open_store: Any) -> Town:
        clock = Clock()
        town = cls(await open_store(clock), clock)
        for uid in ("alice", "bob", "carol"):
            await town.add_user(uid)
        await town.add_group()
        join = GroupAct("g", "bob", "bob", anything)
        await town.store.members.add(join, "participant", 1, lambda _: draft("bob", "g", "group", category="action"))
        return town

    async def add_user(self, uid: str) -> None:
        await self.store.users.add(UserRow(uid, uid.title(), created_at=1))

    async def add_group(self) -> None:
        await self.store.groups.add(GroupRow("g", "G", "public", owner="alice", members_count=1, created_at=1))

    async def refusal(self, sent: Draft, act: GroupAct | None = None) -> str:
        """Return the code with which a message is refused; "" if it is stored."""
        try:
            await self.store.messages.add(sent, act)
        except Refused as e:
            return e.code
        return ""

    async def remove_group(self) -> None:
        await self.store.removal.remove_group(GroupAct("g", "alice", "", anything), lambda _: ())

    async def count(self, conversation: str) -> list[int]:
        """Return how many messages, conversations and participants with this key there are."""
        tables = ("messages", "conversations", "participants")
        sql = "SELECT count(*) FROM {} WHERE conversation_id = ?"
        return [(await self.store.database.first_row(sql.format(table), (conversation,)))[0] for table in tables]


@pytest.mark.parametrize("with_messages", [False, True])
async def test_message_of_a_removed_user_or_to_them_is_refused(open_store, with_messages):
    town = await Town.open(open_store)
    await town.store.removal.remove_user("bob", with_messages=with_messages)
    for sent in (
        draft("alice", "bob"), draft("bob", "alice"), draft("bob", "g", "group"), draft(SYSTEM_USER, "bob"),
        draft("bob", "carol", muid="m"),
    ):  # fmt: skip
        assert await town.refusal(sent) == "ERR_UID_NOT_FOUND"
    for other in ("alice", "carol", SYSTEM_USER):
        assert await town.count(key_of("bob", other, "user")) == [0, 0, 0]
    assert await town.refusal(draft("alice", "carol")) == await town.refusal(draft("alice", "g", "group")) == ""
    assert await town.refusal(draft(SYSTEM_USER, "alice")) == ""
    await town.add_user("bob")
    assert await town.refusal(draft("alice", "bob")) == await town.refusal(draft("bob", "carol", muid="m")) == ""
    await town.store.close()


async def test_message_that_waits_behind_the_removal_of_its_sender_is_refused(open_store):
    town = await Town.open(open_store)
    removing = asyncio.ensure_future(town.store.removal.remove_user("bob", with_messages=True))
    sending: list[asyncio.Future[str]] = []
    while not removing.done():
        sending.append(asyncio.ensure_future(town.refusal(draft("bob", "carol"))))
        await asyncio.sleep(0)
    sending.append(asyncio.ensure_future(town.refusal(draft("bob", "carol"))))
    codes = await asyncio.gather(*sending)
    assert codes[-1] == "ERR_UID_NOT_FOUND"
    assert set(codes) <= {"", "ERR_UID_NOT_FOUND"}
    assert await town.count(key_of("bob", "carol", "user")) == [0, 0, 0]
    await town.store.close()


async def test_message_to_a_removed_group_is_refused_and_the_next_group_with_its_guid_is_empty(open_store):
    town = await Town.open(open_store)
    await town.remove_group()
    assert await town.refusal(draft(SYSTEM_USER, "g", "group")) == "ERR_GUID_NOT_FOUND"
    assert (
        await town.refusal(draft("alice", "g", "group"), GroupAct("g", "alice", "", anything)) == "ERR_GUID_NOT_FOUND"
    )
    assert await town.refusal(draft("alice", "g")) == ""  # a user may have the name of a group
    assert await town.count(key_of("", "g", "group")) == [0, 0, 0]
    await town.add_group()
    place = key_of("", "g", "group")
    assert await town.store.messages.find(MessageFilter("alice", conversation_id=place, limit=9)) == []
    assert await town.refusal(draft(SYSTEM_USER, "g", "group")) == ""
    await town.store.close()


async def test_send_that_is_repeated_after_its_receiver_was_removed_returns_the_stored_message(open_store):
    town = await Town.open(open_store)
    sent = draft("alice", "bob", muid="m")
    stored = await town.store.messages.add(sent)
    await town.store.removal.remove_user("bob", with_messages=False)
    again = await town.store.messages.add(sent)
    assert (again.message.id, again.new) == (stored.message.id, False)
    await town.store.close()


async def test_message_to_a_removed_user_is_edited_and_deleted_and_what_names_them_is_erased_later(open_store):
    town = await Town.open(open_store)
    sent = (await town.store.messages.add(draft("alice", "bob"))).message
    act = MessageAct(sent.id, "alice", anything)
    await town.store.removal.remove_user("bob", with_messages=False, anonymous=True)
    entity = b'{"data":{"entities":{"for":{"entityType":"user","entity":{"uid":"bob","name":"Bob"}}}}}'
    announced = draft("alice", "bob", category="action")._replace(
        type="message", body=entity
    )  # made before, and waited
    await town.store.messages.edit(act, 41, lambda _: EditedContent(b'{"data":{"text":"b"}}', 0), lambda _: announced)
    deletion = await town.store.messages.delete(act, 41, lambda _: b"{}", lambda _: announced)
    assert b"Bob" in (await town.store.messages.get(deletion.message.id)).body
    while await town.store.chores.do_next():
        pass
    town.clock.now += 20
    while await town.store.chores.do_next():
        pass
    assert b"Bob" not in (await town.store.messages.get(deletion.message.id)).body
    await town.store.close()


async def test_later_user_with_the_uid_of_a_removed_one_keeps_their_name_in_messages(open_store):
    town = await Town.open(open_store)
    await town.store.removal.remove_user("bob", with_messages=True)
    await town.add_user("bob")
    entity = b'{"data":{"entities":{"sender":{"entityType":"user","entity":{"uid":"bob","name":"Bob"}}}}}'
    sent = (await town.store.messages.add(draft("bob", "alice")._replace(body=entity))).message
    town.clock.now += 20
    while await town.store.chores.do_next():
        pass
    assert b"Bob" in (await town.store.messages.get(sent.id)).body
    await town.store.close()


async def test_membership_that_a_removed_user_has_changed_is_announced(open_store):
    town = await Town.open(open_store)
    await town.store.removal.remove_user("carol", with_messages=False)
    announced = draft("carol", "g", "group", category="action")._replace(type="groupMember")
    stored, _ = await town.store.members.remove(GroupAct("g", "alice", "bob", anything), lambda _: announced)
    assert (await town.store.messages.get(stored.message.id)).sender == "carol"
    await town.store.close()


async def test_names_of_the_removed_are_kept_for_an_hour(open_store):
    town = await Town.open(open_store)

    async def kept() -> list[tuple[str, str]]:
        return [tuple(row) for row in await town.store.database.rows("SELECT kind, name FROM removed_names ORDER BY 1")]

    await town.store.removal.remove_user("bob", with_messages=False)
    town.clock.now += KEPT_SECONDS - 1
    await town.remove_group()
    assert await kept() == [("group", "g"), ("user", "bob")]
    town.clock.now += 1
    await town.store.removal.remove_user("carol", with_messages=False)
    assert await kept() == [("group", "g"), ("user", "carol")]
    await town.store.close()


async def test_names_that_were_kept_for_an_hour_are_forgotten_without_another_removal(open_store):
    town = await Town.open(open_store)

    async def kept_after(seconds: int) -> list[str]:
        town.clock.now += seconds
        if isinstance(town.store, PostgresStore):
            await town.store.upkeep.clean()
        else:
            assert await town.refusal(draft("alice", "carol")) == ""
        return [row[0] for row in await town.store.database.rows("SELECT name FROM removed_names ORDER BY 1")]

    await town.store.removal.remove_user("bob", with_messages=False)
    assert await kept_after(KEPT_SECONDS - 1) == ["bob"]
    await town.remove_group()
    assert await kept_after(1) == ["g"]
    assert await kept_after(KEPT_SECONDS - 2) == ["g"]
    assert await kept_after(1) == []
    await town.store.close()


@pytest.mark.parametrize("with_messages", [False, True])
async def test_receipts_of_a_removed_user_are_not_stored(open_store, with_messages):
    town = await Town.open(open_store)
    places = [("carol", "bob", "user"), ("alice", "g", "group"), ("bob", "alice", "user")]
    sent = [(await town.store.messages.add(draft(*place))).message for place in places]

    async def read(reader: str, row: MessageRow) -> bool:
        group = row.receiver if row.receiver_type == "group" else ""
        marked = town.store.read_state.mark_up_to(
            row.conversation_id, reader, row.id, 50, read=True, group=group, sender=row.sender, device="d"
        )
        return await marked is not None

    async def stored() -> list[Any]:
        tables = ("marks", "receipts", "change_log", "messages")
        return [
            sorted(map(tuple, await town.store.database.rows(f"SELECT * FROM {table}")), key=str) for table in tables
        ]

    await town.store.removal.remove_user("bob", with_messages=with_messages)
    before = await stored()
    assert [await read("bob", row) for row in sent[:2]] == [False, False]
    assert await stored() == before
    assert await read("alice", sent[2])  # of others
    await town.add_user("bob")
    assert await read("bob", sent[1])
    await town.store.close()
