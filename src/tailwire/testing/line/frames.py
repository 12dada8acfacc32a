"""Find frame boundaries in a server's WebSocket stream. Rule: bytes in, pieces out, no I/O."""

from __future__ import annotations

UPGRADED_STATUS = b"HTTP/1.1 101"


class ServerFrames:
    """Splits what a server sends on a connection: HTTP responses as they arrive, whole frames after an upgrade."""

    def __init__(self) -> None:
        self._plain = self._upgraded = False
        self._kept = b""

    def feed(self, data: bytes) -> list[tuple[bytes, bool]]:
        """Add bytes that the server has sent, and return the pieces that are now complete.

        Returns:
            Pieces in order, each with True if it is a whole WebSocket text frame, otherwise False. The bytes of an
            incomplete frame, or of an incomplete head of an upgrade's response, are kept until a later call.
        """
        if self._plain:
            return [(data, False)]
        self._kept += data
        if not self._upgraded:
            return self._begin()
        pieces = []
        while (size := _size(self._kept)) is not None and size <= len(self._kept):
            frame, self._kept = self._kept[:size], self._kept[size:]
            pieces.append((frame, frame[0] & 0x0F == 1))
        return pieces

    def _begin(self) -> list[tuple[bytes, bool]]:
        # The first response decides: after a 101 the connection carries frames, otherwise plain bytes.
        if self._kept[: len(UPGRADED_STATUS)] != UPGRADED_STATUS[: len(self._kept)]:
            self._plain, kept = True, self._kept
            return [(kept, False)]
        head, gap, rest = self._kept.partition(b"\r\n\r\n")
        if not gap:
            return []
        self._upgraded, self._kept = True, b""
        return [(head + gap, False), *self.feed(rest)]


def _size(data: bytes) -> int | None:
    # Size of the first frame (server frames are unmasked); None if its header is incomplete.
    if len(data) < 2:
        return None
    length = data[1] & 0x7F
    if length < 126:
        return 2 + length
    head = 4 if length == 126 else 10
    return head + int.from_bytes(data[2:head], "big") if len(data) >= head else None
