"""The child process that hashes passwords while several wait to be hashed (see `child_process`)."""

from __future__ import annotations

import struct
from io import RawIOBase

from tailwire.server.auth.scrypt import digest
from tailwire.server.child_process.inside import Bounds, read, serve

JOB_HEAD = struct.Struct("!II")
"""The head of a job: the lengths in bytes of the password and of the salt, which follow in this order."""
MEMORY_BYTES = 256 * 1024 * 1024
CPU_SECONDS_PER_PASSWORD = 5


def answer(jobs: RawIOBase) -> bytes | None:
    """Read one job, and return the hash of its password; None at the end of the input. Blocks."""
    head = read(jobs, JOB_HEAD.size)
    if len(head) < JOB_HEAD.size:
        return None
    password, salt = (read(jobs, size) for size in JOB_HEAD.unpack(head))
    return digest(password, salt)


if __name__ == "__main__":
    serve(answer, Bounds(MEMORY_BYTES, file=0, processor_seconds=CPU_SECONDS_PER_PASSWORD))
