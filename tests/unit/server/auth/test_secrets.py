"""Tokens, passes and passwords."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.server.auth.secrets import (
    SocketPass,
    fingerprint,
    hash_password,
    is_valid_proof,
    new_token,
    read_pass,
    same_password,
    sign_pass,
    signing_key,
)
from tailwire.server.ports.world import World

SECRET = "s" * 64


class Later(World):
    def __init__(self, by: int) -> None:
        self.by = by

    def seconds(self) -> int:
        return super().seconds() + self.by


def test_pass_is_valid_with_its_key_until_it_expires():
    signed = sign_pass("alice", "hash", SECRET, 60, World())
    assert read_pass(signed, SECRET, World()) == SocketPass("alice", "hash")
    assert read_pass(signed, "x" * 64, World()) is None
    assert read_pass(signed, SECRET, Later(59)) is not None
    assert read_pass(signed, SECRET, Later(61)) is None


@given(st.text(max_size=200))
def test_text_other_than_a_pass_is_refused(text):
    assert read_pass(text, SECRET, World()) is None


@pytest.mark.parametrize("text", ["", ".", "a.b.c", "a.b.c.d", "..." + "0" * 64, "alice.hash.99999999999." + "0" * 64])
def test_unsigned_passes_are_refused(text):
    assert read_pass(text, SECRET, World()) is None


@pytest.mark.parametrize(
    "content",
    ["", "alice", "a.99999999999", "a.b.c.99999999999", "a.b.", "a.b.c", "a.b.-1", "a.b.٣", "a.b." + "9" * 5000,
     "key\nname\nalice\n5\n99999999999", "key.t.xt\nname\nalice\n5\n99999999999"],
)  # fmt: skip
def test_signed_text_other_than_a_pass_is_refused(content: str):
    signature = hmac.digest(SECRET.encode(), content.encode(), "sha256").hex()
    assert read_pass(f"{content}.{signature}", SECRET, World()) is None
    assert not is_valid_proof(f"{content}.{hashlib.sha256(signature.encode()).hexdigest()}", SECRET, World())


def test_pass_with_any_character_changed_is_refused():
    signed = sign_pass("alice", "hash", SECRET, 60, World())
    assert read_pass(signed, SECRET, World()) is not None
    for place, character in enumerate(signed):
        for other in {"A", "0", "."} - {character}:
            changed = signed[:place] + other + signed[place + 1 :]
            assert read_pass(changed, SECRET, World()) is None, changed


def test_each_token_is_new_and_has_forty_random_characters():
    assert new_token("alice", World()) != new_token("alice", World())
    assert len(new_token("alice", World()).split("_")[-1]) == 40


@given(st.text(max_size=20), st.text(max_size=20))
def test_different_texts_have_different_fingerprints(one: str, other: str):
    assert (fingerprint(one) == fingerprint(other)) is (one == other)
    assert fingerprint(one) not in (fingerprint(f"{one} "), fingerprint(f"{one}\0"), fingerprint(f"{one}a"))


def test_password_is_stored_as_a_hash_that_only_it_matches():
    stored = hash_password("sesame", World())
    assert "sesame" not in stored
    assert same_password("sesame", stored)
    assert not same_password("Sesame", stored)


def test_signing_key_is_kept_and_replaced_only_if_missing_or_damaged(tmp_path):
    folder = tmp_path / "data"
    key = signing_key(folder, World())
    assert len(key) == 64
    assert signing_key(folder, World()) == key
    (folder / "signing.key").unlink()
    second = signing_key(folder, World())
    assert second != key
    for damaged in (b"", b"\xff" * 64, key[:63].encode()):
        (folder / "signing.key").write_bytes(damaged)
        assert signing_key(folder, World()) not in (key, second, "")
