"""Tokens and keys are stored as hashes; group passwords slowly hashed; WebSocket tokens are signed."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from tailwire.server.ports.world import World


def fingerprint(secret: str) -> str:
    """The hash under which a token or key is stored. They are long and random: one round is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_token(uid: str, world: World) -> str:
    """A new auth token: the uid, the time, 30 random hexadecimal digits."""
    return f"{uid}_{world.seconds()}{world.secret(15)}"


def hash_password(password: str, world: World) -> str:
    """A group's password as it is stored."""
    salt = world.secret(16)
    return f"{salt}${_slow(password, salt)}"


def same_password(password: str, stored: str) -> bool:
    """Whether a password is the stored one, in constant time."""
    salt, _, digest = stored.partition("$")
    return hmac.compare_digest(_slow(password, salt), digest)


def _slow(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode("utf-8", "surrogatepass"), salt=salt.encode(), n=2**12, r=8, p=1).hex()


@dataclass(frozen=True, slots=True)
class SocketPass:
    """What the signed token of a WebSocket says: the user, and the fingerprint of the auth token it came from."""

    uid: str
    token: str


def sign_pass(uid: str, token: str, secret: str, lifetime: float, world: World) -> str:
    """The `jwt` of `PUT /me`: clients hand it on as it is, so it is only what we need, signed."""
    said = f"{uid}.{token}.{world.seconds() + int(lifetime)}"
    return f"{said}.{_signature(said, secret)}"


def read_pass(signed: str, secret: str, world: World) -> SocketPass | None:
    """The pass, or None when it is forged, damaged or past its time."""
    said, _, signature = signed.rpartition(".")
    if not hmac.compare_digest(_signature(said, secret).encode(), signature.encode("utf-8", "surrogatepass")):
        return None
    return _good(said, world)


def read_proof(proof: str, secret: str, world: World) -> bool:
    """Return whether it shows that somebody has a pass which is still good: its signature's hash is right."""
    said, _, hashed = proof.rpartition(".")
    right = hashlib.sha256(_signature(said, secret).encode()).hexdigest()
    is_right = hmac.compare_digest(right.encode(), hashed.encode("utf-8", "surrogatepass"))
    return is_right and _good(said, world) is not None


def _good(said: str, world: World) -> SocketPass | None:
    uid, token, until = said.split(".")
    return SocketPass(uid, token) if world.seconds() < int(until) else None


def _signature(said: str, secret: str) -> str:
    return hmac.digest(secret.encode(), said.encode("utf-8", "surrogatepass"), "sha256").hex()
