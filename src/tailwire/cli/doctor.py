"""`tailwire doctor URL`: tries a server from here, step by step, and says what is wrong at the first that fails."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

from tailwire.sdk.connection.explain import describe
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.io.failures import AttemptError
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.world import Identity, World
from tailwire.wire.frames import CLIENT_HEADER
from tailwire.wire.server_settings import ServerSettings

LIMIT = 10.0


def doctor(url: str) -> int:
    """Name lookup, TCP, settings, WebSocket.

    Returns:
        0 when all is well, else 1.
    """
    return asyncio.run(_examine(url if "://" in url else f"https://{url}"))


async def _examine(url: str) -> int:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        print(f"{url} is no URL of a server; use http[s]://name[:port]")
        return 1
    port = parts.port or (443 if parts.scheme == "https" else 80)
    world = World()
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v3'}"
    http = Http(world, base, Identity("", "DOCTOR"), None)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LIMIT):
            begin = time.monotonic()
            found = await loop.getaddrinfo(parts.hostname, port)
            _good("name lookup", begin, f"{found[0][4][0]}")
            begin = time.monotonic()
            _, writer = await asyncio.open_connection(parts.hostname, port)
            writer.close()
            _good("TCP", begin, f"port {port}")
            begin = time.monotonic()
            data = await http.ask("GET", "/settings")
            settings = ServerSettings.from_wire(data, secure=parts.scheme == "https")
            _good("settings", begin, f"WebSocket at {settings.chat_host}:{settings.chat_port}")
            begin = time.monotonic()
            scheme = "wss" if parts.scheme == "https" else "ws"
            address = f"{scheme}://{settings.chat_host}:{settings.chat_port}/"
            wire = await world.open_wire(address, {CLIENT_HEADER: "doctor"}, None)
            await wire.close(1000)
            _good("WebSocket", begin, address)
    except AttemptError as e:
        print(f"  failed  WebSocket: {describe(e.cause)}{f' ({e.details})' if e.details else ''}")
        return 1
    except (CometChatException, OSError, TimeoutError, ValueError) as e:
        print(f"  failed  {type(e).__name__}: {e}")
        return 1
    finally:
        await http.close()
    print("all is well")
    return 0


def _good(what: str, begin: float, detail: str) -> None:
    print(f"  ok      {what}: {detail} ({(time.monotonic() - begin) * 1000:.0f} ms)")
