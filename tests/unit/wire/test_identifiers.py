"""Ids as the server stores them, and which secrets a header can carry."""

from __future__ import annotations

import pytest

from tailwire.wire.identifiers import is_sendable, stored_id


@pytest.mark.parametrize(("identifier", "stored"), [("Alice", "alice"), ("bob-1", "bob-1"), (7, 7), (None, None)])
def test_ids_are_stored_in_lower_case_and_other_values_stay_as_they_are(identifier, stored):
    assert stored_id(identifier) == stored


@pytest.mark.parametrize("secret", ["a1b2", "with a space", "!~"])
def test_printable_ascii_can_be_sent(secret):
    assert is_sendable(secret)


@pytest.mark.parametrize("secret", ["a1b2\n", " a1b2", "a1b2 ", "a\tb", "a\r\nb", "é", "\x7f"])
def test_line_breaks_spaces_at_the_ends_and_other_characters_cannot_be_sent(secret):
    assert not is_sendable(secret)
