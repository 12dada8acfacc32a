"""Checks of settings: those of the edge of the server, and those of its operation."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tailwire.server.config import Settings

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


class BadSetting(ValueError):
    """A setting has an invalid name, type or value. The message names the setting and its source."""


def check_edge(s: Settings) -> None:
    """Check the settings of proxies, webhooks, pages and logs.

    Raises:
        BadSetting: naming the setting.
    """
    for name, value in (("trusted_proxies", s.trusted_proxies), ("webhook_targets", s.webhook_targets)):
        for network in value.split(","):
            try:
                if network.strip() and not (name == "webhook_targets" and network.strip() == "any"):
                    ip_network(network.strip())
            except ValueError as e:
                raise BadSetting(f"{name}: use comma-separated addresses or networks like 10.1.0.0/16: {e}") from e
    if s.proxy_protocol and not s.trusted_proxies.strip(" ,"):
        raise BadSetting("proxy_protocol requires trusted_proxies: other peers are not trusted to name the client")
    for name, choices in (
        ("forwarded_header", ("x-forwarded-for", "forwarded")),
        ("metrics", ("open", "key", "off")),
        ("docs", ("open", "key", "off")),
        ("log_level", ("debug", "info", "warning", "error")),
        ("log_format", ("text", "json")),
    ):
        if getattr(s, name) not in choices:
            raise BadSetting(f"{name} must be one of {', '.join(choices)}, not {getattr(s, name)!r}")


def check_operation(s: Settings) -> None:
    """Check the settings of an operator's addresses and host names.

    Raises:
        BadSetting: naming the setting.
    """
    host, _, port = s.metrics_listen.rpartition(":")
    if s.metrics_listen and not (host and port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise BadSetting(f"metrics_listen must be like 127.0.0.1:9480, not {s.metrics_listen!r}")
    for name in s.allowed_hosts.split(","):
        if name.strip() and not _HOST.fullmatch(name.strip().removeprefix("*.")):
            raise BadSetting(f"allowed_hosts: use names like chat.example.com, without port, not {name.strip()!r}")
