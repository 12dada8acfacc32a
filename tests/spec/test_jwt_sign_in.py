"""Sign-in with JWTs of the app's own identity provider (settings auth_jwt_…; docs/server.md)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from collections import Counter
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import CONNECTED, DISCONNECTED, Stage
from identity import AUDIENCE, EC, ISSUER, OTHER_EC, PORT, RSA, IdentityProvider, jwk, twin
from rest import Rest
from tailwire import CometChatException, MemorySessionStore
from tailwire.server.auth.secrets import fingerprint
from tailwire.server.config import BadSetting, Settings, load
from tailwire.server.ports.key_records import TokenRow
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.world import VirtualServer

URL = f"http://id.test:{PORT}/jwks.json"


@pytest.fixture
def idp() -> IdentityProvider:
    return IdentityProvider()


@pytest.fixture(autouse=True)
def accepts_jwts(stage: Stage, tmp_path) -> None:
    configure(stage, tmp_path)


def configure(stage: Stage, folder, **more) -> None:
    """Let the server of the stage accept the JWTs of the identity provider, with further settings."""
    jwt_settings = {"auth_jwt_keys": URL, "auth_jwt_issuer": ISSUER, "auth_jwt_audience": AUDIENCE}
    stage.server = VirtualServer(folder, Settings(data=str(folder), **{**UNLIMITED, **jwt_settings, **more}))


async def restart(stage: Stage, folder, **more) -> None:
    """Start again with further settings, in a new folder."""
    await stage.server.stop()
    folder.mkdir()
    configure(stage, folder, **more)
    await stage.server.start()
    await stage.server.add_users(*stage.uids)


async def uid_or_code(rest: Rest, token: str) -> str:
    """Return the uid of a token, or the code with which it is refused."""
    answer = await rest.answer("PUT", "/me", json={}, headers={"authtoken": token, "apikey": "", "resource": "test"})
    data = answer.json()
    return data["data"]["uid"] if answer.status_code == 200 else data["error"]["code"]


def refusals(stage: Stage) -> Counter[str]:
    """Return how many tokens were refused, by reason."""
    return stage.server.parts.metrics.failed_authentications


async def test_client_logs_in_with_a_jwt_and_renews_it_on_the_open_socket(stage: Stage, idp: IdentityProvider):
    idp.listen()
    renewed = []

    async def provider() -> str:
        renewed.append(idp.sign("alice", 600))
        return renewed[-1]

    store = MemorySessionStore()
    alice = stage.actor(provider=provider, store=store)
    await alice.chat.init()
    alice.listen()
    assert (await alice.chat.login_with_auth_token(idp.sign("alice", 600))).uid == "alice"
    await alice.wait_connected()
    bob = await stage.enter("bob")
    sent = []
    for n in range(6):
        sent.append((await bob.say("alice", f"{n}")).text)
        await stage.pass_time(301)
    await alice.ears.until(lambda: alice.ears.texts == sent)
    assert alice.ears.statuses.count(CONNECTED) == 1
    assert len(renewed) >= 3
    assert store.load(stage.server.app_id)["auth_token"] == renewed[-1]
    assert len(idp.fetch_times) <= 4  # the keys are kept


async def test_socket_is_closed_when_its_jwt_expires_without_a_renewal(stage: Stage, idp: IdentityProvider):
    idp.listen()
    alice = stage.actor()
    await alice.chat.init()
    alice.listen()
    token = idp.sign("alice", 300)
    await alice.chat.login_with_auth_token(token)
    await alice.wait_connected()
    await stage.pass_time(295)
    assert alice.status is CONNECTED
    await stage.pass_time(10)
    assert alice.status is DISCONNECTED
    assert stage.server.parts.metrics.closes["token expired"] == 1
    with pytest.raises(CometChatException, match="ERR_AUTH_TOKEN_EXPIRED"):
        await alice.say("bob", "x")


async def test_expired_jwt_is_refused_after_its_row_was_removed(stage: Stage, idp: IdentityProvider):
    """A new token of a user removes the rows of their expired ones."""
    idp.listen()
    async with Rest(stage) as rest:
        token = idp.sign("alice", 300)
        assert await uid_or_code(rest, token) == "alice"
        await stage.pass_time(305)
        assert await uid_or_code(rest, idp.sign("alice")) == "alice"
        assert await uid_or_code(rest, token) == "ERR_AUTH_TOKEN_EXPIRED"


DEFAULT_ALGORITHMS = [(RSA, "rsa-1", "RS256"), (EC, "ec-1", "ES256")]


@pytest.mark.parametrize(("key", "kid", "algorithm"), DEFAULT_ALGORITHMS)
async def test_each_algorithm_of_the_default_setting_is_accepted(
    stage: Stage, idp: IdentityProvider, key, kid, algorithm
):
    idp.listen()
    idp.key, idp.kid, idp.algorithm = key, kid, algorithm
    assert Settings().auth_jwt_algorithms.split(",") == [name for _, _, name in DEFAULT_ALGORITHMS]
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("alice")) == "alice"


def forged(idp: IdentityProvider, header: dict, key: bytes = b"") -> str:
    """Return a JWT for alice with any header, signed with HMAC, or not at all."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, idp.claims("alice"))]
    signed = b".".join(parts)
    signature = base64.urlsafe_b64encode(hmac.digest(key, signed, hashlib.sha256)).rstrip(b"=") if key else b""
    return (signed + b"." + signature).decode()


