"""What a server is told to use, tried before anything is opened: its folder, its certificate, its address."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

from tailwire.server import private_files


class CannotStart(OSError):
    """The server cannot start as it was told to. The message says which setting is no good, and what to do."""


_ADVICE = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another port with --port (0 takes a free one)",
    errno.EADDRNOTAVAIL: "this machine does not have that address; choose another with --host (0.0.0.0 for all)",
    errno.EACCES: "this user may not listen at that port; choose one above 1023 with --port",
}


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        CannotStart: when the address is taken, is not this machine's, or is not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: else asyncio leaves Nagle's algorithm on, and an answer in two writes waits 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
        listening.setblocking(False)
    except OSError as e:
        listening.close()
        if isinstance(e, socket.gaierror):
            advice = "there is no such name; use an address of this machine with --host (0.0.0.0 for all)"
        else:
            advice = _ADVICE.get(e.errno or 0) or os.strerror(e.errno or 0)
        raise CannotStart(f"cannot listen at {host}:{port}: {advice}") from e
    return listening


def check_certificate(certificate: str, key: str) -> None:
    """Try a certificate and its key; nothing for "".

    Raises:
        CannotStart: when one of them cannot be read, or they do not belong together.
    """
    if not certificate:
        return
    for name, file in (("tls_cert", certificate), ("tls_key", key)):
        try:
            with open(file, "rb"):
                pass
        except OSError as e:
            raise CannotStart(f"{name}: {file} cannot be read: {os.strerror(e.errno or 0)}") from e
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except ssl.SSLError as e:
        words = "they are no certificate and key in PEM form that belong together"
        raise CannotStart(f"tls_cert and tls_key: {certificate} and {key}: {words} ({e.reason or e})") from e


def check_folder(data: str) -> None:
    """Make the data folder where it is missing.

    Raises:
        CannotStart: when it is no folder, or cannot be written.
    """
    folder = Path(data)
    try:
        private_files.make_folder(folder)
    except FileExistsError as e:
        raise CannotStart(f"data: {e.filename} is a file; name a folder with --data") from e
    except OSError as e:
        raise CannotStart(f"data: the folder {folder} cannot be made: {os.strerror(e.errno or 0)}") from e
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CannotStart(f"data: this user may not write in the folder {folder}; choose another with --data")
