"""`tailwire doctor URL`: tests the connection to a server step by step, and gives advice on the first failure."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.explain import describe
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.io.addresses import host_and_port
from tailwire.sdk.io.failures import AttemptError, cause_of_error
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.proxies import UnusableProxy, proxy_for
from tailwire.sdk.io.world import Identity, World
from tailwire.wire.close_codes import CloseCode
from tailwire.wire.frames import CLIENT_HEADER
from tailwire.wire.server_settings import ServerSettings

STEP_TIMEOUT_SECONDS = 10.0
MISSING_UID = "tailwire-doctor-asks-for-nobody"
"""The uid of a user who does not exist. Requesting a token for them tests a key without changing anything."""

_ADVICE = {
    Cause.NAME_LOOKUP_FAILED: "Check the name in the URL, and that this machine has a network.",
    Cause.CONNECTION_REFUSED: "Is the server running? `tailwire serve` starts it and prints its URL; check the port.",
    Cause.NETWORK_UNREACHABLE: "Check that this machine has a network and can reach that address.",
    Cause.ATTEMPT_TIMEOUT: "Check the address, and that no firewall drops the connection.",
    Cause.TLS_FAILED: "If the server speaks plain HTTP, write http:// in the URL.",
    Cause.CERTIFICATE_UNKNOWN_ISSUER: (
        "If you trust the certificate, name its file: --ca FILE here, AppSettingsBuilder().certificate_authority(FILE) "
        "in an app. With `serve --tls-self-signed` it is development-cert.pem in the server's data folder."
    ),
    Cause.CERTIFICATE_EXPIRED: "Renew the server's certificate, or set this machine's clock.",
    Cause.CERTIFICATE_WRONG_HOST: "Use the name for which the certificate was issued.",
    Cause.CAPTIVE_PORTAL: "Sign in to the network with a browser first.",
    Cause.PROXY_REFUSED: "Check the proxy settings of this machine; docs/networks.md says which are used.",
    Cause.WEBSOCKET_REFUSED: "Configure the proxy in between to pass WebSockets: see docs/server.md.",
    Cause.NOT_OUR_SERVER: "Check the URL: no chat server responds there.",
    Cause.SERVER_BUSY: "Try again in a moment.",
}


class _StepFailed(Exception):
    """A step failed. The text says what was observed, `advice` what to do about it; "" if nothing is known."""

    def __init__(self, observed: str, advice: str = "") -> None:
        super().__init__(observed)
        self.advice = advice


def doctor(url: str, *, app_id: str = "", auth_key: str = "", ca: str = "") -> int:
    """Test a server step by step, through the proxy that an app would use, and print the outcome of each step.

    The steps are name lookup, TCP, TLS, settings, WebSocket, app id and auth key.

    Args:
        url: `http[s]://name[:port][/path]`; https if it has no scheme.
        app_id, auth_key: an app id and an auth key of the app, to test both; "" to omit this. Give both or none.
        ca: a PEM file with the certificates to trust; "" for those of the system.

    Returns:
        The exit code: 0 if all steps succeeded; 1 if one failed; 2 for invalid arguments.
    """
    if bool(app_id) is not bool(auth_key):
        print("Give --app-id and --auth-key together: a key is tested with its app.")
        return 2
    try:
        return asyncio.run(_examine(url if "://" in url else f"https://{url}", app_id, auth_key, ca))
    except _StepFailed as e:
        print(f"  failed  {e}")
        if e.advice:
            print(f"          {e.advice}")
        return 1


@asynccontextmanager
async def _step(what: str) -> AsyncIterator[list[str]]:
    # Texts that the step appends to the list are printed after its name.
    begin, observed = time.monotonic(), list[str]()
    try:
        async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
            yield observed
    except AttemptError as e:
        raise _step_failed(what, e.cause, e.details) from e
    except CometChatException as e:
        raise _step_failed(what, e.cause, str(e.details)) if e.cause else _StepFailed(f"{what}: {e}") from e
    except TimeoutError as e:
        raise _step_failed(what, Cause.ATTEMPT_TIMEOUT, f"no response for {STEP_TIMEOUT_SECONDS:.0f} s") from e
    except OSError as e:
        raise _step_failed(what, cause_of_error(e), str(e)) from e
    print(f"  ok      {what}: {' '.join(observed)} ({(time.monotonic() - begin) * 1000:.0f} ms)")


def _step_failed(what: str, cause: Cause, observed: str) -> _StepFailed:
    return _StepFailed(f"{what}: {describe(cause)}{f' ({observed})' if observed else ''}", _ADVICE.get(cause, ""))


def _split_url(url: str) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as e:
        raise _StepFailed(f"{url} is not a URL: {e}", "Write it as http[s]://name[:port].") from e
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _StepFailed(f"{url} is not the URL of a server", "Write it as http[s]://name[:port].")
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v3'}"
    return parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), base


async def _examine(url: str, app_id: str, auth_key: str, ca: str) -> int:
    scheme, host, port, base = _split_url(url)
    world = World()
    try:
        tls = ssl.create_default_context(cafile=ca) if ca else None
    except OSError as e:
        raise _StepFailed(f"{ca} has no readable certificates: {e}") from e
    http = Http(world, base, Identity(app_id, "DOCTOR"), tls)
    try:
        proxy = await proxy_for(base, None)
        if proxy is not None:
            print(f"  through the proxy {proxy.name}, which looks the server's name up")
            host, port = proxy.host, proxy.port
        async with _step("name lookup") as observed:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            observed.append(", ".join(dict.fromkeys(str(one[4][0]) for one in found)))
        async with _step("TCP") as observed:
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            observed.append(f"port {port}")
        async with _step("settings") as observed:
            place = await _find_web_socket(http, secure=scheme == "https")
            observed.append(f"WebSocket at {place}")
        async with _step("WebSocket") as observed:
            address = f"{'wss' if scheme == 'https' else 'ws'}://{place}/"
            await (await world.open_wire(address, {CLIENT_HEADER: "doctor"}, tls)).close(CloseCode.NORMAL)
            observed.append(address)
        if app_id:
            async with _step("app id and auth key") as observed:
                await _try_key(http, auth_key)
                observed.append(f"accepted by the server of {app_id}")
    except UnusableProxy as e:
        raise _StepFailed(f"proxy: {e}", _ADVICE[Cause.PROXY_REFUSED]) from e
    finally:
        await http.close()
    print("all steps succeeded")
    return 0


async def _find_web_socket(http: Http, *, secure: bool) -> str:
    answer = await http.ask("GET", "/settings")
    try:
        settings = ServerSettings.from_wire(answer, secure=secure)
    except (ValueError, AttributeError) as e:  # the latter if it is not an object
        raise AttemptError(Cause.BAD_ANSWER, details=str(e)) from e
    return host_and_port(settings.chat_host, settings.chat_port)


async def _try_key(http: Http, auth_key: str) -> None:
    try:
        await http.ask("POST", f"/users/{MISSING_UID}/auth_tokens", key=auth_key, body={})
    except CometChatException as e:
        if e.code != "ERR_UID_NOT_FOUND":
            raise
