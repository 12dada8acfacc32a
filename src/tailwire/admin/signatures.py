"""Whether a webhook's delivery is from the server, and not an old one that somebody sends again."""

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
    """The delivery is not to be trusted; the text says why. Answer 400 or 401 and do nothing."""

    __module__ = "tailwire.admin"  # tracebacks show the name that an app imports


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: float = 300, now: float | None = None
) -> str:
    """Return the id of a delivery whose signature is right.

    Keep the ids of the last days: a delivery can come twice, under the same id.

    Args:
        secret: of the webhook: `whsec_…`.
        headers: of the request; the case of their names does not matter.
        body: of the request, byte for byte as it came.
        tolerance: seconds that the time of the delivery may differ from this machine's.
        now: seconds since 1970; this machine's clock by default.

    Raises:
        SignatureError: the headers are missing or wrong, the delivery is too old, or the signature is not right.
        ValueError: the secret is none.
    """
    key = _key_of(secret)
    found = {name.lower(): value for name, value in headers.items()}
    delivery, sent_at = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    given = found.get("webhook-signature", "")
    if not (delivery and sent_at and given):
        raise SignatureError("the headers webhook-id, webhook-timestamp and webhook-signature are not all there")
    if not (sent_at.isascii() and sent_at.isdecimal() and len(sent_at) < 15):
        raise SignatureError("webhook-timestamp is no time in seconds since 1970")
    if abs((time.time() if now is None else now) - int(sent_at)) > tolerance:
        raise SignatureError("the delivery is too old, or the clocks differ: allow for more with tolerance=")
    expected = base64.b64encode(hmac.digest(key, f"{delivery}.{sent_at}.".encode() + body, hashlib.sha256))
    for one in given.split(" ", _MAX_SIGNATURES)[:_MAX_SIGNATURES]:
        version, _, signature = one.partition(",")
        if version == "v1" and hmac.compare_digest(expected, signature.encode()):
            return delivery
    raise SignatureError("the signature is not right: check the secret, and that the body is as it came")


def _key_of(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not key:
        raise ValueError("the secret of a webhook begins with whsec_, and Base64 follows")
    return key
