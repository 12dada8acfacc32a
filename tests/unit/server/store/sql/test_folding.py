"""Case is folded character by character."""

from __future__ import annotations

import pytest

from tailwire.server.store.sql.folding import fold


@pytest.mark.parametrize(
    ("text", "folded"), [("ALICE 100%", "alice 100%"), ("ÉLAN", "élan"), ("İstanbul", "istanbul"), ("Straße", "straße")]
)
def test_text_is_in_lower_case_with_as_many_characters(text, folded):
    assert fold(text) == folded
    assert len(fold(text)) == len(text)
