"""What the server says of itself: settings, health, metrics, and how it is asked."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Any

from tailwire.server.actions.raw_json import encode
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.openapi import document
from tailwire.server.rest.operations import Access, Call, Operation, Streamed
from tailwire.server.telemetry.metrics import Metrics, as_text

Health = Callable[[], dict[str, Any]]


class ServiceRoutes:
    """`/settings`, `/health`, `/metrics`, `/openapi.json`, `/docs`.

    Args:
        for_metrics, for_docs: who may read them: `open` for everybody, `key` for a REST API key, `off` for nobody. The
            page itself tells nothing of this server: it asks for the key, and shows the description with it.
    """

    def __init__(
        self,
        addresses: Addresses,
        metrics: Metrics,
        health: Health,
        others: Iterable[Operation],
        version: str,
        *,
        for_metrics: str = "open",
        for_docs: str = "open",
    ) -> None:
        self._addresses = addresses
        self._metrics = metrics
        self._health = health
        self._others = list(others)
        self._version = version
        self._document = b""
        self._for_metrics, self._for_docs = for_metrics, for_docs

    def operations(self) -> list[Operation]:
        """The operations."""
        found = [
            Operation("GET", "/settings", "See how to reach the server, and what it offers", self._settings,
                      access=Access.ANYONE, response=dict[str, Any]),
            Operation("GET", "/health", "See whether the server is well", self._healthy, access=Access.ANYONE,
                      response=dict[str, Any]),
        ]  # fmt: skip
        if self._for_metrics != "off":
            access = Access.ANYONE if self._for_metrics == "open" else Access.ADMIN
            found.append(
                Operation("GET", "/metrics", "See the counters, for Prometheus", self._counters, access=access)
            )
        if self._for_docs != "off":
            access = Access.ANYONE if self._for_docs == "open" else Access.ADMIN
            found += [
                Operation("GET", "/openapi.json", "See this description", self._described, access=access),
                Operation("GET", "/docs", "Read this description, and try it", self._page, access=Access.ANYONE),
            ]
        return found

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
        return _whole(page, b"text/html; charset=utf-8", *_guard(page))


def _guard(page: bytes) -> list[tuple[bytes, bytes]]:
    # Nothing runs in the page but what stands in it, nothing is asked but this server, and nobody frames it.
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


def _whole(body: bytes, content_type: bytes, *more: tuple[bytes, bytes]) -> Streamed:
    async def pieces() -> Any:
        yield body

    length = b"%d" % len(body)
    return Streamed(200, [(b"content-type", content_type), (b"content-length", length), *more], pieces())
