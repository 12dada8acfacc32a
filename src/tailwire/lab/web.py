"""The page's web app: files, events as server-sent events, and switches as POST.

Rules: it can be reached only from this machine, and only with the secret in the path; switches can be used only by the
page itself; the page loads nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tailwire.lab.graph import phase_graph
from tailwire.lab.lab import PHONE_NAMES, Lab
from tailwire.lab.phone import Refused
from tailwire.lab.recording import recording_of

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MAX_BODY_BYTES = 8192
KEEPALIVE_SECONDS = 10.0
_KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Guard:
    """ASGI middleware that passes on only the requests of the page's user, and adds security headers to responses.

    The `Host` header must name this machine, and the path must begin with a valid secret. If the request is not a GET,
    its `Origin` must be the page itself. Any other request gets an error response.

    Args:
        app: the app that gets the admitted requests.
        token: the secret, the first part of every path.
        port: the port of the page; a request must name it in its `Host` header.
        once: a single-use secret for the command line of a browser, which all users of the machine can read; "" for
            none. The first request with it is redirected to a path with a new secret. A second request means that one
            of the two came from another user: the new secret is then revoked.
        on_revoked: called when the new secret is revoked.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, once: str, on_revoked: Callable[[], None]) -> None:
        self._app, self._tokens = app, {token}
        self._once, self._granted, self._on_revoked = once, "", on_revoked
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or respond with 403 (`Host` or `Origin`), 404 (secret) or 410 (secret used twice)."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(Request(scope))

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                more = {
                    "content-security-policy": POLICY,
                    "x-content-type-options": "nosniff",
                    "referrer-policy": "no-referrer",
                    "cross-origin-resource-policy": "same-origin",
                    "cache-control": "no-store",
                }
                message["headers"] += [(k.encode(), v.encode()) for k, v in more.items()]
            await send(message)

        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("host", "") not in self._hosts:
            return _refusal_response(403, "this lab is only reachable as 127.0.0.1")
        parts = request.url.path.split("/")
        first = self._once and parts[2:] == [""] and request.method == "GET"
        if first and _is_same_secret(parts[1], self._once):
            return self._exchange()
        if len(parts) < 3 or not any(_is_same_secret(parts[1], token) for token in self._tokens):
            return _refusal_response(404, "not found: use the complete URL that the lab printed")
        origin = request.headers.get("origin")
        if origin is None and request.method == "GET":
            return None
        if origin is None or origin.removeprefix("http://") != request.headers["host"]:
            return _refusal_response(403, "other pages may not use this lab")
        return None

    def _exchange(self) -> Response:
        if not self._granted:
            self._granted = secrets.token_urlsafe(16)
            self._tokens.add(self._granted)
            return RedirectResponse(f"/{self._granted}/", 303)
        if self._granted in self._tokens:
            self._tokens.discard(self._granted)
            self._on_revoked()
        why = "this single-use URL was used before, perhaps by another user: use the URL that the lab printed"
        return _refusal_response(410, why)


def _is_same_secret(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())


def _refusal_response(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)


def _read_files() -> dict[str, tuple[bytes, str]]:
    found = {}
    for file in (files("tailwire.lab") / "page").iterdir():
        kind = _KINDS.get("." + file.name.rpartition(".")[2])
        if kind is not None:
            found[file.name] = (file.read_bytes(), kind)
    return found


