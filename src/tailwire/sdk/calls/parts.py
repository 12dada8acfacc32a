"""The parts of a client, made together by `init()`."""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.sender import Sender
from tailwire.sdk.calls.user_requests import UserRequests
from tailwire.sdk.dispatch.dispatcher import Dispatcher
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.exceptions import failure
from tailwire.sdk.gate import Gate
from tailwire.sdk.io.driver import Driver
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.link import Connector
from tailwire.sdk.io.world import Identity, World
from tailwire.sdk.listeners.registry import Streams
from tailwire.sdk.outbox import Outbox
from tailwire.sdk.own_changes import OwnChanges
from tailwire.sdk.sending import Sending
from tailwire.sdk.session_holder import SessionHolder
from tailwire.sdk.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Parts:
    """The internal objects of a client that its public methods use. `init()` makes them once; none is ever replaced.

    Attributes:
        outbox: the queued messages; None when the app has not enabled the outbox.
    """

    world: World
    identity: Identity
    settings: AppSettings
    gate: Gate
    sessions: SessionHolder
    http: Http
    connector: Connector
    tokens: Tokens
    driver: Driver
    queue: EventQueue
    dispatcher: Dispatcher
    streams: Streams
    incoming: Incoming
    own: OwnChanges
    requests: UserRequests
    sending: Sending
    sender: Sender
    outbox: Outbox | None

    def send_frame(self, text: str) -> None:
        """Send a frame on the open socket.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION` if no socket is open.
        """
        if not self.driver.send(text):
            raise failure("NO_WEBSOCKET_CONNECTION")


class ClientCore:
    """The base of `ChatClient`: holds what exists from the start, and the parts that `init()` makes.

    The modules of this package use it, because they cannot import `ChatClient`.
    """

    def __init__(self, world: World, identity: Identity, sessions: SessionHolder, gate: Gate) -> None:
        self._world = world
        self._identity = identity
        self._sessions = sessions
        self._gate = gate
        self._made_parts: Parts | None = None

    @property
    def _parts(self) -> Parts:
        if self._made_parts is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return self._made_parts


def parts_of(client: ClientCore) -> Parts:
    """Return the parts of a client, for other modules of this package.

    Raises:
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` before its `init()`.
    """
    return client._parts


def made_parts(client: ClientCore) -> Parts | None:
    """Return the parts of a client, or None before `init()`."""
    return client._made_parts


def gate_of(client: ClientCore) -> Gate:
    """Return the object that refuses calls on a closed client or in another event loop; it exists before `init()`."""
    return client._gate


def identity_of(client: ClientCore) -> Identity:
    """Return the app id of a client, and its name as a client instance; both are known before `init()`."""
    return client._identity


def checked_client(client: object) -> ClientCore | None:
    """Return the `client` argument of a builder's `build()`, after checking its type. None is allowed.

    Raises:
        TypeError: when `client` is not a `ChatClient`.
    """
    if client is not None and not isinstance(client, ClientCore):
        raise TypeError(
            f"this is a {type(client).__name__}, not a ChatClient. "
            "With the blocking client of tailwire.sync, give it the builder: chat.request(builder)"
        )
    return client
