"""Case is folded character by character."""

from __future__ import annotations

import sys

import pytest

from tailwire.server.store.sql.folding import fold


@pytest.mark.parametrize(
    ("text", "folded"), [("ALICE 100%", "alice 100%"), ("ÉLAN", "élan"), ("İstanbul", "istanbul"), ("Straße", "straße")]
)
def test_folded_text_is_in_lower_case(text: str, folded: str):
    assert fold(text) == folded


def test_each_character_is_folded_to_one_character():
    characters = [chr(code) for code in range(sys.maxunicode + 1)]
    assert [character for character in characters if len(fold(character)) != 1] == []
    assert len(fold("".join(characters))) == len(characters)
