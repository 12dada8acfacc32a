"""What the server says of itself: settings, health, metrics, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Any

from tailwire.server.actions.present import encode
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.openapi import document
from tailwire.server.rest.operations import Call, Operation, Streamed, Who
from tailwire.server.telemetry.metrics import Metrics, as_text

Health = Callable[[], dict[str, Any]]


class ServiceRoutes:
    """`/settings`, `/health`, `/metrics`, `/openapi.json`, `/docs`."""

    def __init__(
        self, addresses: Addresses, metrics: Metrics, health: Health, others: Iterable[Operation], version: str
    ) -> None:
        self._addresses = addresses
        self._metrics = metrics
        self._health = health
        self._others = list(others)
        self._version = version
        self._document = b""

    def operations(self) -> list[Operation]:
        """The operations."""
        return [
            Operation("GET", "/settings", "See how to reach the server, and what it offers", self._settings,
                      who=Who.ANYONE, answer=dict[str, Any]),
            Operation("GET", "/health", "See whether the server is well", self._healthy, who=Who.ANYONE,
                      answer=dict[str, Any]),
            Operation("GET", "/metrics", "See the counters, for Prometheus", self._counters, who=Who.ANYONE),
            Operation("GET", "/openapi.json", "See this description", self._described, who=Who.ANYONE),
            Operation("GET", "/docs", "Read this description, and try it", self._page, who=Who.ANYONE),
        ]  # fmt: skip

    async def _settings(self, call: Call) -> dict[str, Any]:
        return self._addresses.settings(call.scope)

    async def _healthy(self, call: Call) -> dict[str, Any]:
        return self._health()

    async def _counters(self, call: Call) -> Streamed:
        return _whole(as_text(self._metrics), b"text/plain; version=0.0.4")

    async def _described(self, call: Call) -> Streamed:
        if not self._document:
            self._document = encode(document([*self._others, *self.operations()], self._version))
        return _whole(self._document, b"application/json")

    async def _page(self, call: Call) -> Streamed:
        page = files("tailwire.server.rest").joinpath("docs.html").read_bytes()
        return _whole(page, b"text/html; charset=utf-8")


def _whole(body: bytes, content_type: bytes) -> Streamed:
    async def pieces() -> Any:
        yield body

    return Streamed(200, [(b"content-type", content_type), (b"content-length", b"%d" % len(body))], pieces())
