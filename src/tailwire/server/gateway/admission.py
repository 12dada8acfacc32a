"""When a new socket may open: one after the other, strangers apart from those who show that they have a pass."""

from __future__ import annotations

from tailwire.server.actions.sessions import Sessions
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.limits.pacer import Pacer
from tailwire.server.limits.slots import ConnectionSlots


class Admission:
    """Gives new sockets their turn.

    Args:
        pace: of sockets that have shown nothing.
        known_pacer: of those that have shown that they have a pass.
        strangers: how many sockets of an address may be there without having authenticated.
        sessions: knows what shows that somebody has a pass.
        overload: under load none is let in.

    Attributes:
        max_sockets: as many there may be at once; 0 for any number.
    """

    def __init__(
        self,
        pacer: Pacer,
        known_pacer: Pacer,
        unauthenticated: ConnectionSlots,
        sessions: Sessions,
        overload: Overload,
    ) -> None:
        self._pacer, self._known_pacer = pacer, known_pacer
        self.unauthenticated = unauthenticated
        self._sessions = sessions
        self._overload = overload
        self.max_sockets = 0

    def is_known(self, proof: str) -> bool:
        """Return whether who asks for the upgrade has shown that it has a pass. The auth frame decides all the same."""
        return bool(proof) and self._sessions.proves(proof)

    def delay(self, here: int, *, known: bool = False) -> float | None:
        """Return after how many seconds a new socket may open; None when there are too many, and it has to come back.

        Args:
            here: how many sockets there are.
            known: it has shown that it has a pass: strangers, however many, do not use up its turn.
        """
        if self._overload.level >= Level.RECEIPTS or 0 < self.max_sockets <= here:
            return None
        return (self._known_pacer if known else self._pacer).delay()
