"""Decides when a new socket may open. Clients that prove they hold a pass are paced apart from all others."""

from __future__ import annotations

from tailwire.server.actions.sessions import Sessions
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.limits.allowed_hosts import AllowedHosts
from tailwire.server.limits.pacer import Pacer
from tailwire.server.limits.slots import ConnectionSlots


class Admission:
    """Paces new sockets, and refuses them under load.

    Args:
        pacer: paces sockets without a proof.
        known_pacer: paces sockets with the proof of a pass.
        unauthenticated: limits how many sockets of an address may be open without having authenticated.
        sessions: verifies proofs.
        overload: no socket is admitted while it sheds receipts or more.
        hosts: the host names that an upgrade may name.

    Attributes:
        max_sockets: maximum number of open sockets; 0 for unlimited.
        hosts, unauthenticated: the arguments of these names.
    """

    def __init__(
        self,
        pacer: Pacer,
        known_pacer: Pacer,
        unauthenticated: ConnectionSlots,
        sessions: Sessions,
        overload: Overload,
        hosts: AllowedHosts,
    ) -> None:
        self.hosts = hosts
        self._pacer, self._known_pacer = pacer, known_pacer
        self.unauthenticated = unauthenticated
        self._sessions = sessions
        self._overload = overload
        self.max_sockets = 0

    def is_known(self, proof: str) -> bool:
        """Return whether the proof belongs to a valid pass. It does not replace the auth frame."""
        return bool(proof) and self._sessions.proves(proof)

    def delay(self, open_sockets: int, *, has_pass: bool = False) -> float | None:
        """Return the seconds after which a new socket may open; None if it is refused and the client must retry.

        Args:
            open_sockets: how many sockets are open now.
            has_pass: whether the client has proved that it holds a pass; it is never delayed by clients without a
                proof.
        """
        if self._overload.level >= Level.RECEIPTS or 0 < self.max_sockets <= open_sockets:
            return None
        return (self._known_pacer if has_pass else self._pacer).delay()
