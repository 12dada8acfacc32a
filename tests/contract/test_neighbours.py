"""Each write changes the rows that it is about and no others, on each store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from contract.neighbours import GROUPS, KEYS, USERS, Neighbours, file_name, filled
from tailwire.server.ports.key_records import TokenRow
from tailwire.server.ports.push_records import MuteRow
from tailwire.server.ports.records import EditedContent


class Step(NamedTuple):
    """A write.

    Attributes:
        make: makes it.
        changed: for each table, the names of the rows that are other ones afterwards, separated by commas.
    """

    make: Callable[[Neighbours], Awaitable[Any]]
    changed: dict[str, str]


def announced(guid: str, **more: str) -> dict[str, str]:
    """Return the changes of a write in a group that is announced with a message."""
    return {"messages": "new", "conversations": guid, **more}


def of_messages(*names: str, **more: str) -> dict[str, str]:
    """Return the changes of a removal of messages: all that users have attached to them."""
    pairs = [(name, uid) for name in names for uid in USERS]
    by_message = [f"{name} {uid}" for name, uid in pairs]
    changed = {
        "messages": names, "flags": by_message, "mentions": [one for one in by_message if not one.endswith("alice")],
        "saves": [f"{uid} {name}" for name, uid in pairs], "subscriptions": [f"{uid} {name}" for name, uid in pairs],
        "reactions": [f"{name} {kind} {uid}" for name, uid in pairs for kind in "xy"],
        "interactions": [f"{one} {element}" for one in by_message for element in ("one", "two")],
        "removed_sends": [f"alice {name}" for name in names],
    }  # fmt: skip
    return {table: ", ".join(found) for table, found in changed.items()} | more


def edited(row: Any) -> EditedContent:
    return EditedContent(b'{"data":{"text":"x"}}', row.traits, ("alice", "bob"), (file_name("b"),))


async def delivery(n: Neighbours, webhook: str, trigger: str) -> Any:
    rows = [
        row for failed in (False, True)
        for row in (await n.store.deliveries.find(webhook, failed=failed, limit=9, offset=0))[0]
    ]  # fmt: skip
    return next(row for row in rows if row.trigger == trigger)


async def notice(n: Neighbours, device: str, message: str = "ab1") -> int:
    sql = "SELECT id, message_id FROM notifications WHERE token_hash = ?"
    return next(row[0] for row in await n.store.database.rows(sql, (device,)) if row[1] == n.ids[message])


async def send_again(n: Neighbours, webhook: str, *which: tuple[str, str]) -> None:
    await n.store.deliveries.send_again(webhook, [(await delivery(n, *one)).id for one in which])


async def sent(n: Neighbours, *devices: str) -> None:
    await n.store.notifications.mark_sent([await notice(n, device) for device in devices], 30)


async def failed(n: Neighbours, *devices: str, at: int = 30) -> None:
    for device in devices:
        await n.store.notifications.give_up(await notice(n, device), at, "status 400")


BOB_1, BOB_2 = "bob-1-phone", "bob-1-desk"
NOTICE_1, NOTICE_2 = f"ab1 {BOB_1}", f"ab1 {BOB_2}"
STEPS: dict[str, list[Step]] = {
    "reactions": [
        Step(lambda n: n.store.reactions.remove(n.act("team1", "bob"), "x", 9),
             {"reactions": "team1 x bob", "messages": "team1"}),
        Step(lambda n: n.store.reactions.add(n.act("team1", "bob"), "x", 11, 10),
             {"reactions": "team1 x bob", "messages": "team1"}),
    ],
    "annotations": [
        Step(lambda n: n.store.annotations.unsave(n.ids["team1"], "bob"), {"saves": "bob team1"}),
        Step(lambda n: n.store.annotations.save(n.act("team1", "bob"), 9, 20), {"saves": "bob team1"}),
        Step(lambda n: n.store.annotations.subscribe(n.act("team1", "bob"), following=False),
             {"subscriptions": "bob team1"}),
        Step(lambda n: n.store.annotations.pin(n.act("team1", "bob"), 9, 5, pinned=True), {"messages": "team1"}),
        Step(lambda n: n.store.annotations.pin(n.act("team1", "bob"), 9, 5, pinned=False), {"messages": "team1"}),
        Step(lambda n: n.store.annotations.add_report(n.act("team1", "bob"), "rude", "so", 9), {"flags": "team1 bob"}),
        Step(lambda n: n.store.annotations.add_interactions(n.act("team1", "bob"), ["two", "three"], 9),
             {"interactions": "team1 bob three"}),
    ],
    "relations": [
        Step(lambda n: n.store.blocks.remove("alice", ["bob"]), {"blocks": "alice bob"}),
        Step(lambda n: n.store.friends.remove("alice", "bob"), {"friends": "alice bob, bob alice"}),
        Step(lambda n: n.store.friends.add("alice", "bob", 9, 3), {"friends": "alice bob, bob alice"}),
    ],
    "members": [
        Step(lambda n: n.store.members.change_scope(n.in_group("team", "bob"), "moderator", n.announcement("team")),
             announced("team", members="team bob")),
        Step(lambda n: n.store.groups.transfer_ownership(n.in_group("team", "carol"), 9, lambda _: ()),
             {"groups": "team", "members": "team carol"}),
        Step(lambda n: n.store.members.remove(n.in_group("team", "bob"), n.announcement("team")),
             announced("team", members="team bob", groups="team", subscriptions="bob team1, bob team2")),
        Step(lambda n: n.store.members.add(n.in_group("team", "bob"), "participant", 9, n.announcement("team")),
             announced("team", members="team bob", groups="team")),
        Step(lambda n: n.store.members.unban(n.in_group("team", "dave"), n.announcement("team")),
             announced("team", bans="team dave")),
        Step(lambda n: n.store.groups.change(n.in_group("crew", ""), lambda _: {"name": "Crew"}, lambda _: ()),
             {"groups": "crew"}),
    ],
    "roles": [
        Step(lambda n: n.store.roles.allow("calm", ["one"]), {"restrictions": "calm one"}),
        Step(lambda n: n.store.roles.change("loud", lambda row: replace(row, name="Loud", updated_at=9)),
             {"roles": "loud"}),
        Step(lambda n: n.store.roles.remove("loud"),
             {"roles": "loud", "restrictions": "loud one, loud two", "users": "bob"}),
    ],
    "keys": [
        Step(lambda n: n.store.keys.record_use("first", 9), {"api_keys": "first"}),
        Step(lambda n: n.store.keys.change("first", "First", "authOnly"), {"api_keys": "first"}),
        Step(lambda n: n.store.keys.end("first", 50), {"api_keys": "first"}),
        Step(lambda n: n.store.keys.end("first", 50), {}),
        Step(lambda n: n.store.keys.end("first", 60), {}),
        Step(lambda n: n.store.keys.end_others(["second"], 50, 40), {"api_keys": "third"}),
        Step(lambda n: n.store.keys.end_others(["second"], 50, 50), {"api_keys": "first, third"}),
        Step(lambda n: n.store.keys.remove("second"), {"api_keys": "second"}),
    ],
    "users": [
        Step(lambda n: n.store.users.change("alice", {"name": "A"}), {"users": "alice"}),
        Step(lambda n: n.store.users.change("alice", {"avatar": None}),
             {"users": "alice", "file_uses": "user alice e", "files": "e"}),
        Step(lambda n: n.store.tokens.remove("bob-1"), {"auth_tokens": "bob-1"}),
        Step(lambda n: n.store.tokens.add(TokenRow("bob-3", "bob", 9), 1), {"auth_tokens": "bob-2, bob-3"}),
        Step(lambda n: n.store.users.deactivate(["alice"], 9),
             {"users": "alice", "auth_tokens": "alice-1, alice-2"}),
        Step(lambda n: n.store.users.deactivate(["alice", "bob"], None), {"users": "alice"}),
        Step(lambda n: n.store.tokens.remove_all("carol"), {"auth_tokens": "carol-1, carol-2"}),
    ],
    "files": [
        Step(lambda n: n.store.files.discard([file_name("2"), file_name("a")]), {"files": "2"}),
        Step(lambda n: n.store.users.change("alice", {"avatar": f"tailwire:/files/{file_name('2')}"}),
             {"users": "alice", "file_uses": "user alice e", "files": "e"}),  # not again the discarded one
        Step(lambda n: n.store.files.condemn(never_used_added_until=0, last_used_until=0, limit=1), {}),
        Step(lambda n: n.store.files.remove([file_name("2"), file_name("a"), file_name("e")], 50, 100), {"files": "2"}),
        Step(lambda n: n.store.files.condemn(never_used_added_until=1 << 40, last_used_until=1 << 40, limit=9), {"files": "e"}),
        Step(lambda n: n.store.files.remove([file_name("a"), file_name("e")], 60, 50), {"files": "e"}),
        Step(lambda n: n.store.files.remove([], 100, 50), {"files": "2"}),
    ],
    "unused files": [
        Step(lambda n: condemn(n, 4, 0), {}),
        Step(lambda n: condemn(n, 5, 0), {"files": "2"}),
        Step(lambda n: n.store.users.change("alice", {"avatar": None}),
             {"users": "alice", "file_uses": "user alice e", "files": "e"}),
        Step(lambda n: condemn(n, 0, 39), {}),
        Step(lambda n: condemn(n, 0, 40), {"files": "e"}),
    ],
    "ended tokens": [
        Step(lambda n: n.store.tokens.add(TokenRow("jwt-1", "bob", 9, expires_at=100), 10), {"auth_tokens": "jwt-1"}),
        Step(lambda n: n.store.tokens.remove("jwt-1"), {"auth_tokens": "jwt-1", "ended_tokens": "jwt-1"}),
        Step(lambda n: n.store.tokens.add(TokenRow("jwt-2", "bob", 9, expires_at=150), 10), {"auth_tokens": "jwt-2"}),
        Step(lambda n: n.store.tokens.add(TokenRow("jwt-1", "bob", 100, expires_at=200), 10),
             {"auth_tokens": "jwt-1", "ended_tokens": "jwt-1"}),
        Step(lambda n: n.store.tokens.add(TokenRow("jwt-3", "bob", 150, expires_at=200), 10),
             {"auth_tokens": "jwt-2, jwt-3"}),
    ],
    "push": [
        Step(lambda n: n.store.push_preferences.unmute("bob", [KEYS["team"]]), {"push_mutes": "bob team"}),
        Step(lambda n: n.store.push_preferences.mute("bob", [MuteRow(KEYS["crew"], 900)], 9), {"push_mutes": "bob crew"}),
        Step(lambda n: n.store.push_preferences.mute("bob", [MuteRow(KEYS["team"], 950)], 1),
             {"push_mutes": "bob team, bob crew"}),
        Step(lambda n: n.store.push_preferences.put("bob", "[]"), {"push_preferences": "bob"}),
        Step(lambda n: n.store.push_preferences.put_timezone("bob", "Asia/Tokyo"), {"push_preferences": "bob"}),
        Step(lambda n: n.store.push_tokens.remove(BOB_1, f"of {BOB_2}"), {}),
        Step(lambda n: n.store.push_tokens.remove(BOB_1, f"of {BOB_1}"), {"push_tokens": BOB_1}),
        Step(lambda n: n.store.push_tokens.remove_of("bob-2", "bob-2-desk"), {"push_tokens": "bob-2-desk"}),
        Step(lambda n: n.store.push_tokens.remove_of("bob-1", "bob-2-phone"), {}),
        Step(lambda n: n.store.push_tokens.remove_of("alice-1"), {"push_tokens": "alice-1-phone, alice-1-desk"}),
        Step(lambda n: n.store.push_tokens.remove_ended(30), {}),
        Step(lambda n: n.store.tokens.remove("carol-1"), {"auth_tokens": "carol-1"}),
        Step(lambda n: n.store.push_tokens.remove_ended(30), {"push_tokens": "carol-1-phone, carol-1-desk"}),
    ],
    "notifications": [
        Step(lambda n: sent(n, BOB_1), {"notifications": NOTICE_1}),
        Step(lambda n: n.store.notifications.queue_again(n.ids["ab2"], 31), {}),
        Step(lambda n: n.store.notifications.queue_again(n.ids["ab1"], 31), {"notifications": NOTICE_1}),
        Step(lambda n: failed(n, BOB_1), {"notifications": NOTICE_1}),
        Step(lambda n: failed(n, BOB_2, at=40), {"notifications": NOTICE_2}),
        Step(lambda n: n.store.notifications.delete_finished(100, 30), {}),
        Step(lambda n: n.store.notifications.delete_finished(100, 31), {"notifications": NOTICE_1}),
        Step(lambda n: n.store.notifications.send_all_again(50), {"notifications": NOTICE_2}),
        Step(lambda n: sent(n, BOB_2), {"notifications": NOTICE_2}),
        Step(lambda n: n.store.notifications.delete_finished(30, 100), {}),
        Step(lambda n: n.store.notifications.delete_finished(31, 100), {"notifications": NOTICE_2}),
        Step(lambda n: n.store.notifications.queue(n.ids["team1"], 0, ["bob"], 10, 20),
             {"notifications": "team1 bob-1-phone, team1 bob-1-desk, team1 bob-2-phone, team1 bob-2-desk"}),
    ],
    "deliveries": [
        Step(lambda n: send_again(n, "first", ("first", "a"), ("second", "a")), {"deliveries": "first a"}),
        Step(lambda n: delivery_done(n, "first", "a"), {"deliveries": "first a", "webhook_states": "first"}),
        Step(lambda n: delivery_put_off(n, "first", "c"), {"deliveries": "first c", "webhook_states": "first"}),
        Step(lambda n: delivery_put_off(n, "first", "b"), {}),  # it was given up
        Step(lambda n: n.store.deliveries.forget_old_failures(30 + 7 * 86_400 - 1), {}),
        Step(lambda n: n.store.deliveries.forget_old_failures(30 + 7 * 86_400),
             {"deliveries": "first b, second a, second b"}),
        Step(lambda n: n.store.webhooks.remove("first"),
             {"webhooks": "first", "deliveries": "first c, first d", "webhook_states": "first"}),
    ],
    "read state": [
        Step(lambda n: mark(n, "ab", "bob", 2, read=False), {"marks": "ab bob", "messages": "ab2"}),
        Step(lambda n: mark(n, "ab", "bob", 2, read=True), {"marks": "ab bob", "messages": "ab2"}),
        Step(lambda n: mark(n, "ab", "alice", 2, read=True), {"marks": "ab alice"}),
        Step(lambda n: mark(n, "team", "bob", 2, read=True),
             {"marks": "team bob", "receipts": "team bob 0 team2, team bob 1 team2"}),
        Step(lambda n: mark(n, "team", "carol", 2, read=False),
             {"marks": "team carol", "receipts": "team carol 0 team2", "messages": "team2"}),
        Step(lambda n: n.store.read_state.tag(KEYS["ac"], "alice", None), {"marks": "ac alice"}),
        Step(lambda n: n.store.read_state.tag(KEYS["ac"], "alice", '["y"]'), {"marks": "ac alice"}),
        Step(lambda n: n.store.read_state.pin(KEYS["ac"], "alice", None, 20), {"marks": "ac alice"}),
        Step(lambda n: n.store.read_state.pin(KEYS["ac"], "alice", 9, 20), {"marks": "ac alice"}),
        Step(lambda n: n.store.read_state.clear(KEYS["ac"], "alice", n.ids["ac1"]), {"marks": "ac alice"}),
        Step(lambda n: n.store.read_state.clear(KEYS["ac"], "alice", 0), {"marks": "ac alice"}),
        Step(lambda n: n.store.read_state.mark_unread_after(KEYS["ac"], "carol", 0), {"marks": "ac carol"}),
    ],
    "messages": [
        Step(lambda n: n.store.messages.edit(n.act("crew1", "alice"), 9, lambda row: EditedContent(
                 row.body, row.traits, ("bob", "carol"), (file_name("c"), file_name("2"))),
                 lambda _: n.draft("crew", category="action")),
             {"messages": "crew1, new", "conversations": "crew", "file_uses": "message crew1 2", "files": "2",
              "edits": "crew1"}),
        Step(lambda n: n.store.messages.edit(n.act("team1", "alice"), 9, edited, lambda _: n.draft("team", category="action")),
             {"messages": "team1, new", "conversations": "team", "mentions": "team1 carol, team1 alice",
              "file_uses": "message team1 a, message team1 b", "files": "a", "edits": "team1"}),
        Step(lambda n: n.store.messages.edit(n.act("team2", "alice"), 9, lambda _: EditedContent(b'{"data":{}}', 0, (), ()),
                                             lambda _: n.draft("team", category="action")),
             {"messages": "team2, new", "conversations": "team", "mentions": "team2 bob, team2 carol",
              "file_uses": "message team2 b", "edits": "team2"}),  # the first message still has the file
    ],
}  # fmt: skip


def of_bob(annotated: set[str], *removed: str) -> dict[str, str]:
    """Return the changes of the removal of bob.

    Args:
        annotated: which of his saved messages and subscriptions are still there, as their rows are named.
        removed: messages that are removed with him.
    """
    attached = ", ".join([*sorted(annotated), *(f"{uid} {name}" for name in removed for uid in USERS)])
    devices = [f"bob-{number}-{kind}" for number in (1, 2) for kind in ("phone", "desk")]
    pairs = "alice bob, bob alice, bob carol, carol bob"
    return {
        "users": "bob", "removed_names": "user bob", "members": "team bob, crew bob", "groups": "team, crew", "auth_tokens": "bob-1, bob-2",
        "blocks": pairs, "friends": pairs, "saves": attached, "subscriptions": attached, "file_uses": "user bob f",
        "marks": ", ".join(f"{place} bob" for place in KEYS),
        "receipts": ", ".join(f"{guid} bob {read} {guid}1" for guid in GROUPS for read in (0, 1)),
        "files": "f", "issued_forms": "bob-1, bob-2", "push_tokens": ", ".join(devices), "push_preferences": "bob", "push_mutes": "bob team, bob crew",
        "notifications": ", ".join(f"{name} {device}" for name in ("ab1", "ab2") for device in devices),
    }  # fmt: skip


ALL = {f"bob {place}{number}" for place in KEYS for number in (1, 2)}
REMOVALS: dict[str, Step] = {
    "a message": Step(lambda n: removed(n, "team1"), of_messages("team1", file_uses="message team1 a", files="a")),
    "the last message": Step(
        lambda n: removed(n, "team2"),
        of_messages("team2", file_uses="message team2 b", files="b", conversations="team")),
    "a conversation": Step(
        lambda n: n.store.removal.remove_conversation(KEYS["ab"]),
        of_messages("ab1", "ab2", conversations="ab", marks="ab alice, ab bob, ab carol", participants="alice ab, bob ab")),
    "a group": Step(
        lambda n: n.store.removal.remove_group(n.in_group("team", ""), lambda _: ()),
        of_messages(
            "team1", "team2", messages="team1, team2, announced1, announced2, announced3, announced4", groups="team", removed_names="group team",
            members="team alice, team bob, team carol", bans="team dave, team erin", conversations="team",
            marks="team alice, team bob, team carol", file_uses="message team1 a, message team2 b", files="a, b",
            receipts=", ".join(f"team {uid} {read} team1" for uid in USERS for read in (0, 1)))),
    "a user": Step(lambda n: n.store.removal.remove_user("bob", with_messages=False), of_bob(ALL)),
    "a user with their messages": Step(lambda n: n.store.removal.remove_user("bob", with_messages=True), {
        **of_messages("ab1", "ab2", "bc1", "bc2"), "removed_sends": "alice ab1, alice ab2",
        **of_bob({"bob ac1", "bob ac2", "bob team1", "bob team2", "bob crew1", "bob crew2"}, "ab1", "ab2", "bc1", "bc2"),
        "files": "a, b, f", "conversations": "ab, bc", "participants": "alice ab, bob ab, bob bc, carol bc",
        "marks": ", ".join([
            *(f"{place} bob" for place in KEYS), *(f"{pair} {uid}" for pair in ("ab", "bc") for uid in USERS)])}),
}  # fmt: skip


async def removed(n: Neighbours, name: str) -> None:
    await n.store.removal.remove_message(await n.store.messages.get(n.ids[name]))


@pytest.mark.parametrize("what", REMOVALS)
async def test_each_removal_changes_only_the_expected_rows(open_store, what):
    town = await filled(open_store)
    before = await town.rows()
    await REMOVALS[what].make(town)
    expected = {table: set(names.split(", ")) for table, names in REMOVALS[what].changed.items()}
    assert await town.changed(before) == expected
    await town.store.close()


async def condemn(n: Neighbours, never_used_added_until: int, last_used_until: int) -> None:
    await n.store.files.condemn(never_used_added_until=never_used_added_until, last_used_until=last_used_until, limit=9)


async def delivery_done(n: Neighbours, webhook: str, trigger: str) -> None:
    await n.store.deliveries.remove_delivered(await delivery(n, webhook, trigger), 40)


async def delivery_put_off(n: Neighbours, webhook: str, trigger: str) -> None:
    await n.store.deliveries.put_off(await delivery(n, webhook, trigger), 90, 41, "status 503")


async def mark(n: Neighbours, place: str, uid: str, number: int, *, read: bool) -> None:
    group = place if place in ("team", "crew") else ""
    await n.store.read_state.mark_up_to(KEYS[place], uid, n.ids[f"{place}{number}"], 30, read=read, group=group)


@pytest.mark.parametrize("noun", STEPS)
async def test_each_listed_write_changes_only_the_expected_rows(open_store, noun):
    town = await filled(open_store)
    for number, step in enumerate(STEPS[noun], 1):
        before = await town.rows()
        await step.make(town)
        expected = {table: set(names.split(", ")) for table, names in step.changed.items()}
        assert await town.changed(before) == expected, f"step {number}"
    await town.store.close()
