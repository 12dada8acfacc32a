"""All sockets of this process, and what happens to a frame that comes in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.live import Live
from tailwire.server.actions.receipts import Receipts
from tailwire.server.actions.sessions import Sessions
from tailwire.server.config import Settings
from tailwire.server.fanout.frames import text_frame
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.overload import Level, Overload
from tailwire.server.gateway.answers import server_says
from tailwire.server.gateway.entrance import TOKEN_REJECTED, Entrance
from tailwire.server.gateway.frames import (
    AppState,
    Auth,
    Receipt,
    Transient,
    Typing,
    body_of,
    decode_frame,
)
from tailwire.server.gateway.silence import Silence
from tailwire.server.gateway.sockets import Socket
from tailwire.server.gateway.turns import Turns
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

PONG = text_frame(b'{"action":"pong","ack":"true"}')
TOO_FAST = 4029
NOT_AUTHENTICATED = 4003
TOO_LATE = 4008
WINDOW_OVER = 4010
POLICY = 1008
MAX_BAD_FRAMES = 20
FRAMES_AT_ONCE = 2
MAX_AT_ONCE = 200
CLOSING = 25  # times the cost of a look
WINDOW_GRACE = 5.0
MAX_WINDOW = 120.0
MAX_RESTART = 30.0


class Gateway:
    """Takes frames from sockets and gives them to the actions.

    Args:
        loop: whose clock is used, and in which what a frame asks for runs.
        turns: gives new sockets theirs.
        overload: what is left out now; who asked for it is told.
        entrance: looks at auth frames.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        hub: Hub,
        sessions: Sessions,
        live: Live,
        receipts: Receipts,
        metrics: Metrics,
        turns: Turns,
        overload: Overload,
        entrance: Entrance,
    ) -> None:
        self.loop = loop
        self.settings = settings
        self.metrics = metrics
        self.overload = overload
        self.turns = turns
        self._entrance = entrance
        overload.listen(self._load_changed)
        self._hub = hub
        self._sessions = sessions
        self._live = live
        self._receipts = receipts
        self._sockets: dict[Socket, None] = {}  # in the order in which they came
        self._silence = Silence(settings.silence_limit)
        self._away: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep_timer: asyncio.Handle | None = None
        self._unseen: Iterator[Socket] = iter(())  # of the sweep that is under way
        self._most_frames = settings.frames_per_second * settings.sweep_interval
        self._told_goodbye = 0

    # Coming and going.

    def opened(self, socket: Socket) -> None:
        """The handshake of a socket is done."""
        self._sockets[socket] = None
        self.metrics.sockets += 1
        self.metrics.upgrades += 1
        if self._sweep_timer is None:
            self._sweep_timer = self.loop.call_later(self.settings.sweep_interval, self._sweep)

    def ended(self, socket: Socket) -> None:
        """A socket is gone."""
        if socket not in self._sockets:
            return
        del self._sockets[socket]
        self.metrics.sockets -= 1
        if not socket.uid:
            return
        grace = 0.0 if socket.left or "grace" not in socket.features else self.settings.presence_grace
        if self._hub.remove(socket, self.loop.time() + grace if grace else 0.0):
            self._went(socket.uid)
        else:
            self._see_whether_away(socket.uid)

    def _went(self, uid: str) -> None:
        self._away.discard(uid)
        self._run(self._live.went(uid))

    def _see_whether_away(self, uid: str) -> None:
        # Away: every app of the user is in the background. Only a client that says where its app is can be.
        sockets = cast(list[Socket], self._hub.sockets_of(uid))
        away = bool(sockets) and all(socket.background_until for socket in sockets)
        if sockets and away is not (uid in self._away):
            self._away ^= {uid}
            self._run(self._live.away(uid, away=away))

    def _run(self, action: Any) -> None:
        task = self.loop.create_task(self._guarded(action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, action: Any) -> None:
        try:
            await action
        except Refused as e:
            log.info("refused code=%s", e.code)
        except Exception:  # noqa: BLE001 - logged; nobody waits for it
            log.exception("an action of the gateway failed")

    async def close(self) -> None:
        """Stop watching; wait for what frames have begun."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=5)

    # Frames in.

    def frame(self, socket: Socket, text: bytes) -> None:
        """A whole text message came in."""
        socket.frames += 1
        self.metrics.frames_in += 1
        if socket.frames > self._most_frames:
            self._let_go(socket)
        elif socket.inbox is not None:
            socket.inbox.append(text)
        elif text == b'{"action":"ping","ack":"true"}' and socket.uid:
            self._pong(socket)
        else:
            socket.inbox = [text]
            self._run(self._drain(socket))

    def counted(self, socket: Socket) -> bool:
        """Count a frame that is no whole message; return whether the socket may stay."""
        socket.frames += 1
        if socket.frames > self._most_frames:
            self._let_go(socket)
            return False
        return True

    def _let_go(self, socket: Socket) -> None:
        # One that floods: what it has sent is not looked at, and coming back at once does not help it.
        self._entrance.flooded(socket)
        if socket.inbox:
            socket.inbox.clear()
        self._end(socket, "too fast", TOO_FAST, "too many frames; send fewer")

    def _pong(self, socket: Socket) -> None:
        if socket.background_until:
            socket.background_until = socket.heard_at + socket.window + WINDOW_GRACE
        socket.write(PONG)

    async def _drain(self, socket: Socket) -> None:
        # Frames of one socket are taken one after the other.
        taken = 0
        while socket.inbox:
            taken += 1
            if taken % FRAMES_AT_ONCE == 0:
                await asyncio.sleep(0)  # one that floods takes turns with the others
            text = socket.inbox.pop(0)
            try:
                await self._take(socket, text)
            except Refused as e:
                self._complain(socket, e)
            except Exception:  # noqa: BLE001 - logged, and answered as what it is: our fault
                log.exception("a frame of %s failed", socket.uid)
                self._complain(socket, Refused("ERR_MISSION_FAILED"))
        socket.inbox = None
        socket.go_on()

    async def _take(self, socket: Socket, text: bytes) -> None:
        try:
            frame = decode_frame(text)
        except Refused:
            self._bad_frame(socket)
            raise
        if not socket.uid:
            if frame.type != "auth":
                socket.close(NOT_AUTHENTICATED, "authenticate first: send an auth frame")
            else:
                await self._authenticate(socket, body_of(frame, Auth))
            return
        if frame.action == "ping":
            self._pong(socket)
            return
        caller = Caller(socket.uid, socket.device, socket.token)
        if frame.type == "typing_indicator":
            typing = body_of(frame, Typing)
            await self._live.typing(caller, frame.receiver, frame.receiver_type, typing.action, typing.metadata)
        elif frame.type == "receipts":
            receipt = body_of(frame, Receipt)
            await self._receipts.receipt(caller, receipt.action, receipt.message_id)
        elif frame.type == "transient_message":
            sent = body_of(frame, Transient)
            await self._live.transient(caller, frame.receiver, frame.receiver_type, sent.data)
        elif frame.type == "app_state":
            self._app_state(socket, body_of(frame, AppState))
        elif frame.type == "auth":
            if "renew" in socket.features:  # from others it means nothing, as ever
                await self._entrance.renew(socket, body_of(frame, Auth))
        else:
            self._bad_frame(socket)
            raise Refused("ERR_BAD_REQUEST", {"type": f"There is no frame of type {frame.type[:50]!r}."})

    def _bad_frame(self, socket: Socket) -> None:
        socket.bad_frames += 1
        if socket.bad_frames > MAX_BAD_FRAMES:
            self.metrics.closes["bad frames"] += 1
            socket.close(POLICY, "too many frames that make no sense")

    def _complain(self, socket: Socket, refused: Refused) -> None:
        # Only to our own clients: others are never sent what they did not ask for.
        if socket.features:
            socket.write(server_says({"action": "error", "error": refused.as_error()}))

    async def _authenticate(self, socket: Socket, auth: Auth) -> None:
        if not await self._entrance.admit(socket, auth) or socket not in self._sockets:
            return  # it may have ended meanwhile: nobody would take it out of the hub again
        first = self._hub.add(socket)
        groups = await self._sessions.groups_of(socket.uid)
        if socket not in self._sockets:
            return
        self._hub.hear_groups(socket, groups)
        self._entrance.welcome(socket)
        self.metrics.authenticated += 1
        last = auth.ours.last
        if last is not None and "cause" in socket.features:
            self.metrics.came_back(last.cause, last.lived, last.attempts)
        if first:
            await self._live.came(socket.uid, auth.platform)
        else:
            self._see_whether_away(socket.uid)

    def _app_state(self, socket: Socket, state: AppState) -> None:
        if state.state == "background" and 0 < state.window <= MAX_WINDOW:
            socket.window = state.window
            socket.background_until = self.loop.time() + state.window + WINDOW_GRACE
        elif state.state == "foreground":
            socket.background_until = 0.0
        else:
            raise Refused("ERR_BAD_REQUEST", {"body": "Use background with a window of up to 120 s, or foreground."})
        self._see_whether_away(socket.uid)

    # The sweep: one timer for all sockets; some in each turn of the event loop, so that nobody waits for the rest.

    def _sweep(self) -> None:
        self._unseen = iter(list(self._sockets))
        self._go_on_sweeping()

    def _go_on_sweeping(self) -> None:
        now = self.loop.time()
        cost = 0
        for socket in self._unseen:
            cost += CLOSING if socket in self._sockets and self._look_at(socket, now) else 1
            if cost >= MAX_AT_ONCE:
                self._sweep_timer = self.loop.call_soon(self._go_on_sweeping)
                return
        for uid in self._hub.gone(now):
            self._went(uid)
        again = self._sockets or self._hub.lingers
        self._sweep_timer = self.loop.call_later(self.settings.sweep_interval, self._sweep) if again else None

    def _look_at(self, socket: Socket, now: float) -> bool:
        # Answers whether it was closed.
        s = self.settings
        socket.frames = 0
        if socket.held_until:
            if now < socket.held_until:
                return False
            self._end(socket, "too fast", TOO_FAST, "you sent too many frames")
        elif not socket.uid:
            if now - socket.opened_at <= s.auth_deadline:
                return False
            self._end(socket, "not authenticated", TOO_LATE, "no auth frame in time")
        elif self._silence.is_dead(socket, now):
            self.metrics.closes["silent"] += 1
            socket.abort()
        elif socket.background_until and now > socket.background_until:
            self._end(socket, "background window", WINDOW_OVER, "the background window is over")
        elif socket.token_until and now > socket.token_until:
            self._end(socket, "token expired", TOKEN_REJECTED, "the token has expired: bring a new one")
        else:
            return False
        return True

    def _end(self, socket: Socket, why: str, code: int, reason: str) -> None:
        self.metrics.closes[why] += 1
        socket.close(code, reason)

    def say_goodbye(self, socket: Socket) -> None:
        """The server stops: tell a client that asked for it over how many seconds to come back."""
        if "restart" in socket.features:
            s = self.settings
            spread = min(MAX_RESTART, self._most_at_goodbye() / s.returns_per_second)
            socket.write(server_says({"action": "restarting", "within": round(max(s.restart_window, spread), 1)}))

    def _most_at_goodbye(self) -> int:
        # How many there were when the first was told: all come back over the same time.
        self._told_goodbye = self._told_goodbye or len(self._sockets)
        return self._told_goodbye

    def _load_changed(self, before: Level, now: Level) -> None:
        if before >= Level.PRESENCE > now:
            self._run(self._live.tell_untold())
        # Told when it begins, when receipts are concerned, and when it is over.
        begins_or_ends = (before == Level.NOTHING) is not (now == Level.NOTHING)
        if not begins_or_ends and (before >= Level.RECEIPTS) is (now >= Level.RECEIPTS):
            return
        shed = self.overload.left_out
        frame = server_says({"action": "throttled", "shed": shed} if shed else {"action": "throttledNoMore"})
        for socket in self._sockets:
            if "throttled" in socket.features:
                socket.write(frame)
