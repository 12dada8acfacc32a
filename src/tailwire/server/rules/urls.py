"""Validates URLs that clients follow or show."""

from __future__ import annotations

import re

from tailwire.server.ports.refusal import Refused

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_FOLLOWED = frozenset({"http", "https"})
ADVICE = "Use a URL with http or https, or one without a scheme."
PICTURE_ADVICE = "Use a URL with http or https, one without a scheme, or data:image."


def check_address(url: str, field: str, *, picture: bool) -> None:
    """Check that a URL is safe for clients: a browser would fetch it, and not run it as it runs `javascript:` URLs.

    Args:
        url: the URL, with or without a scheme.
        field: the name of the field, for the refusal.
        picture: whether the URL may also be a `data:image/...` URL, which contains a picture.

    Raises:
        Refused: ERR_BAD_REQUEST, naming the field: the URL has another scheme than http and https, control characters,
            or spaces around it.
    """
    # Browsers remove control characters and surrounding spaces before they parse the scheme.
    if any(character < " " or character == "\x7f" for character in url) or url != url.strip():
        raise Refused("ERR_BAD_REQUEST", {field: "Use a URL without control characters, and without spaces around it."})
    scheme = _SCHEME.match(url)
    if scheme is None or scheme[1].lower() in _FOLLOWED:
        return
    if picture and url[:11].lower() == "data:image/":
        return
    raise Refused("ERR_BAD_REQUEST", {field: PICTURE_ADVICE if picture else ADVICE})
