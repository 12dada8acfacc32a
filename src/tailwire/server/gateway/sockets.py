"""The interface of a socket for the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tailwire.server.telemetry.connections import ConnectionEvent

if TYPE_CHECKING:
    from tailwire.server.gateway.liveness import Probe
    from tailwire.server.limits.slots import Slot


class Socket(Protocol):
    """A WebSocket, as the gateway sees it (see `protocol.SocketProtocol`). Times are event loop times."""

    address: str  # IP address of the client; "" if unknown
    unauthenticated_slot: Slot | None  # counts against the limit of its address until it has authenticated
    uid: str  # "" until it has authenticated
    device: str  # the client's name for its device
    token: str  # fingerprint of the auth token
    groups: set[str]  # guids of the groups whose frames it receives
    presence: frozenset[str] | None  # whose presence it receives: see `frames.presence_subscription`
    features: frozenset[str]  # granted features
    chained: bool  # has the feature `chain`
    ended_by: str  # who closed it, and why; "" while it is open
    closed_on_purpose: bool  # its user goes offline without the grace period
    opened_at: float
    heard_at: float  # when bytes were last received
    held_until: float  # the client is ignored until then, and then the socket is closed; 0.0 if it is not held
    token_until: float  # when its token expires; 0.0 for never
    frames: int  # received since the last sweep
    bad_frames: int  # invalid frames received in total
    background_until: float  # end of the background window; 0.0 in the foreground
    inbox: list[bytes] | None  # frames that wait to be handled; None while no task handles frames of this socket
    window: float  # seconds of its background window
    slow: bool  # more bytes than `slow_drop` are buffered: droppable frames are not sent to it
    probe: Probe | None  # the ping that it was sent because it is silent
    write: Callable[[bytes], object]  # writes encoded frames
    number: int  # the connection's number at this process; 0 until its handshake is complete
    platform: str  # as the client names it
    history: list[ConnectionEvent]  # what has changed about it, oldest first

    @property
    def transport(self) -> asyncio.Transport | None: ...
    def buffered(self) -> int: ...
    def ping(self) -> None: ...
    def process_more(self) -> None: ...
    def hold(self, until: float) -> None: ...
    def close(self, code: int, reason: str) -> None: ...
    def abort(self) -> None: ...
