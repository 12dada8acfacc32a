"""Only recent deliveries with a valid signature are accepted."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from tailwire.admin import SignatureError, verify_webhook

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = '{"trigger":"message_sent","data":{"text":"grüß Gott"}}'.encode()
NOW = 1_790_000_000


def signed(body: bytes = BODY, at: object = NOW, delivery: str = "d1", key: bytes = KEY) -> dict[str, str]:
    """Return the headers of a delivery, following the published scheme."""
    mac = hmac.new(key, f"{delivery}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "Webhook-Id": delivery,
        "Webhook-Timestamp": str(at),
        "Webhook-Signature": "v1," + base64.b64encode(mac).decode(),
    }


def test_published_example_is_accepted():
    # The test vector of the Standard Webhooks specification.
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert verify_webhook(secret, headers, b'{"test": 2432232314}', now=1614265330) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_valid_signature_returns_the_delivery_id():
    assert verify_webhook(SECRET, signed(), BODY, now=NOW) == "d1"


def test_delivery_with_one_valid_signature_among_others_is_accepted():
    headers = signed()
    headers["Webhook-Signature"] = f"v1,bm9uZQ== v2,x {headers['Webhook-Signature']}"
    assert verify_webhook(SECRET, headers, BODY, now=NOW) == "d1"


@pytest.mark.parametrize("late", [-301, 301])
def test_old_and_future_deliveries_are_refused(late):
    with pytest.raises(SignatureError, match="too old"):
        verify_webhook(SECRET, signed(), BODY, now=NOW + late)
    assert verify_webhook(SECRET, signed(), BODY, now=NOW + late, tolerance=400) == "d1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {k: v for k, v in signed().items() if k != "Webhook-Id"},
        {**signed(), "Webhook-Signature": ""},
        {**signed(), "Webhook-Signature": "v1,"},
        {**signed(), "Webhook-Signature": "v1,é"},
        {**signed(), "Webhook-Signature": "v1,\udcff"},
        {**signed(), "Webhook-Id": "d1\udcff"},
        {**signed(), "Webhook-Signature": "x" * 100_000},
        {**signed(), "Webhook-Signature": " ".join(["v1,bm9uZQ=="] * 1000 + [signed()["Webhook-Signature"]])},
        {**signed(), "Webhook-Timestamp": "١٢٣"},
        {**signed(), "Webhook-Timestamp": "9" * 5000},
        {**signed(), "Webhook-Timestamp": "-1"},
        {**signed(), "Webhook-Id": "another"},
        signed(BODY + b" "),
        signed(key=bytes(32)),
    ],
)
def test_invalid_deliveries_are_refused(headers):
    with pytest.raises(SignatureError):
        verify_webhook(SECRET, headers, BODY, now=NOW)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", base64.b64encode(KEY).decode(), "whsec_é"])
def test_invalid_secret_raises_value_error(secret):
    with pytest.raises(ValueError, match="whsec_") as caught:
        verify_webhook(secret, signed(), BODY, now=NOW)
    assert not isinstance(caught.value, SignatureError)
