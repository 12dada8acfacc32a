"""Keeps all sockets of this process, and handles the frames that they send."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from tailwire.server.actions.ephemeral import Ephemeral
from tailwire.server.actions.receipts import Receipts
from tailwire.server.actions.sessions import Sessions
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.gateway.admission import Admission
from tailwire.server.gateway.authentication import Authenticator
from tailwire.server.gateway.connections import OpenConnections
from tailwire.server.gateway.frames import Auth, body_of, decode_frame
from tailwire.server.gateway.handlers import FrameHandlers, extend_background_window
from tailwire.server.gateway.liveness import LivenessCheck
from tailwire.server.gateway.server_frames import PONG, server_frame
from tailwire.server.gateway.sockets import Socket
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.access_log import AccessLog
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics
from tailwire.wire.close_codes import CloseCode
from tailwire.wire.frames import FrameType

PING_TEXT = b'{"action":"ping","ack":"true"}'
MAX_BAD_FRAMES = 20
FRAMES_PER_TURN = 2
SWEEP_COST_PER_TURN = 50
CLOSE_COST = 25  # relative to inspecting one socket
OFFLINE_PER_TURN = SWEEP_COST_PER_TURN // CLOSE_COST  # telling others that a user is offline costs as much
MAX_RESTART_SECONDS = 30.0
SILENT_CLOSE_SECONDS = 1.0
MAX_CAUSE_CHARACTERS = 40  # characters of a cause that a client reports


class Gateway:
    """Receives frames from sockets and calls the actions that they ask for.

    It also closes sockets that do not authenticate in time, are silent, or whose token or background window has ended.

    Args:
        loop: its clock is used, and frames are handled in its tasks.
        hub: authenticated sockets are added to it.
        sessions: knows the groups of a user.
        ephemeral: handles presence, typing and transient messages.
        receipts: handles receipts.
        admission: decides when a new socket may open; `SocketProtocol` asks it.
        overload: clients with the feature `throttled` are notified when its level begins or ends to affect them.
        authenticator: handles auth frames.
        access: the access log.

    Attributes:
        loop, settings, metrics, overload, admission: the arguments of these names.
        connections: the open connections and those that ended, for operators.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        hub: Hub,
        sessions: Sessions,
        ephemeral: Ephemeral,
        receipts: Receipts,
        metrics: Metrics,
        admission: Admission,
        overload: Overload,
        authenticator: Authenticator,
        access: AccessLog,
    ) -> None:
        self.loop = loop
        self.settings = settings
        self.metrics = metrics
        self.overload = overload
        self.admission = admission
        self._authenticator = authenticator
        self._access = access
        overload.listen(self._on_load_changed)
        self._hub = hub
        self._sessions = sessions
        self._ephemeral = ephemeral
        self._handlers = FrameHandlers(ephemeral, receipts, authenticator, loop.time, self._update_away)
        self.connections = OpenConnections(loop.time, lambda uid: cast(list[Socket], hub.sockets_of(uid)))
        self._sockets: dict[Socket, None] = {}  # in the order in which they were opened
        self._unreported: set[str] = set()  # users who came online, which is not reported yet
        self._liveness = LivenessCheck(settings.silence_limit)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep_timer: asyncio.Handle | None = None
        self._to_sweep: Iterator[Socket] = iter(())  # sockets that the current sweep has not inspected yet
        self._max_frames_per_sweep = settings.frames_per_second * settings.sweep_interval
        self._sockets_at_restart = 0

    # Opening and closing.

    def register(self, socket: Socket) -> None:
        """Register a socket whose WebSocket handshake is complete. It has `auth_deadline` seconds to authenticate."""
        self._sockets[socket] = None
        self.connections.assign_number(socket)
        self.metrics.sockets += 1
        self.metrics.upgrades += 1
        if self._sweep_timer is None:
            self._sweep_timer = self.loop.call_later(self.settings.sweep_interval, self._sweep)

    def forget(self, socket: Socket) -> None:
        """Remove a socket that is closed, and publish its user as offline or away if they are now.

        A socket that is not registered is ignored.
        """
        if socket not in self._sockets:
            return
        del self._sockets[socket]
        self.metrics.sockets -= 1
        self.connections.keep_ended(socket)
        self._access.socket_closed(
            uid=socket.uid, device=socket.device, address=socket.address, cause=socket.ended_by,
            seconds=self.loop.time() - socket.opened_at,
        )  # fmt: skip
        if not socket.uid:
            return
        if socket.closed_on_purpose and not socket.background_until:
            self._hub.left.record(socket.uid)
        grace = 0.0 if socket.closed_on_purpose or "grace" not in socket.features else self.settings.presence_grace
        if self._hub.remove(socket, self.loop.time() + grace if grace else 0.0):
            self._report_offline(socket.uid)
        else:
            self._update_away(socket.uid)

    def _report_offline(self, uid: str) -> None:
        self._hub.away.discard(uid)
        self._unreported.discard(uid)
        self._start_task(self._ephemeral.user_went_offline(uid))

    def _update_away(self, uid: str) -> None:
        # A user is away while all their apps are in the background. Only clients with `appState` report that.
        sockets = cast(list[Socket], self._hub.sockets_of(uid))
        away = bool(sockets) and all(socket.background_until for socket in sockets)
        if sockets and away is not (uid in self._hub.away):
            self._hub.away ^= {uid}
            if away:
                self._hub.left.record(uid)
            self._start_task(self._ephemeral.publish_away(uid))

    def _start_task(self, action: Any) -> None:
        task = self.loop.create_task(self._log_failure(action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _log_failure(self, action: Any) -> None:
        try:
            await action
        except Refused as e:
            log.info("refused code=%s", e.code)
        except Exception:  # noqa: BLE001 - nobody awaits the task, so its error is logged here
            log.exception("an action of the gateway failed")

    async def close(self) -> None:
        """Stop the periodic check of sockets, and wait up to 5 s for frames that are being handled."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=5)

    # Frames from clients.

    def handle_text(self, socket: Socket, text: bytes) -> None:
        """Handle a complete text message of a socket, without waiting.

        A ping is answered at once. Other frames of a socket are queued, and handled one after the other in a task. A
        socket that has sent too many frames is closed.
        """
        socket.frames += 1
        self.metrics.frames_in += 1
        if socket.frames > self._max_frames_per_sweep:
            self._close_flooding(socket)
        elif socket.inbox is not None:
            socket.inbox.append(text)
        elif text == PING_TEXT and socket.uid:
            self._send_pong(socket)
        else:
            socket.inbox = [text]
            self._start_task(self._drain(socket))

    def count_frame(self, socket: Socket) -> bool:
        """Count a WebSocket frame that is not a complete text message, such as a ping or a fragment.

        Returns:
            False if the socket was closed, because it has sent too many frames.
        """
        socket.frames += 1
        if socket.frames > self._max_frames_per_sweep:
            self._close_flooding(socket)
            return False
        return True

    def _close_flooding(self, socket: Socket) -> None:
        # Its pending frames are discarded, and its token is refused for a while.
        self._authenticator.record_flooding(socket)
        self.metrics.refusals["frames_per_second"] += 1
        if socket.inbox:
            socket.inbox.clear()
        self._end(socket, "too fast", CloseCode.FLOODING, "too many frames; send fewer")

    def _send_pong(self, socket: Socket) -> None:
        extend_background_window(socket)
        socket.write(PONG)

    async def _drain(self, socket: Socket) -> None:
        # Frames of one socket are handled one after the other, in order.
        handled = 0
        while socket.inbox:
            handled += 1
            if handled % FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)  # a flooding socket must not starve the others
            text = socket.inbox.pop(0)
            try:
                await self._handle(socket, text)
            except Refused as e:
                self._report_error(socket, e)
            except Exception:  # noqa: BLE001 - logged, and reported to the client as an error of the server
                log.exception("a frame of %s failed", socket.uid)
                self._report_error(socket, Refused("ERR_MISSION_FAILED"))
        socket.inbox = None
        socket.process_more()

    async def _handle(self, socket: Socket, text: bytes) -> None:
        try:
            frame = decode_frame(text)
        except Refused:
            self._count_bad_frame(socket)
            raise
        if not socket.uid:
            if frame.type != FrameType.AUTH:
                socket.close(CloseCode.NOT_AUTHENTICATED, "authenticate first: send an auth frame")
            else:
                await self._authenticate(socket, body_of(frame, Auth))
            return
        if frame.action == "ping":
            self._send_pong(socket)
            return
        if frame.type == FrameType.AUTH and "renew" not in socket.features:
            return  # without the feature a second auth frame is ignored
        entry = self._handlers.by_type.get(frame.type)
        if entry is None:
            self._count_bad_frame(socket)
            raise Refused("ERR_BAD_REQUEST", {"type": f"There is no frame of type {frame.type[:50]!r}."})
        body_type, handler = entry
        await handler(socket, frame, body_of(frame, body_type))

    def _count_bad_frame(self, socket: Socket) -> None:
        socket.bad_frames += 1
        if socket.bad_frames > MAX_BAD_FRAMES:
            self.metrics.closes["bad frames"] += 1
            socket.close(CloseCode.POLICY_VIOLATION, "too many invalid frames")

    def _report_error(self, socket: Socket, refused: Refused) -> None:
        # Other clients are only sent frames of CometChat's protocol, which has no error frame.
        if socket.features:
            socket.write(server_frame({"action": "error", "error": refused.as_error()}))

    async def _authenticate(self, socket: Socket, auth: Auth) -> None:
        if not await self._authenticator.admit(socket, auth) or socket not in self._sockets:
            return  # the socket may have closed meanwhile, and nothing would remove it from the hub
        if self._hub.add(socket):
            self._unreported.add(socket.uid)
        if not await self._authenticator.confirm(socket):
            return
        try:
            groups = await self._sessions.groups_of(socket.uid)
            # Messages that a group was sent before this user joined may still be on their way from another server.
            await self._hub.broker.passed(max(groups.values(), default=0))
        except Refused:
            socket.close(CloseCode.TRY_AGAIN_LATER, "the store cannot be read; reconnect later")
            return
        if socket not in self._sockets:
            return
        self._hub.join_groups(socket, groups)
        await self._hub.broker.wait_confirmed()
        if socket not in self._sockets:
            return
        self._authenticator.welcome(socket)
        self.metrics.authenticated += 1
        last = auth.client.last
        detail = f"came back after {last.cause[:MAX_CAUSE_CHARACTERS]}" if last is not None and last.cause else ""
        self.connections.record_change(socket, "authenticated", detail)
        self._access.socket_opened(uid=socket.uid, device=socket.device, address=socket.address)
        if last is not None and "cause" in socket.features:
            self.metrics.count_reconnect(last.cause, last.lived, last.attempts)
        if socket.uid in self._unreported:  # perhaps since an earlier socket, which was lost or is slower
            self._unreported.discard(socket.uid)
            await self._ephemeral.user_came_online(socket.uid, auth.platform)
        else:
            self._update_away(socket.uid)

    # The sweep: one timer for all sockets. It inspects a part of them in each turn of the event loop.

    def _sweep(self) -> None:
        self._to_sweep = iter(list(self._sockets))
        self._continue_sweep()

    def _continue_sweep(self) -> None:
        now = self.loop.time()
        cost = 0
        for socket in self._to_sweep:
            cost += CLOSE_COST if socket in self._sockets and self._close_if_due(socket, now) else 1
            if cost >= SWEEP_COST_PER_TURN:
                self._sweep_timer = self.loop.call_soon(self._continue_sweep)
                return
        expired = self._hub.expire_lingering(now, OFFLINE_PER_TURN)
        for uid in expired:
            self._report_offline(uid)
        if len(expired) == OFFLINE_PER_TURN:  # after a failure of a network there may be thousands
            self._sweep_timer = self.loop.call_soon(self._continue_sweep)
            return
        again = self._sockets or self._hub.has_lingering
        self._sweep_timer = self.loop.call_later(self.settings.sweep_interval, self._sweep) if again else None

    def _close_if_due(self, socket: Socket, now: float) -> bool:
        # Return whether the socket was closed.
        s = self.settings
        socket.frames = 0
        if socket.held_until:
            if now < socket.held_until:
                return False
            self._end(socket, "too fast", CloseCode.FLOODING, "you sent too many frames")
        elif not socket.uid:
            if now - socket.opened_at <= s.auth_deadline:
                return False
            self._authenticator.record_timeout(socket)
            self._end(socket, "not authenticated", CloseCode.AUTH_TIMEOUT, "no auth frame in time")
        elif self._liveness.is_dead(socket, now):
            self._end(
                socket, "silent", CloseCode.SILENT, "nothing was received for too long, not even an answer to a ping"
            )
            self.loop.call_later(SILENT_CLOSE_SECONDS, socket.abort)  # if the peer does not take the close frame
        elif socket.background_until and now > socket.background_until:
            self._end(socket, "background window", CloseCode.WINDOW_EXPIRED, "the background window is over")
        elif socket.token_until and now > socket.token_until:
            self._end(socket, "token expired", CloseCode.TOKEN_REJECTED, "the token has expired: get a new one")
        else:
            return False
        return True

    def _end(self, socket: Socket, why: str, code: int, reason: str) -> None:
        self.metrics.closes[why] += 1
        socket.close(code, reason)

    # Notices to clients.

    def announce_restart(self, socket: Socket) -> None:
        """Send a client that the server restarts, and over how many seconds clients should spread their reconnects.

        Do nothing if the client does not have the feature `restart`.
        """
        if "restart" in socket.features:
            s = self.settings
            spread = min(MAX_RESTART_SECONDS, self._count_at_restart() / s.returns_per_second)
            socket.write(server_frame({"action": "restarting", "within": round(max(s.restart_window, spread), 1)}))

    def close_all(self) -> None:
        """Close all sockets because the database was restored.

        The clients connect again, and then notice that their positions in the history may not be valid.
        """
        self._sockets_at_restart = 0
        for socket in list(self._sockets):
            if socket.uid:
                self.announce_restart(socket)
            self._end(socket, "new start", CloseCode.RESTARTING, "the database was restored: connect again")
        self._sockets_at_restart = 0

    def _count_at_restart(self) -> int:
        # Fixed when the first socket is notified, so that all clients spread over the same time.
        self._sockets_at_restart = self._sockets_at_restart or len(self._sockets)
        return self._sockets_at_restart

    def _on_load_changed(self, before: Level, now: Level) -> None:
        if before >= Level.PRESENCE > now:
            self._start_task(self._ephemeral.publish_skipped())
        # Clients are notified when shedding begins, when it starts or stops to affect receipts, and when it ends.
        begins_or_ends = (before == Level.NONE) is not (now == Level.NONE)
        if not begins_or_ends and (before >= Level.RECEIPTS) is (now >= Level.RECEIPTS):
            return
        shed = self.overload.shed_names
        frame = server_frame({"action": "throttled", "shed": shed} if shed else {"action": "throttledNoMore"})
        for socket in self._sockets:
            if "throttled" in socket.features:
                socket.write(frame)
