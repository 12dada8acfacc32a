"""The broker of a single process: a function call."""

from __future__ import annotations

from tailwire.server.ports.broker import Listener, Publication


class MemoryBroker:
    """Passes each publication of a subscribed subject to the listener, in the same turn of the event loop."""

    settled = 0

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._subjects: set[str] = set()

    def listen(self, listener: Listener) -> None:
        """Set the listener."""
        self._listener = listener

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""
        self._subjects.add(subject)

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""
        self._subjects.discard(subject)

    def publish(self, subject: str, publication: Publication) -> None:
        """Pass a publication to the listener."""
        if self._listener is not None and subject in self._subjects:
            self._listener(subject, publication)

    async def passed(self, number: int) -> None:
        """Return at once: nothing comes from elsewhere."""

    async def wait_confirmed(self) -> None:
        """Return at once: a subscription is in effect as soon as it is made."""
