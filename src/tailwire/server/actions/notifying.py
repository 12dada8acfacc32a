"""Queues push notifications: reads new messages in the background, and asks the rules whom to notify of each.

A send itself writes nothing for this, so that it costs the same with and without notifications. Messages are examined a
moment later, when it is known whether their receivers have read them. The id of the last one is stored as the progress,
so that after a restart none is left out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from tailwire.server.actions.notifications import zone_of
from tailwire.server.ports.push_records import NotificationProgress, PossibleReceiver, ReactionToNotify
from tailwire.server.ports.records import MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.notifications import Facts, Kind, Occasion, why_not
from tailwire.server.rules.preferences import read_preferences
from tailwire.server.telemetry.logs import log

BUCKET_SECONDS = 0.25
"""Messages that are stored within this time are examined together, the configured delay after the end of this time."""
POLL_SECONDS = 1.0
"""If several servers share the store, the one that examines messages asks at this interval for those of the others."""
RETRY_SECONDS = 5.0
MESSAGES_AT_ONCE = 100
MEMBERS_AT_ONCE = 200
MAX_WAITING_NOTIFICATIONS = 50_000
"""While this many notifications wait to be sent, no further messages are examined."""
SWEEP_SECONDS = 600.0
KEPT_SENT_SECONDS = 86_400
KEPT_FAILED_SECONDS = 7 * 86_400
MEMBER_ACTIONS = {
    "left": "group_member_left",
    "added": "group_member_added",
    "joined": "group_member_joined",
    "kicked": "group_member_kicked",
    "banned": "group_member_banned",
    "unbanned": "group_member_unbanned",
    "scopeChanged": "group_member_scope_changed",
}


class _Data(msgspec.Struct, rename="camel"):
    send_notification: bool | None = None
    action: str = ""
    entities: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"{}"))


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


class _On(msgspec.Struct):
    entity: dict[str, object] = {}


class _Entities(msgspec.Struct):
    on: _On = msgspec.field(default_factory=_On)


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_entities = msgspec.json.Decoder(_Entities).decode


def data_of(row: MessageRow) -> _Data:
    """Return the fields of a message's content that matter for notifications, with defaults if it cannot be decoded."""
    try:
        return _decode_body(row.body).data
    except (msgspec.DecodeError, RecursionError):
        return _Data()


def changed_message(row: MessageRow) -> int:
    """Return the id of the message whose edit or deletion `row` reports; 0 if it is not such an action message."""
    if row.category != "action" or row.type != "message":
        return 0
    try:
        return int(str(_decode_entities(data_of(row).entities).on.entity.get("id", 0)))
    except (ValueError, msgspec.DecodeError, RecursionError):
        return 0


