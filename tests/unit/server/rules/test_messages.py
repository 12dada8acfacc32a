"""Valid and invalid messages, replies and reactions, and the mentions in a text."""

from __future__ import annotations

import pytest

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import MessageRow, Trait
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.messages import (
    check_changeable,
    check_content,
    check_parent,
    check_quoted,
    check_reaction,
    check_receiver,
    check_removable,
    mentioned_in,
    traits_of,
)


def content(category="message", kind="text", text="hi", attachments=0, custom=False, interactive=False, size=10):
    check_content(category, kind, text, attachments, custom, interactive, size, 100)


def row(category="message", *, deleted_at=None, parent_id=None):
    key = key_of("ann", "bob", "user")
    rest = (0, 0, None, None, None, None, deleted_at, None, b"{}", parent_id)
    return MessageRow(1, key, "ann", "bob", "user", category, "text", *rest)


def test_receiver_of_a_message_is_a_user_or_a_group_with_an_id():
    check_receiver("bob", "user")
    check_receiver("g", "group")
    for receiver in (None, ""):
        with pytest.raises(Refused, match="ERR_EMPTY_RECEIVER"):
            check_receiver(receiver, "user")
    for receiver_type in (None, "", "bot"):
        with pytest.raises(Refused, match="ERR_INVALID_RECEIVER_TYPE"):
            check_receiver("bob", receiver_type)


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"size": 100},
        {"kind": "image", "text": None, "attachments": 1},
        {"kind": "video", "attachments": 1},
        {"kind": "audio", "attachments": 1},
        {"kind": "file", "attachments": 2},
        {"category": "custom", "kind": "poll", "text": None, "custom": True},
        {"category": "custom", "kind": "a" * 100, "custom": True},
        {"category": "interactive", "kind": "form", "interactive": True},
    ],
)
def test_content_that_fits_its_category_is_valid(case):
    content(**case)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ({"size": 101}, "ERR_INVALID_MESSAGE_DATA"),
        ({"text": 7}, "ERR_INVALID_MESSAGE_TEXT"),
        ({"category": "custom", "kind": "poll", "text": ["a"], "custom": True}, "ERR_INVALID_MESSAGE_TEXT"),
        ({"kind": ""}, "ERR_EMPTY_MESSAGE_TYPE"),
        ({"text": None}, "ERR_EMPTY_MESSAGE_TEXT"),
        ({"text": " \n"}, "ERR_EMPTY_MESSAGE_TEXT"),
        ({"kind": "poll"}, "ERR_INVALID_MESSAGE_TYPE"),
        ({"kind": "image"}, "ERR_EMPTY_MESSAGE_FILE"),
        ({"category": "custom", "kind": "poll"}, "ERR_EMPTY_CUSTOM_DATA"),
        ({"category": "interactive", "kind": "form"}, "ERR_INVALID_MESSAGE_DATA"),
        ({"category": "custom", "kind": "", "custom": True}, "ERR_INVALID_MESSAGE_TYPE"),
        ({"category": "interactive", "kind": "a" * 101, "interactive": True}, "ERR_INVALID_MESSAGE_TYPE"),
        ({"category": ""}, "ERR_EMPTY_MESSAGE_CATEGORY"),
        ({"category": "action"}, "ERR_INVALID_MESSAGE_CATEGORY"),
        ({"category": "call"}, "ERR_INVALID_MESSAGE_CATEGORY"),
    ],
)
def test_content_that_does_not_fit_its_category_is_refused_with_the_documented_code(case, code):
    with pytest.raises(Refused, match=code):
        content(**case)


def test_action_messages_and_deleted_messages_cannot_be_changed():
    for category in ("message", "custom", "interactive"):
        check_changeable(row(category))
    for unchangeable in (row("action"), row(deleted_at=5)):
        with pytest.raises(Refused, match="ERR_MESSAGE_ACTION_NOT_ALLOWED"):
            check_changeable(unchangeable)


def test_deleted_messages_can_be_removed_for_good_and_action_messages_cannot():
    check_removable(row())
    check_removable(row(deleted_at=5))
    with pytest.raises(Refused, match="ERR_MESSAGE_ACTION_NOT_ALLOWED"):
        check_removable(row("action"))


def test_thread_is_one_level_deep_and_stays_in_its_conversation():
    here = key_of("bob", "ann", "user")
    check_parent(row(), here)
    with pytest.raises(Refused, match=r"ERR_WRONG_MESSAGE_THREAD\b"):
        check_parent(row(), key_of("ann", "g", "group"))
    with pytest.raises(Refused, match="ERR_MESSAGE_THREAD_NESTING"):
        check_parent(row(parent_id=4), here)
    with pytest.raises(Refused, match="ERR_WRONG_MESSAGE_THREAD_CATEGORY"):
        check_parent(row("action"), here)


def test_quoted_message_is_of_the_same_conversation():
    check_quoted(row(), key_of("bob", "ann", "user"))
    with pytest.raises(Refused, match="ERR_MESSAGE_ID_NOT_FOUND"):
        check_quoted(row(), key_of("ann", "g", "group"))


def test_reaction_is_a_visible_text_of_at_most_a_hundred_characters():
    for valid in ("👍", "like", "a" * 100):
        assert check_reaction(valid) == valid
    for invalid in ("", " ", "a" * 101):
        with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
            check_reaction(invalid)
        assert list(caught.value.details) == ["reaction"]


def test_mentions_are_listed_once_in_lower_case_and_in_order():
    assert mentioned_in("hello") == []
    assert mentioned_in("<@uid:Bob> and <@uid:ann>, <@uid:bob>") == ["bob", "ann"]
    assert mentioned_in("<@uid:> <@uid:no space> <@uid:" + "a" * 101 + ">") == []


def test_at_most_a_hundred_users_are_mentioned():
    assert len(mentioned_in(" ".join(f"<@uid:u{n}>" for n in range(150)))) == 100


@pytest.mark.parametrize(
    ("text", "mentions", "attachments", "traits"),
    [
        (None, [], 0, Trait(0)),
        ("", [], 0, Trait(0)),
        ("hi", [], 0, Trait.SEARCHABLE),
        ("see HTTPS://example.com", [], 0, Trait.SEARCHABLE | Trait.LINK),
        ("ftp://example.com and https:// alone", [], 0, Trait.SEARCHABLE),
        ("<@uid:bob>", ["bob"], 0, Trait.SEARCHABLE | Trait.MENTION),
        (None, [], 2, Trait.ATTACHMENT),
    ],
)
def test_traits_of_a_message_follow_from_its_text_mentions_and_attachments(text, mentions, attachments, traits):
    assert traits_of(text, mentions, attachments) == traits
