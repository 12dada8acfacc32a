"""The state of a live list of messages, without a client: each rule with a minimal example."""

from __future__ import annotations

from tailwire import Action, TextMessage, User
from tailwire.sdk.live.message_list import MessageList, MessageState


def text(number: int, words: str = "", *, by: str = "bob", **more) -> TextMessage:
    to = "me" if by == "bob" else "bob"
    return TextMessage(id=number, sender=User(by), receiver=to, text=words, sent_at=number, updated_at=number, **more)


def act(number: int, what: str, on: TextMessage) -> Action:
    return Action(
        id=number, sender=on.sender, receiver=on.receiver, type="message", action=what, action_on=on, sent_at=number
    )


def messages(*held: TextMessage, most: int = 10, complete: bool = True) -> MessageList:
    live = MessageList("me", "user", "bob", parent=0, replies=False, most=most)
    live.fill(held, held[0].id if held else 0, complete=complete)
    return live


def words(live: MessageList) -> list[str]:
    return [i.message.text for i in live.items()]


def test_messages_are_ordered_by_id_without_duplicates():
    live = messages(text(1, "a"))
    for number in (5, 3, 5, 1):
        live.apply_message(text(number, str(number)))
    assert words(live) == ["a", "3", "5"]


def test_live_message_older_than_an_incomplete_list_is_not_added():
    live = messages(text(5, "a"), complete=False)
    live.apply_message(text(3, "b"))
    assert words(live) == ["a"]
    live.prepend([text(3, "b"), text(5, "other")], 3, complete=True)
    assert (words(live), live.complete) == (["b", "a"], True)


def test_edits_are_applied_in_order_of_their_ids():
    live = messages(text(1, "a"))
    live.apply_message(act(4, "edited", text(1, "second")))
    live.apply_message(act(3, "edited", text(1, "first")))
    assert words(live) == ["second"]
    live.apply_message(act(5, "deleted", text(1, "", deleted_at=5)))
    live.apply_message(act(6, "edited", text(1, "late")))
    assert (words(live), live.items()[0].message.deleted_at) == ([""], 5)


def test_edit_deletion_and_reply_that_an_answer_lacks_are_applied_again_after_it():
    held = text(1, "a"), text(2, "b")
    live = messages(*held)
    before = live.applied.copy()
    events = act(3, "edited", text(1, "A")), act(4, "deleted", text(2, "", deleted_at=4)), text(5, parent_message_id=1)
    for _ in range(2):
        for event in events:
            live.apply_message(event)
    assert [(i.message.text, i.message.deleted_at, i.message.reply_count) for i in live.items()] == [
        ("A", 0, 1),
        ("", 4, 0),
    ]
    live.fill(held, 1, complete=True, before=before)
    for event in events:
        live.apply_message(event)
    assert [(i.message.text, i.message.deleted_at, i.message.reply_count) for i in live.items()] == [
        ("A", 0, 1),
        ("", 4, 0),
    ]


def test_edit_and_reply_that_an_answer_includes_are_not_applied_again():
    live = messages(text(1, "a"), text(2, "b"))
    edits = act(3, "edited", text(1, "first", edited_at=9)), act(4, "edited", text(1, "second", edited_at=9))
    reply = text(5, parent_message_id=2)
    live.apply_message(edits[1])
    live.apply_message(reply)
    before = live.applied.copy()
    page = text(1, "second", edited_at=9), text(2, "b", raw={"replyCount": 1})
    live.fill(page, 1, complete=True, before=before)
    live.apply_message(edits[0])
    live.apply_message(reply)
    assert (words(live), live.items()[1].message.reply_count) == (["second", "b"], 1)


def test_answer_leaves_what_was_applied_to_older_messages():
    live = messages(text(1, "a"), text(2, "b"))
    before = live.applied.copy()
    reply = text(3, parent_message_id=1)
    live.apply_message(reply)
    live.apply_message(act(5, "edited", text(1, "second")))
    live.fill([text(2, "b")], 2, complete=False, before=before)
    live.apply_message(reply)
    live.apply_message(act(4, "edited", text(1, "first")))
    assert (words(live), live.items()[0].message.reply_count) == (["second", "b"], 1)


