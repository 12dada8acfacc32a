"""What the gateway knows of a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Socket(Protocol):
    """A WebSocket, as the gateway sees it (see `protocol.SocketProtocol`)."""

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
    frames: int
    bad_frames: int
    background_until: float
    inbox: list[bytes] | None
    window: float
    slow: bool
    write: Callable[[bytes], object]

    @property
    def address(self) -> str: ...

    def buffered(self) -> int: ...
    def go_on(self) -> None: ...
    def hold(self) -> None: ...
    def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
