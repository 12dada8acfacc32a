"""Permissions: what the documentation says about roles, in cases written by hand, and how a role follows from facts.

`tests/spec/test_permissions.py` requests every cell of the tables over HTTP and takes its expectations from the tables.
The expectations here come from the documentation alone.
"""

from __future__ import annotations

from typing import get_args

import pytest

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules import permissions
from tailwire.server.rules.permissions import (
    GRANT,
    REMOVAL,
    SCOPE_CHANGE,
    check_group,
    check_key,
    check_message,
    check_user,
    group_role,
    member_role,
    message_role,
    read_table,
    user_role,
)

MEMBERS = ("participant", "moderator", "admin", "owner")
BAN = BanRow("g", "ban", "participant", 1, "own")
# The column is allowed the operations that are named; a member is refused any other operation of the group.
ALLOWED = {
    "participant": {"see", "leave", "read", "write", "list_members"},
    "moderator": {
        "see", "leave", "read", "write", "list_members", "list_banned", "update", "add_member", "unban",
        "remove_participant", "change_participant", "make_participant", "make_moderator",
    },
    "admin": {
        "see", "leave", "read", "write", "list_members", "list_banned", "update", "add_member", "unban", "delete",
        "remove_participant", "remove_moderator", "change_participant", "change_moderator",
        "make_participant", "make_moderator", "make_admin",
    },
    "owner": {
        "see", "read", "write", "list_members", "list_banned", "update", "add_member", "unban", "delete", "transfer",
        "remove_participant", "remove_moderator", "remove_admin", "change_participant", "change_moderator",
        "change_admin", "make_participant", "make_moderator", "make_admin",
    },
    "stranger": {"see", "join"},
    "banned": {"see"},
    "outsider": set(),
}  # fmt: skip


def code_of(check, operation, role):
    """Return the code of the refusal, or "" if the operation is allowed."""
    try:
        check(operation, role)
    except Refused as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("role", list(ALLOWED))
def test_role_in_a_group_is_allowed_its_documented_operations_and_no_other(role):
    allowed = {name for name in get_args(permissions.GroupOperation) if not code_of(check_group, name, role)}
    assert allowed == ALLOWED[role]


@pytest.mark.parametrize(
    ("operation", "role", "code"),
    [
        ("join", "banned", "ERR_BANNED_GROUPMEMBER"),
        ("join", "participant", "ERR_ALREADY_JOINED"),
        ("join", "owner", "ERR_ALREADY_JOINED"),
        ("leave", "stranger", "ERR_NOT_A_MEMBER"),
        ("leave", "owner", "ERR_OWNER_EXIT_FORBIDDEN"),
        ("read", "stranger", "ERR_NOT_A_MEMBER"),
        ("write", "banned", "ERR_NOT_A_MEMBER"),
        ("list_members", "stranger", "ERR_NOT_A_MEMBER"),
        ("update", "participant", "ERR_GROUP_NO_MODERATOR_SCOPE"),
        ("delete", "moderator", "ERR_GROUP_NO_ADMIN_SCOPE"),
        ("transfer", "admin", "ERR_GROUP_NO_CLEARANCE"),
        ("remove_participant", "participant", "ERR_GROUP_NO_MODERATOR_SCOPE"),
        ("remove_admin", "moderator", "ERR_GROUP_NO_SCOPE_CLEARANCE"),
        ("remove_owner", "admin", "ERR_GROUP_NO_SCOPE_CLEARANCE"),
        ("remove_owner", "owner", "ERR_GROUP_NO_SELF_ACTION"),
        ("change_admin", "admin", "ERR_GROUP_NO_SCOPE_CLEARANCE"),
        ("make_admin", "moderator", "ERR_GROUP_NO_SCOPE_CLEARANCE"),
    ],
)
def test_refusal_in_a_group_has_the_documented_code(operation, role, code):
    assert code_of(check_group, operation, role) == code


def test_private_group_is_like_a_missing_one_for_outsiders():
    codes = {code_of(check_group, operation, "outsider") for operation in get_args(permissions.GroupOperation)}
    assert codes == {"ERR_GUID_NOT_FOUND"}


@pytest.mark.parametrize("operation", ["edit", "delete"])
def test_only_receivers_participants_and_strangers_may_not_edit_or_delete_a_message(operation):
    refused = {"receiver", "participant"}
    for role in get_args(permissions.MessageRole):
        expected = "ERR_MESSAGE_ID_NOT_FOUND" if role == "stranger" else "ERR_MESSAGE_NOT_A_SENDER"
        assert code_of(check_message, operation, role) == (expected if role in {*refused, "stranger"} else ""), role


@pytest.mark.parametrize("operation", ["read", "reply", "quote", "react", "flag", "save", "follow", "interact"])
def test_every_role_except_stranger_may_use_a_message(operation):
    for role in get_args(permissions.MessageRole):
        expected = "ERR_MESSAGE_ID_NOT_FOUND" if role == "stranger" else ""
        assert code_of(check_message, operation, role) == expected, role


def test_both_users_of_a_conversation_and_moderators_admins_and_owners_of_a_group_can_pin():
    for role in ("sender", "receiver", "moderator", "admin", "owner"):
        assert code_of(check_message, "pin", role) == "", role
    for role in ("author", "participant"):
        assert code_of(check_message, "pin", role) == "ERR_PERMISSION_DENIED", role
    assert code_of(check_message, "pin", "stranger") == "ERR_MESSAGE_ID_NOT_FOUND"


