"""What the server says of itself: settings, health, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.edge import Call, Routes, data
from tailwire.server.telemetry.metrics import Metrics, as_text


class ServiceRoutes:
    """`/settings`, `/health`, `/metrics`."""

    def __init__(self, addresses: Addresses, metrics: Metrics, health: Callable[[], dict[str, Any]]) -> None:
        self._addresses = addresses
        self._metrics = metrics
        self._health = health

    def routes(self) -> Routes:
        """The routes."""
        return [
            ("GET", "/settings", self._settings),
            ("GET", "/health", self._healthy),
            ("GET", "/metrics", self._counters),
        ]

    async def _settings(self, call: Call) -> bytes:
        return data(self._addresses.settings(call.scope))

    async def _healthy(self, call: Call) -> bytes:
        return data(self._health())

    async def _counters(self, call: Call) -> bytes:
        return as_text(self._metrics)
