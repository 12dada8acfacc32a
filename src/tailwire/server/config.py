"""The settings of the server, read from arguments, `TAILWIRE_*` variables and a TOML file."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tailwire.server.setting_checks import BadSetting as BadSetting
from tailwire.server.setting_checks import check
from tailwire.server.setting_values import convert
from tailwire.wire.frames import CLIENT_FEATURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings. Durations are in seconds and sizes in bytes.

    Attributes:
        data: the folder of the database, of uploads and of key files.
        host: the address to listen on.
        port: the port to listen on; 0 picks a free one.
        database: `sqlite:///FILE` or `postgresql://USER@HOST/NAME`; empty for `tailwire.db` in `data`.
        broker: what connects several servers on one PostgreSQL database: empty for the database itself, which suits up
            to about four servers; or `nats://USER:PASSWORD@HOST:PORT`, with several hosts or URLs separated by
            commas, `nats://TOKEN@HOST`, or `tls://…` for an encrypted connection.
        broker_ca: file (PEM) of the certificate authority of the broker's certificate; empty for those of the system.
        uploads: where uploaded files are stored: `s3://BUCKET` or `s3://BUCKET/PREFIX`; empty for `uploads` in `data`.
        s3_endpoint: the URL of the S3 service, without the bucket; empty for `AWS_ENDPOINT_URL`, or AWS.
        s3_public_endpoint: the URL at which clients reach the S3 service, if it is another one; without the bucket.
        s3_region: the region of the bucket; empty for `AWS_REGION`.
        s3_access_key: the access key; empty for `AWS_ACCESS_KEY_ID`, or the role of the machine.
        s3_secret_key: the secret of the access key.
        redirect_downloads: send clients to the bucket for files, with URLs that are valid for 15 minutes; otherwise the
            server passes the files on.
        uploads_direct: let clients upload files for messages to the bucket itself; otherwise the server receives them.
        region: the region that `GET /settings` and the envelopes of webhooks name.
        tls_cert: certificate file (PEM).
        tls_key: private key file (PEM).
        tls_self_signed: create and use a self-signed certificate, for development.
        ready_file: a file that is written when the server listens.
        public_url: the URL at which clients reach the server, if it is behind a proxy.
        demo_users: create a few users to try things with.
        auth_deadline: a socket that has not authenticated within this time is closed.
        silence_limit: an authenticated socket that sends nothing for this time, although it was pinged, is closed; at
            least four times `heartbeat_interval`, because clients send something every two intervals.
        heartbeat_interval: the heartbeat interval that the server tells clients to use.
        heartbeat_timeout: the heartbeat timeout that the server tells clients to use.
        sweep_interval: how often all sockets are checked for limits and silence.
        upgrade_delay: delay of the WebSocket upgrade for clients other than the Python SDK (the JavaScript SDK needs
            it).
        receipt_delay: how long receipts are held back to be merged.
        features: features offered to clients beyond CometChat's protocol, comma-separated.
        presence_grace: how long a user still counts as online after their last socket broke.
        restart_window: clients are asked to spread their reconnects over this time when the server stops; longer if
            there are many (see `returns_per_second`), at most 30 s.
        returns_per_second: how many clients per second are asked to reconnect when the server stops.
        compress: compress lists of messages, conversations and groups for clients that accept it. A user who can write
            to another and observe the size of their responses may infer what others wrote.
        max_body: size of the largest request body.
        max_frame: size of the largest WebSocket message.
        max_data: size of the largest `data` of a message.
        slow_drop: typing and presence are not sent to a socket with more buffered bytes than this.
        slow_close: a socket with more buffered bytes than this is closed; its client reconnects and catches up.
        frames_per_second: frames that one socket may send, on average over `sweep_interval`; one more closes it.
        core_per_minute: logins, created and deleted users, created and joined groups in the whole app, successful or
            not; one user may use a tenth of it, an API key all of it; 0 for no limit.
        standard_per_minute: all other requests of the whole app, with the same share for one user; 0 for no limit.
        sends_per_minute: messages that one token may send, each receiver counted; 0 for no limit.
        requests_per_minute: requests that one token may make, without sent messages; 0 for no limit.
        logins_per_minute: logins of one uid; 0 for no limit.
        wrong_tokens_per_minute: wrong tokens and keys that are checked for one address; 0 for no limit.
        wrong_passwords_per_minute: wrong passwords that one user may try at one group; 0 for no limit. In addition, at
            most 3 passwords of a user and 64 in total are checked at the same time.
        upgrades_per_second: new WebSockets per second, paced evenly; 0 for no limit.
        overload_lag: lag of the event loop, in seconds, above which typing is not sent (twice that: nor presence, three
            times: nor receipts, four times: some sends are refused); 0 to ignore the lag.
        most_sends_under_way: how many sends may be in progress at the same time in a short burst; a tenth of that under
            lasting load. Further sends are refused with a time to retry; 0 for no limit.
        max_connections: open connections; 0 for as many as the descriptor limit of the system allows.
        request_deadline: how long the head of a request, and a TLS handshake, may take; then the connection is closed.
        read_deadline: how long a list that no index can answer may be searched; then the request is refused
            (`ERR_QUERY_TOO_BROAD`).
        least_rate: bytes per second that a request body or a response must transfer on average over 30 s; slower
            connections are closed; 0 for no limit.
        connections_per_address: open connections of one address (IPv6: of one /64), except trusted proxies; 0 for no
            limit.
        unauthenticated_per_address: WebSockets of one address that have not authenticated yet; 0 for no limit.
        trusted_proxies: networks of the proxies that are trusted to name the client of a request, comma-separated
            (`127.0.0.1, 10.1.0.0/16`).
        forwarded_header: the header in which trusted proxies name the client: `x-forwarded-for` or `forwarded`. They
            must write it themselves; the other one is ignored.
        proxy_protocol: trusted proxies start each connection with a header of the PROXY protocol (version 1 or 2).
        metrics: access to `/metrics`: `open` for anyone, `key` for a REST API key, `off` for no one.
        docs: access to `/docs` and `/openapi.json`: `open`, `key` or `off`, as for `metrics`.
        console: the page `/console`: `on`, `off`, or `auto`: on if only this machine reaches the server,
            which listens on a loopback address, without `public_url` and `trusted_proxies`.
        chat: the page `/chat`: `on`, `off` or `auto`, as for `console`. Where only this machine reaches the server, the
            users of `demo_users` log in there by a click.
        webhook_targets: networks besides public addresses that webhooks may reach, comma-separated; `any` for all. A
            server that listens on a loopback address, without `public_url` and `trusted_proxies`, may also reach
            loopback addresses.
        keep_alive: how long a connection is kept open for the next request; clients that keep theirs for less (the SDK:
            60 s) never use one that is just being closed. If there are more than `max_connections`, idle ones are
            closed earlier.
        max_group_members: members of a group.
        max_receipt_members: receipts are kept and sent for each member of a group that has at most this many.
        max_typing_members: typing is sent in a group that has at most this many members.
        max_presence_users: presence is sent while at most this many users are online.
        max_groups_per_user: groups of one user.
        max_friends: friends of one user.
        max_at_once: users or groups in one request.
        max_name: characters of a name.
        max_url: characters of an avatar, icon or link.
        max_metadata: size of the metadata of a user, group or role.
        max_tags: tags of one object.
        max_tag: characters of a tag.
        max_group_password: characters of a group's password.
        max_group_description: characters of a group's description.
        max_tokens: auth tokens of one user; beyond that the oldest are revoked, and their sockets closed.
        max_file: size of the largest file.
        max_files: files of one message.
        uploads_per_day: bytes that one user may upload in 24 hours; 0 for no limit.
        min_free_disk: free disk space that uploads must leave for the database; 0 to skip the check.
        deleted_files_after: how long a file is kept after the last message that refers to it was deleted.
        unused_files_after: how long an uploaded file is kept that no message, user or group has ever referred to; 0 for
            forever.
        max_pinned_messages: pinned messages of one conversation.
        max_saved_messages: saved messages of one user, as far as they are listed; ten times as many in all.
        max_pinned_conversations: pinned conversations of one user, as far as they are listed.
        token_lifetime: how long an auth token is valid after it was created; 0 until it is revoked.
        jwt_lifetime: how long the token that authenticates a WebSocket is valid.
        webhook_retry_for: how long a failed delivery of a webhook is retried, at growing intervals; 0 for only
            CometChat's retries after 10 and 30 s.
        webhook_longest_gap: the longest interval between two retries.
        webhook_failed_for: how long failed deliveries are kept, to be listed and sent again.
        max_webhook_waiting: deliveries that wait for one webhook; beyond that the oldest fail.
        max_webhook_failed: failed deliveries of one webhook that are kept; beyond that the oldest are deleted.
        log_level: `debug`, `info`, `warning` or `error`.
        log_format: `text`, or `json` for one JSON object per line.
        access_log: log each request and each WebSocket that opens or closes.
        metrics_listen: an address (`127.0.0.1:9480`) at which `/metrics` and `/health` are served in addition;
            `/metrics` is then not served at `port`.
        allowed_hosts: host names that a request may name in its `Host` header, comma-separated, with `*.` for
            subdomains; empty for any. `/health` is served under any name.
        drain_seconds: how long the server continues to serve after it was asked to stop, while `/health/ready` answers
            503.
        audit_kept_for: how long entries of the audit log are kept; 0 to keep none.
        max_audit_entries: entries of the audit log, of each of its three kinds; beyond that the oldest are deleted.
        auth_jwt_keys: where the public keys of your identity provider are, to accept its JWTs as auth tokens: the
            `https://` URL of a JWKS, or a file with a JWKS or with one public key (PEM); empty to accept none.
        auth_jwt_issuer: the issuer (`iss`) that a JWT must have.
        auth_jwt_audience: the audience (`aud`) that a JWT must have; of several, comma-separated, it must have one.
        auth_jwt_algorithms: algorithms with which a JWT may be signed, comma-separated: RS256, RS384, RS512, PS256,
            PS384, PS512, ES256, ES384, ES512, EdDSA.
        auth_jwt_uid: the claim with the uid.
        auth_jwt_name: the claim with the name of a user who is created; empty for the uid.
        auth_jwt_role: the claim with the role, which is set at each sign-in with a new JWT; empty to leave roles as
            they are.
        auth_jwt_create_users: create users at their first sign-in.
        auth_jwt_keys_kept_for: how long the keys are used while they cannot be fetched again.
        retain_messages: days after which messages are removed; 0 to keep them.
        retain_files: days after which uploaded files are removed, even if messages refer to them; 0 to keep them.
        push_contact: a `mailto:` or `https:` URL at which push services can reach you; turns on Web Push to browsers.
        push_targets: networks besides public addresses in which push services of browsers may be, comma-separated;
            `any` for all. Users name these services. URLs without TLS are accepted only with this setting.
        push_content: what push notifications contain: `full`, `title` (who wrote, not what) or `none`.
        push_delay: how long after a message its push notifications are sent, unless it was read by then.
        push_lifetime: how long a push notification is tried, and kept by the provider for devices it cannot reach.
        max_push_tokens: devices of one user that receive push notifications; beyond that the oldest are removed.
        fcm_credentials: file (JSON) with the key of a service account of Firebase; turns on FCM.
        fcm_url: the URL of the FCM service.
        apns_key: file (`.p8`) with the key for APNs; turns on APNs, and requires the next three.
        apns_key_id: the id of `apns_key` at Apple.
        apns_team_id: the id of the team at Apple.
        apns_topic: the bundle id of the app.
        apns_url: the URL of the APNs service; `https://api.sandbox.push.apple.com` for development.
    """

    data: str = ".tailwire"
    host: str = "127.0.0.1"
    port: int = 8480
    database: str = ""
    broker: str = ""
    broker_ca: str = ""
    uploads: str = ""
    s3_endpoint: str = ""
    s3_public_endpoint: str = ""
    s3_region: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = ""
    redirect_downloads: bool = False
    uploads_direct: bool = False
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
    features: str = ",".join(CLIENT_FEATURES)
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
    console: str = "auto"
    chat: str = "auto"
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
    log_format: str = "text"
    access_log: bool = False
    metrics_listen: str = ""
    allowed_hosts: str = ""
    drain_seconds: float = 0.0
    audit_kept_for: float = 31_536_000.0
    max_audit_entries: int = 1_000_000
    auth_jwt_keys: str = ""
    auth_jwt_issuer: str = ""
    auth_jwt_audience: str = ""
    auth_jwt_algorithms: str = "RS256,ES256"
    auth_jwt_uid: str = "sub"
    auth_jwt_name: str = "name"
    auth_jwt_role: str = ""
    auth_jwt_create_users: bool = False
    auth_jwt_keys_kept_for: float = 86_400.0
    retain_messages: float = 0.0
    retain_files: float = 0.0
    push_contact: str = ""
    push_targets: str = ""
    push_content: str = "full"
    push_delay: float = 1.5
    push_lifetime: float = 86_400.0
    max_push_tokens: int = 100
    fcm_credentials: str = ""
    fcm_url: str = "https://fcm.googleapis.com"
    apns_key: str = ""
    apns_key_id: str = ""
    apns_team_id: str = ""
    apns_topic: str = ""
    apns_url: str = "https://api.push.apple.com"


