"""Valid and invalid groups, scopes and attempts to join."""

from __future__ import annotations

import pytest

from tailwire.server.ports.records import GroupRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.groups import check_join, check_new, check_scope, check_type


def test_documented_group_types_and_scopes_are_valid():
    assert [check_type(kind) for kind in ("public", "private", "password")] == ["public", "private", "password"]
    scopes = ["admin", "moderator", "participant"]
    assert [check_scope(scope) for scope in scopes] == scopes


@pytest.mark.parametrize("value", ["", "owner", "Public", "public ", "participants"])
def test_unknown_types_and_scopes_are_refused_and_the_field_is_named(value):
    for check, field in ((check_type, "type"), (check_scope, "scope")):
        with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
            check(value)
        assert list(caught.value.details) == [field]


def test_group_of_type_password_needs_a_password_at_creation():
    check_new("public", None)
    check_new("private", None)
    check_new("password", "secret")
    for missing in (None, ""):
        with pytest.raises(Refused, match="ERR_EMPTY_GROUP_PASS"):
            check_new("password", missing)
    with pytest.raises(Refused, match="ERR_BAD_REQUEST"):
        check_new("secret", "secret")


def join(kind, *, password=None, matches=False, members=0):
    check_join(GroupRow("g", "G", kind, members_count=members), password=password, matches=matches, max_members=3)


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ({"kind": "private"}, "ERR_GROUP_JOIN_NOT_ALLOWED"),
        ({"kind": "private", "password": "secret", "matches": True}, "ERR_GROUP_JOIN_NOT_ALLOWED"),
        ({"kind": "password"}, "ERR_EMPTY_GROUP_PASS"),
        ({"kind": "password", "password": ""}, "ERR_EMPTY_GROUP_PASS"),
        ({"kind": "password", "password": "wrong"}, "ERR_WRONG_GROUP_PASS"),
        ({"kind": "public", "members": 3}, "ERR_NO_VACANCY"),
        ({"kind": "password", "password": "secret", "matches": True, "members": 3}, "ERR_NO_VACANCY"),
        ({"kind": "password", "password": "wrong", "members": 3}, "ERR_WRONG_GROUP_PASS"),
    ],
)
def test_joining_is_refused_with_the_documented_code(case, code):
    with pytest.raises(Refused, match=code):
        join(**case)


def test_joining_is_allowed_below_the_member_limit():
    join("public", members=2)
    join("public", password="ignored")
    join("password", password="secret", matches=True, members=2)
