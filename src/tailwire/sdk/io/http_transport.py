"""Send each request through the proxy for its URL, and name the proxy in its errors."""

from __future__ import annotations

import ssl
import time

import httpx2

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.failures import cause_of_error
from tailwire.sdk.io.proxies import Proxy, UnusableProxy, proxy_for
from tailwire.sdk.io.tls import default_context

PROXY_CACHE_SECONDS = 5.0
"""Seconds for which the proxy chosen for an origin is cached; reading the environment takes 0.1 ms."""
MAX_ORIGINS = 16
MAX_PROXIES = 4


class ProxiedTransport(httpx2.AsyncBaseTransport):
    """A transport that chooses the proxy by `proxy_for`, as the WebSocket does.

    Args:
        tls: context for the servers; the default context verifies an `https` proxy.
        setting: the argument of `proxy_for`.
        limits: the limits of the connections through each proxy, and of those without one.
    """

    def __init__(self, tls: ssl.SSLContext, setting: str | None, limits: httpx2.Limits) -> None:
        self._tls = tls
        self._setting = setting
        self._limits = limits
        self._chosen: dict[tuple[str, str, int | None], tuple[float, Proxy | None]] = {}
        self._transports: dict[Proxy | None, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            httpx2.ProxyError: if the proxy cannot be used, cannot be reached, or refuses.
            httpx2.TransportError: if the server is not reached.
        """
        try:
            proxy = await self._proxy_for(request.url)
        except UnusableProxy as e:
            raise httpx2.ProxyError(str(e), request=request) from e
        transport = await self._transport_for(proxy)
        if proxy is None:
            return await transport.handle_async_request(request)
        through = f"through the proxy {proxy.name}"
        try:
            response = await transport.handle_async_request(request)
        except httpx2.TransportError as e:
            refused = isinstance(e, httpx2.ProxyError) or cause_of_error(e) is Cause.CONNECTION_REFUSED
            kind = httpx2.ProxyError if refused else type(e)
            raise kind(f"{e} ({through})", request=request) from e
        except Exception as e:
            if not proxy.socks:
                raise
            # A peer that does not speak SOCKS surfaces as an AssertionError, or an error of the SOCKS library.
            raise httpx2.ProxyError(f"no answer of a SOCKS proxy ({through}): {e!r}", request=request) from e
        if response.status_code == 407:
            await response.aclose()
            raise httpx2.ProxyError(f"407 {response.reason_phrase} ({through})", request=request)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            await transport.aclose()

    async def _proxy_for(self, url: httpx2.URL) -> Proxy | None:
        origin, now = (url.scheme, url.host, url.port), time.monotonic()
        chosen_at, proxy = self._chosen.get(origin, (0.0, None))
        if now - chosen_at >= PROXY_CACHE_SECONDS or not chosen_at:
            proxy = await proxy_for(str(url), self._setting)
            if len(self._chosen) >= MAX_ORIGINS:
                self._chosen.clear()
            self._chosen[origin] = (now, proxy)
        return proxy

    async def _transport_for(self, proxy: Proxy | None) -> httpx2.AsyncHTTPTransport:
        transport = self._transports.get(proxy)
        if transport is None:
            transport = self._transports[proxy] = self._new_transport(proxy)
            if len(self._transports) > MAX_PROXIES:
                await self._transports.pop(next(iter(self._transports))).aclose()
        return transport

    def _new_transport(self, proxy: Proxy | None) -> httpx2.AsyncHTTPTransport:
        if proxy is None:
            return httpx2.AsyncHTTPTransport(verify=self._tls, limits=self._limits, trust_env=False)
        through = httpx2.Proxy(
            proxy.name,
            auth=(proxy.username, proxy.password) if proxy.username or proxy.password else None,
            ssl_context=default_context() if proxy.scheme == "https" else None,
        )
        return httpx2.AsyncHTTPTransport(verify=self._tls, limits=self._limits, trust_env=False, proxy=through)
