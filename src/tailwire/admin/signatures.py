"""Verify the signature of a webhook delivery."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping

_PREFIX = "whsec_"
_MAX_SIGNATURES = 20


class SignatureError(ValueError):
    """A delivery cannot be trusted, as the text explains. Respond with 400 or 401, and ignore the delivery."""

    __module__ = "tailwire.admin"  # tracebacks show the name that an app imports


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: float = 300, now: float | None = None
) -> str:
    """Verify the signature of a webhook delivery, and return its id.

    A delivery may arrive more than once, with the same id. Store the ids of the last days to recognise this.

    ```python
    delivery_id = verify_webhook(SECRET, request.headers, await request.body())
    ```

    Args:
        secret: the secret of the webhook: `whsec_…`.
        headers: the headers of the request, in upper or lower case.
        body: the body of the request, byte for byte.
        tolerance: the maximum difference in seconds between the time in the delivery and `now`.
        now: the current time in seconds since 1970; by default that of the system clock.

    Raises:
        SignatureError: a header is missing or invalid, the time in the delivery is too far from `now`, or the signature
            does not match.
        ValueError: the secret is invalid.
    """
    key = _key_of(secret)
    found = {name.lower(): value for name, value in headers.items()}
    delivery, sent_at = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    signatures = found.get("webhook-signature", "")
    if not (delivery and sent_at and signatures):
        raise SignatureError("webhook-id, webhook-timestamp or webhook-signature is missing from the headers")
    if not (delivery.isascii() and signatures.isascii()):  # a framework may even make lone surrogates of other bytes
        raise SignatureError("webhook-id or webhook-signature has characters that no delivery of the server has")
    if not (sent_at.isascii() and sent_at.isdecimal() and len(sent_at) < 15):
        raise SignatureError("webhook-timestamp is not a time in seconds since 1970")
    if abs((time.time() if now is None else now) - int(sent_at)) > tolerance:
        raise SignatureError("the delivery is too old, or the clocks differ: raise tolerance= to accept it")
    expected = base64.b64encode(hmac.digest(key, f"{delivery}.{sent_at}.".encode() + body, hashlib.sha256))
    for one in signatures.split(" ", _MAX_SIGNATURES)[:_MAX_SIGNATURES]:
        version, _, signature = one.partition(",")
        if version == "v1" and hmac.compare_digest(expected, signature.encode()):
            return delivery
    raise SignatureError("the signature does not match: check the secret, and pass the body byte for byte")


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not key:
        raise ValueError("the secret of a webhook is whsec_ followed by Base64")
    return key
