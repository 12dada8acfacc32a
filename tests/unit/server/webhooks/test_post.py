"""Signatures as in Standard Webhooks, and the limit of a response."""

from __future__ import annotations

import httpx2

from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow
from tailwire.server.webhooks.post import MAX_RESPONSE_BYTES, Poster, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_signature_matches_the_reference_library():
    # As the reference library of Standard Webhooks (1.1.0) signs the same.
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_signature_covers_id_time_and_body():
    signed = {
        signature(SECRET, "1", 1, b"x"),
        signature(SECRET, "2", 1, b"x"),
        signature(SECRET, "1", 2, b"x"),
        signature(SECRET, "1", 1, b"y"),
        signature("whsec_" + "A" * 32, "1", 1, b"x"),
    }
    assert len(signed) == 5


class Endless(httpx2.AsyncByteStream):
    """An endless response, which counts the bytes that were read."""

    read = 0

    async def __aiter__(self):
        while True:
            self.read += 1024
            yield b"x" * 1024


async def test_endless_response_is_not_read_to_its_end():
    endless = Endless()
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, stream=endless))
    poster = Poster(app_id="a", region="us", unseal=str, user_agent="Tailwire", base="", allows=lambda address: True)
    poster._client = httpx2.AsyncClient(transport=transport)
    webhook = WebhookRow("w", "W", "http://hook/in", "message_sent")
    row = DeliveryRow(1, "w", "message_sent", b"{}", 0, 0, 5, None, None, None, None)
    assert await poster.post(webhook, row, 10) == ""
    assert endless.read <= MAX_RESPONSE_BYTES + 2048
    await poster.close()
