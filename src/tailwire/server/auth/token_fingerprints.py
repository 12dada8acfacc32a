"""The fingerprint of an auth token, which is the same however a JWT's signature is written.

One JWT can be written in several ways that all verify: its Base64 may be padded, and an ECDSA signature `(r, s)` has
the twin `(r, n - s)`, which anybody can compute. If each had a fingerprint of its own, a JWT that was revoked in one
form would be accepted in another.
"""

from __future__ import annotations

import jwt
from jwt.utils import base64url_decode, base64url_encode

from tailwire.server.auth.jwt_verifier import MAX_JWT_CHARACTERS, looks_like_jwt
from tailwire.server.auth.secrets import fingerprint

CURVE_ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "ES512": int(
        "1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "A51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
        16,
    ),
}
"""The order `n` of the curve of each ECDSA algorithm (FIPS 186-5: P-256, P-384 and P-521)."""


def token_fingerprint(token: str) -> str:
    """Return the fingerprint of an auth token, under which it is stored (see `secrets.fingerprint`).

    It is the same for all JWTs that differ only in how their signature is written; a JWT is one token in all of them.
    """
    if looks_like_jwt(token) and len(token) <= MAX_JWT_CHARACTERS:
        return fingerprint(canonical_jwt(token))
    return fingerprint(token)


def canonical_jwt(token: str) -> str:
    """Return a JWT with its signature in the one form that stands for all: strict Base64, and the lower `s` of ECDSA.

    The header and the payload remain as they are, because the signature covers their text. A JWT that cannot be read
    is returned unchanged: it does not verify.
    """
    signed, _, written = token.rpartition(".")
    try:
        algorithm = jwt.get_unverified_header(token).get("alg")
        signature = base64url_decode(written)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return token
    order = CURVE_ORDERS.get(algorithm) if isinstance(algorithm, str) else None
    if order is not None:
        signature = _with_lower_s(signature, order)
    return f"{signed}.{base64url_encode(signature).decode()}"


def _with_lower_s(signature: bytes, order: int) -> bytes:
    size = len(signature) // 2
    s = int.from_bytes(signature[size:])
    if size != (order.bit_length() + 7) // 8 or len(signature) % 2 or not 0 < s < order:
        return signature  # it does not verify
    return signature[:size] + min(s, order - s).to_bytes(size)
