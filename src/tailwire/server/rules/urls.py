"""Which URLs may stand where clients follow or show them."""

from __future__ import annotations

import re

from tailwire.server.ports.refusal import Refused

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_FOLLOWED = frozenset({"http", "https"})
ADVICE = "Use a URL with http or https, or one without a scheme."
PICTURES = "Use a URL with http or https, one without a scheme, or data:image."


def check_address(url: str, field: str, *, picture: bool) -> None:
    """Let a URL pass that a browser fetches, and nothing that it would run: `javascript:` and the like.

    Args:
        picture: whether it may be a picture itself (`data:image/...`).

    Raises:
        Refused: ERR_BAD_REQUEST, naming the field.
    """
    # Browsers drop control characters and the spaces around a URL before they look at its scheme.
    if any(character < " " or character == "\x7f" for character in url) or url != url.strip():
        raise Refused("ERR_BAD_REQUEST", {field: "Use a URL without control characters, and without spaces around it."})
    scheme = _SCHEME.match(url)
    if scheme is None or scheme[1].lower() in _FOLLOWED:
        return
    if picture and url[:11].lower() == "data:image/":
        return
    raise Refused("ERR_BAD_REQUEST", {field: PICTURES if picture else ADVICE})