SECRET_SETTINGS = frozenset({"s3_access_key", "s3_secret_key"})
"""Settings whose values no log and no list may show."""
_PASSWORD = re.compile(r"([?&](?:ssl)?password=)[^&]*")
_PLACE = re.compile(r"[^:@]*|.*:\d*(?:/.*)?")


def redacted(settings: Settings, name: str) -> str:
    """Return the value of a setting as text for a log or a list, with `***` for a secret or a password in a URL."""
    value = str(getattr(settings, name))
    if name in SECRET_SETTINGS:
        return "***" if value else ""
    return _without_password(value) if name in ("database", "broker") else value


def _without_password(url: str) -> str:
    if url.startswith("postgres"):  # several hosts have one user
        return _address_without_password(url)
    return ",".join(_address_without_password(address) for address in url.split(","))


def _address_without_password(url: str) -> str:
    # The user name stays, a token does not: a user name is followed by a colon, or belongs to a database.
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    who, at, place = rest.rpartition("@")
    place = _PASSWORD.sub(r"\1***", place)
    if not at:
        # If a password contains a comma, this is the part of the password before it.
        is_place = scheme.startswith("postgres") or place.endswith("]") or _PLACE.fullmatch(place)
        return f"{scheme}{separator}{place if is_place else '***'}"
    user = who.partition(":")[0] if ":" in who or scheme.startswith("postgres") else "***"
    return f"{scheme}{separator}{user}@{place}"


