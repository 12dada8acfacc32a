"""Divides the server's paths: below `/console` and `/chat` it serves these pages, everywhere else the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from tailwire.server.limits.allowed_hosts import AllowedHosts
from tailwire.server.rest.asgi import Receive, Scope, Send, header_text, headers_of
from tailwire.server.web.page_files import File

Headers = list[tuple[bytes, bytes]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data: blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
"""The directives of the Content-Security-Policy of all pages: they load and request nothing from other servers, and run
no text as code.
"""
SAFE_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]
NO_CACHE_HEADER = (b"cache-control", b"no-cache")
"""Lets browsers keep a file, but makes them ask each time whether it has changed."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page with its files and its own requests. Its address is `/NAME/`.

    Attributes:
        files: its files, by their paths below its address; "" is the HTML of the page itself.
        policy: directives of its Content-Security-Policy that are added to `POLICY`, or replace those of the same name.
        routes: handlers (ASGI apps) of other requests, by the first part of their path below its address.
    """

    files: Mapping[str, File]
    policy: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, App] = field(default_factory=dict)

    @property
    def headers(self) -> Headers:
        """The headers of responses with files, such as the Content-Security-Policy."""
        policy = "; ".join(f"{name} {value}" for name, value in {**POLICY, **self.policy}.items())
        return [(b"content-security-policy", policy.encode()), NO_CACHE_HEADER, *SAFE_HEADERS]


class Front:
    """The ASGI app of the server.

    Args:
        api: the ASGI app that handles all requests that are not for a page.
        pages: the pages by their names; a name is the first part of all paths of its page.
        hosts: the host names that requests for pages may use. The API checks those of its requests itself.
    """

    def __init__(self, api: App, pages: Mapping[str, Page], hosts: AllowedHosts) -> None:
        self._api, self._pages, self._hosts = api, pages, hosts
        self._headers = {name: page.headers for name, page in pages.items()}
        self._prefixes = tuple(f"/{name}" for name in pages)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a page's file or request, or pass the request on to the API. The arguments are those of ASGI."""
        if scope["type"] == "http" and self._prefixes and scope["path"].startswith(self._prefixes):
            name, slash, rest = scope["path"][1:].partition("/")
            if name in self._pages:
                await self._serve_page(name, rest if slash else None, scope, receive, send)
                return
        await self._api(scope, receive, send)

    async def _serve_page(self, name: str, path: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        page, headers = self._pages[name], self._headers[name]
        if not self._hosts.allows(header_text(headers_of(scope).get(b"host"))):
            await _send(send, 421, headers, b"This server does not serve the host that the request names.\n")
            return
        if path is None:
            await _send(send, 308, [(b"location", f"/{name}/".encode()), *headers])
            return
        handler = page.routes.get(path.partition("/")[0])
        if handler is not None:
            await handler(scope, receive, send)
            return
        if scope["method"] not in ("GET", "HEAD"):
            await _send(send, 405, [(b"allow", b"GET, HEAD"), *headers])
            return
        file = page.files.get(path)
        if file is None:
            await _send(send, 404, headers, f"This page has no such file. Open /{name}/ instead.\n".encode())
            return
        headers = [(b"etag", file.tag), *headers]
        if _has_tag(headers_of(scope).get(b"if-none-match", b""), file.tag):
            await _send(send, 304, headers)
            return
        await _send(send, 200, headers, file.body, content_type=file.content_type, with_body=scope["method"] == "GET")


def _has_tag(header: bytes, tag: bytes) -> bool:
    tags = [one.strip().removeprefix(b"W/") for one in header.split(b",")]
    return tag in tags or b"*" in tags


async def _send(
    send: Send, status: int, headers: Headers, body: bytes = b"", *, content_type: bytes = b"text/plain; charset=utf-8",
    with_body: bool = True,
) -> None:  # fmt: skip
    more = [] if status == 304 else [(b"content-length", b"%d" % len(body))]
    if body:
        more.append((b"content-type", content_type))
    await send({"type": "http.response.start", "status": status, "headers": [*more, *headers]})
    await send({"type": "http.response.body", "body": body if with_body else b""})
