"""The broker of a single process, which passes publications on with a function call."""

from __future__ import annotations

from tailwire.server.ports.broker import Listener, Publication


class MemoryBroker:
    """Passes each publication of a subscribed subject to the listener, before `publish` returns.

    Attributes:
        settled: always 0: the broker does not know which changes have been delivered.
    """

    settled = 0

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self._subjects: set[str] = set()

    def listen(self, listener: Listener) -> None:
        """Set the function that receives each publication of a subscribed subject."""
        self._listener = listener

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""
        self._subjects.add(subject)

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""
        self._subjects.discard(subject)

    def publish(self, subject: str, publication: Publication) -> None:
        """Pass a publication to the listener now, if its subject is subscribed."""
        if self._listener is not None and subject in self._subjects:
            self._listener(subject, publication)

    async def passed(self, number: int) -> None:
        """Return at once: whatever is committed has already been delivered, because there is no other process."""

    async def wait_confirmed(self) -> None:
        """Return at once: a subscription is in effect as soon as it is made."""