async def test_forged_and_foreign_jwts_are_refused(stage: Stage, idp: IdentityProvider):
    idp.listen()
    pem = EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = EC.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    good = idp.sign("alice")
    head, payload, signature = good.split(".")
    stranger = IdentityProvider()
    stranger.key = OTHER_EC
    refused = {
        forged(idp, {"alg": "none", "typ": "JWT"}): "JWT with another algorithm",
        forged(idp, {"alg": "None", "kid": "ec-1"}): "JWT with another algorithm",
        forged(idp, {"alg": "HS256", "kid": "ec-1"}, pem): "JWT with another algorithm",
        forged(idp, {"alg": "HS256", "kid": "ec-1"}, der): "JWT with another algorithm",
        forged(idp, {"alg": ["ES256"], "kid": "ec-1"}): "JWT with another algorithm",
        forged(idp, {"alg": "ES256", "kid": "ec-1"}): "JWT with a wrong signature",
        forged(idp, {"alg": "RS256", "kid": "ec-1"}, pem): "JWT of an unknown key",  # the key is for another algorithm
        forged(idp, {"alg": "ES256", "kid": ["ec-1"]}, pem): "malformed JWT",
        stranger.sign("alice"): "JWT with a wrong signature",
        f"{head}.{idp.sign('bob').split('.')[1]}.{signature}": "JWT with a wrong signature",
        f"{head}.{payload}.": "JWT with a wrong signature",
        f"{head}.{payload}.{signature}!": "malformed JWT",
        f"{head[:-2]}.{payload}.{signature}": "malformed JWT",
        idp.sign("alice", aud="mail"): "JWT for another audience",
        idp.sign("alice", aud=["mail", "web"]): "JWT for another audience",
        idp.sign("alice", aud=None): "malformed JWT",
        idp.sign("alice", aud={"a": 1}): "JWT for another audience",
        idp.sign("alice", iss="https://id.example.com"): "JWT of another issuer",
        idp.sign("alice", iss=None): "malformed JWT",
        idp.sign("alice", exp=None): "malformed JWT",
        idp.sign("alice", nbf=idp.claims("x")["exp"]): "JWT that is not valid yet",
        idp.sign("alice", iat=idp.claims("x")["exp"]): "JWT that is not valid yet",
        idp.sign("alice", headers={"crit": ["b64"], "b64": False}): "malformed JWT",
        idp.sign("alice", headers={"typ": "logout+jwt"}): "malformed JWT",
        idp.sign("Alice"): "JWT without a usable uid",
        idp.sign("app_system"): "JWT without a usable uid",
        idp.sign("al ice"): "JWT without a usable uid",
        idp.sign("a" * 101): "JWT without a usable uid",
        idp.sign("alice\n"): "JWT without a usable uid",
        idp.sign(""): "JWT without a usable uid",
        idp.sign("alice", sub=None): "JWT without a usable uid",
        idp.sign("alice", sub=7): "JWT without a usable uid",
        idp.sign("alice", padding="x" * 8192): "unknown token",
    }
    async with Rest(stage) as rest:
        for token, reason in refused.items():
            before = refusals(stage)[reason]
            assert await uid_or_code(rest, token) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND", (reason, token)
            assert refusals(stage)[reason] == before + 1, (reason, refusals(stage))
        assert refusals(stage).total() == len(refused)
        assert await uid_or_code(rest, idp.sign("alice", -1)) == "ERR_AUTH_TOKEN_EXPIRED"
        assert await uid_or_code(rest, good) == "alice"


