"""Reports whether the server is alive, and whether it is ready for requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.telemetry.metrics import Metrics

RETRY_AFTER_SECONDS = 5.0
WRITE_RETRY_SECONDS = 2.0
"""The shortest time between two health requests that make a store which could not write try again."""


class HealthCheck:
    """Answers `/health`, `/health/live` and `/health/ready`.

    Args:
        clock: seconds, monotonic.

    Attributes:
        draining: whether the server was asked to stop.
    """

    def __init__(self, store: Store, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._started = self._tried = clock()
        self.draining = False

    def uptime(self) -> float:
        """Return for how many seconds the server has run."""
        return self._clock() - self._started

    def live(self) -> dict[str, Any]:
        """Return {"status": "ok"}: the process serves requests. The store is not examined: a restart would not help."""
        return {"status": "ok"}

    def ready(self) -> dict[str, Any]:
        """Return the health as `overall` does, or raise an error if a load balancer should send no requests here.

        Raises:
            Refused: ERR_UNAVAILABLE: the server is about to stop, or its store cannot write.
        """
        if self.draining:
            raise Refused("ERR_UNAVAILABLE", "The server is about to stop.", retry_after=RETRY_AFTER_SECONDS)
        return self.overall()

    def overall(self) -> dict[str, Any]:
        """Return the health: `status` "ok", the number of open `sockets`, and the `uptime` in seconds.

        If the last write of the store failed, this makes the store try again (at most every `WRITE_RETRY_SECONDS`),
        without waiting for the result: a proxy may send no other request until the health is good again.

        Raises:
            Refused: ERR_UNAVAILABLE: the last write of the store failed.
        """
        if self._store.write_error:
            if self._clock() >= self._tried + WRITE_RETRY_SECONDS:
                self._tried = self._clock()
                self._store.try_to_write()
            raise Refused("ERR_UNAVAILABLE", f"The store cannot write: {self._store.write_error}.")
        return {"status": "ok", "sockets": self._metrics.sockets, "uptime": round(self.uptime(), 1)}
