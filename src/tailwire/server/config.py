"""Every setting of the server: name, type, default, meaning. From arguments, `TAILWIRE_*` and a TOML file."""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tailwire.wire.frames import FEATURES


class BadSetting(ValueError):
    """A setting has a wrong name, type or value. The message says which, and where it came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The server's settings. Durations are seconds, sizes bytes, rates per minute unless the name says otherwise.

    Attributes:
        data: the folder of the SQLite file, of uploads, and of the files with keys.
        host: the address to listen at.
        port: the port to listen at; 0 takes a free one.
        database: a database URL; empty for the SQLite file in `data`.
        broker: a broker URL; empty for the one in this process.
        region: what `GET /settings` names as the region.
        tls_cert: certificate file (PEM).
        tls_key: private key file (PEM).
        tls_self_signed: make and use a certificate for development.
        ready_file: written when the server listens.
        public_url: how clients reach the server, when it stands behind a proxy.
        demo_users: create a few users to try things with.
        auth_deadline: a socket that has not authenticated by then is closed.
        silence_limit: an authenticated socket that says nothing for so long, although it was asked, is closed; at least
            four times `heartbeat_interval`, since clients say something every two intervals.
        heartbeat_interval: the interval of heartbeats that is announced to clients.
        heartbeat_timeout: the timeout of heartbeats that is announced to clients.
        sweep_interval: how often the sockets are looked over.
        upgrade_delay: how long the upgrade of a client that does not name itself is held back (for the JavaScript SDK).
        receipt_delay: how long receipts are held back and merged.
        features: what is offered to clients that ask for it, beyond the documented protocol (comma between).
        presence_grace: how long a user counts as online after their last socket broke off.
        restart_window: the seconds over which clients are asked to come back when the server stops; more when they are
            many (`returns_per_second`), up to 30.
        returns_per_second: how many clients are asked to come back a second when the server stops.
        compress: lists of messages, conversations and groups are compressed for clients that can read them so. Whoever
            can write to a user and sees how long that user's answers are may guess from it what others wrote.
        max_body: the largest request body.
        max_frame: the largest WebSocket message.
        max_data: the largest `data` of a message.
        slow_drop: buffered bytes of a socket above which typing and presence are not sent to it.
        slow_close: buffered bytes of a socket above which it is closed, to come back and catch up.
        frames_per_second: frames of one socket, on average over a sweep; the first beyond that closes it.
        core_per_minute: logins, users made and deleted, groups made and joined, in the whole app, whether they succeed
            or not; one auth token may use a tenth of it, a key all; 0 for no limit.
        standard_per_minute: all other requests of the whole app; 0 for no limit.
        sends_per_minute: messages that one token may send: each of several receivers counts; 0 for no limit.
        requests_per_minute: other requests that one token may make; 0 for no limit.
        logins_per_minute: logins for one uid; 0 for no limit.
        wrong_tokens_per_minute: wrong tokens and keys that may come from one address; 0 for no limit.
        wrong_passwords_per_minute: wrong passwords that one user may try at one group; 0 for no limit. Besides, 3
            passwords of a user and 64 in all may be looked at at once.
        upgrades_per_second: new WebSockets that are let in, one after the other; 0 for no limit.
        overload_lag: seconds by which the event loop is late above which typing is left out (twice that: presence,
            three times: receipts, four times: fewer sends are taken); 0: it is not looked at.
        most_sends_under_way: sends that are worked on at once in a burst, and a tenth of it for long; one more is asked
            to come back later; 0 for no limit.
        max_connections: connections at once; 0: as many as the system's limit of descriptors allows.
        request_deadline: a connection that has not sent a whole request's head by then is closed.
        read_deadline: how long a list may be searched for that is not found by an index; then it is refused.
        least_rate: bytes a second that a body which comes in, or an answer which goes out, has to move on average over
            30 s; slower ones are ended. 0 for any.
        connections_per_address: connections that one address may have at once (of IPv6: one /64), but for trusted
            proxies; 0 for any number.
        unauthenticated_per_address: WebSockets of one address that have not authenticated yet; 0 for any number.
        trusted_proxies: networks of the proxies that are believed when they say whose request they bring, with commas
            between (`127.0.0.1, 10.1.0.0/16`).
        forwarded_header: the header in which they say so: `x-forwarded-for` or `forwarded`. They have to write it
            themselves; the other one is not read.
        proxy_protocol: trusted proxies begin each connection with a header of the PROXY protocol (version 1 or 2).
        metrics: who may read `/metrics`: `open` for everybody, `key` for a REST API key, `off` for nobody.
        docs: the same for `/docs` and `/openapi.json`.
        webhook_targets: networks beside public addresses that webhooks may reach, with commas between; `any` for all.
            A server that listens at a loopback address, without `public_url` and `trusted_proxies`, may reach loopback
            addresses too.
        keep_alive: how long a connection is kept for the next request after an answer; clients that keep theirs for
            less (the SDK: 60 s) never ask on one that is just being closed.
        max_group_members: the largest group.
        max_receipt_members: the largest group whose members' receipts are told and kept one by one.
        max_typing_members: the largest group whose members are told who types.
        max_presence_users: users online up to which it is told who comes and goes.
        max_groups_per_user: groups that one user may be in.
        max_friends: friends of one user.
        max_at_once: users or groups named in one call.
        max_name: characters of a name.
        max_url: characters of an avatar, icon or link.
        max_metadata: bytes of the metadata of a user, group or role.
        max_tags: tags of one thing.
        max_tag: characters of a tag.
        max_group_password: characters of a group's password.
        max_group_description: characters of a group's description.
        max_tokens: auth tokens of one user; the oldest go.
        max_file: the largest file.
        max_files: files of one message.
        uploads_per_day: bytes that one user may upload in 24 hours; 0 for no limit.
        min_free_disk: bytes of the disk that uploads leave free for the database; 0: it is not looked at.
        deleted_files_after: how long a file stays after the last message that named it was deleted.
        unused_files_after: how long a file stays that was uploaded and that no message, user or group has ever named;
            0: until you remove it.
        max_pinned_messages: pinned messages of one conversation.
        max_saved_messages: saved messages of one user.
        max_pinned_conversations: pinned conversations of one user.
        token_lifetime: how long an auth token is good for, counted from when it was made; 0: until it is taken back.
        jwt_lifetime: how long the token that authenticates a WebSocket is good for.
        webhook_retry_for: how long a webhook's delivery is tried again, in growing gaps; 0: only after the documented
            10 and 30 seconds.
        webhook_longest_gap: the longest gap between two tries.
        webhook_failed_for: how long deliveries that were given up are kept, to be listed and sent again.
        max_webhook_waiting: deliveries that wait for one webhook; beyond them the oldest are given up.
        max_webhook_failed: deliveries of one webhook that were given up and are kept; beyond them the oldest go.
        log_level: `debug`, `info`, `warning` or `error`.
    """

    data: str = ".tailwire"
    host: str = "127.0.0.1"
    port: int = 8480
    database: str = ""
    broker: str = ""
    region: str = "us"
    tls_cert: str = ""
    tls_key: str = ""
    tls_self_signed: bool = False
    ready_file: str = ""
    public_url: str = ""
    demo_users: bool = False
    auth_deadline: float = 10.0
    silence_limit: float = 60.0
    heartbeat_interval: float = 15.0
    heartbeat_timeout: float = 3.0
    sweep_interval: float = 2.0
    upgrade_delay: float = 0.04
    receipt_delay: float = 0.05
    features: str = ",".join(FEATURES)
    presence_grace: float = 10.0
    restart_window: float = 2.0
    returns_per_second: float = 150.0
    compress: bool = True
    max_body: int = 256 * 1024
    max_frame: int = 64 * 1024
    max_data: int = 10 * 1024
    slow_drop: int = 256 * 1024
    slow_close: int = 4 * 1024 * 1024
    frames_per_second: int = 100
    core_per_minute: int = 10_000
    standard_per_minute: int = 20_000
    sends_per_minute: int = 10_000
    requests_per_minute: int = 20_000
    logins_per_minute: int = 600
    wrong_tokens_per_minute: int = 300
    wrong_passwords_per_minute: int = 10
    upgrades_per_second: int = 500
    overload_lag: float = 0.1
    most_sends_under_way: int = 1_000
    max_connections: int = 0
    request_deadline: float = 10.0
    read_deadline: float = 1.0
    least_rate: int = 256
    connections_per_address: int = 10_000
    unauthenticated_per_address: int = 1_000
    trusted_proxies: str = ""
    forwarded_header: str = "x-forwarded-for"
    proxy_protocol: bool = False
    metrics: str = "open"
    docs: str = "open"
    webhook_targets: str = ""
    keep_alive: float = 75.0
    max_group_members: int = 100_000
    max_receipt_members: int = 300
    max_typing_members: int = 1_000
    max_presence_users: int = 1_000
    max_groups_per_user: int = 2_000
    max_friends: int = 1_000
    max_at_once: int = 25
    max_name: int = 100
    max_url: int = 3000
    max_metadata: int = 5 * 1024
    max_tags: int = 25
    max_tag: int = 100
    max_group_password: int = 100
    max_group_description: int = 255
    max_tokens: int = 100
    max_file: int = 100 * 1024 * 1024
    max_files: int = 10
    uploads_per_day: int = 2 * 1024 * 1024 * 1024
    min_free_disk: int = 256 * 1024 * 1024
    deleted_files_after: float = 0.0
    unused_files_after: float = 604_800.0
    max_pinned_messages: int = 100
    max_saved_messages: int = 100
    max_pinned_conversations: int = 5
    token_lifetime: float = 0.0
    jwt_lifetime: float = 86_400.0
    webhook_retry_for: float = 86_400.0
    webhook_longest_gap: float = 3600.0
    webhook_failed_for: float = 604_800.0
    max_webhook_waiting: int = 100_000
    max_webhook_failed: int = 10_000
    log_level: str = "info"


