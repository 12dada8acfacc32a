"""Requests to the client API: headers, connections, errors. `answers` interprets the responses."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import nullcontext, suppress
from typing import Any
from urllib.parse import urlsplit

from tailwire import __version__
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import AnswerTooLarge, CometChatException, failure, not_reached
from tailwire.sdk.io.answers import ACCEPTED_ENCODING, Answer, BadBody, Body, BodyTooLarge
from tailwire.sdk.io.failures import advice_for, cause_of_error
from tailwire.sdk.io.progress_timeout import (
    OWN_STALLED_SECONDS,
    STALLED_SECONDS,
    TOTAL_SECONDS,
    UPLOAD_OWN_STALLED_SECONDS,
    UPLOAD_STALLED_SECONDS,
    ProgressTimeout,
)
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.world import Identity, World
from tailwire.wire.frames import CLIENT_HEADER, REQUEST_HEADER

log = logging.getLogger("tailwire")
FIRST_BYTE_SECONDS = 5.0
"""Seconds within which the first byte of a response must arrive on a reused connection, which may be dead."""
MAX_UNSENT_BYTES = 16 * 1024
"""The maximum number of unsent bytes that the system buffers for a connection, and the chunk size of uploads. A line
of 10 kbit/s sends them within the time after which an upload counts as stalled."""


def _do_nothing() -> None:
    """Do nothing: the default for `Http.on_answer` and `Http.on_success`."""


class Http:
    """Sends the requests of one client to the client API.

    Args:
        base_url: the URL of the client API, without a trailing slash.
        tls: the app's own TLS context; None for the default.
        traffic: records when bytes move on any connection of the client; a request is not given up while they do.
        proxy: the argument of `World.http_client`.

    Attributes:
        on_answer: called for each response of the chat server to `ask`, including its errors.
        traffic: the argument; by default a new object, which records the traffic of these requests only.
        on_success: called when a request of `ask` has succeeded, after `on_answer`.
    """

    def __init__(
        self,
        world: World,
        base_url: str,
        identity: Identity,
        tls: ssl.SSLContext | None,
        traffic: Traffic | None = None,
        proxy: str | None = None,
    ) -> None:
        self._world = world
        self._base_url = base_url
        self._identity = identity
        self._tls = tls
        self._proxy = proxy
        self.traffic: Traffic = traffic or Traffic(world.now)
        self._pool: _Pool | None = None
        self._old_pools: set[_Pool] = set()  # those whose requests are still running
        self._closed = False
        self._closing: set[asyncio.Task[None]] = set()
        self.on_answer: Callable[[], None] = _do_nothing
        self.on_success: Callable[[], None] = _do_nothing

    @property
    def base_url(self) -> str:
        """The client API's URL."""
        return self._base_url

    def progress_timeout(self) -> ProgressTimeout:
        """Return a new time limit for one call of the app, including all its retries."""
        return ProgressTimeout(self._world, self.traffic, STALLED_SECONDS, OWN_STALLED_SECONDS, total=TOTAL_SECONDS)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        key: str = "",
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        authorization: str = "",
        on_behalf_of: str = "",
        time_limit: ProgressTimeout | None = None,
        repeated: bool = False,
        number: str = "",
    ) -> Any:
        """Send a request. A GET or `PUT /me` is repeated once if a reused connection gave no response.

        Args:
            path: the path below the base URL, with a leading slash, without `.` and `..` as parts; or a whole URL.
            token, key, authorization: an auth token, an API key, or the pass that `PUT /me` returned; "" is not sent.
            on_behalf_of: the uid of the user for whom a REST API key acts; "" for the key itself.
            time_limit: the time limit of the call to which this request belongs, already entered; None for a new one.
            repeated: whether the caller repeats a failed request, so that `FIRST_BYTE_SECONDS` apply to it as to a GET.
            number: the request number, by which the server recognises a request that comes late or again; "" for none.

        Returns:
            `data` of the response.

        Raises:
            CometChatException: the server's code if it refused the request; `NO_INTERNET_CONNECTION`, with a `cause`,
                if it was not reached; `ERR_ANSWER_TOO_LARGE` if the response to a GET is too large, for other methods
                `NO_INTERNET_CONNECTION`; `ERR_CLIENT_CLOSED`; `ERR_INVALID_ARGUMENT` for an invalid body or path.
        """
        if time_limit is None:
            async with self.progress_timeout() as time_limit:
                return await self.ask(
                    method, path, token=token, key=key, body=body, query=query, authorization=authorization,
                    on_behalf_of=on_behalf_of, time_limit=time_limit, repeated=repeated, number=number,
                )  # fmt: skip
        headers = self._headers(token, key, authorization, {"onbehalfof": on_behalf_of, REQUEST_HEADER: number})
        content = None
        if body is not None:
            try:
                content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            except (TypeError, ValueError, RecursionError) as e:
                raise failure("ERR_INVALID_ARGUMENT", f"It cannot be encoded as JSON: {e}") from e
            headers["content-type"] = "application/json"
        url = self._url(path)
        request = {"method": method, "url": url, "headers": headers, "content": content, "params": query}
        safe = method == "GET" or (method, path) == ("PUT", "/me")
        early = safe or repeated
        first_byte = ProgressTimeout(self._world, self.traffic, FIRST_BYTE_SECONDS, started=False) if early else None
        exchange = _Exchange(time_limit, first_byte)
        try:
            answer = await self._exchange(request, exchange)
        except CometChatException:
            if not (safe and exchange.is_unanswered):
                raise
            answer = await self._exchange(request, _Exchange(time_limit))
        return self._read(answer, method)

    def _headers(self, token: str, key: str, authorization: str, more: Mapping[str, str]) -> dict[str, str]:
        headers = {
            "accept-encoding": ACCEPTED_ENCODING,
            "appid": self._identity.app_id,
            "resource": self._identity.resource,
            "sdk": f"python@{__version__}",
            CLIENT_HEADER: __version__,
        }
        credentials = {"authtoken": token, "apikey": key, "authorization": authorization, **more}
        return headers | {name: value for name, value in credentials.items() if value}

    def _url(self, path: str) -> str:
        if "://" in path:
            return path
        if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):  # the HTTP library would resolve the dots
            raise failure("ERR_INVALID_ARGUMENT", f"{path} contains . or .. as a part: give the path itself.")
        return self._base_url + path

    def _read(self, answer: Answer, method: str) -> Any:
        try:
            data = answer.data()
        except AnswerTooLarge as e:
            if method == "GET":
                raise
            raise _in_doubt(e) from e
        except CometChatException as e:
            if e.cause is None:
                self.on_answer()
            raise
        self.on_answer()
        self.on_success()
        return data

    async def upload(self, url: str, pieces: AsyncIterator[bytes], size: int, content_type: str) -> None:
        """Upload a form to the URL that the server named for it, and wait until it is accepted.

        It fails after 30 s without a byte on any connection of the client, or two minutes without a byte of its own; if
        the progress of uploads is not visible (`World.sees_uploads`), after ten minutes.

        Args:
            url: the whole URL.
            pieces: yields the encoded form, in pieces of any size. An exception that it raises fails the upload.
            size: the size of the form in bytes.
            content_type: its Content-Type.

        Raises:
            CometChatException: with the server's code if it refused; `NO_INTERNET_CONNECTION` if the server was not
                reached; `ERR_BAD_ERROR_RESPONSE` if a file store refuses the form.
        """
        headers = {"content-type": content_type, "content-length": str(size), "accept-encoding": ACCEPTED_ENCODING}
        stalled, longest = (
            (UPLOAD_STALLED_SECONDS, UPLOAD_OWN_STALLED_SECONDS)
            if self._world.sees_uploads
            else (TOTAL_SECONDS, TOTAL_SECONDS)
        )
        async with ProgressTimeout(self._world, self.traffic, stalled, longest) as time_limit:

            async def in_chunks() -> AsyncIterator[bytes]:
                async for piece in pieces:
                    for start in range(0, len(piece), MAX_UNSENT_BYTES):
                        yield piece[start : start + MAX_UNSENT_BYTES]
                        time_limit.record_progress()  # the network accepted it: the next chunk is requested

            request = {"method": "POST", "url": url, "headers": headers, "content": in_chunks()}
            (await self._exchange(request, _Exchange(time_limit))).check_upload()

    async def _exchange(self, request: Mapping[str, Any], exchange: _Exchange) -> Answer:
        # Every exception of the library is converted here: callers expect only one class.
        pool = None
        self.traffic.awaited += 1
        try:
            pool = self._pool_in_use()
            pool.running += 1
            return await exchange.run(pool.client, request)
        except AnswerTooLarge as e:
            if request["method"] == "GET":
                raise
            raise _in_doubt(e) from e
        except CometChatException:
            raise
        except Exception as e:  # noqa: BLE001 - callers expect one class, without the library's traceback
            raise _not_reached(e, str(request["url"])) from None
        finally:
            self.traffic.awaited -= 1
            if pool is not None:
                pool.running -= 1
                if exchange.is_unanswered and pool is self._pool:
                    self.use_new_connections()  # the other connections are probably dead as well
                if pool is not self._pool:
                    self._close_pool(pool)

    # Connections.

    def _pool_in_use(self) -> _Pool:
        if self._closed:
            raise failure("ERR_CLIENT_CLOSED")
        if self._pool is None:
            self._pool = _Pool(self._world.http_client(self._tls, self._proxy))
        return self._pool

    def use_new_connections(self) -> None:
        """Use new connections for later requests. The old ones are closed once their running requests have finished."""
        pool, self._pool = self._pool, None
        if pool is not None:
            self._close_pool(pool)

    def _close_pool(self, pool: _Pool) -> None:
        self._old_pools.add(pool)
        if pool.running:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # an abandoned request is finalized after its event loop has ended; `close` closes the pool
        self._old_pools.discard(pool)
        task = loop.create_task(pool.close(), name="tailwire old connections")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all connections, including those with running requests. Later requests fail."""
        self._closed = True
        pools, self._pool = [*self._old_pools, *([self._pool] if self._pool is not None else [])], None
        for pool in pools:
            await pool.close()
        if self._closing:
            await asyncio.wait(list(self._closing))


class _Pool:
    """Pooled connections, and the number of requests that run on them."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.running = 0

    async def close(self) -> None:
        try:
            await self.client.aclose()
        except Exception as e:  # noqa: BLE001 - they are discarded in any case
            log.debug("connections were not closed cleanly: %r", e)


