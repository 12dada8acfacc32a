"""Sends a large file to our server, and measures how much memory the server needs for it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import peers, raw

FILE_BYTES = 100 * 1024 * 1024
PIECE = os.urandom(1024 * 1024)


@contextmanager
def memory_growth(server: peers.Started) -> Iterator[list[float]]:
    """Measure a server during the context, and append the maximum growth of its memory in MB to the list."""
    before, grown, end = server.memory(), list[float](), threading.Event()
    most = [before]

    def watch() -> None:
        while not end.wait(0.01):
            most[0] = max(most[0], server.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield grown
    finally:
        end.set()
        watcher.join()
        grown.append((most[0] - before) / 2**20)


def upload_form(api: raw.Api, token: str) -> dict[str, str]:
    """Return the fields of a form for a file of `FILE_BYTES`; `key` is its name."""
    wanted = {"f": {"fileId": "f", "name": "large.bin", "size": FILE_BYTES, "mimeType": "application/octet-stream"}}
    found: Any = api.ask("POST", "/files/upload-url", {"files": wanted}, authtoken=token)
    return dict(found["f"]["request"]["body"])


def upload(port: int, form: dict[str, str]) -> None:
    """Send a file of `FILE_BYTES` with a form.

    Raises:
        RuntimeError: it was refused.
    """
    head = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in form.items()
    )
    head += b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    tail = b"\r\n--x--\r\n"
    size = len(head) + FILE_BYTES + len(tail)
    with raw.tcp(port) as s:
        s.sendall(
            "POST /v3/files HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"Content-Length: {size}\r\n\r\n".encode()
            + head
        )
        for _ in range(FILE_BYTES // len(PIECE)):
            s.sendall(PIECE)
        s.sendall(tail)
        answer = s.recv(65536)
    if b" 204 " not in answer:
        raise RuntimeError(answer[:300])