@pytest.mark.parametrize("exp", ["1e400", "NaN", '"4000000000"', "true", "[1]", "-1e308"])
async def test_invalid_expiry_times_are_refused(stage: Stage, idp: IdentityProvider, exp: str):
    idp.listen()
    payload = json.dumps(idp.claims("alice", exp=0)).replace('"exp": 0', f'"exp": {exp}').encode()
    token = jwt.PyJWS().encode(payload, EC, "ES256", headers={"kid": "ec-1"})
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, token) in ("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "ERR_AUTH_TOKEN_EXPIRED")


@pytest.mark.parametrize("part", [b'{"a":' * 4000, b"[" * 5000, b"\xff\xfe", b'"x"', b"7" * 5000])
async def test_broken_json_is_refused_without_an_error_in_the_log(stage: Stage, idp: IdentityProvider, part, caplog):
    idp.listen()
    head = "eyJ" + base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    signed = jwt.PyJWS().encode(part, EC, "ES256", headers={"kid": "ec-1"})
    async with Rest(stage) as rest:
        for token in (f"{head}.e30.AAAA", signed[:8192]):
            assert await uid_or_code(rest, token) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_expiry_far_in_the_future_is_accepted(stage: Stage, idp: IdentityProvider):
    idp.listen()
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("alice", exp=10**300)) == "alice"


async def test_clock_of_the_identity_provider_may_be_a_little_ahead(stage: Stage, idp: IdentityProvider):
    idp.listen()
    now = idp.claims("x", 0)["exp"]
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("alice", iat=now + 25, nbf=now + 25)) == "alice"
        assert await uid_or_code(rest, idp.sign("alice", iat=now + 35)) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"


async def test_rotated_key_is_found_and_the_old_one_ends(stage: Stage, idp: IdentityProvider):
    idp.listen()
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("alice")) == "alice"
        old = idp.sign("bob")
        await stage.pass_time(61)
        idp.keys = [jwk(OTHER_EC, "ec-2")]
        idp.key, idp.kid = OTHER_EC, "ec-2"
        assert await uid_or_code(rest, idp.sign("alice")) == "alice"  # the unknown key is looked up at once
        assert len(idp.fetch_times) == 2
        assert await uid_or_code(rest, old) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"


async def test_jwt_of_a_withdrawn_key_is_refused_after_ten_minutes_without_any_jwt_of_another_key(
    stage: Stage, idp: IdentityProvider
):
    idp.listen()
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("alice")) == "alice"
        idp.keys = [jwk(RSA, "rsa-1")]
        await stage.pass_time(601)
        assert await uid_or_code(rest, idp.sign("bob")) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"


async def test_unknown_keys_cause_one_fetch_a_minute(stage: Stage, idp: IdentityProvider):
    idp.listen()
    async with Rest(stage) as rest:
        await uid_or_code(rest, idp.sign("alice"))
        for n in range(100):
            assert (
                await uid_or_code(rest, idp.sign("alice", headers={"kid": f"k{n}"})) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
            )
            await stage.pass_time(3)
        assert 5 <= len(idp.fetch_times) <= 7
        assert all(b - a >= 60 for a, b in zip(idp.fetch_times, idp.fetch_times[1:], strict=False))


