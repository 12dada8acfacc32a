"""Whether a situation itself caused each loss of a connection, or it came without a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

from tailwire import Cause, ChatClient, ConnectionStatus

SLACK_SECONDS = 5.0
"""For a busy machine: a client notices the end of a connection at once."""
BREAKS = frozenset({Cause.CONNECTION_RESET, Cause.SERVER_CLOSED, Cause.HEARTBEAT_TIMEOUT, Cause.PROBE_FAILED})
CAUSES = {
    "background": frozenset({Cause.APP_IN_BACKGROUND}),
    "sleep": frozenset({Cause.SLEPT, Cause.WINDOW_EXPIRED}),
    "cut": BREAKS,
}
"""The causes that the client may give for what a situation does."""


@dataclass
class Reason:
    """Something that the situation did, and that may end one connection.

    Attributes:
        kind: a key of `CAUSES`.
        at, until: its time, by the event loop's clock. At its end, whatever it has silenced is reset.
    """

    kind: str
    at: float
    until: float = inf


@dataclass(frozen=True)
class Loss:
    """The loss of a connection: when it was open, and the cause that the client gave."""

    opened: float
    at: float
    cause: Cause | None


def unexplained(losses: Iterable[Loss], reasons: Iterable[Reason]) -> list[Loss]:
    """Return the losses without a reason that explains them. A reason explains one loss, of a connection that it met."""
    left = sorted(reasons, key=lambda reason: reason.at)
    alone = []
    for loss in sorted(losses, key=lambda loss: loss.at):
        for reason in left:
            met = loss.opened <= reason.until and reason.at <= loss.at <= reason.until + SLACK_SECONDS
            if met and loss.cause in CAUSES[reason.kind]:
                left.remove(reason)
                break
        else:
            alone.append(loss)
    return alone


class Witness:
    """Records the losses of a client, and what the situation does."""

    def __init__(self, chat: ChatClient) -> None:
        self._status, self._opened = chat.connection.status, self._now()
        self.losses: list[Loss] = []
        self.reasons: list[Reason] = []
        chat.connection.subscribe(self._on_transition)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _on_transition(self, transition: Any) -> None:
        before, self._status = self._status, transition.status
        if before is not ConnectionStatus.CONNECTED and self._status is ConnectionStatus.CONNECTED:
            self._opened = self._now()
        elif before is ConnectionStatus.CONNECTED and self._status is not ConnectionStatus.CONNECTED:
            self.losses.append(Loss(self._opened, self._now(), transition.cause))

    def begins(self, kind: str) -> None:
        """Record that the situation does something from now on."""
        self.reasons.append(Reason(kind, self._now()))

    def ends(self, kind: str) -> None:
        """Record that all of this kind has ended."""
        for reason in self.reasons:
            if reason.kind == kind and reason.until == inf:
                reason.until = self._now()

    def does(self, kind: str) -> None:
        """Record that the situation does something at this moment."""
        self.begins(kind)
        self.ends(kind)

    def require_reasons(self) -> None:
        """Check that the situation caused each loss."""
        alone = unexplained(self.losses, self.reasons)
        assert not alone, f"{len(alone)} of {len(self.losses)} connections were lost without a reason: {alone[:5]}"
