"""The parts of the response of `GET /settings` that a client needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings of a server.

    Attributes:
        chat_host: the host name of the WebSocket, without scheme.
        chat_port: the port of the WebSocket; that for wss if the client uses https, else that for ws.
        parameters: the server's features and limits, by their names in CometChat's protocol.
    """

    chat_host: str
    chat_port: int
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any], *, secure: bool) -> ServerSettings:
        """Return the settings in a response of `GET /settings`.

        Args:
            data: the `data` of the response.
            secure: whether the client uses https, and so wss.

        Raises:
            ValueError: the host or port is missing or has the wrong type.
        """
        host, port = data.get("CHAT_HOST"), data.get("CHAT_WSS_PORT" if secure else "CHAT_WS_PORT")
        if not isinstance(host, str) or not host:
            raise ValueError("CHAT_HOST is missing in the settings")
        if not isinstance(port, int | str):
            raise ValueError("the WebSocket's port is missing in the settings")
        parameters = data.get("parameters")
        return cls(host, int(port), parameters if isinstance(parameters, Mapping) else {})


def settings_to_wire(*, host: str, port: int, secure: bool, app_id: str, region: str) -> dict[str, Any]:
    """Return the `data` of the server's response to `GET /settings`.

    Args:
        host, port: where the client reached the server. It is to open the WebSocket there, too.
        secure: whether the client used https.
        app_id: the id of the app.
        region: the name of the region, which the client does not use.
    """
    here = f"{host}:{port}"
    return {
        "appId": app_id,
        "CHAT_HOST": host,
        "CHAT_WS_PORT": port,
        "CHAT_WSS_PORT": port,
        "CHAT_USE_SSL": secure,
        "CLIENT_API_HOST": here,
        "ADMIN_API_HOST": here,
        "CHAT_API_VERSION": "v3",
        "WS_API_VERSION": "v3.0",
        "MODE": "DEFAULT",
        "REGION": region,
        "MAIN_DOMAIN": here,
        "ANALYTICS_HOST": here,
        "ANALYTICS_VERSION": "v3",
        "ANALYTICS_PING_DISABLED": True,
        "EXTENSION_DOMAIN": here,
        "settingsHash": "1",
        "extensions": [],
    }