@pytest.mark.parametrize("operation", ["write", "type", "change"])
def test_blocker_and_blocked_user_are_refused_with_different_codes(operation):
    assert code_of(check_user, operation, "blocker") == "ERR_BLOCKED_RECEIVER"
    assert code_of(check_user, operation, "blocked") == "ERR_BLOCKED_SENDER"
    assert code_of(check_user, operation, "stranger") == ""


def test_users_do_not_block_or_befriend_themselves():
    assert code_of(check_user, "block", "self") == "ERR_CANNOT_BLOCK_SELF"
    assert code_of(check_user, "befriend", "self") == "ERR_CANNOT_FORM_SELF_RELATION"
    for role in ("stranger", "blocker", "blocked"):
        assert code_of(check_user, "block", role) == code_of(check_user, "befriend", role) == ""


def test_auth_key_creates_users_and_tokens_and_administers_nothing():
    assert code_of(check_key, "create_user", "auth") == code_of(check_key, "create_token", "auth") == ""
    assert code_of(check_key, "administer", "auth") == "AUTH_ERR_NO_ACCESS"
    for operation in ("create_user", "create_token", "administer"):
        assert code_of(check_key, operation, "rest") == ""
        assert code_of(check_key, operation, "none") == "AUTH_ERR_EMPTY_APIKEY"
        assert code_of(check_key, operation, "unknown") == "AUTH_ERR_APIKEY_NOT_FOUND"
        assert code_of(check_key, operation, "token") == "AUTH_ERR_EMPTY_APIKEY"


def test_scope_of_a_member_is_their_role_unless_they_own_the_group():
    group = GroupRow("g", "G", "public", owner="own")
    for scope in ("participant", "moderator", "admin"):
        assert group_role(group, MemberRow("g", "u", scope, 0, 0)) == scope
        assert member_role(MemberRow("g", "u", scope, 0, 0), "own") == scope
    assert group_role(group, MemberRow("g", "own", "participant", 0, 0)) == "owner"
    assert member_role(MemberRow("g", "own", "admin", 0, 0), "own") == "owner"


def test_banned_user_has_the_role_banned_only_if_they_may_know_the_group():
    public, private = GroupRow("g", "G", "public"), GroupRow("g", "G", "private")
    assert group_role(public, None, BAN) == "banned"
    assert group_role(public, None) == "stranger"
    assert group_role(private, None, BAN) == group_role(private, None) == "outsider"
    assert group_role(private, None, BAN, knows=True) == "banned"
    assert group_role(private, None, knows=True) == "stranger"


def message(sender, receiver, receiver_type):
    conversation = key_of(sender, receiver, receiver_type)
    rest = (0, 0, None, None, None, None, None, None, b"{}")
    return MessageRow(1, conversation, sender, receiver, receiver_type, "message", "text", *rest)


def test_role_for_a_message_between_users_is_sender_receiver_or_stranger():
    sent = message("ann", "bob", "user")
    assert [message_role(sent, uid, None, None) for uid in ("ann", "bob", "eve")] == ["sender", "receiver", "stranger"]


def test_both_users_are_receivers_of_the_message_that_reports_a_change_by_the_app():
    report = message("ann", "bob", "user")._replace(sender="app_system")
    roles = [message_role(report, uid, None, None) for uid in ("ann", "bob", "eve", "app_system")]
    assert roles == ["receiver", "receiver", "stranger", "sender"]


def test_role_for_a_message_in_a_group_follows_from_scope_ownership_and_authorship():
    sent = message("ann", "g", "group")

    def role(uid, scope, owner="own"):
        return message_role(sent, uid, scope and MemberRow("g", uid, scope, 0, 0), owner)

    assert role("ann", "participant") == "author"
    assert role("bob", "participant") == "participant"
    assert role("ann", "moderator") == "moderator"
    assert role("own", "admin") == "owner"
    assert role("ann", "participant", owner="ann") == "owner"
    assert role("ann", None) == "stranger", "a sender who left the group"


def test_role_for_another_user_depends_on_who_blocked_whom():
    assert user_role("ann", "ann", "") == "self"
    assert user_role("ann", "bob", "") == "stranger"
    assert user_role("ann", "bob", "ann") == "blocker"
    assert user_role("ann", "bob", "bob") == "blocked"


def test_tables_have_a_row_and_a_column_for_every_declared_name():
    tables = {
        permissions.GROUPS: (permissions.GroupOperation, get_args(permissions.GroupRole)),
        permissions.MESSAGES: (permissions.MessageOperation, get_args(permissions.MessageRole)),
        permissions.USERS: (permissions.UserOperation, get_args(permissions.UserRole)),
        permissions.KEYS: (permissions.KeyOperation, get_args(permissions.KeyRole)),
    }
    for text, (operations, roles) in tables.items():
        table = read_table(text)
        assert set(table) == set(get_args(operations))
        assert {role for row in table.values() for role in row} == set(roles)


def test_each_member_role_has_operations_for_its_removal_change_and_grant():
    assert set(REMOVAL) == set(SCOPE_CHANGE) == set(MEMBERS)
    assert set(GRANT) == {"participant", "moderator", "admin"}
    for role in MEMBERS:
        assert (REMOVAL[role], SCOPE_CHANGE[role]) == (f"remove_{role}", f"change_{role}")
    assert all(GRANT[scope] == f"make_{scope}" for scope in GRANT)


def test_row_with_a_missing_cell_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        read_table("      a  b\nread  -")
