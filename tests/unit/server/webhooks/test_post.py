"""The signature is that of Standard Webhooks."""

from __future__ import annotations

from tailwire.server.webhooks.post import signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_signature():
    # As the reference library of Standard Webhooks (1.1.0) signs the same.
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_everything_that_is_signed_counts():
    signed = {
        signature(SECRET, "1", 1, b"x"),
        signature(SECRET, "2", 1, b"x"),
        signature(SECRET, "1", 2, b"x"),
        signature(SECRET, "1", 1, b"y"),
        signature("whsec_" + "A" * 32, "1", 1, b"x"),
    }
    assert len(signed) == 5