async def test_keys_are_used_for_a_bounded_time_while_they_cannot_be_fetched(
    stage: Stage, idp: IdentityProvider, caplog
):
    idp.listen()
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("alice")) == "alice"
        idp.stop()
        for _ in range(22):
            await stage.pass_time(3600)
            assert await uid_or_code(rest, idp.sign("alice")) == "alice"
        assert (
            await uid_or_code(rest, idp.sign("alice", headers={"kid": "new"})) == "ERR_UNAVAILABLE"
        )  # it may be a new key
        await stage.pass_time(2 * 3600)
        answer = await rest.answer("GET", "/me", headers={"authtoken": idp.sign("bob"), "apikey": "", "resource": "r"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ERR_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1
        assert len([r for r in caplog.records if "auth_jwt_keys" in r.message and r.levelno == logging.ERROR]) == 1
        idp.listen()
        await stage.pass_time(11)
        assert await uid_or_code(rest, idp.sign("bob")) == "bob"


async def test_client_keeps_its_session_and_waits_while_the_keys_cannot_be_fetched(stage: Stage, idp: IdentityProvider):
    idp.listen()
    store = MemorySessionStore()

    async def provider() -> str:
        return idp.sign("alice", 7 * 86_400)

    alice = stage.actor(provider=provider, store=store)
    await alice.chat.init()
    alice.listen()
    await alice.chat.login_with_auth_token(idp.sign("alice", 25 * 3600))
    await alice.wait_connected()
    idp.stop()
    await stage.pass_time(25 * 3600 + 60)  # its JWT has ended, and no new one can be verified
    assert alice.status is not CONNECTED
    assert store.load(stage.server.app_id)["expired"] is False
    idp.listen()
    await stage.pass_time(120)
    assert alice.status is CONNECTED
    await (await stage.enter("bob")).say("alice", "again")
    await alice.ears.until(lambda: alice.ears.texts == ["again"])


@pytest.mark.parametrize("fault", ["slow", "large", "compressed", "redirect", "html", "private", "empty"])
async def test_bad_responses_with_keys_are_refused_in_bounded_time(stage: Stage, idp: IdentityProvider, fault: str):
    idp.listen()
    if fault == "slow":
        idp.seconds = 120
    elif fault == "large":
        idp.content = json.dumps({"keys": [jwk(EC, "ec-1")], "more": "x" * 300_000}).encode()
    elif fault == "compressed":
        idp.headers = [(b"content-encoding", b"gzip")]
    elif fault == "redirect":
        idp.status, idp.headers = 302, [(b"location", URL.encode())]
    elif fault == "html":
        idp.content = b"<html>"
    elif fault == "private":
        idp.keys = [{"kty": "oct", "k": "c2VjcmV0", "kid": "ec-1", "alg": "HS256"}]
    else:
        idp.keys = [jwk(EC, "ec-1", use="enc"), {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "small"}, 5]
    async with Rest(stage) as rest:
        begun = stage.now
        assert await uid_or_code(rest, idp.sign("alice")) == "ERR_UNAVAILABLE"
        assert stage.now - begun < 6
        others = [uid_or_code(rest, await rest.token("bob")) for _ in range(3)]
        assert await asyncio.gather(*others) == ["bob"] * 3


async def test_slow_fetch_of_keys_does_not_delay_others(stage: Stage, idp: IdentityProvider):
    idp.listen()
    idp.seconds = 4
    async with Rest(stage) as rest:
        bob = await rest.token("bob")
        waiting = [asyncio.create_task(uid_or_code(rest, idp.sign("alice", n=n))) for n in range(5)]
        await stage.pass_time(1)
        begun = stage.now
        assert await uid_or_code(rest, bob) == "bob"
        assert stage.now - begun < 0.5
        waiting[0].cancel()  # one client gives up: the fetch goes on for the others
        assert await asyncio.gather(*waiting[1:]) == ["alice"] * 4
        assert len(idp.fetch_times) == 1


async def test_revoked_jwt_does_not_log_in_again(stage: Stage, idp: IdentityProvider):
    idp.listen()
    async with Rest(stage) as rest:
        tokens = {how: idp.sign("alice", n=how) for how in ("logout", "one", "all", "unused")}
        for how in ("logout", "one", "all"):
            assert await uid_or_code(rest, tokens[how]) == "alice"
        await rest("DELETE", "/me", headers={"authtoken": tokens["logout"], "apikey": "", "resource": "r"})
        await rest("DELETE", f"/users/alice/auth_tokens/{tokens['one']}")
        await rest("DELETE", "/users/alice/auth_tokens")
        await stage.server.stop()
        await stage.server.start()  # nothing of it is kept in memory only
        for how in ("logout", "one", "all"):
            assert await uid_or_code(rest, tokens[how]) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND", how
        assert await uid_or_code(rest, tokens["unused"]) == "alice"


async def test_jwt_is_one_token_however_its_signature_is_written(stage: Stage, idp: IdentityProvider, tmp_path):
    """A user who has a JWT can compute the other signature `(r, n - s)`, or pad the Base64 of one."""
    idp.listen()
    await restart_with_creation(stage, tmp_path / "creating")
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "guide", "name": "Guide"})
        token = idp.sign("dora", chat_role="guide")
        forms = (twin(token), f"{token}==", f"{twin(token)}==")
        assert await uid_or_code(rest, token) == "dora"
        await rest("PUT", "/users/dora", json={"role": "default"})
        assert [await uid_or_code(rest, form) for form in forms] == ["dora"] * 3
        assert len(await rest("GET", "/users/dora/auth_tokens")) == 1
        assert (await rest("GET", "/users/dora"))["role"] == "default"  # none of them was a new sign-in
        await rest("DELETE", f"/users/dora/auth_tokens/{forms[0]}")
        assert {await uid_or_code(rest, form) for form in (token, *forms)} == {"AUTH_ERR_AUTH_TOKEN_NOT_FOUND"}


