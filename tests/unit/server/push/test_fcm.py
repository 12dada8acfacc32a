"""FCM HTTP v1: requests and answers as Google documents them, against real servers: HTTP, TLS, and HTTP/2 over TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
from urllib.parse import parse_qs

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tailwire.server.auth.certificate import self_signed
from tailwire.server.ports.push import Notification, SendResult
from tailwire.server.ports.world import World
from tailwire.server.push.fcm import Fcm
from tailwire.server.push.keys import apns_key, service_account, vapid_private_key
from unit.server.push.http2_service import Http2Service

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


class Clock(World):
    now = 1_800_000_000

    def seconds(self):
        return self.now


class FakeFcm:
    """The token service and FCM. `answers`: status, body and headers of the next responses."""

    def __init__(self, tls=None):
        self._tls = tls
        self.assertions, self.sent, self.answers = [], [], []
        self.token_status = 200

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_post("/v1/projects/chat-1/messages:send", self._send)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error):
        await self._runner.cleanup()

    async def _token(self, request):
        form = await request.post()
        self.assertions.append((form["grant_type"], form["assertion"]))
        body = {"access_token": f"access-{len(self.assertions)}", "expires_in": 3599, "token_type": "Bearer"}
        return web.json_response(body, status=self.token_status, headers={"retry-after": "7"})

    async def _send(self, request):
        self.sent.append((request.headers["authorization"], await request.json()))
        status, body, headers = self.answers.pop(0) if self.answers else (200, {"name": "x"}, {})
        return web.json_response(body, status=status, headers=headers)

    def account(self, folder):
        return account(self.url, folder)


class FakeFcmOverHttp2(Http2Service):
    """The token service and FCM over HTTP/2. All requests are answered with success."""

    def __init__(self, folder):
        super().__init__(folder)
        self.paths = []

    def answer(self, head, body):
        self.paths.append(head[":path"])
        if head[":path"] == "/token":
            assert parse_qs(body.decode())["assertion"]
            found = {"access_token": "access", "expires_in": 3599, "token_type": "Bearer"}
        else:
            assert head["authorization"] == "Bearer access"
            found = {"name": json.loads(body)["message"]["token"]}
        return 200, {"content-type": "application/json"}, json.dumps(found).encode()


def account(url, folder):
    file = folder / "account.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": "chat-1",
                "private_key": PEM,
                "client_email": "push@chat-1.example",
                "token_uri": f"{url}/token",
            }
        )
    )
    return service_account(str(file))


def notification(body="hello", **more):
    return Notification(
        title="Alice", body=body, tag="m42", thread="t", badge=3, data={"type": "chat", "sentAt": 5}, **more
    )


async def send_all(fake, tmp_path, *some, clock=None, trust=None):
    """Send notifications, and return the outcomes."""
    sender = Fcm(fake.account(tmp_path), fake.url, clock or Clock(), trust)
    outcomes = [await sender.send("device:token", one) for one in some]
    await sender.close()
    return outcomes


async def test_many_notifications_share_one_connection_of_http2(tmp_path):
    async with FakeFcmOverHttp2(tmp_path) as fake:
        sender = Fcm(account(fake.url, tmp_path), fake.url, Clock(), fake.trust)
        outcomes = [await sender.send("device", notification())]
        outcomes += await asyncio.gather(*(sender.send("device", notification()) for _ in range(50)))
        await sender.close()
    assert {one.result for one in outcomes} == {SendResult.SENT}
    assert fake.paths == ["/token", *["/v1/projects/chat-1/messages:send"] * 51]
    assert fake.connections == 1


async def test_requests_to_fcm_have_the_documented_access_token_and_message(tmp_path):
    async with FakeFcm() as fake:
        outcomes = await send_all(fake, tmp_path, notification(lifetime=60), notification())
    assert {one.result for one in outcomes} == {SendResult.SENT}
    ((grant, assertion),) = fake.assertions  # one access token for both
    assert grant == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(
        assertion,
        KEY.public_key(),
        ["RS256"],
        audience=f"{fake.url}/token",
        options={"verify_iat": False, "verify_exp": False},
    )
    assert claims["iss"] == "push@chat-1.example"
    assert claims["scope"] == "https://www.googleapis.com/auth/firebase.messaging"
    assert claims["exp"] - claims["iat"] == 3600
    authorization, body = fake.sent[0]
    assert authorization == "Bearer access-1"
    message = body["message"]
    assert (message["token"], message["notification"]) == ("device:token", {"title": "Alice", "body": "hello"})
    assert message["data"] == {
        "type": "chat",
        "sentAt": "5",
        "unreadMessageCount": "3",
        "title": "Alice",
        "body": "hello",
    }
    assert (message["android"]["collapse_key"], message["android"]["priority"], message["android"]["ttl"]) == (
        "m42",
        "HIGH",
        "60s",
    )
    assert message["android"]["notification"]["tag"] == "m42"


async def test_notification_of_a_withdrawn_message_has_data_only(tmp_path):
    async with FakeFcm() as fake:
        await send_all(fake, tmp_path, notification(withdrawn=True, silent=True))
    message = fake.sent[0][1]["message"]
    assert "notification" not in message
    assert message["android"]["priority"] == "NORMAL"


async def test_access_token_is_renewed_before_it_ends_and_after_it_was_refused(tmp_path):
    async with FakeFcm() as fake:
        clock = Clock()
        sender = Fcm(fake.account(tmp_path), fake.url, clock)
        await sender.send("t", notification())
        clock.now += 3599 - 300
        await sender.send("t", notification())
        fake.answers = [(401, {"error": {"status": "UNAUTHENTICATED"}}, {})]
        outcome = await sender.send("t", notification())
        await sender.send("t", notification())
        await sender.close()
    assert outcome.result is SendResult.LATER
    assert [authorization for authorization, _ in fake.sent] == [
        "Bearer access-1",
        "Bearer access-2",
        "Bearer access-2",
        "Bearer access-3",
    ]


@pytest.mark.parametrize(
    ("status", "code", "result", "paused", "wait"),
    [
        (404, "UNREGISTERED", SendResult.GONE, False, 0),
        (403, "SENDER_ID_MISMATCH", SendResult.GONE, False, 0),
        (404, "NOT_FOUND", SendResult.REFUSED, False, 0),
        (400, "INVALID_ARGUMENT", SendResult.REFUSED, False, 0),
        (429, "QUOTA_EXCEEDED", SendResult.LATER, True, 40),
        (503, "UNAVAILABLE", SendResult.LATER, True, 40),
        (500, "INTERNAL", SendResult.LATER, True, 40),
    ],
)
async def test_response_decides_the_outcome_of_a_notification(tmp_path, status, code, result, paused, wait):
    error = {
        "error": {
            "code": status,
            "status": "X",
            "details": [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}],
        }
    }
    async with FakeFcm() as fake:
        fake.answers = [(status, error, {"retry-after": "40"})]
        (outcome,) = await send_all(fake, tmp_path, notification())
    assert outcome == (result, f"status {status} {code}", wait, paused)


async def test_provider_is_paused_without_an_access_token(tmp_path):
    async with FakeFcm() as fake:
        fake.token_status = 503
        (outcome,) = await send_all(fake, tmp_path, notification())
    assert (outcome.result, outcome.paused, outcome.wait) == (SendResult.LATER, True, 7)
    assert not fake.sent


async def test_answers_in_another_form_or_too_long_are_refused_or_tried_later_by_their_status(tmp_path):
    async with FakeFcm() as fake:
        fake.answers = [(400, ["x"], {}), (500, "y" * 200_000, {}), (404, "no such page", {})]
        refused, later, lost = await send_all(fake, tmp_path, *[notification()] * 3)
    assert (refused.result, later.result, lost.result) == (SendResult.REFUSED, SendResult.LATER, SendResult.REFUSED)


async def test_nothing_is_sent_to_a_service_whose_certificate_is_not_trusted(tmp_path):
    certificate, key = self_signed(tmp_path, "127.0.0.1")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with FakeFcm(tls) as fake:
        (outcome,) = await send_all(fake, tmp_path, notification())
        assert outcome.result is SendResult.LATER
        assert (fake.assertions, fake.sent) == ([], [])
        trust = ssl.create_default_context(cafile=certificate)
        (outcome,) = await send_all(fake, tmp_path, notification(), trust=trust)
        assert outcome.result is SendResult.SENT
        assert len(fake.assertions) == len(fake.sent) == 1


async def test_message_is_at_most_4096_bytes(tmp_path):
    async with FakeFcm() as fake:
        await send_all(fake, tmp_path, notification("ü" * 5000))
    message = fake.sent[0][1]["message"]
    assert len(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()) <= 4096
    assert set(message["notification"]["body"]) == {"ü", "…"}


@pytest.mark.parametrize(
    "content",
    ["", "{}", json.dumps({"project_id": "p", "client_email": "c", "token_uri": "t", "private_key": "x"})],
    ids=["empty", "without fields", "without a key"],
)
@pytest.mark.parametrize(("read", "setting"), [(service_account, "fcm_credentials"), (apns_key, "apns_key")])
def test_setting_that_names_an_unusable_file_is_reported(tmp_path, content, read, setting):
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(OSError, match=setting):
        read(str(file))


def test_repr_of_a_service_account_does_not_contain_its_key(tmp_path):
    assert repr(account("http://fcm", tmp_path)) == "ServiceAccount(push@chat-1.example)"


def test_key_for_apns_is_an_elliptic_curve_key(tmp_path):
    file, key = tmp_path / "key", ec.generate_private_key(ec.SECP256R1())
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    assert apns_key(str(file)).private_numbers() == key.private_numbers()
    file.write_text(PEM)  # of RSA
    with pytest.raises(OSError, match="no key for APNs"):
        apns_key(str(file))


def test_key_of_web_push_is_the_same_for_the_same_server_key():
    one, same, other = (vapid_private_key(bytes([n]) * 32).private_numbers().private_value for n in (1, 1, 2))
    assert one == same != other
