"""The hash of passwords, which is slow on purpose."""

from __future__ import annotations

import hashlib

COST, BLOCK_SIZE, PARALLELISM = 2**12, 8, 1
DIGEST_BYTES = 64


def digest(password: bytes, salt: bytes) -> bytes:
    """Return the hash of a password. Computes for some 15 ms, without the GIL."""
    return hashlib.scrypt(password, salt=salt, n=COST, r=BLOCK_SIZE, p=PARALLELISM, dklen=DIGEST_BYTES)
