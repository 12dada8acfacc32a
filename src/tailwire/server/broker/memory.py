"""The broker in this process: a call."""

from __future__ import annotations

from tailwire.server.ports.broker import Listener, Publication


class MemoryBroker:
    """Hands each publication on in the same turn of the event loop, if somebody here wants its subject."""

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._subjects: set[str] = set()

    def listen(self, listener: Listener) -> None:
        """Name the one who takes what comes."""
        self._listener = listener

    def subscribe(self, subject: str) -> None:
        """Begin to take the publications of a subject."""
        self._subjects.add(subject)

    def unsubscribe(self, subject: str) -> None:
        """Take them no longer."""
        self._subjects.discard(subject)

    def publish(self, subject: str, publication: Publication) -> None:
        """Hand a publication on."""
        if self._listener is not None and subject in self._subjects:
            self._listener(subject, publication)