def offered_features(settings: Settings) -> frozenset[str]:
    """Return the features of the setting `features` that this version of the server knows."""
    return frozenset(settings.features.replace(" ", "").split(",")) & frozenset(CLIENT_FEATURES)


def load(arguments: Mapping[str, Any], environment: Mapping[str, str] | None = None, file: str = "") -> Settings:
    """Load the settings. Arguments override the environment, which overrides the file, which overrides the defaults.

    Args:
        arguments: values by the name of the setting; None counts as not given.
        environment: environment variables; those named `TAILWIRE_<NAME>` are read. By default those of this process.
        file: a TOML file; "" for none.

    Raises:
        BadSetting: if the file, a setting in it or a value is invalid; the message names the setting.
    """
    fields = {f.name: type(f.default) for f in dataclasses.fields(Settings)}
    values: dict[str, Any] = {}
    if file:
        values |= _from_file(file, fields)
    for key, value in (os.environ if environment is None else environment).items():
        name = key.removeprefix("TAILWIRE_").lower()
        if key.startswith("TAILWIRE_") and name in fields:
            values[name] = convert(name, value, fields[name], key)
    values |= {k: convert(k, v, fields[k], f"--{k}") for k, v in arguments.items() if v is not None}
    settings = Settings(**values)
    check(settings)
    return settings


def unknown_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables `TAILWIRE_*` that name no setting, each with the most similar valid one; "" if none is."""
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
    return {name: convert(name, value, fields[name], file) for name, value in read.items()}