def test_older_messages_leave_what_was_applied_to_the_newer_ones():
    live = messages(text(2, "b"), complete=False)
    reply = text(3, parent_message_id=2)
    live.apply_message(reply)
    live.apply_message(act(5, "edited", text(2, "second")))
    live.prepend([text(1, "a")], 1, complete=True)
    live.apply_message(reply)
    live.apply_message(act(4, "edited", text(2, "first")))
    assert (words(live), live.items()[1].message.reply_count) == (["a", "second"], 1)


def test_edit_keeps_the_saved_time_and_the_reactions_of_the_reader():
    live = messages(text(1, "a", raw={"savedAt": 7}))
    live.record_reaction(1, "+", added=True, by_me=True)
    live.record_reaction(1, "+", added=True, by_me=True)
    live.apply_message(act(2, "edited", text(1, "b")))
    (item,) = live.items()
    assert (item.message.text, item.message.saved_at) == ("b", 7)
    assert [(r.reaction, r.count, r.reacted_by_me) for r in item.message.reactions] == [("+", 1, True)]


def test_later_reaction_does_not_change_an_earlier_snapshot():
    live = messages(text(1, "a"))
    before = live.items()
    live.record_reaction(1, "+", added=True, by_me=False)
    assert before[0].message.reactions == []
    assert live.items()[0].message.reactions[0].count == 1


def test_reaction_that_comes_while_the_list_is_unsure_makes_it_doubtful():
    live = messages(text(1, "a"))
    live.unsure = True
    live.record_reaction(1, "+", added=True, by_me=False)
    assert live.doubtful
    assert not live.lost


def test_queued_message_is_last_and_keeps_its_key():
    live = messages(text(1, "a"))
    waiting = TextMessage(receiver="bob", text="mine", muid="m")
    live.record_queued("m", waiting, MessageState.PENDING, None, None)
    live.record_queued("n", TextMessage(receiver="carol", text="hers", muid="n"), MessageState.PENDING, None, None)
    live.apply_message(text(2, "b"))
    assert words(live) == ["a", "b", "mine"]
    live.apply_message(text(3, "mine", by="me", muid="m"))
    assert [(i.key, i.state) for i in live.items()] == [
        ("message/1", "sent"),
        ("message/2", "sent"),
        ("queued/m", "sent"),
    ]
    live.fill([text(3, "mine", by="me", muid="m")], 3, complete=False)
    assert [i.key for i in live.items()] == ["message/1", "message/2", "queued/m"]


def test_requeued_message_moves_to_the_end():
    live = messages()
    for muid in "ab":
        live.record_queued(muid, TextMessage(receiver="bob", text=muid), MessageState.PENDING, None, None)
    live.record_queued("a", TextMessage(receiver="bob", text="a"), MessageState.FAILED, None, ValueError())
    assert [(i.key, i.state) for i in live.items()] == [("queued/a", "failed"), ("queued/b", "pending")]
    live.record_queued("a", TextMessage(receiver="bob", text="a"), MessageState.PENDING, None, None)
    assert [i.key for i in live.items()] == ["queued/b", "queued/a"]
    live.record_queued("a", TextMessage(receiver="bob", text="a"), None, None, None)
    assert [i.key for i in live.items()] == ["queued/b"]


def test_full_list_drops_its_oldest_message_for_a_new_one():
    live = messages(*(text(n) for n in range(1, 11)), most=10)
    live.apply_message(text(11))
    assert ([i.message.id for i in live.items()], live.complete) == (list(range(2, 12)), False)


def test_list_starts_over_after_a_gap():
    live = messages(text(1), text(2))
    live.fill([text(20), text(21)], 20, complete=False, joins=False)
    assert [i.message.id for i in live.items()] == [20, 21]


def test_keys_of_queued_and_stored_messages_differ():
    live = messages(text(1, "a"))
    live.record_queued("1", text(0, "b", by="me", muid="1"), MessageState.PENDING, None, None)
    assert [i.key for i in live.items()] == ["message/1", "queued/1"]


def test_items_are_the_same_tuple_until_a_change():
    live = messages(text(1, "a"), text(2, "b"))
    before = live.items()
    live.record_reaction(7, "+", added=True, by_me=False)
    live.apply_message(text(9, "elsewhere", by="carol"))
    assert live.items() is before
    live.record_reaction(1, "+", added=True, by_me=False)
    assert live.items() is not before
    assert live.items() != before, "reactions are compared too"
    assert live.items()[1:] == before[1:]
