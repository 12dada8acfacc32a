"""Logs users in and out, and says who a token or key belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.auth.secrets import fingerprint, new_token, read_pass, read_proof, sign_pass
from tailwire.server.limits.buckets import Buckets
from tailwire.server.ports.records import TokenOwner, TokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.names import SYSTEM_USER, identifier
from tailwire.server.rules.permissions import check_key

MAX_SECRET = 500
MAX_DEVICE = 200
MAX_PASS = 4096
FULL_ACCESS = "fullAccess"
AUTH_ONLY = "authOnly"


class Admitted(NamedTuple):
    """Who may open a WebSocket.

    Attributes:
        token: the fingerprint of their auth token.
        left: for how many seconds it is still good; None: it does not end.
    """

    uid: str
    token: str
    left: float | None


class Sessions:
    """Keys, tokens and passes.

    Args:
        logins: a bucket for each uid.
        pass_lifetime: of a WebSocket's pass, in seconds.
        token_lifetime: of an auth token, in seconds; 0: it does not end by itself.
        most_tokens: of one user; the oldest go.
        secret: what passes are signed with.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        delivery: Delivery,
        world: World,
        logins: Buckets,
        pass_lifetime: float,
        token_lifetime: float,
        most_tokens: int,
        secret: str,
    ) -> None:
        self._secret = secret
        self._store = store
        self._directory = directory
        self._delivery = delivery
        self._world = world
        self._logins = logins
        self._pass_lifetime = pass_lifetime
        self._token_lifetime = token_lifetime
        self._most_tokens = most_tokens

    async def check_key(self, key: str, operation: str) -> None:
        """Whether something may be done with an API key.

        Raises:
            Refused: AUTH_ERR_EMPTY_APIKEY, AUTH_ERR_APIKEY_NOT_FOUND, AUTH_ERR_NO_ACCESS.
        """
        role = "none"
        if key:
            scope = await self._store.keys.scope(fingerprint(key)) if len(key) <= MAX_SECRET else None
            role = {None: "unknown", FULL_ACCESS: "rest"}.get(scope, "auth")
        check_key(operation, role)

    async def key_caller(self, key: str, on_behalf_of: str) -> Caller:
        """A REST key as a caller: as the user that it acts for, or as the app itself.

        Raises:
            Refused: as `check_key`; ERR_UID_NOT_FOUND.
        """
        await self.check_key(key, "administer")
        if not on_behalf_of:
            return Caller(SYSTEM_USER, "", "", key=True)
        row = await self._directory.user(identifier(on_behalf_of, "onBehalfOf"))
        return Caller(row.uid, "", "", key=True)

    async def caller(self, token: str, device: str, *, chained: bool = False) -> Caller:
        """Whose auth token it is.

        Args:
            chained: see `Caller`.

        Raises:
            Refused: AUTH_ERR_EMPTY_AUTH_TOKEN, AUTH_ERR_AUTH_TOKEN_NOT_FOUND, ERR_AUTH_TOKEN_EXPIRED.
        """
        if not token:
            raise Refused("AUTH_ERR_EMPTY_AUTH_TOKEN")
        hashed = fingerprint(token)
        owner = await self._store.tokens.owner(hashed) if len(token) <= MAX_SECRET else None
        if owner is None:
            raise Refused("AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
        self._left(owner)
        return Caller(owner.uid, device[:MAX_DEVICE], hashed, chained=chained)

    def _left(self, owner: TokenOwner) -> float | None:
        # For how long a token is still good; None: it does not end.
        if not self._token_lifetime:
            return None
        left = owner.created_at + self._token_lifetime - self._world.seconds()
        if left <= 0:
            raise Refused("ERR_AUTH_TOKEN_EXPIRED")
        return left

    async def create_token(self, uid: str, device: TokenRow | None = None) -> dict[str, Any]:
        """A new auth token of a user: the user with `authToken`.

        Args:
            device: what is known of the device that it is for.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_TOO_MANY_REQUESTS.
        """
        uid = identifier(uid, "uid")
        wait = self._logins.take(uid)
        if wait:
            raise Refused("ERR_TOO_MANY_REQUESTS", retry_after=wait)
        row = await self._directory.user(uid)
        token = new_token(uid, self._world)
        known = device if device is not None else TokenRow("", uid, 0)
        kept = replace(known, token_hash=fingerprint(token), uid=uid, created_at=self._world.seconds(), hint=token[-4:])
        for gone in await self._store.tokens.add(kept, self._most_tokens):
            self._delivery.token_gone(uid, gone)
        return {**await self._directory.present(row, ""), "authToken": token}

    async def me(self, caller: Caller, token: str) -> dict[str, Any]:
        """The caller, and the pass with which they open a WebSocket."""
        row = await self._directory.user(caller.uid)
        signed = sign_pass(caller.uid, caller.token, self._secret, self._pass_lifetime, self._world)
        return {
            **await self._directory.present(row, ""),
            "authToken": token,
            "wsChannel": {"identity": caller.uid},
            "jwt": signed,
        }

    async def logout(self, caller: Caller) -> None:
        """Take the caller's token back; the sockets that it opened end."""
        await self._store.tokens.remove(caller.token)
        self._delivery.token_gone(caller.uid, caller.token)

    def now(self) -> int:
        """Whole seconds since 1970."""
        return self._world.seconds()

    async def groups_of(self, uid: str) -> list[str]:
        """The groups whose messages a user's socket hears."""
        return await self._store.members.groups_of(uid)

    async def pass_caller(self, signed: str) -> Caller:
        """Whose pass it is.

        Raises:
            Refused: AUTH_ERR_EMPTY_AUTH_TOKEN, AUTH_ERR_AUTH_TOKEN_NOT_FOUND, ERR_AUTH_TOKEN_EXPIRED.
        """
        if not signed:
            raise Refused("AUTH_ERR_EMPTY_AUTH_TOKEN")
        found = await self.admit(signed)
        if found is None:
            raise Refused("AUTH_ERR_AUTH_TOKEN_NOT_FOUND")
        return Caller(found.uid, "", found.token)

    def proves(self, proof: str) -> bool:
        """Return whether somebody has a pass that has not expired (see `wire.frames.proof_of`).

        Whether its auth token is still good is not looked at: that takes the store.
        """
        return len(proof) < MAX_PASS and read_proof(proof, self._secret, self._world)

    async def admit(self, signed: str) -> Admitted | None:
        """Whose pass it is, or None when it is no good, or its auth token was taken back.

        Raises:
            Refused: ERR_AUTH_TOKEN_EXPIRED.
        """
        found = read_pass(signed, self._secret, self._world) if len(signed) < MAX_PASS else None
        owner = await self._store.tokens.owner(found.token) if found is not None else None
        if found is None or owner is None or owner.uid != found.uid:
            return None
        return Admitted(found.uid, found.token, self._left(owner))
