"""Decides when a new WebSocket may open.

A client that holds a pass (a signed text that it gets at login) can prove so in the upgrade request. Such clients are
paced separately, so that others cannot delay them.
"""

from __future__ import annotations

from tailwire.server.actions.sessions import Sessions
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.limits.allowed_hosts import AllowedHosts
from tailwire.server.limits.pacer import Pacer
from tailwire.server.limits.slots import ConnectionSlots


class Admission:
    """Paces new sockets, and refuses them under load.

    Args:
        pacer: paces sockets of clients that have not proved that they hold a pass.
        known_pacer: paces sockets of clients that have.
        unauthenticated: limits how many sockets of one client address may be open before they authenticate.
        sessions: verifies proofs.
        overload: while its level is `RECEIPTS` or higher, all new sockets are refused.
        hosts: the host names that an upgrade request may use.

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
        """Return whether a proof from an upgrade request was made from a valid pass; False for "".

        The client must authenticate with an auth frame nevertheless.
        """
        return bool(proof) and self._sessions.proves(proof)

    def delay(self, open_sockets: int, *, has_pass: bool = False) -> float | None:
        """Reserve a time at which a new socket may open. Return the seconds until then; None if it must be refused.

        Args:
            open_sockets: how many sockets are open now.
            has_pass: whether the client has proved that it holds a pass.
        """
        if self._overload.level >= Level.RECEIPTS or 0 < self.max_sockets <= open_sockets:
            return None
        return (self._known_pacer if has_pass else self._pacer).delay()
