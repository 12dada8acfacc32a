"""Each read finds the rows that it asks for and no others, on each store, where all columns have neighbours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from contract.neighbours import KEYS, Neighbours, anything, file_name, filled
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.file_records import FileRow
from tailwire.server.ports.filters import ConversationFilter, MemberFilter
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.push_records import MuteRow, NotificationProgress, PushTokenRow
from tailwire.server.ports.records import Draft, Event, Trait, UserRow
from tailwire.server.ports.standing import GroupAct, MessageAct
from tailwire.server.ports.webhook_records import WebhookRow


async def with_people(n: Neighbours) -> None:
    """Add users whose names and uids differ: `zed` is called Ann, and `ann` is called Zed."""
    for uid, name in (("zed", "Ann"), ("ann", "Zed"), ("other", "Other")):
        await n.store.users.add(UserRow(uid, name, created_at=2))


def named(n: Neighbours, ids: Iterable[int]) -> list[str]:
    names = {number: name for name, number in n.ids.items()}
    return [names[number] for number in ids]


async def test_annotations_of_one_user_and_of_the_asked_messages_are_found(open_store):
    n = await filled(open_store)
    annotations, first, last = n.store.annotations, n.ids["ab2"], n.ids["ac1"]
    assert named(n, await annotations.saved_at(first, last, "bob")) == ["ab2", "ac1"]
    assert await annotations.followed_between(first, last, "bob") == {first, last}
    await annotations.save(MessageAct(first, "dave", anything), 5, 20)
    await annotations.subscribe(MessageAct(first, "dave", anything), following=True)
    await annotations.subscribe(n.act("team1", "dave"), following=True)
    assert await annotations.saved_at(first + 1, last, "dave") == {}
    assert await annotations.followed_between(first + 1, last, "dave") == set()
    assert await annotations.followed_threads("dave", limit=9, offset=0) == (
        [],
        0,
    )  # neither a member nor a participant
    threads, total = await annotations.followed_threads("carol", limit=3, offset=1)
    assert (named(n, threads), total) == (["crew1", "team2", "team1"], 8)
    found = await annotations.interactions([first], "bob")
    assert found == {first: [("one", 5), ("two", 5)]}
    assert await annotations.interactions([first], "dave") == {}
    reactions = await n.store.reactions.counts([first, last], "bob")
    assert reactions == {number: [("x", 3, True), ("y", 3, True)] for number in (first, last)}
    await n.store.reactions.remove(n.act("ab2", "alice"), "x", 6)  # the first of its kind: the other is older now
    assert await n.store.reactions.counts([first], "dave") == {first: [("y", 3, False), ("x", 2, False)]}
    for number, left in enumerate([(uid, kind) for uid in ("alice", "bob", "carol") for kind in "xy"]):
        row = await n.store.messages.get(first)
        assert row.traits & Trait.REACTION, f"{number} were removed"
        await n.store.reactions.remove(n.act("ab2", left[0]), left[1], 7)
    assert not (await n.store.messages.get(first)).traits & Trait.REACTION
    assert (await n.store.messages.get(last)).traits & Trait.REACTION
    await n.store.close()


async def test_limit_of_annotations_does_not_count_those_of_other_messages_and_users(open_store):
    n = await filled(open_store)
    act = n.act("team1", "bob")
    for reaction in "abc":
        await n.store.reactions.add(n.act("crew1", "bob"), reaction, 9, 9)  # those of another message
    assert await n.store.reactions.add(act, "z", 9, 2) is None  # the message has two already
    assert (await n.store.reactions.add(act, "z", 9, 3)).reaction == "z"
    assert await n.store.reactions.add(n.act("team1", "dave"), "x", 9, 2) is None  # two others
    assert (await n.store.reactions.add(n.act("team1", "dave"), "x", 9, 3)).uid == "dave"
    assert await n.store.annotations.save(act, 9, 9) == 0  # bob has nine others
    assert await n.store.annotations.save(act, 9, 10) > 0
    assert await n.store.annotations.pin(n.act("crew1", "bob"), 9, 5, pinned=True) > 0
    assert await n.store.annotations.pin(act, 9, 1, pinned=True) > 0  # nothing of its conversation was pinned
    assert await n.store.annotations.pin(act, 9, 1, pinned=True) > 0  # it takes no other place
    assert await n.store.annotations.pin(n.act("team2", "bob"), 9, 1, pinned=True) == 0
    await n.store.close()


async def test_block_and_friendship_are_found_only_between_their_two_users(open_store):
    store = await open_store()
    n = Neighbours(store)
    await with_people(n)
    for uid in ("alice", "bob", "carol"):
        await store.users.add(UserRow(uid, uid, created_at=1))
    await store.blocks.add("alice", ["zed", "ann"], 5)
    await store.blocks.add("bob", ["alice"], 6)
    await store.blocks.add("zed", ["carol"], 7)
    message_id = (await store.messages.add(n.draft("ac"))).message.id

    async def blocker(uid: str, number: int = message_id) -> str:
        return (await store.standings.message(MessageAct(number, uid, anything))).blocked_by

    assert [await blocker("alice"), await blocker("carol")] == ["", ""]
    other = (await store.messages.add(n.draft("ab"))).message.id
    assert [await blocker("alice", other), await blocker("bob", other)] == ["bob", "bob"]
    await store.blocks.add("alice", ["bob"], 5)
    assert [await blocker("alice", other), await blocker("bob", other)] == ["alice", "bob"]
    assert [await store.blocks.blocker_between(*pair) for pair in (("alice", "carol"), ("zed", "alice"))] == [
        "",
        "alice",
    ]
    found = {
        search: [row[0] for row in (await store.blocks.find("alice", "blockedByMe", search=search))[0]]
        for search in ("", "zed", "ann", "x")
    }
    assert found == {"": ["ann", "bob", "zed"], "zed": ["ann", "zed"], "ann": ["ann", "zed"], "x": []}
    assert await store.blocks.with_users("alice", ["bob", "carol"]) == {"bob": (5, 6)}
    assert await store.blocks.with_users("carol", ["alice", "zed"]) == {"zed": (None, 7)}
    assert await store.blocks.find("alice", "both") == ([("ann", 5, None), ("bob", 5, 6), ("zed", 5, None)], 3)
    await store.friends.add("alice", "bob", 5, 10)
    await store.friends.add("carol", "zed", 5, 10)
    assert [await store.friends.exists(*pair) for pair in (("alice", "bob"), ("alice", "zed"), ("bob", "alice"))] == [
        True, False, True,
    ]  # fmt: skip
    assert await store.friends.remove("alice", "zed") is False
    assert await store.friends.remove("bob", "alice") is True
    await store.close()


async def test_members_and_bans_are_those_of_one_group(open_store):
    n = await filled(open_store)
    members = n.store.members
    for uid in ("dave", "erin"):
        await n.store.users.add(UserRow(uid, uid, created_at=1))
    assert await members.members_among("team", ["bob", "dave"]) == ["bob"]
    assert await members.get("team", "dave") is None
    assert set(await members.in_groups(["team"], "bob")) == {"team"}
    group, member, ban = await n.store.groups.get_for("team", "bob")
    assert (group.guid, member.guid, member.uid, ban) == ("team", "team", "bob", None)
    group, member, ban = await n.store.groups.get_for("crew", "erin")
    assert (group.guid, member, ban.guid, ban.uid) == ("crew", None, "crew", "erin")
    assert await members.ban_of("team", "bob") is None
    assert (await members.ban_of("team", "dave")).guid == "team"
    assert [row.uid for row in (await members.bans(MemberFilter("team")))[0]] == ["dave", "erin"]
    assert [row.uid for row in (await members.bans(MemberFilter("team", search="da")))[0]] == ["dave"]
    for online, uids in ((True, ["dave"]), (False, ["erin"])):
        rows, total = await members.bans(MemberFilter("team", online=online, online_uids=("alice", "dave")))
        assert ([row.uid for row in rows], total) == (uids, 1)
    assert await members.banned_in(["team", "crew", "none"], "dave") == {"team", "crew"}
    assert await members.banned_in(["crew"], "dave") == {"crew"}
    assert await members.banned_in(["team", "crew"], "bob") == set()
    assert await members.banned_in([], "dave") == set()
    filters: dict[str, dict[str, Any]] = {
        "alice": {"scopes": ("admin",)}, "bob": {"search": "bo"}, "bob carol": {"scopes": ("participant",)},
        "carol": {"online": True, "online_uids": ("carol", "dave")}, "alice bob": {"online": False, "online_uids": ("carol",)},
    }  # fmt: skip
    for uids, values in filters.items():
        rows, total = await members.find(MemberFilter("team", **values))
        assert (" ".join(row.uid for row in rows), total) == (uids, len(rows))
        assert {row.guid for row in rows} == {"team"}
    standing = await n.store.standings.group(GroupAct("team", "alice", "bob", anything))
    assert (standing.actor.uid, standing.subject.uid, standing.subject_ban, standing.subject_groups) == (
        "alice",
        "bob",
        None,
        2,
    )
    standing = await n.store.standings.group(GroupAct("team", "alice", "", anything))
    assert (standing.actor.uid, standing.subject, standing.subject_groups) == ("alice", None, 0)
    standing = await n.store.standings.group(GroupAct("team", "alice", "dave", anything))
    assert (standing.subject, standing.subject_ban.guid, standing.subject_ban.uid, standing.subject_groups) == (
        None,
        "team",
        "dave",
        0,
    )
    await n.store.close()


async def test_device_is_removed_when_its_auth_token_has_ended(open_store):
    n = await filled(open_store)
    tokens = n.store.push_tokens
    await n.store.tokens.add(TokenRow("short", "bob", 1, expires_at=50), 10)
    await tokens.put(PushTokenRow("brief", "bob", "short", "web_push", "web", "", "of brief", 5, 5), 10)
    assert [row.token_hash for row in await tokens.of_auth_token("short")] == ["brief"]
    await tokens.remove_ended(49)
    assert len(await tokens.of_user("bob")) == 5
    await tokens.remove_ended(50)
    assert len(await tokens.of_user("bob")) == 4
    assert await tokens.of_auth_token("short") == []
    await n.store.close()


async def test_mute_of_a_conversation_ends_at_its_time(open_store):
    n = await filled(open_store)
    mutes = n.store.push_preferences
    assert await mutes.muted_conversations("bob", 499) == [MuteRow(KEYS[guid], 500) for guid in ("crew", "team")]
    assert await mutes.muted_conversations("bob", 500) == []
    await n.store.close()


async def test_receiver_of_a_notification_has_their_own_reads_blocks_mutes_and_devices(open_store):
    n = await filled(open_store)
    box, store = n.store.notifications, n.store
    message = await store.messages.get(n.ids["team1"])

    async def facts(uid: str, actor: str = "alice", **more: Any) -> Any:
        found = await box.members(message._replace(**more), actor, "", 10)
        return next(one for one in found if one.uid == uid)

    alice, bob = await facts("alice"), await facts("bob")
    assert (alice.mentioned, bob.mentioned) == (False, True)
    assert (bob.read_id, bob.muted_until, bob.blocked) == (n.ids["team1"], 500, True)
    await store.read_state.clear(KEYS["team"], "bob", n.ids["team2"])
    assert (await facts("bob")).read_id == n.ids["team2"]
    assert await box.read_up_to(KEYS["team"], "bob") == n.ids["team2"]
    assert await box.read_up_to(KEYS["ab"], "alice") == n.ids["ab1"]
    assert await box.read_up_to(KEYS["ab"], "dave") == 0
    await store.blocks.remove("alice", ["bob"])
    assert (await facts("bob")).blocked
    await store.blocks.remove("bob", ["alice"])
    assert not (await facts("bob")).blocked  # each has blocked others, and was blocked by others
    for number in (1, 2):
        await store.push_tokens.remove_of(f"bob-{number}")
    assert not (await facts("bob")).has_token
    await store.tokens.add(TokenRow("short", "bob", 1, expires_at=50), 10)
    await store.push_tokens.put(PushTokenRow("brief", "bob", "short", "web_push", "web", "", "t", 20, 20), 10)
    times = {at: (await facts("bob", sent_at=at)).has_token for at in (19, 20, 49, 50)}
    assert times == {19: False, 20: True, 49: True, 50: False}
    assert [one.uid for one in await box.members(message, "alice", "alice", 1)] == ["bob"]
    await store.close()


async def test_queue_of_notifications_is_in_order_and_of_one_provider(open_store):
    n = await filled(open_store)
    box, store = n.store.notifications, n.store
    await store.tokens.add(TokenRow("short", "bob", 1, expires_at=50), 10)
    await store.push_tokens.put(PushTokenRow("brief", "bob", "short", "apns", "apns", "", "t", 20, 20), 10)
    assert await box.next_due("apns") is None
    for before, now in ((19, 30), (20, 50)):  # before there was the device, and when its auth token has ended
        await box.queue(n.ids["bc1"], 0, ["bob"], before, now)
        assert await box.next_due("apns") is None
    await box.queue(n.ids["bc1"], 0, ["bob"], 20, 30)
    assert await box.next_due("apns") == 30
    (due,) = await box.due_notifications("apns", 30, 9)
    assert (due.row.uid, due.token, due.platform) == ("bob", "t", "apns")
    assert [one.token for one in await box.due_notifications("apns", 50, 9)] == [None]  # its auth token has ended
    assert await box.due_notifications("apns", 29, 9) == []
    web = await box.due_notifications("web", 20, 3)
    assert len(web) == 3
    assert [one.row.id for one in web] == sorted(one.row.id for one in web)
    for one in web:
        await box.give_up(one.row.id, 40, "status 400")
    rows, total = await box.list_failed(limit=2, offset=0)
    assert ([row.id for row in rows], total) == ([web[2].row.id, web[1].row.id], 3)
    assert await box.send_again(web[0].row.id, 50) is True
    assert (await box.list_failed(limit=9, offset=0))[1] == 2
    assert await box.send_again(web[0].row.id, 50) is False
    assert (await box.get(web[0].row.id)).failed_at is None
    attempts = (await box.get(web[0].row.id)).attempt
    await box.mark_sent([web[0].row.id], 60)
    assert (await box.get(web[0].row.id)).attempt == attempts + 1
    assert (await box.reaction((await box.reactions(0, 1))[0].id)).message_id == n.ids["ab1"]
    await store.close()


async def test_progress_of_notifications_never_goes_back(open_store):
    store = await open_store()
    box = store.notifications
    steps = [
        ((5, "bob", 3), (5, "bob", 3)), ((5, "alice", 3), (5, "bob", 3)), ((5, "bob", 2), (5, "bob", 3)),
        ((4, "zoe", 9), (5, "bob", 3)), ((5, "carol", 3), (5, "carol", 3)), ((5, "carol", 4), (5, "carol", 4)),
        ((6, "", 4), (6, "", 4)),
    ]  # fmt: skip
    for stored, then in steps:
        await box.store_progress(NotificationProgress(*stored))
        assert await box.progress() == then
    await store.close()


async def test_first_device_is_not_notified_of_earlier_messages_and_reactions(open_store):
    n = await filled(open_store)
    for uid in ("alice", "bob", "carol"):
        for number in (1, 2):
            await n.store.push_tokens.remove_of(f"{uid}-{number}")
    newest = [row.id for row in await n.store.notifications.reactions(0, 1000)][-1]
    await n.store.push_tokens.put(PushTokenRow("d", "bob", "bob-1", "web_push", "web", "", "t", 20, 20), 10)
    assert await n.store.notifications.progress() == NotificationProgress(
        await n.store.notifications.newest_id(), "", newest
    )
    await n.store.close()


async def test_deliveries_are_those_of_one_webhook_in_order(open_store):
    n = await filled(open_store)
    box = n.store.deliveries
    waiting = (await box.find("first", failed=False, limit=9, offset=0))[0]
    assert [row.trigger for row in waiting] == ["c", "d"]
    c, d = (row.id for row in waiting)
    assert [row.id for row in await box.waiting_between("first", 0, d, 9)] == [c, d]
    assert [row.id for row in await box.waiting_between("first", c, d, 9)] == [d]
    assert [row.id for row in await box.waiting_between("first", 0, c, 9)] == [c]
    assert [row.id for row in await box.waiting_between("first", 0, d, 1)] == [c]
    assert await box.last_id("first") == d
    assert [row.trigger for row in (await box.find("second", failed=True, limit=9, offset=0))[0]] == ["b", "a"]
    assert len(await box.failed_ids("first")) == 2
    assert await box.get("second", c) is None
    await box.put_off(waiting[0], 90, 41, "status 503")
    assert await box.next_due("first") == 0
    assert [row.id for row in await box.due_deliveries("first", 89, 9)] == [d]
    assert [row.id for row in await box.due_deliveries("first", 90, 9)] == [d, c]
    n.clock.now = 41
    await n.store.webhooks.add_events([Event("a", b"{}")])
    assert (await box.state("first")).waiting_since == 40
    await n.store.webhooks.add(WebhookRow("third", "third", "https://x.test", "a"))
    assert await box.next_due("third") is None
    assert await box.last_id("third") == 0
    await n.store.close()


async def test_ending_other_keys_counts_only_those_whose_end_was_later(open_store):
    store = await open_store()
    for key in ("first", "second", "third"):
        await store.keys.add(KeyRow(key, key, "fullAccess", 1))
    assert await store.keys.end_others(["first"], 100, 10) == 2
    assert await store.keys.end_others(["first"], 100, 10) == 0
    assert await store.keys.end_others(["first"], 101, 10) == 0
    assert await store.keys.end_others(["first"], 99, 10) == 2
    await store.close()


async def test_messages_and_files_up_to_an_exact_time_are_counted(open_store):
    store = await open_store()
    n = Neighbours(store)
    assert await store.pruning.oldest_times() == (None, None)
    assert tuple(await store.pruning.count(100, 100)) == (0, 0, 0)
    assert tuple(await store.pruning.count_unused(100)) == (0, 0, 0)
    for at in (10, 20, 30):
        await store.messages.add(n.draft("ab", at))
        await store.files.add(FileRow(file_name(str(at // 10)), "alice", "f", "image/png", 7, at))
    assert await store.pruning.oldest_times() == (10, 10)
    assert tuple(await store.pruning.count(20, 9)) == (2, 0, 0)
    assert tuple(await store.pruning.count(9, 20)) == (0, 2, 14)
    assert tuple(await store.pruning.count_unused(20)) == (0, 2, 14)
    names = [file_name(letter) for letter in "123"]
    assert await store.pruning.files_after("", 30, 2) == names[:2]
    assert await store.pruning.files_after(names[0], 20, 9) == [names[1]]
    stems = [name.partition(".")[0] for name in (*names, file_name("4"))]
    assert await store.pruning.recorded_names(stems) == [True, True, True, False]
    await store.files.add(FileRow("bare", "alice", "f", "image/png", 7, 99))  # a name has an extension or none
    assert await store.pruning.recorded_names(["bare", "bar", "bares"]) == [True, False, False]
    await store.files.discard([names[0]])
    assert await store.pruning.files_after("", 30, 9) == names[1:]
    assert tuple(await store.pruning.count_unused(30)) == (0, 2, 14)
    assert tuple(await store.pruning.count(9, 30)) == (0, 2, 14)
    assert await store.pruning.remove_messages(20, 9) == 2
    assert await store.pruning.oldest_times() == (30, 10)
    await store.close()


async def test_reply_with_an_earlier_time_does_not_move_the_updated_time_of_its_parent_back(open_store):
    store = await open_store()
    n = Neighbours(store)
    parent = (await store.messages.add(n.draft("ab", 50))).message.id
    for at, then in ((60, 60), (40, 60)):
        await store.messages.add(n.draft("ab", at, parent_id=parent))
        assert (await store.messages.get(parent)).updated_at == then
    assert (await store.messages.get(parent)).reply_count == 2
    await store.close()


async def test_group_message_is_read_when_all_others_have_read_it(open_store):
    n = await filled(open_store)
    store = n.store
    earlier, mine = [(await store.messages.add(n.draft("team", 11))).message.id for _ in range(2)]
    key = KEYS["team"]
    others = [
        (await store.messages.add(Draft(key, uid, "team", "group", "message", "text", b"{}", 12))).message.id
        for uid in ("bob", "carol", "bob")
    ]

    async def marked(uid: str, up_to: int, now: int, *, read: bool = True) -> list[tuple[str, int, bool]]:
        change = await store.read_state.mark_up_to(key, uid, up_to, now, read=read, group="team")
        return sorted(one[:3] for one in change.by_all)

    async def times(number: int) -> tuple[int | None, int | None]:
        row = await store.messages.get(number)
        return row.delivered_at, row.read_at

    assert await marked("bob", others[2], 30) == []
    assert await marked("carol", others[0], 31) == [("alice", mine, False), ("alice", mine, True)]
    assert [await times(number) for number in (earlier, mine, others[0])] == [(31, 31), (31, 31), (None, None)]
    assert await marked("alice", others[0], 32) == [("bob", others[0], False), ("bob", others[0], True)]
    assert await marked("alice", others[2], 33, read=False) == [("carol", others[1], False)]
    assert await marked("carol", others[2], 34, read=False) == [("bob", others[2], False)]
    assert [await times(number) for number in others] == [(32, 32), (33, None), (34, None)]
    assert await marked("alice", others[2], 35) == [("carol", others[1], True)]
    assert [await times(number) for number in (mine, *others)] == [(31, 31), (32, 32), (33, 35), (34, None)]
    assert [await times(n.ids[name]) for name in ("crew2", "announced1")] == [(None, None)] * 2
    await store.close()


async def test_listed_conversations_count_only_their_own_unread_messages_and_mentions(open_store):
    n = await filled(open_store)
    store = n.store

    async def counts(uid: str, **more: Any) -> dict[str, tuple[int, int]]:
        rows, _ = await store.conversations.find(ConversationFilter(uid, limit=20, **more))
        short = {key: name for name, key in KEYS.items()}
        return {short[row.conversation_id]: (row.unread, row.mentioned) for row in rows}

    assert await counts("bob", kind="user") == {"ab": (1, 1), "bc": (0, 0)}
    assert await counts("carol", kind="user") == {"ac": (1, 1), "bc": (1, 1)}
    assert await counts("bob", kind="group") == {"team": (1, 1), "crew": (1, 1)}
    assert await counts("alice", kind="user") == {"ab": (0, 0), "ac": (0, 0)}
    for uid in ("bob", "carol"):
        await store.blocks.remove(uid, ["alice"])
    assert await counts("bob", kind="user", hide_blocked=True) == {}
    await store.blocks.remove("alice", ["bob"])
    assert await counts("bob", kind="user", hide_blocked=True) == {"ab": (1, 1)}
    await store.read_state.clear(KEYS["ab"], "bob", n.ids["ab1"])
    assert await counts("bob", kind="user") == {"ab": (1, 1), "bc": (0, 0)}
    await store.read_state.clear(KEYS["ab"], "bob", n.ids["ab2"])
    assert await counts("bob", kind="user") == {"bc": (0, 0)}  # what was cleared whole is not listed
    await store.messages.add(n.draft("ab", 12))
    assert await counts("bob", kind="user") == {"ab": (1, 0), "bc": (0, 0)}
    await store.close()


async def test_standing_of_a_message_has_membership_and_owner_only_in_groups_and_no_block_by_oneself(open_store):
    n = await filled(open_store)
    in_crew = await n.store.standings.message(n.act("crew1", "bob"))
    assert (in_crew.member.guid, in_crew.owner, in_crew.blocked_by) == ("crew", "alice", "")
    outside = await n.store.standings.message(n.act("crew1", "dave"))
    assert (outside.member, outside.owner) == (None, "alice")
    to_bob = await n.store.standings.message(n.act("ab1", "bob"))
    assert (to_bob.member, to_bob.owner) == (None, None)
    own = await n.store.messages.add(
        Draft(key_of("bob", "bob", "user"), "bob", "bob", "user", "message", "text", b"{}", 1)
    )
    assert (await n.store.standings.message(MessageAct(own.message.id, "bob", anything))).blocked_by == ""
    await n.store.close()


async def test_discarding_a_file_calls_the_observer_of_chores(open_store):
    n = await filled(open_store)
    woken: list[int] = []
    n.store.chores.on_added(lambda: woken.append(1))
    await n.store.files.discard([file_name("2")])
    assert woken == [1]
    await n.store.close()
