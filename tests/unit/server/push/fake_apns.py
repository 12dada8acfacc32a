"""APNs as it is documented, over real HTTP/2 and TLS: it records requests, and gives the answers of a list."""

from __future__ import annotations

import json
from pathlib import Path

from unit.server.push.http2_service import Http2Service


class FakeApns(Http2Service):
    """Imitates APNs. `answers`: status, reason and headers of the next responses; later ones have status 200."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.requests: list[tuple[dict, dict]] = []
        self.answers: list[tuple[int, str, dict]] = []

    def answer(self, head, body):
        """Return the next response."""
        self.requests.append((head, json.loads(body)))
        status, reason, more = self.answers.pop(0) if self.answers else (200, "", {})
        return status, more, json.dumps({"reason": reason}).encode() if reason else b""
