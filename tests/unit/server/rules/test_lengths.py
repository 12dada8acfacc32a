"""The limits of names, URLs, tags, metadata and lists, at and just beyond each limit."""

from __future__ import annotations

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.lengths import Lengths

LENGTHS = Lengths(name=10, url=30, metadata=20, tags=2, tag=5, password=8, description=12, at_once=3)


def field_of(check, *args):
    """Return the field that a refusal names."""
    with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
        check(*args)
    ((field, advice),) = caught.value.details.items()
    assert advice.endswith(".")
    return field


def test_name_has_at_least_one_visible_character_and_at_most_the_limit():
    assert LENGTHS.check_name("a" * 10) == "a" * 10
    for invalid in ("", "   ", "\n", "a" * 11):
        assert field_of(LENGTHS.check_name, invalid, "title") == "title"
    assert field_of(LENGTHS.check_name, "") == "name"


def test_empty_url_is_read_as_none():
    assert LENGTHS.check_url(None, "avatar") is None
    assert LENGTHS.check_url("", "avatar") is None


def test_url_is_bounded_and_is_not_a_script():
    longest = "https://example.com/" + "a" * 10
    assert LENGTHS.check_url(longest, "link") == longest
    assert field_of(LENGTHS.check_url, longest + "a", "link") == "link"
    assert field_of(LENGTHS.check_url, "javascript:alert(1)", "icon") == "icon"


def test_pictures_may_be_data_urls_but_links_may_not():
    for field in ("avatar", "icon"):
        assert LENGTHS.check_url("data:image/png;base64,AA", field)
    assert field_of(LENGTHS.check_url, "data:image/png;base64,AA", "link") == "link"


def test_tags_are_bounded_in_number_and_length():
    assert LENGTHS.check_tags(["a", "b" * 5]) == ["a", "b" * 5]
    assert LENGTHS.check_tags([]) == []
    for invalid in (["a", "b", "c"], [""], ["b" * 6]):
        assert field_of(LENGTHS.check_tags, invalid) == "tags"


def test_metadata_is_an_object_of_bounded_size():
    assert LENGTHS.check_metadata(b"null") is None
    assert LENGTHS.check_metadata(b' {"a":1}') == ' {"a":1}'
    longest = b'{"a":"' + b"b" * 12 + b'"}'
    assert LENGTHS.check_metadata(longest) == longest.decode()
    for invalid in (b"[]", b'"text"', b"1", longest[:-2] + b'b"}'):
        assert field_of(LENGTHS.check_metadata, invalid) == "metadata"


def test_password_and_description_of_a_group_are_bounded():
    LENGTHS.check_group(None, None)
    LENGTHS.check_group("p" * 8, "d" * 12)
    assert field_of(LENGTHS.check_group, "p" * 9, None) == "password"
    assert field_of(LENGTHS.check_group, None, "d" * 13) == "description"


def test_number_of_items_in_a_list_is_bounded_from_below_and_above():
    LENGTHS.check_count(1, "uids", "users")
    LENGTHS.check_count(3, "uids", "users")
    LENGTHS.check_count(0, "uids", "users", least=0)
    for count in (0, 4):
        assert field_of(LENGTHS.check_count, count, "uids", "users") == "uids"
