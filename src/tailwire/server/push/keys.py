"""Loads the keys with which the server identifies itself to push services: from files, or derived from its own key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tailwire.server.push.fcm import ServiceAccount

MAX_FILE_BYTES = 64 * 1024
_CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve P-256


class _Account(msgspec.Struct):
    project_id: str
    client_email: str
    token_uri: str
    private_key: str


def vapid_private_key(server_key: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key for Web Push (VAPID). It is the same for the same `server_key`.

    It must not change, because the subscriptions of browsers are bound to its public key.

    Args:
        server_key: the server's secret key, from which it is derived. All servers of a database share it.
    """
    raw = HKDF(hashes.SHA256(), 48, None, b"tailwire web push").derive(server_key)
    return ec.derive_private_key(int.from_bytes(raw) % (_CURVE_ORDER - 1) + 1, ec.SECP256R1())


def apns_key(file: str) -> ec.EllipticCurvePrivateKey:
    """Read the private key for APNs from a `.p8` file.

    Args:
        file: the path of the file.

    Raises:
        OSError: the file cannot be read, or contains no key for APNs.
    """
    key = _private_key(_read_file(file), file, "apns_key")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise OSError(f"apns_key: {file} holds no key for APNs; download one from Apple's developer site")
    return key


def service_account(file: str) -> ServiceAccount:
    """Read a Firebase service account, with its private key, from a file.

    Args:
        file: the path of the JSON file that Firebase exports.

    Raises:
        OSError: the file cannot be read, or is not such a file.
    """
    try:
        found = msgspec.json.decode(_read_file(file), type=_Account)
    except ValueError as e:
        raise OSError(f"fcm_credentials: {file} is not the JSON file of a service account: {e}") from e
    key = _private_key(found.private_key.encode(), file, "fcm_credentials")
    if not isinstance(key, rsa.RSAPrivateKey):
        raise OSError(f"fcm_credentials: {file} holds no RSA key; create a new private key in the Firebase console")
    return ServiceAccount(found.project_id, found.client_email, found.token_uri, key)


def _read_file(file: str) -> bytes:
    with Path(file).open("rb") as opened:
        return opened.read(MAX_FILE_BYTES)


def _private_key(pem: bytes, file: str, setting: str) -> Any:
    try:
        return serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as e:
        raise OSError(f"{setting}: {file} holds no private key that can be read") from e
