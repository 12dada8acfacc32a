"""Hands the entries of the queue over to the app, and records the position that it has reached."""

from __future__ import annotations

from tailwire.sdk.connection.state import Status
from tailwire.sdk.dispatch.callbacks import Callbacks, StatusTold
from tailwire.sdk.gate import Gate
from tailwire.sdk.outbox import Outbox
from tailwire.sdk.own_changes import OwnChanges
from tailwire.sdk.session_holder import SessionHolder


class HandOver:
    """Calls the app with one entry of the queue after the other.

    Args:
        outbox: woken when the connection is open; None when there is none.
    """

    def __init__(
        self, callbacks: Callbacks, sessions: SessionHolder, own: OwnChanges, outbox: Outbox | None, gate: Gate
    ) -> None:
        self._callbacks = callbacks
        self._sessions = sessions
        self._own = own
        self._outbox = outbox
        self._gate = gate

    async def handle(self, entry: object) -> None:
        """Call the app with an entry. An event with a position counts as served when its callbacks have returned."""
        if type(entry) is tuple:  # (event, position after it)
            event, position = entry
            served = self._sessions.served
            served.open(event, position)
            try:
                self._own.tell(event)
                await self._callbacks.handle(event)
            except BaseException:
                if not self._gate.closed:  # else it was cut short: the next start hands it over again
                    self._done(event)
                raise
            self._done(event)
            return
        if self._outbox is not None and entry == StatusTold(Status.CONNECTED):
            self._outbox.wake()
        self._own.tell(entry)
        await self._callbacks.handle(entry)

    def _done(self, event: object) -> None:
        if self._sessions.served.let_go(event):  # False when another session has begun meanwhile
            self._sessions.save_soon()
