"""What the gateway knows of a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tailwire.server.gateway.liveness import Probe
    from tailwire.server.limits.slots import Slot


class Socket(Protocol):
    """A WebSocket, as the gateway sees it (see `protocol.SocketProtocol`)."""

    address: str  # where it comes from; "" where that is not known
    unauthenticated_slot: Slot | None  # counts it as one that has not authenticated
    uid: str
    device: str
    token: str
    groups: set[str]
    presence: frozenset[str] | None
    features: frozenset[str]
    chained: bool
    left: bool
    opened_at: float
    heard_at: float
    held_until: float  # nothing is read of it until then, when it is closed; 0.0: it is not held
    token_until: float  # when its token ends; 0.0: it does not
    frames: int
    bad_frames: int
    background_until: float
    inbox: list[bytes] | None
    window: float
    slow: bool
    probe: Probe | None  # what it was asked, while it is silent
    write: Callable[[bytes], object]

    @property
    def transport(self) -> asyncio.Transport | None: ...
    def buffered(self) -> int: ...
    def ping(self) -> None: ...
    def go_on(self) -> None: ...
    def hold(self, until: float) -> None: ...
    def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
