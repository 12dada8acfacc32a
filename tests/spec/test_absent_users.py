"""Users who were deleted or deactivated: what others can still do with them, and with what they wrote together."""

from __future__ import annotations

import pytest

from rest import Rest
from tailwire import Group


async def deactivate(rest: Rest, uid: str) -> None:
    """Deactivate a user."""
    await rest("DELETE", "/users", json={"uidsToDeactivate": [uid]})


async def make_group(rest: Rest) -> None:
    """Create a group of bob with alice, and with carol, who is deactivated."""
    await rest("POST", "/groups", as_="bob", json={"guid": "g", "name": "G", "type": "public"})
    await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["alice", "carol"]})
    await deactivate(rest, "carol")


@pytest.mark.parametrize("as_", ["bob", ""])
async def test_deactivated_member_gets_another_scope_and_is_removed(stage, as_):
    async with Rest(stage) as rest:
        await make_group(rest)
        changed = await rest("PUT", "/groups/g/members/carol", as_=as_, json={"scope": "moderator"})
        assert changed
        kicked = await rest("DELETE", "/groups/g/members/carol", as_=as_)
        assert kicked
        assert (await rest("GET", "/groups/g", as_="bob"))["membersCount"] == 2
        assert [m["uid"] for m in await rest("GET", "/groups/g/members", as_="bob")] == ["alice", "bob"]
        done = (await rest("GET", "/groups/g/messages", as_="alice"))[-2:]
        assert [m["data"]["action"] for m in done] == ["scopeChanged", "kicked"]
        for message in done:
            about = message["data"]["entities"]["on"]["entity"]
            assert (about["uid"], about["name"]) == ("carol", "Carol")
        await rest.refused("ERR_NOT_A_MEMBER", "DELETE", "/groups/g/members/carol", as_=as_)


@pytest.mark.parametrize("as_", ["bob", ""])
async def test_deactivated_member_is_banned_and_unbanned(stage, as_):
    async with Rest(stage) as rest:
        await make_group(rest)
        await rest("POST", "/groups/g/bannedusers/carol", as_=as_)
        assert [u["uid"] for u in await rest("GET", "/groups/g/bannedusers", as_="bob")] == ["carol"]
        assert (await rest("GET", "/groups/g", as_="bob"))["membersCount"] == 2
        await rest("DELETE", "/groups/g/bannedusers/carol", as_=as_)
        assert await rest("GET", "/groups/g/bannedusers", as_="bob") == []


async def test_nobody_is_banned_who_does_not_exist_or_added_who_is_deactivated(stage):
    async with Rest(stage) as rest:
        await make_group(rest)
        await rest.refused("ERR_UID_NOT_FOUND", "POST", "/groups/g/bannedusers/nobody", as_="bob")
        await rest("DELETE", "/groups/g/members/carol", as_="bob")
        added = await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["carol"]})
        assert added["participants"]["carol"]["error"]["code"] == "ERR_UID_NOT_FOUND"


@pytest.mark.parametrize("is_away", [False, True])
async def test_sender_learns_that_all_have_read_a_message_when_a_deactivated_member_is_removed(stage, is_away):
    alice, bob, carol = [await stage.enter(uid) for uid in ("alice", "bob", "carol")]
    await alice.chat.create_group(Group("team", "Team"))
    await bob.chat.join_group("team")
    await carol.chat.join_group("team")
    sent = await alice.say("team", "to all", "group")
    await bob.ears.until(lambda: bob.ears.texts == ["to all"])
    await bob.chat.mark_as_read(bob.ears.all("text")[0])
    await alice.ears.until(lambda: bool(alice.ears.all("read")))
    async with Rest(stage) as rest:
        await deactivate(rest, "carol")
        if is_away:
            await alice.chat.disconnect()
        await rest("DELETE", "/groups/team/members/carol", as_="alice")
        if is_away:
            await alice.chat.connect()
        await alice.ears.until(lambda: bool(alice.ears.all("read by all")))
    assert [receipt.message_id for receipt in alice.ears.all("read by all")] == [sent.id]
    assert (await alice.chat.get_message(sent.id)).read_at
