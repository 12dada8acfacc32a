"""Checks the values of settings, alone and together."""

from __future__ import annotations

import dataclasses
import re
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tailwire.wire.frames import CLIENT_FEATURES

if TYPE_CHECKING:
    from tailwire.server.config import Settings

JWT_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""The permitted algorithms for JWTs. All of them verify with a public key: anyone who knows a shared secret could also
sign JWTs."""
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


class BadSetting(ValueError):
    """A setting has an invalid name, type or value. The message names the setting."""


def entries_of(value: str) -> list[str]:
    """Return the entries of a comma-separated value, without spaces around them and without empty ones."""
    return [one.strip() for one in value.split(",") if one.strip()]


def check(s: Settings) -> None:
    """Check the values of settings, alone and in combination.

    Raises:
        BadSetting: if a value is invalid; the message names the setting.
    """
    if not 0 <= s.port <= 65535:
        raise BadSetting(f"port must be from 0 to 65535, not {s.port}")
    if bool(s.tls_cert) != bool(s.tls_key):
        raise BadSetting("tls_cert and tls_key must be set together")
    if s.database and not s.database.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise BadSetting("database: use sqlite:///FILE or postgresql://USER@HOST/NAME")
    if s.uploads and not s.uploads.startswith("s3://"):
        raise BadSetting("uploads: use s3://BUCKET or s3://BUCKET/PREFIX, or leave it empty for the data folder")
    for name in ("redirect_downloads", "uploads_direct"):
        if getattr(s, name) and not s.uploads:
            raise BadSetting(f"{name} requires uploads=s3://BUCKET")
    _check_broker(s)
    for name in s.features.replace(" ", "").split(","):
        if name and name not in CLIENT_FEATURES:
            raise BadSetting(f"features: there is no feature {name!r}; choose from {', '.join(CLIENT_FEATURES)}")
    for name in (
        "sweep_interval", "auth_deadline", "silence_limit", "heartbeat_interval", "heartbeat_timeout",
        "returns_per_second", "request_deadline", "keep_alive", "read_deadline", "webhook_longest_gap",
        "max_webhook_waiting", "jwt_lifetime", "frames_per_second", "max_frame", "max_body", "max_data", "max_file",
        "slow_drop", "slow_close", "max_tokens", "max_group_members", "max_groups_per_user",
    ):  # fmt: skip
        if getattr(s, name) <= 0:
            raise BadSetting(f"{name} must be more than 0")
    for field in dataclasses.fields(s):
        value = getattr(s, field.name)
        if isinstance(value, int | float) and value < 0:
            raise BadSetting(f"{field.name} must not be less than 0")
    if s.silence_limit < 4 * s.heartbeat_interval:
        raise BadSetting(
            f"silence_limit must be at least four times heartbeat_interval ({4 * s.heartbeat_interval:g}), "
            f"not {s.silence_limit:g}: clients send something every two intervals"
        )
    try:
        reached = urlsplit(s.public_url)
        good = not s.public_url or (reached.scheme in ("http", "https", "ws", "wss") and bool(reached.hostname))
        good = good and reached.port != 0  # an invalid port raises
    except ValueError:
        good = False
    if not good:
        raise BadSetting(f"public_url must be like https://chat.example.com, not {s.public_url!r}")
    _check_edge(s)
    _check_operation(s)
    _check_sign_in(s)
    _check_push(s)


def _check_broker(s: Settings) -> None:
    if s.broker and not s.broker.startswith(("nats://", "tls://")):
        raise BadSetting("broker: use nats://HOST or tls://HOST, or leave it empty")
    if s.broker and not s.database.startswith(("postgresql://", "postgres://")):
        raise BadSetting("broker: only servers on a PostgreSQL database share it; set database, or leave broker empty")


def _check_edge(s: Settings) -> None:
    for name, value in (
        ("trusted_proxies", s.trusted_proxies),
        ("webhook_targets", s.webhook_targets),
        ("push_targets", s.push_targets),
    ):
        for network in value.split(","):
            try:
                if network.strip() and not (name.endswith("_targets") and network.strip() == "any"):
                    ip_network(network.strip())
            except ValueError as e:
                raise BadSetting(f"{name}: use comma-separated addresses or networks like 10.1.0.0/16: {e}") from e
    if s.proxy_protocol and not s.trusted_proxies.strip(" ,"):
        raise BadSetting("proxy_protocol requires trusted_proxies: other peers are not trusted to name the client")
    for name, choices in (
        ("forwarded_header", ("x-forwarded-for", "forwarded")),
        ("metrics", ("open", "key", "off")),
        ("docs", ("open", "key", "off")),
        ("console", ("auto", "on", "off")),
        ("chat", ("auto", "on", "off")),
        ("log_level", ("debug", "info", "warning", "error")),
        ("log_format", ("text", "json")),
        ("push_content", ("full", "title", "none")),
    ):
        if getattr(s, name) not in choices:
            raise BadSetting(f"{name} must be one of {', '.join(choices)}, not {getattr(s, name)!r}")


def _check_operation(s: Settings) -> None:
    host, _, port = s.metrics_listen.rpartition(":")
    if s.metrics_listen and not (host and port.isascii() and port.isdecimal() and int(port) <= 65535):
        raise BadSetting(f"metrics_listen must be like 127.0.0.1:9480, not {s.metrics_listen!r}")
    for name in s.allowed_hosts.split(","):
        if name.strip() and not _HOST.fullmatch(name.strip().removeprefix("*.")):
            raise BadSetting(f"allowed_hosts: use names like chat.example.com, without port, not {name.strip()!r}")


def _check_push(s: Settings) -> None:
    if s.push_contact and not s.push_contact.startswith(("mailto:", "https://")):
        raise BadSetting("push_contact must be like mailto:admin@example.com or https://example.com/contact")
    for name in ("apns_key_id", "apns_team_id", "apns_topic"):
        if s.apns_key and not getattr(s, name):
            raise BadSetting(f"apns_key requires {name}")
    for name in ("push_lifetime", "max_push_tokens"):
        if getattr(s, name) <= 0:
            raise BadSetting(f"{name} must be more than 0")
    for name in ("fcm_url", "apns_url"):
        if not getattr(s, name).startswith(("https://", "http://")):
            raise BadSetting(f"{name} must be a URL with https")


def _check_sign_in(s: Settings) -> None:
    if not s.auth_jwt_keys:
        return
    for name in ("auth_jwt_issuer", "auth_jwt_audience", "auth_jwt_uid"):
        if not getattr(s, name).strip(" ,"):
            raise BadSetting(f"auth_jwt_keys requires {name}: without it, JWTs for other apps would be accepted")
    for name in entries_of(s.auth_jwt_algorithms) or [""]:
        if name not in JWT_ALGORITHMS:
            raise BadSetting(f"auth_jwt_algorithms must be some of {', '.join(JWT_ALGORITHMS)}, not {name!r}")
    if "://" in s.auth_jwt_keys:
        try:
            url = urlsplit(s.auth_jwt_keys)
            good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0 and url.username is None
        except ValueError:
            good = False
        if not good:
            raise BadSetting("auth_jwt_keys must be an https:// URL without a password, or a file")
