"""The server's logger. Lines are: time, level, event, key=value. Secrets and message texts are never logged."""

from __future__ import annotations

import logging
import sys

log = logging.getLogger("tailwire.server")


def configure(level: str) -> None:
    """Log to standard error at a level (`debug`, `info`, `warning`, `error`)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"))
    for name in ("tailwire.server", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    log.setLevel(level.upper())
    logging.getLogger("uvicorn.error").setLevel("WARNING" if level != "debug" else "DEBUG")
