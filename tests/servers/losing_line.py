"""A line between a server and its broker that loses publications, and nothing else: no connection notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from servers.cut_line import CutLine

PUBLICATIONS = b"tailwire_publications"


class LosingLine(CutLine):
    """A line that loses publications on their way to the server while `loses` is set.

    Attributes:
        loses: whether publications are lost.
        lost: how many publications were lost.
    """

    def __init__(self, port: int = 0, path: str = "", *, nats: bool) -> None:
        super().__init__(port, path)
        self._split = _of_nats if nats else _of_postgres
        self.loses = False
        self.lost = 0

    def answer_filter(self) -> Callable[[bytes], bytes]:
        """Return a function for one connection: it takes the bytes that come back, and returns those to pass on."""
        waiting = bytearray()
        split = self._split(waiting)

        def passed(data: bytes) -> bytes:
            waiting.extend(data)
            kept = []
            while (found := next(split)) is not None:
                message, is_publication = found
                if is_publication and self.loses:
                    self.lost += 1
                else:
                    kept.append(message)
            return b"".join(kept)

        return passed


def _of_postgres(waiting: bytearray) -> Iterator[tuple[bytes, bool] | None]:
    # Messages of a server of PostgreSQL: a letter, the length, the body. Before them, one byte refuses encryption.
    first = True
    while True:
        if first and waiting[:1] in (b"N", b"S") and len(waiting) == 1:
            first = False
            yield _cut(waiting, 1), False
            continue
        length = 1 + int.from_bytes(waiting[1:5], "big") if len(waiting) >= 5 else 0
        if not length or len(waiting) < length:
            yield None
            continue
        first = False
        message = _cut(waiting, length)
        yield message, message[:1] == b"A" and message[9:].startswith(PUBLICATIONS + b"\0")


def _of_nats(waiting: bytearray) -> Iterator[tuple[bytes, bool] | None]:
    # Lines; after `MSG subject sid size` comes a payload. Records go to the subject `log`.
    while True:
        end = waiting.find(b"\r\n")
        if end < 0:
            yield None
            continue
        words = bytes(waiting[:end]).split()
        whole = end + 2 + (int(words[-1]) + 2 if words and words[0] == b"MSG" else 0)
        if len(waiting) < whole:
            yield None
            continue
        yield _cut(waiting, whole), words[:1] == [b"MSG"] and not words[1].endswith(b".log")


def _cut(waiting: bytearray, length: int) -> bytes:
    message = bytes(waiting[:length])
    del waiting[:length]
    return message