def offered(settings: Settings) -> frozenset[str]:
    """What is offered to clients that ask for it, beyond the documented protocol."""
    return frozenset(settings.features.replace(" ", "").split(",")) & frozenset(FEATURES)


def load(arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None, file: str = "") -> Settings:
    """The settings: arguments win over the environment, that over the file, that over the defaults.

    Args:
        arguments: by the setting's name; None counts as not given.
        environment: `TAILWIRE_<NAME>`; the process's own by default.
        file: a TOML file, or "".

    Raises:
        BadSetting: naming the setting and its source.
    """
    fields = {f.name: type(f.default) for f in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    if file:
        values |= _from_file(file, fields)
    for key, value in (os.environ if environment is None else environment).items():
        name = key.removeprefix("TAILWIRE_").lower()
        if key.startswith("TAILWIRE_") and name in fields:
            values[name] = _typed(name, value, fields[name], key)
    values |= {k: _typed(k, v, fields[k], f"--{k}") for k, v in arguments.items() if v is not None}
    settings = Settings(**values)
    _check(settings)
    return settings


def unknown_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that look like settings and are none, each with the one that may be meant, or ""."""
    known = [field.name for field in dataclasses.fields(Settings)]
    found = {}
    for variable in sorted(os.environ if environment is None else environment):
        name = variable.removeprefix("TAILWIRE_").lower()
        if variable.startswith("TAILWIRE_") and name not in known:
            close = get_close_matches(name, known, 1)
            found[variable] = f"TAILWIRE_{close[0].upper()}" if close else ""
    return found


def _from_file(file: str, fields: Mapping[str, type]) -> dict[str, Any]:
    try:
        read = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise BadSetting(f"{file}: {e}") from e
    for name in read:
        if name not in fields:
            close = "".join(get_close_matches(name, fields, 1))
            meant = f" (did you mean {close}?)" if close else ""
            raise BadSetting(f"{file}: there is no setting {name!r}{meant}")
    return {name: _typed(name, value, fields[name], file) for name, value in read.items()}


def _typed(name: str, value: Any, kind: type, source: str) -> Any:
    if kind is bool and isinstance(value, str):
        if value.lower() in ("1", "true", "yes", "on"):
            return True
        if value.lower() in ("0", "false", "no", "off", ""):
            return False
        raise BadSetting(f"{source}: {name} must be true or false, not {value!r}")
    if isinstance(value, bool) is not (kind is bool):
        raise BadSetting(f"{source}: {name} must be a {kind.__name__}, not {value!r}")
    try:
        typed = kind(value)
        if isinstance(typed, float) and not math.isfinite(typed):
            raise ValueError("not finite")
        if kind is int and isinstance(value, float) and typed != value:
            raise ValueError("not whole")
        return typed
    except (TypeError, ValueError, OverflowError) as e:
        raise BadSetting(f"{source}: {name} must be a {kind.__name__}, not {value!r}") from e


def _check(s: Settings) -> None:
    if not 0 <= s.port <= 65535:
        raise BadSetting(f"port must be from 0 to 65535, not {s.port}")
    if bool(s.tls_cert) != bool(s.tls_key):
        raise BadSetting("tls_cert and tls_key belong together")
    if s.database and not s.database.startswith("sqlite:///"):
        raise BadSetting("database: only sqlite:///FILE is supported in this version")
    if s.broker:
        raise BadSetting("broker: only the broker in this process is supported in this version")
    for name in s.features.replace(" ", "").split(","):
        if name and name not in FEATURES:
            raise BadSetting(f"features: there is no feature {name!r}; there are {', '.join(FEATURES)}")
    for name in (
        "sweep_interval", "auth_deadline", "silence_limit", "heartbeat_interval", "heartbeat_timeout",
        "returns_per_second", "request_deadline", "keep_alive", "read_deadline", "webhook_longest_gap",
        "max_webhook_waiting", "jwt_lifetime", "frames_per_second", "max_frame", "max_body", "max_data", "max_file",
        "slow_drop", "slow_close", "max_tokens", "max_group_members", "max_groups_per_user",
    ):  # fmt: skip
        if getattr(s, name) <= 0:
            raise BadSetting(f"{name} must be more than 0")
    for field in dataclasses.fields(Settings):
        value = getattr(s, field.name)
        if isinstance(value, int | float) and value < 0:
            raise BadSetting(f"{field.name} must not be less than 0")
    if s.silence_limit < 4 * s.heartbeat_interval:
        raise BadSetting(
            f"silence_limit must be at least four times heartbeat_interval ({4 * s.heartbeat_interval:g}), "
            f"not {s.silence_limit:g}: clients say something every two intervals"
        )
    try:
        reached = urlsplit(s.public_url)
        good = not s.public_url or (reached.scheme in ("http", "https", "ws", "wss") and bool(reached.hostname))
        good = good and reached.port != 0  # one that is none raises
    except ValueError:
        good = False
    if not good:
        raise BadSetting(f"public_url must be like https://chat.example.com, not {s.public_url!r}")
    _check_edge(s)
    if s.log_level not in ("debug", "info", "warning", "error"):
        raise BadSetting(f"log_level must be debug, info, warning or error, not {s.log_level!r}")


def _check_edge(s: Settings) -> None:
    for name, value in (("trusted_proxies", s.trusted_proxies), ("webhook_targets", s.webhook_targets)):
        for network in value.split(","):
            try:
                if network.strip() and not (name == "webhook_targets" and network.strip() == "any"):
                    ip_network(network.strip())
            except ValueError as e:
                raise BadSetting(f"{name}: use addresses or networks like 10.1.0.0/16, commas between: {e}") from e
    if s.proxy_protocol and not s.trusted_proxies.strip(" ,"):
        raise BadSetting("proxy_protocol needs trusted_proxies: only they are believed")
    for name, choices in (
        ("forwarded_header", ("x-forwarded-for", "forwarded")),
        ("metrics", ("open", "key", "off")),
        ("docs", ("open", "key", "off")),
    ):
        if getattr(s, name) not in choices:
            raise BadSetting(f"{name} must be one of {', '.join(choices)}, not {getattr(s, name)!r}")
