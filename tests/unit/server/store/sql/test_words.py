"""Words of the full-text index: folded, without accents, each once, and bounded."""

from __future__ import annotations

import pytest

from tailwire.server.ports.conversations import key_of
from tailwire.server.store.sql.words import MAX_WORD_BYTES, MAX_WORD_LENGTH, conversation_word, text_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, HELLO world!", ["hello", "world"]),
        ("don't stop", ["don", "t", "stop"]),
        ("Äpfel", ["apfel"]),
        ("A\u0308pfel", ["apfel"]),  # the accent is a character of its own
        ("Straße ΟΔΟΣ", ["straße", "οδοσ"]),
        ("İstanbul", ["istanbul"]),
        ("a\u0340b", ["a", "b"]),  # the first character behind the accents
        ("東京 x1", ["東京", "x1"]),
        ("", []),
    ],
)
def test_words_are_folded_and_unique(text, words):
    assert words_of(text) == words


@pytest.mark.slow
def test_long_words_and_texts_with_many_words_are_cut_off():
    assert words_of("a" * (MAX_WORD_LENGTH + 1)) == ["a" * MAX_WORD_LENGTH]
    many = words_of(" ".join(f"{n:06}" for n in range(MAX_WORD_BYTES)))
    assert len(many) == MAX_WORD_BYTES // (4 * 6)
    assert many[-1] == f"{len(many) - 1:06}"


@pytest.mark.parametrize(
    "body",
    [b'{"data":{"text":7}}', b'{"data":[]}', b"[]", rb'{"data":{"text":"\ud800"}}', b'{"data":{"text":"\xff"}}', b"{"],
)
def test_body_of_an_unexpected_structure_has_no_text(body):
    assert text_of(body) == ""


def test_each_conversation_has_one_index_word_of_its_own():
    assert text_of(b'{"data":{"text":"hi"}}') == "hi"
    places = {
        conversation_word(key_of(*of))
        for of in (("alice", "bob", "user"), ("alice", "carol", "user"), ("", "g", "group"))
    }
    assert len(places) == 3
    assert all(words_of(word) == [word] for word in places)
