"""Uids and guids."""

from __future__ import annotations

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.names import identifier


def test_identifiers_are_converted_to_lower_case():
    assert identifier("Ann-B_9", "uid") == "ann-b_9"
    assert identifier("a" * 100, "uid") == "a" * 100


@pytest.mark.parametrize("value", ["", "a" * 101, "a b", "ann\n", "a/b", "..", "é", "ann@example.com"])
def test_invalid_identifiers_are_refused_and_the_field_is_named(value):
    with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
        identifier(value, "guid")
    assert list(caught.value.details) == ["guid"]
