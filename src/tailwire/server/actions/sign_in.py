"""Logs users in with the JWTs of the app's own identity provider.

A JWT is used as an auth token. With the first request that contains it, its hash is stored until it expires. From then
on it is like any other auth token: it is listed, can be revoked, and is removed with its user.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

from tailwire.server.actions.services import Services
from tailwire.server.actions.users import NewUser, UserChange, Users
from tailwire.server.auth.jwt_verifier import Identity, JwtPolicy, JwtVerifier
from tailwire.server.auth.key_source import KeySource, fetch_from
from tailwire.server.auth.secrets import fingerprint
from tailwire.server.config import Settings
from tailwire.server.limits.buckets import Buckets
from tailwire.server.ports.key_records import TokenOwner, TokenRow
from tailwire.server.ports.refusal import NotAuthenticated, Refused
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log

REPLACED_REASON = "replaced by newer logins"


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """The verifier of JWTs, and the keys that it uses.

    Attributes:
        verifier: verifies JWTs.
        keys: fetches the public keys of the provider.
        insecure: whether the keys are fetched from another machine without TLS, so that `start` logs a warning.
    """

    verifier: JwtVerifier
    keys: KeySource
    insecure: bool = False

    def start(self) -> None:
        """Begin to fetch the keys in the background."""
        if self.insecure:
            log.warning("auth_jwt_keys is not https: whoever can change what it returns can log in as any user")
        self.keys.start()


def identity_provider(settings: Settings, world: World) -> IdentityProvider | None:
    """Return the identity provider that the settings name, or None if they name none. Call it within an event loop."""
    place = settings.auth_jwt_keys
    if not place:
        return None
    clock = asyncio.get_running_loop().time
    keys = KeySource(place, fetch_from(place), clock, settings.auth_jwt_keys_kept_for)
    insecure = place.startswith("http://") and urlsplit(place).hostname not in ("localhost", "127.0.0.1", "::1")
    return IdentityProvider(JwtVerifier(JwtPolicy.of(settings), keys, world), keys, insecure)


class SignIn:
    """Stores valid JWTs as auth tokens.

    Args:
        logins: limits how often a user may sign in.
        create_users: whether unknown users are created.
        max_tokens: how many auth tokens a user may have; beyond that the oldest are revoked.
    """

    def __init__(
        self,
        services: Services,
        users: Users,
        verifier: JwtVerifier,
        logins: Buckets,
        *,
        create_users: bool,
        max_tokens: int,
    ) -> None:
        self._store = services.store
        self._delivery = services.delivery
        self._world = services.world
        self._longest_name = services.lengths.name
        self._users = users
        self._verifier = verifier
        self._logins = logins
        self._create_users = create_users
        self._max_tokens = max_tokens

    async def owner(self, token: str, token_hash: str) -> TokenOwner:
        """Verify a JWT that is not stored yet, store it as an auth token, and return its owner.

        An unknown user is created if `create_users` is True. If the JWT names a role, the user gets this role.

        Args:
            token: the JWT.
            token_hash: its fingerprint (see `token_fingerprint`).

        Raises:
            NotAuthenticated: AUTH_ERR_AUTH_TOKEN_NOT_FOUND: the JWT is invalid; ERR_AUTH_TOKEN_EXPIRED.
            Refused: ERR_UID_NOT_FOUND: the user does not exist and is not created, or is deactivated;
                ERR_ROLE_NOT_FOUND: the JWT names a role that does not exist; ERR_TOO_MANY_REQUESTS: the user signed in
                too often; ERR_UNAVAILABLE: the keys cannot be fetched, or the store cannot write.
        """
        identity = await self._verifier.verify(token)
        if await self._was_revoked_as_written(token, token_hash):
            raise NotAuthenticated("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "revoked token", identity.uid)
        wait = self._logins.take(identity.uid)
        if wait:
            raise Refused("ERR_TOO_MANY_REQUESTS", retry_after=wait, limit="logins_per_minute")
        await self._prepare_user(identity)
        now = self._world.seconds()
        row = TokenRow(token_hash, identity.uid, now, token[-4:], expires_at=identity.expires_at)
        for gone in await self._store.tokens.add(row, self._max_tokens):
            self._delivery.close_revoked(identity.uid, gone, REPLACED_REASON)
        return TokenOwner(identity.uid, now, identity.expires_at)

    async def _was_revoked_as_written(self, token: str, token_hash: str) -> bool:
        # Before there was `token_fingerprint`, a JWT was stored under the hash of its text.
        written = fingerprint(token)
        return written != token_hash and await self._store.tokens.has_ended(written)

    async def _prepare_user(self, identity: Identity) -> None:
        # Whether the user is active is checked in the transaction that stores the token.
        known = await self._store.users.get(identity.uid)
        if known is None and self._create_users:
            name = identity.name[: self._longest_name] or identity.uid
            try:
                await self._users.create(NewUser(uid=identity.uid, name=name, role=identity.role or None))
            except Refused as e:
                if e.code != "ERR_UID_ALREADY_EXISTS":  # created by another request at the same moment
                    raise
        elif known is not None and identity.role and identity.role != known.role:
            await self._users.update(identity.uid, UserChange(role=identity.role))
