"""Hashes of tokens, keys and passwords, and signed passes.

A pass is a signed text that names a user and the fingerprint of their auth token. A client gets it over HTTP with the
auth token, and authenticates its WebSocket with it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tailwire.server import private_files
from tailwire.server.auth import scrypt
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log

KEY_FILE, KEY_BYTES = "signing.key", 32
KEY_ID_CHARACTERS = 12
_DIGITS = re.compile("[0-9]{1,20}")

Digest = Callable[[bytes, bytes], bytes]
"""A function that takes a password and a salt, and returns the hash (see `scrypt.digest`)."""


def fingerprint(secret: str) -> str:
    """Return the SHA-256 of a token or key in hexadecimal, under which it is stored.

    A slow hash is not needed, because tokens and keys are long and random.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def key_id(fingerprint: str) -> str:
    """Return the id of an API key, which may be shown and logged: the first digits of its fingerprint."""
    return fingerprint[:KEY_ID_CHARACTERS]


def new_token(uid: str, world: World) -> str:
    """Return a new auth token: the uid, `_`, the time in seconds since 1970, and 30 random hexadecimal digits."""
    return f"{uid}_{world.seconds()}{world.secret(15)}"


def hash_password(password: str, world: World, digest: Digest = scrypt.digest) -> str:
    """Return a group's password in the form to be stored: `SALT$HASH`. Blocks while the hash is computed."""
    salt = world.secret(16)
    return f"{salt}${_hash(password, salt, digest)}"


def same_password(password: str, stored: str, digest: Digest = scrypt.digest) -> bool:
    """Return whether a password matches a stored one. Blocks while the hash is computed.

    Args:
        password: the password in plain text.
        stored: what `hash_password` has returned for the right password.
        digest: the function with which `stored` was hashed.
    """
    salt, _, right = stored.partition("$")
    return hmac.compare_digest(_hash(password, salt, digest), right)


def _hash(password: str, salt: str, digest: Digest) -> str:
    return digest(password.encode("utf-8", "surrogatepass"), salt.encode()).hex()


def signing_key(folder: Path, world: World) -> str:
    """Return the key from the file `signing.key` in the data folder.

    It signs passes, and the key of upload forms is derived from it (see `form_key`). If the file is missing or damaged,
    a new key is created. Passes and forms that the old key has signed become invalid then: clients request a new pass
    automatically, and open sockets stay open.

    Args:
        folder: the data folder.

    Raises:
        OSError: if the file cannot be read, or a new one cannot be written.
    """
    private_files.make_folder(folder)
    path = folder / KEY_FILE
    private_files.tighten([folder, path])
    with suppress(FileNotFoundError):
        key = path.read_text(encoding="ascii", errors="replace").strip()
        if len(key) == 2 * KEY_BYTES and key.isalnum():
            return key
        log.warning("%s holds no valid key: a new one is created", path)
    key = world.secret(KEY_BYTES)
    private_files.write_whole(path, key.encode())
    return key


def form_key(secret: str) -> bytes:
    """Return the key that signs upload forms, so that the signature of a form is not that of a pass.

    Args:
        secret: the key that signs passes (see `signing_key`).
    """
    return hmac.digest(secret.encode(), b"tailwire upload form v1", "sha256")


@dataclass(frozen=True, slots=True)
class SocketPass:
    """The content of a pass.

    Attributes:
        uid: the user.
        token: the fingerprint of the auth token that the pass was made for.
    """

    uid: str
    token: str


def sign_pass(uid: str, token: str, secret: str, lifetime: float, world: World) -> str:
    """Return a pass, which `PUT /me` returns as `jwt`. Clients do not look into it, so it is not actually a JWT.

    Args:
        token: the fingerprint of the auth token that the pass is made for.
        secret: the key that signs passes (see `signing_key`).
        lifetime: seconds for which the pass is valid.
    """
    content = f"{uid}.{token}.{world.seconds() + int(lifetime)}"
    return f"{content}.{_signature(content, secret)}"


def read_pass(signed: str, secret: str, world: World) -> SocketPass | None:
    """Return the content of a pass; None if it is forged, damaged or expired.

    Args:
        signed: the pass.
        secret: the key that signs passes.
        world: its clock is used.
    """
    content = _signed_content(signed, secret)
    return _unexpired(content, world) if content else None


def user_of_pass(signed: str, secret: str) -> str:
    """Return the uid in a pass, even if it has expired; "" if it is forged or damaged."""
    return _signed_content(signed, secret).partition(".")[0]


def _signed_content(signed: str, secret: str) -> str:
    content, _, signature = signed.rpartition(".")
    right = hmac.compare_digest(_signature(content, secret).encode(), signature.encode("utf-8", "surrogatepass"))
    return content if right else ""


def is_valid_proof(proof: str, secret: str, world: World) -> bool:
    """Return whether a proof was made from a pass that is valid now.

    A proof is a pass with the SHA-256 of its signature instead of the signature. It shows that a client holds a pass,
    and cannot be used as one.
    """
    content, _, hashed = proof.rpartition(".")
    right = hashlib.sha256(_signature(content, secret).encode()).hexdigest()
    is_right = hmac.compare_digest(right.encode(), hashed.encode("utf-8", "surrogatepass"))
    return is_right and _unexpired(content, world) is not None


def _unexpired(content: str, world: World) -> SocketPass | None:
    parts = content.split(".")
    if len(parts) != 3 or not _DIGITS.fullmatch(parts[2]):
        return None  # signed, but not a pass
    uid, token, until = parts
    return SocketPass(uid, token) if world.seconds() < int(until) else None


def _signature(content: str, secret: str) -> str:
    return hmac.digest(secret.encode(), content.encode("utf-8", "surrogatepass"), "sha256").hex()
