"""An identity provider on the virtual network: it signs JWTs, and serves its public keys as a JWKS."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.utils import base64url_decode, base64url_encode
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tailwire.server.auth.token_fingerprints import CURVE_ORDERS
from tailwire.testing.virtual.world import EPOCH, virtual_loop

ISSUER, AUDIENCE = "https://id.example.com/", "chat"
PORT = 9100
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER_EC = ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str | None, **more: Any) -> dict[str, Any]:
    """Return a public key as an entry of a JWKS."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    named = {} if kid is None else {"kid": kid}
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "use": "sig", **named, **more}


def twin(token: str) -> str:
    """Return a JWT that was signed with ECDSA, with the other signature that verifies: `(r, n - s)`, not `(r, s)`."""
    signed, _, signature = token.rpartition(".")
    raw = base64url_decode(signature)
    half = len(raw) // 2
    order = CURVE_ORDERS[jwt.get_unverified_header(token)["alg"]]
    return f"{signed}.{base64url_encode(raw[:half] + (order - int.from_bytes(raw[half:])).to_bytes(half)).decode()}"


class IdentityProvider:
    """Signs with the key `kid`. Connections are refused before `listen` and after `stop`.

    Attributes:
        keys: the entries of the JWKS.
        content: the body of the response, in place of the keys; None for the keys.
        headers: the headers of the response.
        status: the status of the response.
        seconds: virtual seconds that a response takes.
        fetch_times: the times of the loop at which the JWKS was requested.
        key, kid, algorithm: with what JWTs are signed; without `kid` in their header if it is None.
    """

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [jwk(RSA, "rsa-1"), jwk(EC, "ec-1")]
        self.content: bytes | None = None  # instead of the keys
        self.headers: list[tuple[bytes, bytes]] = []
        self.status = 200
        self.seconds = 0.0
        self.fetch_times: list[float] = []
        self.key, self.kid, self.algorithm = EC, "ec-1", "ES256"

    async def __call__(self, scope, receive, send):
        self.fetch_times.append(virtual_loop().time())
        await asyncio.sleep(self.seconds)
        body = json.dumps({"keys": self.keys}).encode() if self.content is None else self.content
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": body})

    def listen(self) -> None:
        virtual_loop().network.names.addresses["id.test"] = ["127.0.0.10"]
        config = uvicorn.Config(self, lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        virtual_loop().network.listen(PORT, lambda: HttpToolsProtocol(config=config, server_state=state, app_state={}))

    def stop(self) -> None:
        virtual_loop().network.stop_listening(PORT)

    def claims(self, uid: str, seconds: float = 3600, **more: Any) -> dict[str, Any]:
        """Return the claims of a JWT of a user that is valid for this long. `more`: as for `sign`."""
        now = EPOCH + virtual_loop().time()
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": uid, "iat": int(now), "exp": int(now + seconds), **more}
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, uid: str, seconds: float = 3600, *, headers: dict[str, Any] | None = None, **more: Any) -> str:
        """Return a JWT of a user that is valid for this long. `more`: further claims; None leaves a claim out."""
        named = {"kid": self.kid} if self.kid is not None else {}
        return jwt.encode(
            self.claims(uid, seconds, **more), self.key, self.algorithm, headers={**named, **(headers or {})}
        )
