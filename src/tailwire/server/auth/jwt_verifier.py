"""Verifies JWTs of the app's identity provider (RFC 7519, RFC 8725)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jwt

from tailwire.server.auth.key_source import KeySource
from tailwire.server.config import Settings
from tailwire.server.ports.refusal import NotAuthenticated, Refused
from tailwire.server.ports.world import World
from tailwire.server.rules.names import SYSTEM_USER, identifier
from tailwire.server.setting_checks import entries_of

MAX_JWT_CHARACTERS = 8192
CLOCK_TOLERANCE_SECONDS = 30
"""How far the clock of the identity provider may be ahead of the server's."""
LONGEST_SECONDS = 10 * 365 * 86_400
"""The longest time from now for which a JWT is accepted, even if its `exp` is later."""
_TYPES = ("", "jwt", "at+jwt", "application/jwt", "application/at+jwt")  # not logout tokens


class Identity(NamedTuple):
    """The claims of a valid JWT.

    Attributes:
        uid: the uid of the user.
        name, role: the user's name, and the uid of their role; "" if the JWT does not contain it.
        expires_at: when the JWT expires, in seconds since 1970, at most `LONGEST_SECONDS` from now.
    """

    uid: str
    name: str
    role: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class JwtPolicy:
    """The rules for which JWTs are accepted and which claims are read; see the settings `auth_jwt_…`.

    Attributes:
        issuer: the value that the claim `iss` must have.
        audiences: the accepted audiences; the claim `aud` must contain one of them.
        algorithms: the accepted signature algorithms, such as RS256.
        uid, name, role: the names of the claims with the user's uid, name and role; "" for a name or role that is not
            read from the JWT.
    """

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    uid: str = "sub"
    name: str = ""
    role: str = ""

    @classmethod
    def of(cls, s: Settings) -> JwtPolicy:
        """Return the policy of the settings `auth_jwt_…`."""
        audiences, algorithms = tuple(entries_of(s.auth_jwt_audience)), tuple(entries_of(s.auth_jwt_algorithms))
        return cls(s.auth_jwt_issuer, audiences, algorithms, s.auth_jwt_uid, s.auth_jwt_name, s.auth_jwt_role)


def looks_like_jwt(token: str) -> bool:
    """Return whether a token looks like a JWT: three parts, the first one seemingly a JSON object in Base64."""
    return token.startswith("eyJ") and token.count(".") == 2


def _refusal(reason: str, details: str, uid: str = "") -> NotAuthenticated:
    return NotAuthenticated("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", reason, uid, details)


class JwtVerifier:
    """Verifies the signature, issuer, audience and times of JWTs, and reads their claims."""

    def __init__(self, policy: JwtPolicy, keys: KeySource, world: World) -> None:
        self._policy = policy
        self._keys = keys
        self._world = world

    async def verify(self, token: str) -> Identity:
        """Verify a JWT, and return its claims. If its key is not known yet, wait for the keys to be fetched.

        Raises:
            NotAuthenticated: ERR_AUTH_TOKEN_EXPIRED, it has expired; AUTH_ERR_AUTH_TOKEN_NOT_FOUND, it is invalid in
                another way, or has no usable uid.
            Refused: ERR_UNAVAILABLE, if the keys of the identity provider cannot be fetched.
        """
        try:
            return self._identity_in(await self._verify_claims(token))
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as e:
            raise _refusal("malformed JWT", "The JWT cannot be read.") from e

    async def _verify_claims(self, token: str) -> dict[str, Any]:
        policy = self._policy
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid", "")
        if algorithm not in policy.algorithms:
            raise _refusal("JWT with another algorithm", "Sign the JWT with one of the setting auth_jwt_algorithms.")
        if "crit" in header or str(header.get("typ") or "").lower() not in _TYPES or not isinstance(kid, str):
            raise _refusal("malformed JWT", "The header of the JWT has values that are not supported (crit, typ, kid).")
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise _refusal("JWT of an unknown key", "The JWKS of auth_jwt_keys has no key for this JWT (kid, alg).")
        # PyJWT would compare times with the clock of the system instead of `World`.
        options: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "sub", "jti")}
        options["require"] = ["exp", "iss", "aud"]
        try:
            return jwt.decode(
                token, key.key, algorithms=[algorithm], audience=policy.audiences, issuer=[policy.issuer],
                options=options,
            )  # fmt: skip
        except jwt.InvalidSignatureError as e:
            raise _refusal("JWT with a wrong signature", "The signature of the JWT is wrong.") from e
        except jwt.InvalidAudienceError as e:
            raise _refusal("JWT for another audience", "The audience (aud) is not that of auth_jwt_audience.") from e
        except jwt.InvalidIssuerError as e:
            raise _refusal("JWT of another issuer", "The issuer (iss) is not that of auth_jwt_issuer.") from e
        except jwt.MissingRequiredClaimError as e:
            raise _refusal("malformed JWT", "The JWT needs the claims exp, iss and aud.") from e

    def _identity_in(self, claims: Mapping[str, Any]) -> Identity:
        now = self._world.seconds()
        uid = self._uid(claims)
        for name in ("nbf", "iat"):
            begins = _time(claims.get(name, 0))
            if begins > now + CLOCK_TOLERANCE_SECONDS:
                raise _refusal("JWT that is not valid yet", f"The JWT is not valid yet ({name}).", uid)
        expires_at = min(_time(claims["exp"]), now + LONGEST_SECONDS)
        if expires_at <= now:
            raise NotAuthenticated("ERR_AUTH_TOKEN_EXPIRED", "expired token", uid)
        return Identity(uid, self._text(claims, self._policy.name), self._text(claims, self._policy.role), expires_at)

    def _uid(self, claims: Mapping[str, Any]) -> str:
        # In exactly the stored form: `Alice` must not log in as `alice`, who may be another user there.
        value = claims.get(self._policy.uid)
        try:
            if isinstance(value, str) and identifier(value, "uid") == value and value != SYSTEM_USER:
                return value
        except Refused:
            pass
        details = f"The claim {self._policy.uid} must be a uid: 1 to 100 characters of a-z, 0-9, _ and -."
        raise _refusal("JWT without a usable uid", details)

    @staticmethod
    def _text(claims: Mapping[str, Any], name: str) -> str:
        value = claims.get(name) if name else None
        return "".join(one for one in value if one.isprintable()).strip() if isinstance(value, str) else ""


def _time(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a time is not a number")
    return int(value)
