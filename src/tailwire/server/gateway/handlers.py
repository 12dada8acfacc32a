"""The handlers of the frames that authenticated sockets send, by type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.ephemeral import Ephemeral
from tailwire.server.actions.receipts import Receipts
from tailwire.server.gateway.authentication import Authenticator
from tailwire.server.gateway.frames import AppState, Auth, ClientFrame, Receipt, Transient, Typing
from tailwire.server.gateway.sockets import Socket
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.connections import add_event
from tailwire.wire.frames import FrameType

WINDOW_GRACE_SECONDS = 5.0
MAX_WINDOW_SECONDS = 120.0

Handler = Callable[[Socket, ClientFrame, Any], Awaitable[None]]


class FrameHandlers:
    """The handlers of frames, by type.

    Args:
        clock: the time of the event loop.
        app_state_changed: called with the uid of a user when an app of theirs went to the background or came back.

    Attributes:
        by_type: for each type of frame, a tuple of the type of its body and its handler. The handler is a coroutine
            function that takes the socket, the frame and the decoded body, and may raise `Refused`.
    """

    def __init__(
        self,
        ephemeral: Ephemeral,
        receipts: Receipts,
        authenticator: Authenticator,
        clock: Callable[[], float],
        app_state_changed: Callable[[str], None],
    ) -> None:
        self._ephemeral = ephemeral
        self._receipts = receipts
        self._authenticator = authenticator
        self._clock = clock
        self._app_state_changed = app_state_changed
        self.by_type: Mapping[str, tuple[type[Any], Handler]] = {
            FrameType.TYPING: (Typing, self._handle_typing),
            FrameType.RECEIPTS: (Receipt, self._handle_receipt),
            FrameType.TRANSIENT: (Transient, self._handle_transient),
            FrameType.APP_STATE: (AppState, self._handle_app_state),
            FrameType.AUTH: (Auth, self._renew_token),
        }

    async def _handle_typing(self, socket: Socket, frame: ClientFrame, body: Typing) -> None:
        await self._ephemeral.publish_typing(
            _caller(socket), frame.receiver, frame.receiver_type, body.action, body.metadata
        )

    async def _handle_receipt(self, socket: Socket, frame: ClientFrame, body: Receipt) -> None:
        await self._receipts.record_receipt(_caller(socket), body.action, body.message_id)

    async def _handle_transient(self, socket: Socket, frame: ClientFrame, body: Transient) -> None:
        await self._ephemeral.publish_transient(_caller(socket), frame.receiver, frame.receiver_type, body.data)

    async def _handle_app_state(self, socket: Socket, frame: ClientFrame, body: AppState) -> None:
        if body.state == "background" and 0 < body.window <= MAX_WINDOW_SECONDS:
            socket.window = body.window
            now = self._clock()
            socket.background_until = now + body.window + WINDOW_GRACE_SECONDS
            add_event(socket.history, now, "background", f"for {body.window:g} s")
        elif body.state == "foreground":
            socket.background_until = 0.0
            add_event(socket.history, self._clock(), "foreground")
        else:
            raise Refused("ERR_BAD_REQUEST", {"body": "Use background with a window of up to 120 s, or foreground."})
        self._app_state_changed(socket.uid)

    async def _renew_token(self, socket: Socket, frame: ClientFrame, body: Auth) -> None:
        await self._authenticator.renew(socket, body)


def extend_background_window(socket: Socket) -> None:
    """Restart the background window of a socket that has just sent a ping; do nothing if its app is in the foreground.

    The background window is the time for which a socket may stay open while its app is in the background.
    """
    if socket.background_until:
        socket.background_until = socket.heard_at + socket.window + WINDOW_GRACE_SECONDS


def _caller(socket: Socket) -> Caller:
    return Caller(socket.uid, socket.device, socket.token)
