"""APNs: requests and answers as Apple documents them, over real HTTP/2 and TLS."""

from __future__ import annotations

import asyncio

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tailwire.server.ports.push import Notification, SendResult
from tailwire.server.ports.world import World
from tailwire.server.push.apns import Apns
from unit.server.push.fake_apns import FakeApns

KEY = ec.generate_private_key(ec.SECP256R1())
DEVICE = "ab" * 32


class Clock(World):
    now = 1_800_000_000

    def seconds(self):
        return self.now


def notification(body="hello", **more):
    return Notification(
        title="Alice", body=body, tag="m42", thread="alice_user_bob", badge=3, data={"type": "chat"}, **more
    )


@pytest.fixture
def fake(tmp_path):
    return FakeApns(tmp_path)


def apns(fake, clock=None):
    return Apns(KEY, "KEYID12345", "TEAM123456", "com.example.chat", fake.url, clock or Clock(), fake.trust)


async def test_request_to_apns_has_the_documented_headers_token_and_payload(fake):
    async with fake:
        sender = apns(fake)
        outcome = await sender.send(DEVICE, notification(lifetime=60))
        await sender.close()
    assert outcome.result is SendResult.SENT
    ((head, body),) = fake.requests
    assert (head[":method"], head[":path"]) == ("POST", f"/3/device/{DEVICE}")
    assert (head["apns-topic"], head["apns-push-type"], head["apns-collapse-id"]) == (
        "com.example.chat",
        "alert",
        "m42",
    )
    assert (head["apns-priority"], head["apns-expiration"]) == ("10", str(Clock.now + 60))
    scheme, _, token = head["authorization"].partition(" ")
    assert scheme == "bearer"
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": "KEYID12345", "typ": "JWT"}
    assert jwt.decode(token, KEY.public_key(), ["ES256"], options={"verify_iat": False}) == {
        "iss": "TEAM123456",
        "iat": Clock.now,
    }
    assert body["aps"]["alert"] == {"title": "Alice", "body": "hello"}
    assert (body["aps"]["badge"], body["aps"]["thread-id"], body["aps"]["sound"]) == (3, "alice_user_bob", "default")
    assert body["type"] == "chat"


async def test_silent_notification_has_a_low_priority_and_no_sound(fake):
    async with fake:
        sender = apns(fake)
        await sender.send(DEVICE, notification(silent=True))
        await sender.close()
    ((head, body),) = fake.requests
    assert head["apns-priority"] == "5"
    assert "sound" not in body["aps"]


async def test_many_notifications_share_one_connection(fake):
    async with fake:
        sender = apns(fake)
        await sender.send(DEVICE, notification())
        outcomes = await asyncio.gather(*(sender.send(DEVICE, notification()) for _ in range(50)))
        await sender.close()
    assert {one.result for one in outcomes} == {SendResult.SENT}
    assert len(fake.requests) == 51
    assert fake.connections == 1


async def test_token_is_renewed_after_fifty_minutes_and_not_before(fake):
    clock = Clock()
    async with fake:
        sender = apns(fake, clock)
        for seconds in (0, 49 * 60, 50 * 60):
            clock.now = Clock.now + seconds
            await sender.send(DEVICE, notification())
        await sender.close()
    first, second, third = (head["authorization"] for head, _ in fake.requests)
    assert first == second != third


@pytest.mark.parametrize(
    ("status", "reason", "result", "paused"),
    [
        (410, "Unregistered", SendResult.GONE, False),
        (400, "BadDeviceToken", SendResult.GONE, False),
        (400, "PayloadEmpty", SendResult.REFUSED, False),
        (403, "ExpiredProviderToken", SendResult.LATER, True),
        (429, "TooManyRequests", SendResult.LATER, False),
        (500, "InternalServerError", SendResult.LATER, True),
        (503, "Shutdown", SendResult.LATER, True),
    ],
)
async def test_response_decides_the_outcome_of_a_notification(fake, status, reason, result, paused):
    fake.answers = [(status, reason, {"retry-after": "30"})]
    async with fake:
        sender = apns(fake)
        outcome = await sender.send(DEVICE, notification())
        await sender.close()
    assert (outcome.result, outcome.paused, outcome.problem) == (result, paused, f"status {status} {reason}")
    if reason in ("TooManyRequests", "Shutdown"):
        assert outcome.wait == 30


async def test_service_that_cannot_be_reached_is_tried_later(fake):
    async with fake:
        sender = apns(fake)
    outcome = await sender.send(DEVICE, notification())
    await sender.close()
    assert outcome.result is SendResult.LATER
    assert DEVICE not in outcome.problem


async def test_payload_is_at_most_4096_bytes(fake):
    async with fake:
        sender = apns(fake)
        await sender.send(DEVICE, notification("🙂" * 3000))
        await sender.close()
    ((head, body),) = fake.requests
    assert int(head["content-length"]) <= 4096
    assert set(body["aps"]["alert"]["body"]) == {"🙂", "…"}
