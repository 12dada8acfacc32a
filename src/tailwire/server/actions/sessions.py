"""Logs users in and out, and finds out who makes a request, from an auth token, an API key or a pass.

A pass is a signed proof of an auth token, with a short lifetime, that a client shows when it opens a WebSocket.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.services import Services
from tailwire.server.actions.sign_in import REPLACED_REASON, SignIn
from tailwire.server.actions.views import TokenView
from tailwire.server.auth.jwt_verifier import MAX_JWT_CHARACTERS, looks_like_jwt
from tailwire.server.auth.secrets import fingerprint, is_valid_proof, new_token, read_pass, sign_pass, user_of_pass
from tailwire.server.auth.token_fingerprints import token_fingerprint
from tailwire.server.limits.buckets import Buckets
from tailwire.server.ports.key_records import TokenOwner, TokenRow
from tailwire.server.ports.refusal import NotAuthenticated, Refused
from tailwire.server.rules.names import SYSTEM_USER, identifier
from tailwire.server.rules.permissions import KeyOperation, KeyRole, check_key
from tailwire.server.telemetry.logs import log

MAX_SECRET_CHARACTERS = 500
MAX_DEVICE_CHARACTERS = 200
MAX_PASS_CHARACTERS = 4096
USE_SECONDS = 3600
"""The time of the last use of an API key is stored at most once in this many seconds."""
FULL_ACCESS = "fullAccess"
AUTH_ONLY = "authOnly"


class Admitted(NamedTuple):
    """A user who may open a WebSocket.

    Attributes:
        token: the fingerprint of the auth token.
        token_seconds_left: seconds until the auth token expires; None if it does not.
    """

    uid: str
    token: str
    token_seconds_left: float | None


class Sessions:
    """Checks keys, auth tokens and passes, and issues tokens and passes.

    Args:
        logins: limits how often a token may be created for one uid.
        pass_lifetime: for how many seconds a pass is valid.
        token_lifetime: for how many seconds an auth token is valid; 0 if it does not expire.
        max_tokens: how many auth tokens a user may have; beyond that the oldest are revoked.
        secret: the key that signs passes.
        sign_in: accepts JWTs of the app's identity provider as auth tokens; None if the app has no such provider.
    """

    def __init__(
        self,
        services: Services,
        logins: Buckets,
        *,
        pass_lifetime: float,
        token_lifetime: float,
        max_tokens: int,
        secret: str,
        sign_in: SignIn | None = None,
    ) -> None:
        self._sign_in = sign_in
        self._keys_used: dict[str, int] = {}  # by hash; only keys that exist
        self._secret = secret
        self._store = services.store
        self._directory = services.directory
        self._delivery = services.delivery
        self._world = services.world
        self._logins = logins
        self._pass_lifetime = pass_lifetime
        self._token_lifetime = token_lifetime
        self._max_tokens = max_tokens

    async def check_key(self, key: str, operation: KeyOperation) -> None:
        """Check that an API key exists, has not ended, and has the scope for an operation.

        Raises:
            Refused: AUTH_ERR_EMPTY_APIKEY: `key` is ""; AUTH_ERR_APIKEY_NOT_FOUND: there is no such key, or it has
                ended; AUTH_ERR_NO_ACCESS: its scope does not permit the operation.
        """
        role: KeyRole = "none"
        if key:
            scope = await self._scope(fingerprint(key)) if len(key) <= MAX_SECRET_CHARACTERS else None
            role = "unknown" if scope is None else "rest" if scope == FULL_ACCESS else "auth"
        check_key(operation, role)

    async def _scope(self, key_hash: str) -> str | None:
        now = self._world.seconds()
        scope = await self._store.keys.scope(key_hash, now)
        if scope is not None and now - self._keys_used.get(key_hash, 0) >= USE_SECONDS:
            self._keys_used[key_hash] = now
            try:
                await self._store.keys.record_use(key_hash, now)
            except (OSError, Refused) as e:  # the request itself may need no write
                log.info("the last use of an API key could not be stored: %s", e)
        return scope

    async def key_caller(self, key: str, on_behalf_of: str) -> Caller:
        """Return the caller of a request with a REST key: the user it acts for, or the app itself.

        Args:
            key: the key.
            on_behalf_of: the uid of the user; "" for the app itself.

        Raises:
            Refused: as in `check_key`; ERR_BAD_REQUEST: the uid is malformed; ERR_UID_NOT_FOUND: the user does not
                exist, or is deactivated.
        """
        await self.check_key(key, "administer")
        if not on_behalf_of:
            return Caller(SYSTEM_USER, "", "", key=True, key_hash=fingerprint(key))
        row = await self._directory.user(identifier(on_behalf_of, "onBehalfOf"))
        return Caller(row.uid, "", "", key=True, key_hash=fingerprint(key))

    async def caller(self, token: str, device: str, *, chained: bool = False) -> Caller:
        """Return the caller of a request with an auth token.

        Args:
            token: the auth token.
            device: the `resource` of the client.
            chained: as in `Caller`.

        Raises:
            Refused: AUTH_ERR_EMPTY_AUTH_TOKEN: `token` is ""; AUTH_ERR_AUTH_TOKEN_NOT_FOUND: there is no such token,
                or it was revoked; ERR_AUTH_TOKEN_EXPIRED; for a JWT the refusals of `SignIn.owner`, too.
        """
        if not token:
            raise Refused("AUTH_ERR_EMPTY_AUTH_TOKEN")
        hashed = token_fingerprint(token)
        longest = MAX_SECRET_CHARACTERS if self._sign_in is None else MAX_JWT_CHARACTERS
        owner = await self._store.tokens.owner(hashed) if len(token) <= longest else None
        if owner is None:
            is_new_jwt = looks_like_jwt(token) and len(token) <= longest and not self._delivery.revoked.get(hashed)
            if self._sign_in is None or not is_new_jwt:
                raise self._unknown(hashed)
            owner = await self._sign_in.owner(token, hashed)
        self._seconds_left(owner)
        return Caller(owner.uid, device[:MAX_DEVICE_CHARACTERS], hashed, chained=chained)

    def _seconds_left(self, owner: TokenOwner) -> float | None:
        # Raises `NotAuthenticated` if the token has expired. Returns None if it does not expire.
        if not self._token_lifetime and owner.expires_at is None:
            return None
        until = owner.created_at + self._token_lifetime if self._token_lifetime else math.inf
        if owner.expires_at is not None:
            until = min(until, owner.expires_at)
        left = until - self._world.seconds()
        if left <= 0:
            raise NotAuthenticated("ERR_AUTH_TOKEN_EXPIRED", "expired token", owner.uid)
        return left

    def _unknown(self, token_hash: str) -> NotAuthenticated:
        uid, reason = self._delivery.revoked.get(token_hash) or ("", "unknown token")
        return NotAuthenticated("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", reason, uid)

    async def create_token(self, uid: str, device: TokenRow | None = None) -> TokenView:
        """Create an auth token, and return it with its user. If the user has too many, the oldest are revoked.

        Args:
            uid: the user.
            device: a row whose fields about the device are stored with the token; its other fields are ignored.

        Raises:
            Refused: ERR_BAD_REQUEST: the uid is malformed; ERR_UID_NOT_FOUND: the user does not exist, or is
                deactivated; ERR_TOO_MANY_REQUESTS: too many tokens were created for this uid.
        """
        uid = identifier(uid, "uid")
        wait = self._logins.take(uid)
        if wait:
            raise Refused("ERR_TOO_MANY_REQUESTS", retry_after=wait, limit="logins_per_minute")
        row = await self._directory.user(uid)
        token = new_token(uid, self._world)
        known = device if device is not None else TokenRow("", uid, 0)
        kept = replace(known, token_hash=fingerprint(token), uid=uid, created_at=self._world.seconds(), hint=token[-4:])
        for gone in await self._store.tokens.add(kept, self._max_tokens):
            self._delivery.close_revoked(uid, gone, REPLACED_REASON)
        return TokenView(await self._directory.view(row, ""), token)

    async def me(self, caller: Caller, token: str) -> TokenView:
        """Return the caller as a user, with their auth token and a new pass.

        Args:
            caller: the user, who has authenticated with the token.
            token: the auth token itself, to be contained in the result.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user was deleted meanwhile.
        """
        row = await self._directory.user(caller.uid)
        signed = sign_pass(caller.uid, caller.token, self._secret, self._pass_lifetime, self._world)
        return TokenView(await self._directory.view(row, ""), token, signed)

    async def logout(self, caller: Caller) -> None:
        """Revoke the caller's auth token and close the sockets that it opened."""
        await self._store.tokens.remove(caller.token)
        self._delivery.close_revoked(caller.uid, caller.token, "logged out")

    def now(self) -> int:
        """Return whole seconds since 1970."""
        return self._world.seconds()

    async def groups_of(self, uid: str) -> dict[str, int]:
        """Return the guids of a user's groups, each with a message id: they receive only messages with a higher id."""
        return await self._store.members.memberships_of(uid)

    async def pass_caller(self, signed: str) -> Caller:
        """Return the caller of a request that is authenticated with a pass.

        Raises:
            Refused: AUTH_ERR_EMPTY_AUTH_TOKEN: `signed` is ""; otherwise as in `admit`.
        """
        if not signed:
            raise Refused("AUTH_ERR_EMPTY_AUTH_TOKEN")
        found = await self.admit(signed)
        return Caller(found.uid, "", found.token)

    def proves(self, proof: str) -> bool:
        """Return whether a proof shows the possession of a valid pass (see `wire.frames.proof_of`).

        The auth token of the pass is not checked, because that needs the store.
        """
        return len(proof) < MAX_PASS_CHARACTERS and is_valid_proof(proof, self._secret, self._world)

    async def admit(self, signed: str) -> Admitted:
        """Check a pass and its auth token, and return the user to whom they belong.

        Raises:
            NotAuthenticated: AUTH_ERR_AUTH_TOKEN_NOT_FOUND: the pass is invalid or has expired, or its auth token was
                revoked; ERR_AUTH_TOKEN_EXPIRED: the auth token has expired.
        """
        found = read_pass(signed, self._secret, self._world) if len(signed) < MAX_PASS_CHARACTERS else None
        if found is None:
            uid = user_of_pass(signed, self._secret) if len(signed) < MAX_PASS_CHARACTERS else ""
            raise NotAuthenticated("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "expired pass" if uid else "invalid pass", uid)
        owner = await self._store.tokens.owner(found.token)
        if owner is None or owner.uid != found.uid:
            raise self._unknown(found.token)
        return Admitted(found.uid, found.token, self._seconds_left(owner))

    async def is_revoked(self, token: str) -> bool:
        """Return whether an auth token that was valid has been revoked since.

        Args:
            token: the fingerprint of the token.
        """
        return await self._store.tokens.owner(token) is None