class Endpoints:
    """The page's endpoints. They show either a lab or a recording.

    Args:
        lab: the lab to show; None to show a recording.
        replay: the recording to show, as returned by `recording.read_recording`; None to show a lab.
        slow: the factor with which the lab was started (see `Lab`).
    """

    def __init__(self, lab: Lab | None, replay: dict[str, Any] | None, slow: float) -> None:
        self._lab, self._replay, self._slow = lab, replay, slow
        self._files = _read_files()

    async def file(self, request: Request) -> Response:
        """Return a file of the page by its `name`, `index.html` by default; 404 if it does not exist."""
        content, kind = self._files.get(request.path_params.get("name", "index.html"), (b"", ""))
        return Response(content, media_type=kind) if kind else _refusal_response(404, "not found")

    async def about(self, request: Request) -> Response:
        """Return what the page shows, as JSON. A replay has the `mode` `replay` and the contents of the recording.

        Otherwise `mode` is `live`, `names` are those of the phones, `slow` is the factor by which the lab is slowed
        down, and `machine` is the graph of the phases of a connection.
        """
        if self._replay is not None:
            return JSONResponse({"mode": "replay", **self._replay})
        return JSONResponse({"mode": "live", "names": list(PHONE_NAMES), "slow": self._slow, "machine": phase_graph()})

    async def events(self, request: Request) -> Response:
        """Stream the lab's events as server-sent events: first `log` with those for a new page, then each new one.

        The response is 404 for a recording, and 503 if too many pages listen.
        """
        if self._lab is None:
            return _refusal_response(404, "a recording has no live events")
        try:
            queue = self._lab.log.listen()
        except RuntimeError as e:
            return _refusal_response(503, str(e))
        known = self._lab.log.page_events  # now, because later ones are in the queue
        return StreamingResponse(self._stream(queue, known), media_type="text/event-stream")

    async def _stream(
        self, queue: asyncio.Queue[dict[str, Any] | None], known: list[dict[str, Any]]
    ) -> AsyncIterator[str]:
        assert self._lab is not None
        log = self._lab.log
        try:
            yield f"event: log\ndata: {json.dumps({'now': log.now, 'events': known})}\n\n"
            while True:
                try:
                    async with asyncio.timeout(KEEPALIVE_SECONDS):
                        event = await queue.get()
                except TimeoutError:
                    yield ": keep-alive\n\n"
                    continue
                if event is None:
                    return
                yield f"data: {json.dumps(event)}\n\n"
        finally:
            log.leave(queue)

    async def do(self, request: Request) -> Response:
        """Use a switch: the JSON body has the arguments of `Lab.do`, `whom`, `what` and for some switches `text`.

        The response is 204, or an error: 400 or 413 for a bad body, 409 if the switch is refused or a recording is
        shown.
        """
        if self._lab is None:
            return _refusal_response(409, "a recording cannot be changed")
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                return _refusal_response(413, "the body is too large")
        try:
            switch = json.loads(body)
            whom, what, text = switch["whom"], switch["what"], switch.get("text", "")
            if not all(isinstance(word, str) for word in (whom, what, text)):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return _refusal_response(400, 'give {"whom": …, "what": …}, and "text" with send')
        try:
            self._lab.do(whom, what, text)
        except Refused as e:
            return _refusal_response(409, str(e))
        return Response(status_code=204)

    async def save(self, request: Request) -> Response:
        """Return the recording of the lab so far as a file to save; 409 if a recording is shown."""
        if self._lab is None:
            return _refusal_response(409, "this is a recording already")
        name = f"lab-{datetime.now():%Y%m%d-%H%M%S}.json"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(json.dumps(recording_of(self._lab)), media_type="application/json", headers=headers)


def web_app(
    lab: Lab | None, replay: dict[str, Any] | None, *, token: str, port: int, once: str = "", slow: float = 1.0
) -> ASGIApp:
    """Return the web app of the page.

    Args:
        lab: the lab to show; None to show a recording.
        replay: the recording to show if there is no lab.
        token: the secret, the first part of every path.
        port: the port of the page.
        once: the single-use secret (see `Guard`); "" for none.
        slow: the factor with which the lab was started (see `Lab`).
    """
    endpoints = Endpoints(lab, replay, slow)
    routes = [
        Route("/{token}/about.json", endpoints.about),
        Route("/{token}/events", endpoints.events),
        Route("/{token}/do", endpoints.do, methods=["POST"]),
        Route("/{token}/save", endpoints.save),
        Route("/{token}/{name}", endpoints.file),
        Route("/{token}/", endpoints.file, name="index"),
    ]
    return Guard(Starlette(routes=routes), token, port, once, lab.log.close if lab is not None else lambda: None)
