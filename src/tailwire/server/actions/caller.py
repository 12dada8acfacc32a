"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A logged-in user on one of her devices.

    Attributes:
        device: the `resource` of the client: what it causes is not sent back to it.
        token: fingerprint of the auth token.
    """

    uid: str
    device: str
    token: str