class _Exchange:
    """One request and its response, on one connection.

    Args:
        time_limit: the time limit of the call, notified when bytes move.
        first_byte: limits the wait for the first byte on a reused connection; None for no such limit.
    """

    def __init__(self, time_limit: ProgressTimeout, first_byte: ProgressTimeout | None = None) -> None:
        self._time_limit = time_limit
        self._first_byte = first_byte
        self._connected = self._sent = self._begun = self._failed = False
        self._stream: Any = None  # the newest connection of this exchange

    @property
    def is_unanswered(self) -> bool:
        """Whether the request failed, not by cancellation, without any byte of a response on a reused connection."""
        return self._failed and self._sent and not self._connected and not self._begun

    async def run(self, client: Any, request: Mapping[str, Any]) -> Answer:
        """Send the request by an `httpx2.AsyncClient`, and return the response. Call it once.

        Args:
            request: the keyword arguments of its method `build_request`.
        """
        import httpx2

        built = client.build_request(**request, timeout=httpx2.Timeout(None), extensions={"trace": self._trace})
        try:
            async with self._first_byte or nullcontext():
                response = await client.send(built, stream=True, follow_redirects=False)
        except asyncio.CancelledError:
            self._failed = self._time_limit.expired
            if self._stream is not None:  # the library may leave it open during a proxy's CONNECT or a TLS handshake
                await self._stream.aclose()
            raise
        except Exception:
            self._failed = True
            raise
        return await self._read(response)

    async def _read(self, response: Any) -> Answer:
        host, status, headers = response.url.host, response.status_code, response.headers
        content_type, retry_after = headers.get("content-type", "").lower(), headers.get("retry-after")
        try:
            body = Body(headers.get("content-encoding", ""))
            async for piece in response.aiter_raw():
                self._time_limit.record_progress()
                body.add(piece)
            return Answer(host, status, content_type, retry_after, body.content())
        except BodyTooLarge as e:
            raise Answer(host, status, content_type, retry_after, b"").too_large_error(str(e), e.head) from e
        except BadBody as e:
            raise Answer(host, status, content_type, retry_after, b"").not_ours_error(str(e)) from e
        finally:
            await response.aclose()

    async def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        # The library reports each step; "connection.connect_tcp.started" comes only for a new connection.
        event = name.partition(".")[2]
        if event == "connect_tcp.started":
            self._connected = True
        elif event == "connect_tcp.complete":
            self._time_limit.record_progress()
            self._stream = info["return_value"]
            _limit_unsent(self._stream)
            self._time_limit.traffic.watch(self._stream)
        elif event == "start_tls.complete":
            self._time_limit.record_progress()
            self._time_limit.traffic.watch(info["return_value"])
        elif event == "send_request_headers.started":
            self._sent = True
            if self._first_byte is not None and not self._connected:
                self._first_byte.start()
        elif event == "receive_response_headers.complete":
            self._begun = True
            self._time_limit.record_progress()


def _limit_unsent(stream: Any) -> None:
    # The system would buffer megabytes for a slow line, which hides the progress.
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    raw = stream.get_extra_info("socket")
    if option is not None and raw is not None:
        with suppress(OSError):  # not supported by this system
            raw.setsockopt(socket.IPPROTO_TCP, option, MAX_UNSENT_BYTES)


def _in_doubt(error: AnswerTooLarge) -> CometChatException:
    # The request may have been executed, so this is not a refusal.
    return not_reached(Cause.NOT_OUR_SERVER, error.problem)


def _not_reached(error: Exception, url: str) -> CometChatException:
    import httpx2

    words = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, httpx2.ProxyError | ImportError):
        return not_reached(Cause.PROXY_REFUSED, f"{words}. Check the proxy settings of this device.")
    if isinstance(error, httpx2.TransportError | OSError):
        cause = cause_of_error(error)
        return not_reached(cause, f"{urlsplit(url).netloc}: {words}. {advice_for(cause, words, url)}")
    return not_reached(Cause.NOT_OUR_SERVER, f"{words}. Check the host and the proxy settings.")
