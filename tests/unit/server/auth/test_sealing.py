"""Encrypted secrets."""

from __future__ import annotations

import pytest

from tailwire.server.auth.sealing import CannotUnseal, Sealer

KEY = b"k" * 32


def test_sealed_text_opens_only_with_the_same_key():
    sealed = Sealer(KEY).seal("correct horse ü \ud800")
    assert Sealer.is_sealed(sealed)
    assert "horse" not in sealed
    assert Sealer(KEY).unseal(sealed) == "correct horse ü \ud800"
    for other, stored in ((b"o" * 32, sealed), (KEY, sealed[:-4]), (KEY, "plain"), (KEY, "sealed:ü")):
        with pytest.raises(CannotUnseal):
            Sealer(other).unseal(stored)


def test_same_secret_is_sealed_differently_each_time():
    assert Sealer(KEY).seal("x") != Sealer(KEY).seal("x")


def test_empty_text_stays_empty_when_it_is_sealed():
    assert Sealer(KEY).seal("") == Sealer(KEY).unseal("") == ""


def test_short_key_is_refused():
    with pytest.raises(ValueError, match="too short"):
        Sealer(b"short")
