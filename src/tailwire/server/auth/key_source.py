"""Fetches the public keys of an identity provider when they are needed, and keeps them for a bounded time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from tailwire.server.auth.public_keys import PublicKey, read_keys, select_key
from tailwire.server.http_client import make_http_client
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

REFRESH_SECONDS = 600.0
"""The age at which keys are fetched again before they are used, so that a withdrawn key is not accepted for long."""
UNKNOWN_KEY_SECONDS = 60.0
"""The shortest time between a successful fetch and the next one, although anybody can send JWTs with unknown keys."""
RETRY_SECONDS = 10.0
"""The shortest time between a fetch that failed and the next one."""
FETCH_SECONDS = 5.0
MAX_CONTENT_BYTES = 256 * 1024
UNAVAILABLE_TEXT = "The keys of the identity provider cannot be fetched. Nothing is wrong with the token: try again."

Fetch = Callable[[], Awaitable[bytes]]


def fetch_from(place: str) -> Fetch:
    """Return a coroutine function that reads keys for `KeySource`, and fails if there are over `MAX_CONTENT_BYTES`.

    Args:
        place: a URL, or the path of a file.
    """

    async def from_url() -> bytes:
        return await _fetch_url(place)

    async def from_file() -> bytes:
        return await asyncio.get_running_loop().run_in_executor(None, _read_file, Path(place))

    return from_url if "://" in place else from_file


class KeySource:
    """Keeps the public keys of an identity provider, and fetches them again from time to time.

    Args:
        place: the URL or path of the keys, for the log.
        fetch: returns the content of a JWKS or PEM file. It may raise any exception if it cannot.
        clock: seconds, monotonic.
        kept_for: the longest time in seconds since the last successful fetch for which keys are used while further
            fetches fail; values below `REFRESH_SECONDS` have the same effect as that.
    """

    def __init__(self, place: str, fetch: Fetch, clock: Callable[[], float], kept_for: float) -> None:
        self._place = place
        self._fetch = fetch
        self._clock = clock
        self._kept_for = kept_for
        self._keys: list[PublicKey] = []
        self._fetched_at: float | None = None
        self._not_before = 0.0
        self._problem = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Schedule the first fetch of the keys, so that a wrong setting is logged when the server starts."""
        self._begin()

    async def find(self, kid: str, algorithm: str) -> PublicKey | None:
        """Return the key with which to verify a JWT; None if the identity provider has no such key, or several.

        If the keys are old, or none fits, this waits for a fetch, but not if one has just been made.

        Args:
            kid: the key id in the header of the JWT; "" if it has none.
            algorithm: the algorithm in the header.

        Raises:
            Refused: ERR_UNAVAILABLE: no key was found, and the last fetch failed.
        """
        if self._fetched_at is None or self._clock() - self._fetched_at > REFRESH_SECONDS:
            await self._refresh()
        found = self._known_key(kid, algorithm)
        if found is None:
            await self._refresh()
            found = self._known_key(kid, algorithm)
        if found is None and (self._problem or self._fetched_at is None):
            raise Refused("ERR_UNAVAILABLE", UNAVAILABLE_TEXT, retry_after=RETRY_SECONDS)
        return found

    def _known_key(self, kid: str, algorithm: str) -> PublicKey | None:
        if self._fetched_at is None or self._clock() - self._fetched_at > max(self._kept_for, REFRESH_SECONDS):
            return None
        return select_key(self._keys, kid, algorithm)

    async def _refresh(self) -> None:
        self._begin()
        if self._task is not None:
            await asyncio.shield(self._task)  # a client that gives up does not end the fetch for others

    def _begin(self) -> None:
        # Starts a fetch, unless one is in progress, or the last one was only a moment ago.
        if self._task is None and self._clock() >= self._not_before:
            self._not_before = self._clock() + UNKNOWN_KEY_SECONDS
            self._task = asyncio.get_running_loop().create_task(self._run(), name="tailwire keys of JWTs")

    async def _run(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys = read_keys(await self._fetch())
        except Exception as e:  # noqa: BLE001 - the libraries raise many types for bad URLs, responses and keys
            self._not_before = self._clock() + RETRY_SECONDS
            self._record_failure(
                f"no response within {FETCH_SECONDS:g} seconds" if isinstance(e, TimeoutError) else str(e)
            )
        else:
            if self._problem or self._fetched_at is None:
                log.info("auth_jwt_keys: %d keys were read from %s", len(keys), self._place)
            self._keys, self._fetched_at, self._problem = keys, self._clock(), ""
        finally:
            self._task = None

    def _record_failure(self, problem: str) -> None:
        # One line for each outage, not for each attempt.
        if not self._problem:
            kept = "the previous keys are used meanwhile" if self._keys else "JWTs are refused with status 503"
            log.error("auth_jwt_keys: %s cannot be read, %s: %s", self._place, kept, problem[:500])
        self._problem = problem or "unknown"

    async def close(self) -> None:
        """Cancel a fetch that is in progress."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


async def _fetch_url(url: str) -> bytes:
    import httpx2

    verify: ssl.SSLContext | bool = False
    if url.startswith("https"):  # reading the certificates of the system takes a while
        verify = await asyncio.get_running_loop().run_in_executor(None, httpx2.create_ssl_context)
    # No redirect: it could lead to someone else's keys. No compression: the bound holds for what is transferred.
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with (
        make_http_client(verify=verify, timeout=FETCH_SECONDS, follow_redirects=False, headers=headers) as client,
        client.stream("GET", url) as response,
    ):
        if response.status_code != 200:
            raise ValueError(f"HTTP {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ValueError("the response is compressed")
        content = b""
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > MAX_CONTENT_BYTES:
                raise ValueError(f"it has more than {MAX_CONTENT_BYTES} bytes")
        return content


def _read_file(file: Path) -> bytes:
    with file.open("rb") as opened:
        content = opened.read(MAX_CONTENT_BYTES + 1)
    if len(content) > MAX_CONTENT_BYTES:
        raise ValueError(f"it has more than {MAX_CONTENT_BYTES} bytes")
    return content
