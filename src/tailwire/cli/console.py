"""`tailwire console`: prints a link that signs in to the web console of a running server.

The command asks the server for the link with a REST API key: that of the data folder, or the one in the environment
variable TAILWIRE_API_KEY. Without a URL it asks the server that has locked the data folder, so that the key is never
sent to another program that listens on the server's address.
"""

from __future__ import annotations

import argparse
import os
import ssl
import sys
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from tailwire.server.app.key_file import keys_in
from tailwire.server.app.opening import database_path, on_postgres
from tailwire.server.config import BadSetting, Settings, load
from tailwire.server.store.sqlite.lock import holder_url

KEY_VARIABLE = "TAILWIRE_API_KEY"
TIMEOUT_SECONDS = 10.0


class LinkUnavailable(Exception):
    """No link can be requested from the server. The text says why, and what to do."""


def console(args: argparse.Namespace) -> int:
    """Request a link to the web console from a running server, and print it.

    Returns:
        The exit code: 0; 1 if the server cannot be asked or refuses; 2 for an invalid setting.
    """
    try:
        settings = load({"data": args.data}, file=args.config)
        url = _checked_url(args.url.rstrip("/") or _running_server_url(settings))
        path, seconds = _request_link(url, _key_in(settings.data), args.ca or _own_certificate(settings.data, args.url))
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    except LinkUnavailable as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    print(url + path, flush=True)
    print(f"Open it in a browser within {seconds} seconds. It works once.", file=sys.stderr)
    return 0


def _key_in(data: str) -> str:
    if os.environ.get(KEY_VARIABLE):
        return os.environ[KEY_VARIABLE]
    keys = keys_in(data)
    if keys is None or not keys.api_key:
        raise LinkUnavailable(f"{data} has no REST API key: set {KEY_VARIABLE}, or name the data folder with --data")
    return keys.api_key


def _running_server_url(settings: Settings) -> str:
    if on_postgres(settings):
        raise LinkUnavailable("name the URL of the server: several may use this database")
    url = holder_url(database_path(settings))
    if not url:
        raise LinkUnavailable(f"no server runs on {settings.data}: start it, or name its URL")
    return url


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        local = False
    if parts.scheme not in ("http", "https") or not host:
        raise LinkUnavailable(f"{url!r} is not the URL of a server: use one like https://chat.example.com")
    if parts.scheme == "http" and not local:
        raise LinkUnavailable(
            f"the key is not sent to {host} over http, where others could read it: use https, or a tunnel"
        )
    return url


def _own_certificate(data: str, url: str) -> str:
    file = Path(data) / "development-cert.pem"
    return str(file) if not url and file.exists() else ""


def _request_link(url: str, key: str, ca: str) -> tuple[str, int]:
    try:
        verify = ssl.create_default_context(cafile=ca or None)
        with httpx2.Client(verify=verify, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            answer = client.post(f"{url}/v3/console/links", headers={"apikey": key})
        body = answer.json()
        if answer.status_code == 404:
            raise LinkUnavailable(f"{url} has no console: start the server with console=on")
        if answer.status_code != 200:
            raise LinkUnavailable(f"{url}: {body['error']['message']}")
        return str(body["data"]["path"]), int(body["data"]["seconds"])
    except (httpx2.HTTPError, OSError) as e:
        raise LinkUnavailable(f"{url} does not answer: {e}") from e
    except (ValueError, KeyError, TypeError) as e:
        raise LinkUnavailable(f"{url} is not a Tailwire server") from e
