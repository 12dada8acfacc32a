"""The address at which clients reach this server, and the response of `GET /settings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tailwire.server.rest.asgi import Scope, header_text, headers_of
from tailwire.wire.server_settings import settings_to_wire


class Addresses:
    """The scheme, host and port at which clients reach this server.

    Args:
        public_url: the URL of the server for all clients; "" to take the address from the header `host` of each
            request.
        app_id, region: the app's id and region, for the response of `GET /settings`.
        offers: further fields of that response: features, limits and reasons for reports.
    """

    def __init__(self, *, public_url: str, app_id: str, region: str, offers: Mapping[str, Any]) -> None:
        self._public = urlsplit(public_url) if public_url else None
        self._app_id = app_id
        self._region = region
        self._offers = offers

    def settings(self, scope: Scope) -> dict[str, Any]:
        """Return the `data` of the response to a `GET /settings` request."""
        host, port, secure = self._address_reached(scope)
        here = settings_to_wire(host=host, port=port, secure=secure, app_id=self._app_id, region=self._region)
        return {**here, **self._offers}

    def base(self, scope: Scope) -> str:
        """Return the URL at which clients reach the server, without a path.

        It is that of `public_url` if it is set; otherwise the scheme, host and port of the request.
        """
        host, port, secure = self._address_reached(scope)
        return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    def _address_reached(self, scope: Scope) -> tuple[str, int, bool]:
        if self._public is not None:
            secure = self._public.scheme in ("https", "wss")
            host, port = self._public.hostname or "localhost", self._public.port
        else:
            secure = scope["scheme"] == "https"
            try:
                reached = urlsplit("//" + header_text(headers_of(scope).get(b"host")))
                host, port = reached.hostname or scope["server"][0], reached.port
            except ValueError:
                host, port = scope["server"]
        return host, port or (443 if secure else 80), secure
