"""Checks the data folder, the certificate and the address before anything else is opened."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from pathlib import Path

from tailwire.server import private_files


class CannotStart(OSError):
    """The server cannot start with its settings. The message names the setting and says what to do."""


_ADVICE = {
    errno.EADDRINUSE: "another program listens there; stop it, or choose another port with {port} (0 picks a free one)",
    errno.EADDRNOTAVAIL: "this machine does not have that address; choose another with {host} (0.0.0.0 for all)",
    errno.EACCES: "this user may not listen on that port; choose one above 1023 with {port}",
}


def bind(host: str, port: int, argument: str = "") -> socket.socket:
    """Return a non-blocking TCP socket that listens on an address.

    Args:
        host: an IP address or a name; with a colon, an IPv6 address.
        port: the port; 0 to let the system choose a free one.
        argument: the command line option that sets the address, for the advice in the error; "" if it is set by
            `--host` and `--port`.

    Raises:
        CannotStart: if the address is in use, is not one of this machine, or is not permitted.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only if the protocol is named; without it, a response in two writes takes 40 ms longer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
        listening.setblocking(False)
    except OSError as e:
        listening.close()
        if isinstance(e, socket.gaierror):
            advice = "the name is unknown; choose an address of this machine with {host} (0.0.0.0 for all)"
        else:
            advice = _ADVICE.get(e.errno or 0) or os.strerror(e.errno or 0)
        advice = advice.format(host=argument or "--host", port=argument or "--port")
        raise CannotStart(f"cannot listen on {host}:{port}: {advice}") from e
    return listening


def check_certificate(certificate: str, key: str) -> None:
    """Check that a TLS certificate and its key can be loaded.

    Args:
        certificate: the path of the PEM file; "" to check nothing.
        key: the path of the key's PEM file.

    Raises:
        CannotStart: if one of them cannot be read, or they do not match.
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
        words = "they are not a matching certificate and key in PEM format"
        raise CannotStart(f"tls_cert and tls_key: {certificate} and {key}: {words} ({e.reason or e})") from e


def check_folder(data: str) -> None:
    """Create the data folder if it is missing, and check that it is writable.

    Raises:
        CannotStart: if it cannot be created, is not a folder, or is not writable.
    """
    folder = Path(data)
    try:
        private_files.make_folder(folder)
    except FileExistsError as e:
        raise CannotStart(f"data: {e.filename} is a file; name a folder with --data") from e
    except OSError as e:
        raise CannotStart(f"data: the folder {folder} cannot be created: {os.strerror(e.errno or 0)}") from e
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CannotStart(f"data: this user may not write in the folder {folder}; choose another with --data")
