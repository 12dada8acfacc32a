"""The hub: delivers publications to the sockets of this process, with one write per socket and event loop turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from tailwire.server.fanout.frames import text_frame, with_before, with_number
from tailwire.server.fanout.left_foreground import LeftForeground
from tailwire.server.ports.broker import (
    PRESENCE_SUBJECT,
    Broker,
    DeliveriesQueued,
    FramePublication,
    MembershipChange,
    PresenceAudience,
    PresenceDelta,
    Publication,
    TokenRevoked,
    group_subject,
    user_subject,
)
from tailwire.server.telemetry.metrics import Metrics
from tailwire.wire.close_codes import CloseCode


class Subscriber(Protocol):
    """An authenticated socket, as the hub sees it."""

    uid: str
    device: str
    token: str  # fingerprint of its auth token
    features: frozenset[str]
    chained: bool  # receives messages with the id of the preceding one (feature `chain`)
    groups: set[str]  # guids of the groups that it receives
    presence: frozenset[str] | None  # roles whose presence it receives, `ALL_USERS`, `FRIENDS_ONLY`, or None
    slow: bool  # droppable frames are not sent to it, because too much is buffered
    write: Callable[[bytes], object]  # writes encoded frames

    def buffered(self) -> int: ...  # bytes that were written, but not sent yet
    def close(self, code: int, reason: str) -> None: ...


ALL_USERS = frozenset({"*"})
FRIENDS_ONLY = frozenset({"friends only"})  # cannot be a role: roles have no spaces


class _EncodedFrame:
    """A WebSocket frame, encoded at most twice: as it is, and with its place in the stream (feature `chain`).

    The place tells a client whether it has missed something. For a message it is the id of the preceding message in the
    conversation; for another event it is the number of the change in the change log.

    Args:
        settled: all changes up to this number were written to sockets before; 0 if that is not known.

    Attributes:
        publication: what is encoded.
        data: the encoded frame without its place.
    """

    __slots__ = ("_linked", "_settled", "data", "publication")

    def __init__(self, publication: FramePublication, settled: int) -> None:
        self._settled = settled
        self.publication = publication
        self.data = text_frame(publication.payload)
        self._linked = b"" if publication.predecessor_id or publication.number else self.data

    def for_socket(self, chained: bool) -> bytes:
        """Return the encoded frame for a socket with (`chained`) or without the feature `chain`."""
        return self.linked if chained else self.data

    @property
    def linked(self) -> bytes:
        """The encoded frame with its place in the stream, encoded when it is first needed."""
        if not self._linked:
            p = self.publication
            if p.predecessor_id:
                placed = with_before(p.payload, p.predecessor_id, p.membership_end)
            else:
                placed = with_number(p.payload, p.number, self._settled)
            self._linked = text_frame(placed)
        return self._linked


class Hub:
    """Knows the authenticated sockets of this process, and writes publications to those that receive them.

    A socket is subscribed to the subject of its user, to those of the user's groups, and to presence if its client
    asked for that. `add`, `join_groups` and `remove` follow the life of a socket.

    Args:
        broker: delivers publications to this hub, which subscribes to the subjects of its sockets.
        schedule: schedules one call of a function, soon (`loop.call_soon`) or a little later (`FlushHolding.schedule`).
        slow_close: bytes; a slow socket with more than that buffered is closed when it should receive a frame, so that
            its client reconnects and catches up.

    Attributes:
        users_online: the number of users who are online at this process.
        away: the uids of those users whose apps are all in the background. The gateway maintains it.
        left: the users who have left the foreground lately. The gateway and `SharedPresence` record them.
        on_presence_delta: called with each report of a process, including this one, on its users' presence.
        on_joined: called with a uid and a guid when the sockets of a user of this process begin to receive the frames
            of a group because the user joined it.
        on_left: called with a uid and a guid when they no longer receive them, because the user left or the group was
            removed.
        on_deliveries: called when a process, such as this one, has queued deliveries to webhooks.
    """

    def __init__(
        self,
        broker: Broker,
        metrics: Metrics,
        schedule: Callable[[Callable[[], None]], object],
        *,
        slow_close: int,
    ) -> None:
        self._broker = broker
        self._metrics = metrics
        self._schedule = schedule
        self._slow_close = slow_close
        self._by_subject: dict[str, dict[Subscriber, None]] = {}
        self.users_online = 0
        self.away: set[str] = set()
        self.left = LeftForeground()
        self.on_presence_delta: Callable[[PresenceDelta], None] = lambda delta: None
        self.on_deliveries: Callable[[DeliveriesQueued], None] = lambda queued: None
        self.on_joined: Callable[[str, str], None] = lambda uid, guid: None
        self.on_left: Callable[[str, str], None] = lambda uid, guid: None
        self._pending: list[tuple[str, list[_EncodedFrame]]] = []
        self._selective: set[str] = set()  # subjects with a pending frame that not every socket receives
        self._encoded: _EncodedFrame | None = None
        self._lingering: dict[str, float] = {}  # uid: until when the user counts as online without a socket
        # Sockets whose groups are being read: the groups that they left meanwhile, which the list may still have.
        self._left_meanwhile: dict[Subscriber, set[str]] = {}
        # By type, so that a kind of publication without a handler is a KeyError and not silently dropped.
        self._handlers: Mapping[type[Publication], Callable[[str, Any], None]] = {
            FramePublication: self._queue_frame,
            MembershipChange: self._change_membership,
            TokenRevoked: self._close_revoked,
            DeliveriesQueued: lambda _, queued: self.on_deliveries(queued),
            PresenceDelta: lambda _, delta: self.on_presence_delta(delta),
        }
        broker.listen(self._receive)

    @property
    def broker(self) -> Broker:
        """The broker that delivers publications to this hub."""
        return self._broker

    # Subscriptions.

    def add(self, socket: Subscriber) -> bool:
        """Add an authenticated socket: subscribe it to its user, and to presence if it wants that.

        Call `join_groups` once the user's groups have been read from the store.

        Returns:
            Whether the user was offline at this process before.
        """
        first = not self.is_online(socket.uid)
        self._lingering.pop(socket.uid, None)
        self.users_online += first
        self._join(socket, user_subject(socket.uid))
        if socket.presence:
            self._join(socket, PRESENCE_SUBJECT)
        self._left_meanwhile[socket] = set()
        return first

    def join_groups(self, socket: Subscriber, groups: Iterable[str]) -> None:
        """Subscribe a socket to groups, except those that its user has left since `add`.

        Args:
            socket: a socket that was added.
            groups: the guids of the user's groups, as they were read from the store after `add`.
        """
        left = self._left_meanwhile.pop(socket, set())
        for guid in groups:
            if guid not in left:
                self._join_group(socket, guid)

    def _join_group(self, socket: Subscriber, guid: str) -> None:
        socket.groups.add(guid)
        self._join(socket, group_subject(guid))

    def remove(self, socket: Subscriber, linger_until: float = 0.0) -> bool:
        """Remove a socket that is closed. Return whether its user went offline at this process with it.

        Args:
            linger_until: if it was the user's last socket, the time of the event loop until which the user still counts
                as online (see `expire_lingering`); 0.0 for no grace period.
        """
        self._left_meanwhile.pop(socket, None)
        self._leave(socket, user_subject(socket.uid))
        for guid in socket.groups:
            self._leave(socket, group_subject(guid))
        socket.groups.clear()
        if socket.presence:
            self._leave(socket, PRESENCE_SUBJECT)
        if user_subject(socket.uid) in self._by_subject or socket.uid in self._lingering:
            return False
        if linger_until:
            self._lingering[socket.uid] = linger_until
            return False
        self.users_online -= 1
        return True

    @property
    def has_lingering(self) -> bool:
        """Whether any user counts as online without a socket, because their grace period has not ended."""
        return bool(self._lingering)

    def expire_lingering(self, now: float, at_most: int) -> list[str]:
        """End the grace periods that are over, and return the uids of their users, who are offline from now on.

        They are returned in the order in which their last sockets were closed; this relies on grace periods of equal
        length.

        Args:
            now: the time of the event loop.
            at_most: how many users to return at most. The next call returns others.
        """
        expired: list[str] = []
        for uid, until in self._lingering.items():
            if until > now or len(expired) == at_most:
                break
            expired.append(uid)
        for uid in expired:
            del self._lingering[uid]
        self.users_online -= len(expired)
        return expired

    def is_online(self, uid: str) -> bool:
        """Return whether the user has a socket in this process, or had one within the grace period."""
        return user_subject(uid) in self._by_subject or uid in self._lingering

    def sockets_of(self, uid: str) -> list[Subscriber]:
        """Return the sockets of a user in this process."""
        return list(self._by_subject.get(user_subject(uid), ()))

    def users_with_sockets(self) -> list[str]:
        """Return the uids of the users who have a socket in this process."""
        start = len(user_subject(""))
        return [subject[start:] for subject in self._by_subject if subject.startswith(user_subject(""))]

    def in_group(self, uid: str, guid: str) -> bool:
        """Return whether a user has a socket in this process that receives the frames of a group."""
        return any(guid in socket.groups for socket in self._by_subject.get(user_subject(uid), ()))

    def members_here(self, guid: str) -> list[str]:
        """Return the uids of users with a socket in this process that receives the frames of a group."""
        return list(dict.fromkeys(socket.uid for socket in self._by_subject.get(group_subject(guid), ())))

    def leave_group(self, guid: str) -> None:
        """Write pending frames, then unsubscribe all sockets from a group that was removed."""
        self.flush()
        for uid in self.members_here(guid):
            self.on_left(uid, guid)
        for socket in list(self._by_subject.get(group_subject(guid), ())):
            socket.groups.discard(guid)
            self._leave(socket, group_subject(guid))

    def online_users(self) -> list[str]:
        """Return the uids of the users who have a socket in this process, or had one within the grace period."""
        return [*self.users_with_sockets(), *self._lingering]

    def _join(self, socket: Subscriber, subject: str) -> None:
        sockets = self._by_subject.get(subject)
        if sockets is None:
            sockets = self._by_subject[subject] = {}
            self._broker.subscribe(subject)
        sockets[socket] = None

    def _leave(self, socket: Subscriber, subject: str) -> None:
        sockets = self._by_subject.get(subject)
        if sockets is None:
            return
        sockets.pop(socket, None)
        if not sockets:
            del self._by_subject[subject]
            self._broker.unsubscribe(subject)

    # Publications.

    def _receive(self, subject: str, publication: Publication) -> None:
        self._handlers[type(publication)](subject, publication)

    def _queue_frame(self, subject: str, publication: FramePublication) -> None:
        if not self._pending:
            self._schedule(self.flush)
        if publication.audience is not None or publication.feature:
            self._selective.add(subject)
        frame = self._encoded
        if frame is None or frame.publication is not publication:
            # Published once per subject, encoded once.
            frame = self._encoded = _EncodedFrame(publication, self._broker.settled)
        if self._pending and self._pending[-1][0] == subject:
            self._pending[-1][1].append(frame)
        else:
            self._pending.append((subject, [frame]))

    def _change_membership(self, subject: str, change: MembershipChange) -> None:
        self.flush()  # frames that were sent to the group before are for its members at that time
        sockets = list(self._by_subject.get(subject, ()))
        if change.joined and any(change.guid not in socket.groups for socket in sockets):
            self.on_joined(sockets[0].uid, change.guid)
        if not change.joined and any(change.guid in socket.groups for socket in sockets):
            self.on_left(sockets[0].uid, change.guid)
        for socket in sockets:
            if change.joined:
                self._join_group(socket, change.guid)
            else:
                socket.groups.discard(change.guid)
                self._leave(socket, group_subject(change.guid))
            if (left := self._left_meanwhile.get(socket)) is not None:
                left.discard(change.guid) if change.joined else left.add(change.guid)

    def _close_revoked(self, subject: str, revoked: TokenRevoked) -> None:
        self.flush()
        for socket in list(self._by_subject.get(subject, ())):
            if socket.token == revoked.token:
                socket.close(CloseCode.NORMAL, "logged out")

    def revoke(self, uid: str, token: str) -> None:
        """Close those sockets of a user in this process that authenticated with a token.

        Args:
            uid: the user.
            token: the fingerprint of the token.
        """
        self._close_revoked(user_subject(uid), TokenRevoked(token))

    def flush(self) -> None:
        """Write the frames received since the last flush. Consecutive frames for one subject are written together.

        The order of frames for different subjects is kept, so that message ids rise on each socket over all
        conversations: a client that lost its connection can catch up from the last id that it received.
        """
        pending, self._pending = self._pending, []
        selective, self._selective = self._selective, set()
        self._encoded = None
        for subject, frames in pending:
            sockets = self._by_subject.get(subject)
            if sockets:
                self._write_all(sockets, frames, is_selective=subject in selective)

    def _write_all(self, sockets: dict[Subscriber, None], frames: list[_EncodedFrame], *, is_selective: bool) -> None:
        whole = frames[0].data if len(frames) == 1 else b"".join([f.data for f in frames])
        linked = b""
        excluded = {f.publication.not_to for f in frames if f.publication.not_to}
        written = 0
        for socket in list(sockets):
            if not (socket.slow or is_selective or socket.device in excluded):
                if socket.chained:
                    linked = linked or b"".join([f.linked for f in frames])
                    socket.write(linked)
                else:
                    socket.write(whole)
                written += 1
            elif socket.slow and socket.buffered() > self._slow_close:
                self._metrics.closes["slow"] += 1
                socket.close(CloseCode.TRY_AGAIN_LATER, "too slow; reconnect and catch up")
            else:
                self._write_chosen(socket, frames, droppable=not socket.slow)
        self._metrics.deliveries += written * len(frames)

    def _write_chosen(self, socket: Subscriber, frames: list[_EncodedFrame], *, droppable: bool) -> None:
        chosen = []
        for frame in frames:
            p = frame.publication
            if p.not_to and p.not_to == socket.device and (not p.caused_by or p.caused_by == socket.uid):
                continue
            if p.droppable and not droppable:
                self._metrics.frames_dropped += 1
                continue
            if (p.feature and p.feature not in socket.features) or (
                p.audience and not _receives_presence(p.audience, socket)
            ):
                continue
            chosen.append(frame.for_socket(socket.chained))
        if chosen:
            socket.write(b"".join(chosen))
            self._metrics.deliveries += len(chosen)


def _receives_presence(audience: PresenceAudience, socket: Subscriber) -> bool:
    if socket.uid in audience.hidden_from or (audience.feature and audience.feature not in socket.features):
        return False
    if socket.presence is ALL_USERS:
        return True
    if socket.presence is FRIENDS_ONLY:
        return socket.uid in audience.friends
    return audience.role in (socket.presence or ())
