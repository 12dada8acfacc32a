"""Parsing of queries and bodies."""

from __future__ import annotations

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.operations import parse, read_query
from tailwire.server.rest.queries import GroupQuery, MessageQuery, Paged, UserQuery
from tailwire.server.rest.requests import CreateAuthToken


def test_numbers_flags_and_lists_are_parsed():
    q = read_query(b"per_page=7&hideReplies=1&hideDeleted=true&unread=0&types=text,,image&id=5&unknown=1", MessageQuery)
    assert (q.size, q.hide_replies, q.hide_deleted, q.unread, q.id) == (7, True, True, False, 5)
    assert q.types == ["text", "image"]
    assert [read_query(b"%s=9" % name, Paged).size for name in (b"per_page", b"perPage", b"limit")] == [9, 9, 9]
    assert (read_query(b"per_page=", Paged).size, read_query(b"page=3", Paged).offset) == (100, 200)


@pytest.mark.parametrize("value", [b"x", b"0", b"1001", b"1.5", b"9" * 30, b"%C2%B2"])
def test_invalid_page_size_is_refused_and_its_parameter_named(value):
    with pytest.raises(Refused) as caught:
        read_query(b"per_page=" + value, Paged)
    assert "per_page" in caught.value.details


def test_value_of_an_enum_is_read_in_any_case():
    q = read_query(b"sortBy=createdat&sortOrder=DESC&status=Online", UserQuery)
    assert (q.sort_by, q.sort_order, q.status) == ("createdAt", "desc", "online")
    assert read_query(b"affix=Append", MessageQuery).affix == "append"
    q = read_query(b"sortBy=&sortOrder=&status=", UserQuery)
    assert (q.sort_by, q.sort_order, q.status) == ("name", "asc", "")


@pytest.mark.parametrize(
    ("kind", "name", "advice"),
    [
        (UserQuery, "sortBy", "Use name, uid, createdAt or status."),
        (GroupQuery, "sortBy", "Use name, guid or createdAt."),
        (GroupQuery, "sortOrder", "Use asc or desc."),
        (MessageQuery, "affix", "Use append or prepend."),
        (UserQuery, "status", "Use available, online or offline."),
    ],
)
def test_value_outside_of_an_enum_is_refused_with_the_values_to_use(kind, name, advice):
    with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
        read_query(f"{name}=bogus".encode(), kind)
    assert caught.value.details == {name: advice}


@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b'{"platform":1}', b"\xff"])
def test_invalid_bodies_are_refused(body):
    with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
        parse(body, CreateAuthToken)
    assert caught.value.details