class Notifier:
    """Queues notifications for messages and reactions.

    Args:
        delay: seconds after it was stored at which a message is examined.
        lifetime: nobody is notified of a message that is older than this, in seconds.
        is_foreground: returns whether an app of a user, given by uid, is in the foreground.
        left_within: returns whether an app of a user, given by uid, reported within the last given seconds that it left
            the foreground.
        queued: called after notifications were queued.
        polls: whether other servers share the store, so that it has to be asked for their messages.

    Attributes:
        is_mine: returns whether this server examines messages. Of several servers that share a store, only one does.
    """

    def __init__(
        self,
        store: Store,
        world: World,
        *,
        delay: float,
        lifetime: int,
        is_foreground: Callable[[str], bool],
        left_within: Callable[[str, float], bool],
        queued: Callable[[], None],
        polls: bool,
    ) -> None:
        self._store = store
        self._world = world
        self._delay = delay
        self._lifetime = lifetime
        self._is_foreground = is_foreground
        self._left_within = left_within
        self._queued = queued
        self._polls = polls
        self._loop = asyncio.get_running_loop()
        self._noted: deque[tuple[float, int]] = deque()  # the time, and the newest message then
        self._active = True
        self._begun = 0
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.is_mine: Callable[[], bool] = lambda: True

    async def start(self) -> None:
        """Begin to examine messages in the background, starting after the stored progress."""
        self.schedule(await self._store.notifications.newest_id())
        self._tasks = [
            self._loop.create_task(self._run(), name="tailwire push"),
            self._loop.create_task(self._sweep(), name="tailwire push cleanup"),
        ]

    def device_registered(self) -> None:
        """Begin to examine messages if no device was registered before. Call it after each registration."""
        self._active = True
        self._begun += 1

    def schedule(self, message_id: int) -> None:
        """Schedule the examination of all messages up to an id, and of new reactions, after the delay.

        Nothing is done while no device is registered.

        Args:
            message_id: the id; 0 if only reactions are new.
        """
        if not self._active:
            return
        now = self._loop.time()
        if self._noted and now - self._noted[-1][0] < BUCKET_SECONDS:
            since, newest = self._noted[-1]
            self._noted[-1] = (since, max(newest, message_id))
        else:
            self._noted.append((now, message_id))
        self._wake.set()

    async def _run(self) -> None:
        while True:
            if not self._noted:
                self._wake.clear()
                if not await self._wait_for_messages():
                    continue
            since = self._noted[0][0]
            await asyncio.sleep(max(0.0, since + BUCKET_SECONDS + self._delay - self._loop.time()))
            _, up_to = self._noted.popleft()
            try:
                if self.is_mine():
                    await self._examine(up_to)
                continue
            except Refused as e:  # the store cannot be used, which it logs itself
                log.warning("push notifications could not be queued; trying again later: %s", e)
            except Exception:  # noqa: BLE001 - if this task ended, no user of this app would be notified
                log.exception("push notifications could not be queued; trying again later")
            await asyncio.sleep(RETRY_SECONDS)
            self.schedule(up_to)

    async def _wait_for_messages(self) -> bool:
        # Returns True if an examination has been scheduled. If the store is shared, it is asked for messages and
        # reactions of other servers.
        if not (self._polls and self.is_mine()):
            try:
                async with asyncio.timeout(POLL_SECONDS if self._polls else None):
                    await self._wake.wait()
            except TimeoutError:
                return False
            return True
        await asyncio.sleep(POLL_SECONDS)
        try:
            progress = await self._store.notifications.progress()
            highest = await self._store.notifications.newest_id()
            some = highest > progress.message_id or await self._store.notifications.reactions(progress.reaction_id, 1)
            if some and await self._store.push_tokens.any_registered():
                self._active = True
                self.schedule(highest)
        except Refused as e:
            log.warning("messages of other servers could not be examined; trying again later: %s", e)
        except Exception:  # noqa: BLE001 - as in `_run`
            log.exception("messages of other servers could not be examined; trying again later")
        return bool(self._noted)

    async def _examine(self, up_to_id: int) -> None:
        notifications = self._store.notifications
        begun = self._begun
        if not await self._store.push_tokens.any_registered():
            self._active = begun != self._begun  # if they differ, a device was registered meanwhile
            return
        progress = await notifications.progress()
        while progress.message_id < up_to_id:
            if await notifications.count_waiting() >= MAX_WAITING_NOTIFICATIONS:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            rows = await notifications.messages(progress.message_id, up_to_id, MESSAGES_AT_ONCE)
            for row in rows:
                await self._examine_message(row, progress)
                progress = NotificationProgress(row.id, "", progress.reaction_id)
            if not rows:
                progress = NotificationProgress(up_to_id, "", progress.reaction_id)
            await notifications.store_progress(progress)
        while reactions := await notifications.reactions(progress.reaction_id, MESSAGES_AT_ONCE):
            for reaction in reactions:
                await self._examine_reaction(reaction)
            progress = progress._replace(reaction_id=reactions[-1].id)
            await notifications.store_progress(progress)

    async def _examine_message(self, row: MessageRow, progress: NotificationProgress) -> None:
        changed = changed_message(row)
        if changed:
            await self._store.notifications.queue_again(changed, self._world.seconds())
            self._queued()
            return
        data = data_of(row)
        kind = Kind.MEMBERS if row.category == "action" else Kind.MESSAGE if row.parent_id is None else Kind.REPLY
        occasion = Occasion(
            kind=kind,
            in_group=row.receiver_type == "group",
            member_action=MEMBER_ACTIONS.get(data.action, "") if kind is Kind.MEMBERS else "",
            silent=data.send_notification is False,
            deleted=row.deleted_at is not None,
            expired=self._world.seconds() - row.sent_at > self._lifetime,
        )
        if occasion.silent or occasion.deleted or occasion.expired:
            return
        if row.receiver_type == "user":
            found = await self._store.notifications.user(row, row.receiver, row.sender)
            await self._queue(row, occasion, [found] if found else [], row.sender)
            return
        # A stored `after_uid` counts only if it belongs to this message: the message whose members were being examined
        # when it was stored may have been removed since.
        after = progress.after_uid if progress.message_id == row.id - 1 else ""
        while members := await self._store.notifications.members(row, row.sender, after, MEMBERS_AT_ONCE):
            await self._queue(row, occasion, [one for one in members if one.has_token], row.sender)
            after = members[-1].uid
            if len(members) < MEMBERS_AT_ONCE:
                return
            reached = NotificationProgress(row.id - 1, after, progress.reaction_id)
            await self._store.notifications.store_progress(reached)

    async def _examine_reaction(self, reaction: ReactionToNotify) -> None:
        row = await self._store.messages.get(reaction.message_id)
        if row is None:
            return
        occasion = Occasion(
            kind=Kind.REACTION,
            in_group=row.receiver_type == "group",
            deleted=row.deleted_at is not None,
            expired=self._world.seconds() - reaction.reacted_at > self._lifetime,
        )
        at = row._replace(sent_at=reaction.reacted_at)
        if row.receiver_type == "user":
            for uid in {row.sender, row.receiver}:
                found = await self._store.notifications.user(at, uid, reaction.uid)
                await self._queue(at, occasion, [found] if found else [], reaction.uid, reaction.id)
            return
        after = ""
        while members := await self._store.notifications.members(at, reaction.uid, after, MEMBERS_AT_ONCE):
            receivers = [one for one in members if one.has_token]
            await self._queue(at, occasion, receivers, reaction.uid, reaction.id)
            after = members[-1].uid

    async def _queue(
        self,
        row: MessageRow,
        occasion: Occasion,
        receivers: Sequence[PossibleReceiver],
        actor: str,
        reaction_id: int = 0,
    ) -> None:
        chosen = [one.uid for one in receivers if not self._why_not(row, occasion, one, actor)]
        if not chosen:
            return
        now = self._world.seconds()
        await self._store.notifications.queue(row.id, reaction_id, chosen, row.sent_at, now)
        self._queued()

    def _why_not(self, row: MessageRow, occasion: Occasion, one: PossibleReceiver, actor: str) -> str:
        zone = zone_of(one.timezone) or UTC
        age = self._world.seconds() - row.sent_at + 1.0
        there = datetime.fromtimestamp(self._world.seconds(), zone)
        facts = Facts(
            own=one.uid == actor,
            blocked=one.blocked,
            present=self._is_foreground(one.uid) or self._left_within(one.uid, age),
            read=one.read_id >= row.id,
            muted=one.muted_until > self._world.milliseconds(),
            mentioned=one.mentioned,
            own_message=row.sender == one.uid,
            weekday=there.weekday(),
            clock=there.hour * 100 + there.minute,
        )
        return why_not(occasion, facts, read_preferences(one.preferences))

    async def _sweep(self) -> None:
        while True:
            try:
                if self.is_mine():
                    now = self._world.seconds()
                    await self._store.push_tokens.remove_ended(now)
                    await self._store.notifications.delete_finished(now - KEPT_SENT_SECONDS, now - KEPT_FAILED_SECONDS)
            except Refused as e:
                log.warning("old push notifications could not be removed; trying again later: %s", e)
            except Exception:  # noqa: BLE001 - the next removal must follow
                log.exception("old push notifications could not be removed; trying again later")
            await asyncio.sleep(SWEEP_SECONDS)

    async def close(self) -> None:
        """Stop examining messages. The next start continues from the stored progress."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
