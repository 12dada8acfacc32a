"""REST operations on the server itself: settings, health, metrics, documentation."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable
from importlib.resources import files
from typing import Any, Protocol

from tailwire.server.actions.raw_json import encode
from tailwire.server.rest import responses
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.openapi import document
from tailwire.server.rest.operations import Access, Call, Operation, Streamed
from tailwire.server.telemetry.exposition import as_text
from tailwire.server.telemetry.metrics import Metrics, Sizes


class Health(Protocol):
    """Returns the bodies of the responses to `GET /health` and the paths below it."""

    def overall(self) -> dict[str, Any]:
        """Return the body for `GET /health`.

        Raises:
            Refused: ERR_UNAVAILABLE, the store cannot write.
        """

    def live(self) -> dict[str, Any]:
        """Return the body for `GET /health/live`, whatever the state of the store."""

    def ready(self) -> dict[str, Any]:
        """Return the body for `GET /health/ready`.

        Raises:
            Refused: ERR_UNAVAILABLE, the store cannot write, or the server is about to stop.
        """


async def _no_sizes() -> None:
    return None


class ServiceRoutes:
    """The REST operations `/settings`, `/health`, `/metrics`, `/openapi.json` and `/docs`.

    Args:
        others: the operations of the other resources, for the OpenAPI document.
        metrics_access, docs_access: `open` serves them to anyone, `key` with a REST key, `off` not at all. The page
            `/docs` is the same on every server: it asks for the key and loads the OpenAPI document with it.
        metrics_elsewhere: whether metrics are served at an address of their own, so that `operations()` omits them.
        sizes: returns the sizes on disk for the metrics, or None if they are not measured.
    """

    def __init__(
        self,
        addresses: Addresses,
        metrics: Metrics,
        health: Health,
        others: Iterable[Operation],
        version: str,
        *,
        metrics_access: str = "open",
        docs_access: str = "open",
        metrics_elsewhere: bool = False,
        sizes: Callable[[], Awaitable[Sizes | None]] = _no_sizes,
    ) -> None:
        self._metrics_elsewhere, self._sizes = metrics_elsewhere, sizes
        self._addresses = addresses
        self._metrics = metrics
        self._health = health
        self._others = list(others)
        self._version = version
        self._document = b""
        self._metrics_access, self._docs_access = metrics_access, docs_access

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        found = [
            Operation("GET", "/settings", "Get the address, features and limits of the server", self._get_settings,
                      access=Access.ANYONE, response=responses.ServerSettings),
            *self._health_operations(),
        ]  # fmt: skip
        if not self._metrics_elsewhere:
            found += self._metrics_operations()
        if self._docs_access != "off":
            access = Access.ANYONE if self._docs_access == "open" else Access.ADMIN
            found += [
                Operation(
                    "GET",
                    "/openapi.json",
                    "Get the OpenAPI document",
                    self._get_openapi_document,
                    access=access,
                    media="application/json",
                ),
                Operation(
                    "GET",
                    "/docs",
                    "Read and try the API in a browser",
                    self._get_docs_page,
                    access=Access.ANYONE,
                    media="text/html",
                ),
            ]
        return found

    def internal_operations(self) -> list[Operation]:
        """Return the operations that are served at the address of the setting `metrics_listen`: health and metrics."""
        return [*self._health_operations(), *self._metrics_operations()]

    def _health_operations(self) -> list[Operation]:
        anyone = Access.ANYONE
        return [
            Operation("GET", "/health", "Get the health of the server", self._get_health, access=anyone,
                      response=responses.Health),
            Operation("GET", "/health/live", "Check whether the server is alive", self._check_live, access=anyone,
                      response=responses.Liveness),
            Operation("GET", "/health/ready", "Check whether the server is ready for requests", self._check_ready,
                      access=anyone, response=responses.Health),
        ]  # fmt: skip

    def _metrics_operations(self) -> list[Operation]:
        if self._metrics_access == "off":
            return []
        access = Access.ANYONE if self._metrics_access == "open" else Access.ADMIN
        return [Operation("GET", "/metrics", "Get the metrics, for Prometheus", self._get_metrics, access=access,
                          media="text/plain")]  # fmt: skip

    async def _check_live(self, call: Call) -> dict[str, Any]:
        return self._health.live()

    async def _check_ready(self, call: Call) -> dict[str, Any]:
        return self._health.ready()

    async def _get_settings(self, call: Call) -> dict[str, Any]:
        return self._addresses.settings(call.scope)

    async def _get_health(self, call: Call) -> dict[str, Any]:
        return self._health.overall()

    async def _get_metrics(self, call: Call) -> Streamed:
        return _whole_response(as_text(self._metrics, await self._sizes(), self._version), b"text/plain; version=0.0.4")

    async def _get_openapi_document(self, call: Call) -> Streamed:
        if not self._document:
            self._document = encode(document([*self._others, *self.operations()], self._version))
        return _whole_response(self._document, b"application/json")

    async def _get_docs_page(self, call: Call) -> Streamed:
        page = files("tailwire.server.rest").joinpath("docs.html").read_bytes()
        return _whole_response(page, b"text/html; charset=utf-8", *_security_headers(page))


def _security_headers(page: bytes) -> list[tuple[bytes, bytes]]:
    # The page runs only its own scripts, requests only this server, and cannot be framed.
    allowed = {name: re.findall(rb"<%b>(.*?)</%b>" % (name, name), page, re.DOTALL) for name in (b"script", b"style")}
    rules = [b"default-src 'none'", b"connect-src 'self'", b"base-uri 'none'", b"form-action 'none'"]
    for name, texts in allowed.items():
        hashes = [b"'sha256-%b'" % b64encode(hashlib.sha256(text).digest()) for text in texts]
        rules.append(b"%b-src %b" % (name, b" ".join(hashes)))
    return [
        (b"content-security-policy", b"; ".join([*rules, b"frame-ancestors 'none'"])),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]


def _whole_response(body: bytes, content_type: bytes, *more: tuple[bytes, bytes]) -> Streamed:
    async def chunks() -> Any:
        yield body

    length = b"%d" % len(body)
    return Streamed(200, [(b"content-type", content_type), (b"content-length", length), *more], chunks())
