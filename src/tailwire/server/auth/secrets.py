"""Tokens and keys are stored as hashes; group passwords slowly hashed; WebSocket tokens are signed."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tailwire.server import private_files
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log

KEY_FILE, KEY_BYTES = "signing.key", 32


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


def signing_key(folder: Path, world: World) -> str:
    """Return the key that passes and upload forms are signed with: kept beside the database, never in it.

    Made when it is not there, or not whole. What was signed with another one is no good any more: clients ask for a new
    pass by themselves, and open sockets stay.

    Args:
        folder: the data folder.

    Raises:
        OSError: when it can be neither read nor written.
    """
    private_files.make_folder(folder)
    path = folder / KEY_FILE
    private_files.tighten([folder, path])
    with suppress(FileNotFoundError):
        key = path.read_text(encoding="ascii", errors="replace").strip()
        if len(key) == 2 * KEY_BYTES and key.isalnum():
            return key
        log.warning("%s holds no key: a new one is made", path)
    key = world.secret(KEY_BYTES)
    private_files.write_whole(path, key.encode())
    return key


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
