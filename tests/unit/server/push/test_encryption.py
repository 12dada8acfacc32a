"""The encryption of Web Push: the example of RFC 8291 byte for byte, and another implementation as the judge."""

from __future__ import annotations

import os

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tailwire.server.push.encryption import MAX_CONTENT_BYTES, encrypt, from_base64url, to_base64url, uncompressed_point


def test_example_of_the_rfc_is_encrypted_byte_for_byte():
    """RFC 8291, section 5 and appendix A."""
    private = int.from_bytes(from_base64url("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
    found = encrypt(
        b"When I grow up, I want to be a watermelon",
        from_base64url("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        from_base64url("BTBZMqHH6r4Tts7J_aSIgg"),
        key=ec.derive_private_key(private, ec.SECP256R1()),
        salt=from_base64url("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert to_base64url(found) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@pytest.mark.parametrize("size", [0, 1, 100, MAX_CONTENT_BYTES])
def test_another_implementation_decrypts_the_message(size):
    key, secret, content = ec.generate_private_key(ec.SECP256R1()), os.urandom(16), os.urandom(size)
    sealed = encrypt(content, uncompressed_point(key.public_key()), secret)
    assert len(sealed) == size + 103
    assert http_ece.decrypt(sealed, private_key=key, auth_secret=secret, version="aes128gcm") == content


def test_each_message_has_its_own_key_and_salt():
    key, secret = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)
    one, other = (encrypt(b"x", uncompressed_point(key.public_key()), secret) for _ in range(2))
    assert one[:16] != other[:16]
    assert one[21:86] != other[21:86]


def test_point_that_is_not_on_the_curve_is_refused():
    with pytest.raises(ValueError):
        encrypt(b"x", b"\x04" + b"\x01" * 64, b"\x00" * 16)


def test_only_content_above_the_limit_is_refused():
    key = ec.generate_private_key(ec.SECP256R1())
    point = uncompressed_point(key.public_key())
    assert len(encrypt(b"x" * MAX_CONTENT_BYTES, point, b"\x00" * 16)) > MAX_CONTENT_BYTES
    with pytest.raises(ValueError):
        encrypt(b"x" * (MAX_CONTENT_BYTES + 1), point, b"\x00" * 16)
