"""Keys of a JWKS or a PEM file."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from identity import EC, OTHER_EC, RSA, jwk
from tailwire.server.auth.public_keys import read_keys, select_key


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def test_only_the_public_part_of_a_private_key_is_read():
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    for algorithm, private, public in (
        (ECAlgorithm, EC, ec.EllipticCurvePublicKey),
        (RSAAlgorithm, RSA, rsa.RSAPublicKey),
    ):
        whole = {**algorithm.to_jwk(private, as_dict=True), "kid": "k"}
        whole.pop("key_ops", None)  # a key that is only for signing is left out
        assert "d" in whole
        (key,) = read_keys(jwks(whole))
        assert isinstance(key.key, public)


def test_key_is_chosen_by_its_id_and_only_for_its_algorithm():
    keys = read_keys(jwks(jwk(RSA, "a", alg="RS256"), jwk(EC, "b"), jwk(OTHER_EC, "c")))
    assert select_key(keys, "b", "ES256").kid == "b"
    assert select_key(keys, "a", "RS256").kid == "a"
    assert select_key(keys, "a", "RS512") is None  # the JWKS says RS256
    assert select_key(keys, "b", "ES384") is None
    assert select_key(keys, "b", "RS256") is None
    assert select_key(keys, "", "RS256").kid == "a"
    assert select_key(keys, "", "ES256") is None  # it is not clear which of two
    assert select_key(keys, "z", "ES256") is None
    assert select_key(keys, "b", "HS256") is None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"nonsense", b"[" * 100_000, b"\xff",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        jwks({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
        jwks({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
        jwks({"kty": "RSA", "n": 5, "e": "AQAB"}),
        jwks(jwk(EC, "a", use="enc"), jwk(EC, "b", key_ops=["sign"]), {**jwk(EC, "c"), "kid": 7}, None, 5),
    ],
)  # fmt: skip
def test_content_without_a_usable_key_is_refused(content: bytes):
    with pytest.raises(ValueError):
        read_keys(content)


def test_weak_keys_are_left_out():
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    odd = ec.generate_private_key(ec.SECP256K1())
    assert [key.kid for key in read_keys(jwks(jwk(weak, "weak"), jwk(odd, "odd"), jwk(EC, "good")))] == ["good"]
    with pytest.raises(ValueError, match="no usable public key"):
        read_keys(weak.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
