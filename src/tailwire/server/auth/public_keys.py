"""The public keys with which JWTs are verified, read from a JWKS (RFC 7517) or from a PEM file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt import PyJWK
from jwt.exceptions import PyJWTError

MAX_KEYS = 100
RSA_BITS = (2048, 8192)
"""The smallest and largest RSA key that is used: smaller ones can be broken, larger ones are slow."""
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_PUBLIC_FIELDS = ("kty", "n", "e", "crv", "x", "y")
_DEFAULT_ALGORITHMS = {"RSA": "RS256", "OKP": "EdDSA"}

Key = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of an identity provider.

    Attributes:
        key: the key itself.
        kid: its id in the JWKS; "" if it has none.
        algorithm: the only algorithm that the JWKS allows for it; "" for any that suits the type of the key.
    """

    key: Key
    kid: str = ""
    algorithm: str = ""

    def fits(self, algorithm: str) -> bool:
        """Return whether the key can and may verify signatures of an algorithm, such as RS256."""
        if self.algorithm and self.algorithm != algorithm:
            return False
        if isinstance(self.key, RSAPublicKey):
            return algorithm[:2] in ("RS", "PS")
        if isinstance(self.key, EllipticCurvePublicKey):
            return _CURVES.get(algorithm) == self.key.curve.name
        return algorithm == "EdDSA"


def read_keys(content: bytes) -> list[PublicKey]:
    """Return the first `MAX_KEYS` keys of a JWKS, or the one key of a PEM file. Unusable keys are left out.

    Raises:
        ValueError: if the content is neither, or has no usable key.
    """
    try:
        found = _from_pem(content) if content.lstrip().startswith(b"-----BEGIN") else _from_jwks(content)
    except RecursionError as e:
        raise ValueError("it is nested too deeply") from e
    if not found:
        usable = "RSA of 2048 to 8192 bits, P-256, P-384, P-521, Ed25519 or Ed448"
        raise ValueError(f"it has no usable public key ({usable})")
    return found


def select_key(keys: Iterable[PublicKey], kid: str, algorithm: str) -> PublicKey | None:
    """Return the key with which to verify a JWT; None if no key or more than one is possible.

    Keys with the id `kid` are preferred. If there are none, those without an id are possible, or all if `kid` is "".

    Args:
        kid: the key id in the header of the JWT; "" if it has none.
        algorithm: the algorithm in the header; only keys that fit it are possible.
    """
    fitting = [key for key in keys if key.fits(algorithm)]
    named = [key for key in fitting if kid and key.kid == kid]
    if not named:
        named = [key for key in fitting if not kid or not key.kid]
    return named[0] if len(named) == 1 else None


def _from_pem(content: bytes) -> list[PublicKey]:
    try:
        key = load_pem_public_key(content)
    except UnsupportedAlgorithm as e:
        raise ValueError(str(e)) from e
    return [PublicKey(key)] if _is_usable(key) else []  # type: ignore[arg-type]  # `_is_usable` checks the type


def _from_jwks(content: bytes) -> list[PublicKey]:
    jwks = json.loads(content)
    listed = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(listed, list):
        raise ValueError('it is not a JWKS: it has no list "keys"')
    return [key for key in map(_from_jwk, listed[:MAX_KEYS]) if key is not None]


def _from_jwk(jwk: Any) -> PublicKey | None:
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return None
    operations = jwk.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    kid, algorithm, kind = jwk.get("kid", ""), jwk.get("alg", ""), jwk.get("kty")
    if not (isinstance(kid, str) and isinstance(algorithm, str)) or kind not in ("RSA", "EC", "OKP"):
        return None
    public = {name: jwk[name] for name in _PUBLIC_FIELDS if name in jwk}  # never a private key, even if it is listed
    try:
        key = PyJWK(public, _DEFAULT_ALGORITHMS.get(kind)).key
    except (PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return PublicKey(key, kid, algorithm) if _is_usable(key) else None


def _is_usable(key: Any) -> bool:
    if isinstance(key, RSAPublicKey):
        return RSA_BITS[0] <= key.key_size <= RSA_BITS[1]
    if isinstance(key, EllipticCurvePublicKey):
        return key.curve.name in _CURVES.values()
    return isinstance(key, Ed25519PublicKey | Ed448PublicKey)
