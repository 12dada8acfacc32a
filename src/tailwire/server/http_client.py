"""Makes the HTTP clients with which the server sends requests to other services."""

from __future__ import annotations

from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2


class _NoCookies(CookieJar):
    def extract_cookies(self, response: object, request: object) -> None:
        """Ignore the cookies of a response, without parsing them."""


def make_http_client(**options: Any) -> httpx2.AsyncClient:
    """Return a client that keeps no cookies.

    One client is used for requests to many services, which users choose. It would keep all their cookies, and
    search all of them for each request.

    Args:
        options: the arguments of `httpx2.AsyncClient`.
    """
    import httpx2

    return httpx2.AsyncClient(cookies=_NoCookies(), **options)
