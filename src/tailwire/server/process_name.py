"""The name of this process, by which operators tell several servers apart."""

from __future__ import annotations

import os
import socket


def process_name() -> str:
    """Return a name for this process, with the name of the machine and the process id."""
    return f"{socket.gethostname()} pid {os.getpid()}"
