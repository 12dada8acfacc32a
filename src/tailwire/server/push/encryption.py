"""Encrypts the content of Web Push messages (RFC 8291, with the coding `aes128gcm` of RFC 8188)."""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_CONTENT_BYTES = 3993
"""The largest content: a push service accepts messages of 4,096 bytes (RFC 8030), and the encryption adds 103 bytes."""
RECORD_BYTES = 4096
SALT_BYTES, SECRET_BYTES, POINT_BYTES = 16, 16, 65
_LAST_RECORD = b"\x02"


def to_base64url(raw: bytes) -> str:
    """Return bytes in URL-safe Base64, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Decode a text in URL-safe Base64, with or without padding.

    Raises:
        ValueError: the text is not URL-safe Base64.
    """
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_", validate=True)
    except binascii.Error as e:
        raise ValueError("not URL-safe Base64") from e


def uncompressed_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key of the curve P-256 as an uncompressed point: 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypt(
    content: bytes,
    receiver: bytes,
    secret: bytes,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Encrypt content for one browser. Return the body of the request to its push service: a header and one record.

    Args:
        content: the content, at most `MAX_CONTENT_BYTES`.
        receiver: the public key of the browser's subscription (`p256dh`), as an uncompressed point.
        secret: the secret of the subscription (`auth`).
        key, salt: the key pair and the salt of this message. By default random ones are made, because they must never
            be used twice. Only tests with known results pass them.

    Raises:
        ValueError: the receiver's key is not a point of the curve, or the content is too long.
    """
    if len(content) > MAX_CONTENT_BYTES:
        raise ValueError(f"{len(content)} bytes are more than a push message can hold")
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), receiver)
    key = key or ec.generate_private_key(ec.SECP256R1())
    salt = salt or os.urandom(SALT_BYTES)
    ours = uncompressed_point(key.public_key())
    shared = key.exchange(ec.ECDH(), theirs)
    seed = _derived_key(shared, secret, b"WebPush: info\x00" + receiver + ours, 32)
    content_key = _derived_key(seed, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derived_key(seed, salt, b"Content-Encoding: nonce\x00", 12)
    header = salt + RECORD_BYTES.to_bytes(4) + len(ours).to_bytes(1) + ours
    return header + AESGCM(content_key).encrypt(nonce, content + _LAST_RECORD, None)


def _derived_key(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)
