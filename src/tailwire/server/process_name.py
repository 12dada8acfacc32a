"""The name of this process, for operators of several servers."""

from __future__ import annotations

import os
import socket


def process_name() -> str:
    """Return the name of this process among those of several servers."""
    return f"{socket.gethostname()} pid {os.getpid()}"
