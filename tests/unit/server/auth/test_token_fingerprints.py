"""Fingerprints of auth tokens, and the one form of each JWT."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from identity import twin
from tailwire.server.auth.secrets import fingerprint
from tailwire.server.auth.token_fingerprints import canonical_jwt, token_fingerprint

CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@pytest.mark.parametrize(("algorithm", "curve"), CURVES.items())
def test_both_signatures_of_an_ecdsa_jwt_verify_and_have_one_canonical_form(algorithm: str, curve):
    key = ec.generate_private_key(curve)
    for n in range(8):
        token = jwt.encode({"n": n}, key, algorithm)
        other = twin(token)
        assert other != token
        assert jwt.decode(other, key.public_key(), [algorithm]) == {"n": n}
        assert canonical_jwt(token) == canonical_jwt(other) == canonical_jwt(canonical_jwt(token))
        assert canonical_jwt(token) in (token, other)


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("RS256", rsa.generate_private_key(65537, 2048)), ("EdDSA", ed25519.Ed25519PrivateKey.generate())],
)
def test_other_jwt_keeps_its_fingerprint_and_has_it_with_padding_too(algorithm: str, key):
    token = jwt.encode({"n": 1}, key, algorithm)
    assert token_fingerprint(token) == fingerprint(token)
    assert jwt.decode(f"{token}==", key.public_key(), [algorithm]) == {"n": 1}
    assert token_fingerprint(f"{token}==") == fingerprint(token)


@pytest.mark.parametrize(
    "text",
    ["alice_1700000000abc", "", "eyJ", "eyJ..", "eyJ.a.b", "eyJhbGciOiJFUzI1NiJ9.e30.%", "eyJhbGciOlsxXX0.e30.AAA"],
)
def test_unreadable_jwt_keeps_the_fingerprint_of_its_text(text: str):
    assert token_fingerprint(text) == fingerprint(text)


@pytest.mark.parametrize("signature", ["", "AA", "A" * 86, "_" * 86, "A" * 88])
def test_signature_that_cannot_verify_is_not_changed(signature: str):
    token = f"eyJhbGciOiJFUzI1NiJ9.e30.{signature}"
    assert canonical_jwt(token)[: len(token) - 1] == token[:-1]
