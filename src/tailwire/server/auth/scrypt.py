"""The hash of passwords, which is slow on purpose."""

from __future__ import annotations

import hashlib

COST, BLOCK_SIZE, PARALLELISM = 2**12, 8, 1
DIGEST_BYTES = 64


def digest(password: bytes, salt: bytes) -> bytes:
    """Return the scrypt hash of a password (`DIGEST_BYTES` bytes). Blocks for about 15 ms; the GIL is released."""
    return hashlib.scrypt(password, salt=salt, n=COST, r=BLOCK_SIZE, p=PARALLELISM, dklen=DIGEST_BYTES)