async def test_jwt_that_an_older_version_revoked_stays_revoked(stage: Stage, idp: IdentityProvider):
    """Older versions stored JWTs under the hash of their text."""
    idp.listen()
    one = idp.sign("alice")
    tokens, now = stage.server.parts.store.tokens, stage.server.world.seconds()
    for text in (one, twin(one)):
        await tokens.add(TokenRow(fingerprint(text), "alice", now, expires_at=now + 3600), 9)
        await tokens.remove(fingerprint(text))
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, one) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
        assert await uid_or_code(rest, twin(one)) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"


async def test_deactivated_and_deleted_users_do_not_sign_in(stage: Stage, idp: IdentityProvider, tmp_path):
    idp.listen()
    async with Rest(stage) as rest:
        alice, bob = idp.sign("alice"), idp.sign("bob")
        assert [await uid_or_code(rest, alice), await uid_or_code(rest, bob)] == ["alice", "bob"]
        await rest("DELETE", "/users", json={"uidsToDeactivate": ["alice"]})
        await rest("DELETE", "/users/bob", json={"permanent": True})
        assert await uid_or_code(rest, alice) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
        assert await uid_or_code(rest, bob) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
        assert await uid_or_code(rest, idp.sign("alice", n=2)) == "ERR_UID_NOT_FOUND"
        assert await uid_or_code(rest, idp.sign("bob", n=2)) == "ERR_UID_NOT_FOUND"
        await rest("PUT", "/users", json={"uidsToActivate": ["alice"]})
        assert await uid_or_code(rest, idp.sign("alice", n=3)) == "alice"


async def restart_with_creation(stage: Stage, folder: Path) -> None:
    """Start again with a server that creates the users of JWTs, with their role."""
    await restart(stage, folder, auth_jwt_create_users=True, auth_jwt_role="chat_role")


async def test_users_are_created_only_if_the_setting_allows_it(stage: Stage, idp: IdentityProvider, tmp_path):
    idp.listen()
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("dora")) == "ERR_UID_NOT_FOUND"
        await restart_with_creation(stage, tmp_path / "creating")
        assert await uid_or_code(rest, idp.sign("dora")) == "dora"


async def test_user_is_created_with_the_name_and_the_role_of_the_jwt(stage: Stage, idp: IdentityProvider, tmp_path):
    idp.listen()
    await restart_with_creation(stage, tmp_path / "creating")
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "guide", "name": "Guide"})
        assert await uid_or_code(rest, idp.sign("dora", name=" Do\0ra\ud800 " + "x" * 200, chat_role="guide")) == "dora"
        dora = await rest("GET", "/users/dora")
        assert (dora["name"], dora["role"]) == ("Dora " + "x" * 95, "guide")
        assert await uid_or_code(rest, idp.sign("emil", name=["x"])) == "emil"
        assert (await rest("GET", "/users/emil"))["name"] == "emil"


async def test_later_jwt_changes_the_role_and_not_the_name(stage: Stage, idp: IdentityProvider, tmp_path):
    """Users may change their name themselves."""
    idp.listen()
    await restart_with_creation(stage, tmp_path / "creating")
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "guide", "name": "Guide"})
        assert await uid_or_code(rest, idp.sign("dora", name="Dora", chat_role="guide")) == "dora"
        assert await uid_or_code(rest, idp.sign("dora", name="Other", chat_role="default")) == "dora"
        dora = await rest("GET", "/users/dora")
        assert (dora["name"], dora["role"]) == ("Dora", "default")


