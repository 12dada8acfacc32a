"""The platforms for which push tokens can be registered, and the form of the tokens. Pure: no I/O, no clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from tailwire.server.ports.refusal import Refused

MAX_TOKEN_CHARACTERS = 4096
MAX_PROVIDER_ID_CHARACTERS = 100
WEB, APNS, FCM, VOIP = "web", "apns", "fcm", "voip"
PLATFORMS = {
    "fcm_flutter_android": FCM,
    "fcm_flutter_ios": FCM,
    "fcm_android": FCM,
    "fcm_ios": FCM,
    "fcm_web": FCM,
    "apns_flutter_device": APNS,
    "apns_device": APNS,
    "apns_flutter_voip": VOIP,
    "apns_voip": VOIP,
    "web_push": WEB,
}
"""The provider for each platform. Tokens for calls (`VOIP`) are stored for the app, but nothing is sent to them."""
_REFUSALS = {FCM: "INVALID_FCM_TOKEN", APNS: "INVALID_APNS_DEVICE_TOKEN", VOIP: "INVALID_APNS_VOIP_TOKEN"}
_FCM = re.compile(r"[A-Za-z0-9_:.-]{1,4096}")
_APNS = re.compile(r"(?:[0-9a-fA-F]{2}){8,100}")
_POINT = re.compile(r"B[A-Za-z0-9_-]{86}={0,1}")  # 65 bytes that begin with 4
_SECRET = re.compile(r"[A-Za-z0-9_-]{22}={0,2}")  # 16 bytes


class SubscriptionKeys(msgspec.Struct):
    """The keys of a subscription, in URL-safe Base64: the browser's public key, and a secret for the server."""

    p256dh: str
    auth: str


class Subscription(msgspec.Struct):
    """The subscription of a browser, as its `toJSON()` returns it."""

    endpoint: str
    keys: SubscriptionKeys


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """A valid token.

    Attributes:
        provider: `WEB`, `APNS`, `FCM` or `VOIP`.
        token: the token as it is stored; for Web Push the subscription as JSON, without unknown fields.
        identity: a text by which the token is recognised when it is registered again.
        endpoint: the URL of the push service that a browser named; "" for other tokens.
    """

    provider: str
    token: str
    identity: str
    endpoint: str = ""


def check_token(platform: str, token: str) -> CheckedToken:
    """Check that a push token has the form that its platform requires, and return it as it shall be stored.

    Args:
        platform: one of `PLATFORMS`, in upper or lower case.
        token: the push token; for Web Push the subscription as JSON.

    Raises:
        Refused: INVALID_PUSH_PLATFORM: there is no such platform; INVALID_FCM_TOKEN, INVALID_APNS_DEVICE_TOKEN,
            INVALID_APNS_VOIP_TOKEN or INVALID_WEB_PUSH_SUBSCRIPTION: this cannot be a token of this platform.
    """
    provider = PLATFORMS.get(platform.lower())
    if provider is None:
        raise Refused("INVALID_PUSH_PLATFORM", {"platform": f"Use {', '.join(PLATFORMS)}."})
    if provider == WEB:
        subscription = _subscription(token)
        return CheckedToken(
            provider, msgspec.json.encode(subscription).decode(), subscription.endpoint, subscription.endpoint
        )
    if (_FCM if provider == FCM else _APNS).fullmatch(token) is None:
        raise Refused(_REFUSALS[provider])
    return CheckedToken(provider, token, f"{provider} {token}")


def _subscription(token: str) -> Subscription:
    try:
        found = msgspec.json.decode(token[:MAX_TOKEN_CHARACTERS], type=Subscription)
        parts = urlsplit(found.endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except (ValueError, RecursionError):  # including errors of msgspec
        raise Refused("INVALID_WEB_PUSH_SUBSCRIPTION") from None
    good = good and found.endpoint.isascii() and found.endpoint.isprintable() and " " not in found.endpoint
    if not good or not _POINT.fullmatch(found.keys.p256dh) or not _SECRET.fullmatch(found.keys.auth):
        raise Refused("INVALID_WEB_PUSH_SUBSCRIPTION")
    return found