async def test_user_of_a_jwt_with_an_unknown_role_is_not_created(stage: Stage, idp: IdentityProvider, tmp_path):
    idp.listen()
    await restart_with_creation(stage, tmp_path / "creating")
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("fred", chat_role="nothing")) == "ERR_ROLE_NOT_FOUND"
        await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/fred")


async def test_concurrent_first_requests_with_one_jwt_create_one_user(stage: Stage, idp: IdentityProvider, tmp_path):
    idp.listen()
    await restart_with_creation(stage, tmp_path / "creating")
    async with Rest(stage) as rest:
        many = idp.sign("gina")
        assert set(await asyncio.gather(*(uid_or_code(rest, many) for _ in range(8)))) == {"gina"}
        assert len(await rest("GET", "/users/gina/auth_tokens")) == 1


async def test_sign_ins_of_one_user_are_limited(stage: Stage, idp: IdentityProvider, tmp_path):
    await restart(stage, tmp_path / "limited", logins_per_minute=5)
    idp.listen()
    async with Rest(stage) as rest:
        results = [await uid_or_code(rest, idp.sign("carol", n=n)) for n in range(8)]
        assert results == ["carol"] + ["ERR_TOO_MANY_REQUESTS"] * 7
        assert await uid_or_code(rest, idp.sign("alice")) == "alice"
        await stage.pass_time(12)
        assert await uid_or_code(rest, idp.sign("carol", n=9)) == "carol"


async def test_wrong_jwts_count_as_guesses(stage: Stage, idp: IdentityProvider, tmp_path):
    await restart(stage, tmp_path / "limited", wrong_tokens_per_minute=10)
    idp.listen()
    async with Rest(stage) as rest:
        idp.key = OTHER_EC
        results = [await uid_or_code(rest, idp.sign("alice", n=n)) for n in range(15)]
        assert results.count("ERR_TOO_MANY_REQUESTS") >= 4


async def test_keys_are_read_from_a_file(stage: Stage, idp: IdentityProvider, tmp_path):
    pem = tmp_path / "key.pem"
    pem.write_bytes(EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [jwk(EC, "ec-1")]}))
    async with Rest(stage) as rest:
        for file in (pem, jwks):
            await restart(stage, tmp_path / file.stem, auth_jwt_keys=str(file))
            assert await uid_or_code(rest, idp.sign("alice", n=file.name)) == "alice"
            idp.kid = None
            assert await uid_or_code(rest, idp.sign("alice", n=file.name)) == "alice"
            idp.kid = "ec-1"


async def test_jwts_are_not_accepted_without_the_setting(stage: Stage, idp: IdentityProvider, tmp_path):
    await restart(stage, tmp_path / "without", auth_jwt_keys="")
    idp.listen()
    async with Rest(stage) as rest:
        assert await uid_or_code(rest, idp.sign("alice")) == "AUTH_ERR_AUTH_TOKEN_NOT_FOUND"
    assert not idp.fetch_times


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"auth_jwt_issuer": ISSUER}, "auth_jwt_audience"),
        ({"auth_jwt_audience": AUDIENCE}, "auth_jwt_issuer"),
        ({"auth_jwt_issuer": ISSUER, "auth_jwt_audience": " , "}, "auth_jwt_audience"),
        ({"auth_jwt_issuer": ISSUER, "auth_jwt_audience": AUDIENCE, "auth_jwt_algorithms": "HS256"}, "HS256"),
        ({"auth_jwt_issuer": ISSUER, "auth_jwt_audience": AUDIENCE, "auth_jwt_algorithms": "none"}, "none"),
        ({"auth_jwt_issuer": ISSUER, "auth_jwt_audience": AUDIENCE, "auth_jwt_keys": "ftp://x/y"}, "auth_jwt_keys"),
        ({"auth_jwt_issuer": ISSUER, "auth_jwt_audience": AUDIENCE, "auth_jwt_keys": "https://u:p@x/y"}, "password"),
    ],
)
def test_unsafe_settings_are_refused(settings: dict[str, str], named: str):
    with pytest.raises(BadSetting, match=named):
        load({"auth_jwt_keys": "keys.json", **settings}, {})
