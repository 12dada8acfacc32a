"""Sends the queued notifications of one push service (provider), several at once, and retries those that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tailwire.server.due_work import DueWork
from tailwire.server.ports.push import Composer, Notification, PushProvider, SendOutcome, SendResult
from tailwire.server.ports.push_records import DueNotification, NotificationRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.retry_delays import retry_delay
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.telemetry.log_limit import LogLimit
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

BATCH_SIZE = 200
SENDS_AT_ONCE = 32
COMPOSED_AT_ONCE = 4
"""How many notifications are composed at once. For each, unread messages are counted, which is a long read."""
RECORD_SECONDS = 0.2
"""While attempts are in progress, the outcomes of those that have ended are stored after this time."""
STOP_SECONDS = 2.0
"""How long a server that stops waits for answers. Notifications without an answer by then are sent again later."""
ATTEMPT_TIMEOUT_SECONDS = 15.0
"""How long an attempt may take in total. Users choose the services of Web Push, and one could answer without end."""
INTERVAL_SECONDS = 0.01
"""The time between the starts of two attempts, so that many notifications do not delay the server's other work."""
LONGEST_DELAY_SECONDS = 3600
MAX_TROUBLED_DEVICES = 10_000
_LEFT = SendOutcome(SendResult.LATER, "another server sends it")


class PushLane:
    """Sends the queued notifications of one provider.

    After a notification to a device has failed, no other new one is tried for this device until a delay has passed, so
    that it does not hold up the notifications of other devices.

    Args:
        provider: sends a notification to a device.
        composer: makes the content of a notification when it is about to be sent.
        lifetime: for how many seconds after it was queued a notification that fails is tried again.
        is_mine: returns whether this server, of several that share the store, sends for the provider.
    """

    def __init__(
        self,
        provider: PushProvider,
        composer: Composer,
        store: Store,
        world: World,
        metrics: Metrics,
        lifetime: int,
        is_mine: Callable[[], bool],
    ) -> None:
        self._provider = provider
        self._composer = composer
        self._store = store
        self._world = world
        self._metrics = metrics
        self._lifetime = lifetime
        self._loop = asyncio.get_running_loop()
        self._work = DueWork(f"tailwire push {provider.name}", world, self._send_due, self._next_due, is_mine)
        self._paused_until = 0
        self._troubled: dict[str, tuple[int, int]] = {}  # devices: failed tries in a row, and when the wait ends
        self._log_limit = LogLimit()
        self._error_log_limit = LogLimit()
        self._at_once = asyncio.Semaphore(SENDS_AT_ONCE)
        self._composing = asyncio.Semaphore(COMPOSED_AT_ONCE)
        self._next_start = 0.0
        self._attempts: set[asyncio.Task[SendOutcome | Refused | None]] = (
            set()
        )  # of a batch, until all its outcomes are stored

    def wake(self) -> None:
        """Start to send the notifications that are due, in the background. Return at once."""
        self._work.wake()

    async def _send_due(self) -> bool:
        # Returns whether more notifications may be due.
        now = self._world.seconds()
        if now < self._paused_until:
            return False
        due = await self._store.notifications.due_notifications(self._provider.name, now, BATCH_SIZE)
        await self._send_all(due)
        return bool(due)

    async def _next_due(self) -> int | None:
        if self._world.seconds() < self._paused_until:
            return self._paused_until
        return await self._store.notifications.next_due(self._provider.name)

    async def _send_all(self, due: list[DueNotification]) -> None:
        # Outcomes are stored while other attempts still wait for an answer: if this server ends, another one sends all
        # notifications again whose outcome is not stored.
        tasks = {self._loop.create_task(self._send(one)): one for one in due}
        open_tasks, refusal = set(tasks), None
        self._attempts = open_tasks
        try:
            while open_tasks:
                done, open_tasks = await asyncio.wait(open_tasks, timeout=RECORD_SECONDS)
                outcomes = [(tasks[task], task.result()) for task in tasks if task in done and not task.cancelled()]
                refusal = next((found for _, found in outcomes if isinstance(found, Refused)), refusal)
                await self._record([(one, found) for one, found in outcomes if not isinstance(found, Refused)])
        finally:
            self._attempts = set()
            for task in open_tasks:
                task.cancel()
        if refusal is not None:
            raise refusal

    async def _record(self, outcomes: list[tuple[DueNotification, SendOutcome | None]]) -> None:
        now = self._world.seconds()
        sent: list[int] = []
        dropped: list[int] = []
        gone: list[DueNotification] = []
        failed: list[tuple[DueNotification, SendOutcome]] = []
        for one, outcome in outcomes:
            if outcome is _LEFT:
                continue
            if outcome is None:  # kept if the device shows it already, because it may have to be withdrawn later
                (sent if one.row.shown and one.token is not None else dropped).append(one.row.id)
            elif outcome.result is SendResult.SENT:
                self._metrics.count_push_attempt(self._provider.name, "sent")
                self._troubled.pop(one.row.token_hash, None)
                sent.append(one.row.id)
            elif outcome.result is SendResult.GONE:
                self._metrics.count_push_attempt(self._provider.name, "gone")
                dropped.append(one.row.id)
                gone.append(one)
            else:
                failed.append((one, outcome))
        if sent:
            await self._store.notifications.mark_sent(sent, now)
        for one in gone:
            await self._store.push_tokens.remove(one.row.token_hash, one.token or "")
        if dropped:
            await self._store.notifications.remove_unwanted(dropped)
        for one, outcome in failed:
            await self._record_failure(one.row, outcome, now)

    async def _send(self, one: DueNotification) -> SendOutcome | Refused | None:
        # Returns the outcome; None if the notification is no longer wanted; a refusal if the store could not be read.
        async with self._at_once:
            if one.token is None:
                return None
            waits = max(self._troubled.get(one.row.token_hash, (0, 0))[1], self._paused_until) - self._world.seconds()
            if waits > 0 and not one.row.attempt:
                return SendOutcome(SendResult.LATER, "an earlier notification to this device failed", wait=waits)
            await self._wait_for_turn()
            if not self._work.may_continue:
                return _LEFT
            try:
                return await self._attempt(one.row, one.token)
            except Refused as e:
                return e
            except Exception as e:  # noqa: BLE001 - one device must not hold up the notifications of others
                self._log_error()
                return SendOutcome(SendResult.LATER, type(e).__name__)

    async def _attempt(self, row: NotificationRow, token: str) -> SendOutcome | None:
        async with self._composing:
            notification: Notification | None = await self._composer.compose(row)
        if not self._work.may_continue:  # this server was paused, and another one took over; checked last
            return _LEFT
        if notification is None:
            return None
        try:
            async with asyncio.timeout(ATTEMPT_TIMEOUT_SECONDS):
                return await self._provider.send(token, notification)
        except TimeoutError:
            return SendOutcome(SendResult.LATER, f"no complete answer within {ATTEMPT_TIMEOUT_SECONDS:.0f} seconds")

    def _log_error(self) -> None:
        if self._error_log_limit.allows(self._world.seconds()):
            log.exception("a push notification could not be sent (%s)", self._provider.name)

    async def _wait_for_turn(self) -> None:
        now = self._loop.time()
        start = max(now, self._next_start)
        self._next_start = start + INTERVAL_SECONDS
        await asyncio.sleep(start - now)

    async def _record_failure(self, row: NotificationRow, outcome: SendOutcome, now: int) -> None:
        tries = row.attempt + 1
        wait = max(outcome.wait, retry_delay(tries, LONGEST_DELAY_SECONDS, self._world.chance()))
        if outcome.paused:
            self._paused_until = max(self._paused_until, now + int(wait))
        if outcome.result is SendResult.LATER:
            self._record_trouble(row.token_hash, now)
            if now + wait < row.queued_at + self._lifetime:
                self._metrics.count_push_attempt(self._provider.name, "put off")
                await self._store.notifications.put_off(row.id, now + max(1, int(wait)), now, outcome.problem)
                return
        self._metrics.count_push_attempt(self._provider.name, "given up")
        if self._log_limit.allows(now):
            log.warning(
                "a push notification was given up (%s: %s); GET /notifications/push/v1/failed lists them",
                self._provider.name, outcome.problem,
            )  # fmt: skip
        await self._store.notifications.give_up(row.id, now, outcome.problem)

    def _record_trouble(self, token_hash: str, now: int) -> None:
        failures, until = self._troubled.pop(token_hash, (0, 0))
        if now >= until:  # else it is a further notification of the same try
            failures, until = failures + 1, now + int(retry_delay(failures + 1, LONGEST_DELAY_SECONDS, 0.5))
        if len(self._troubled) >= MAX_TROUBLED_DEVICES:
            self._troubled.pop(next(iter(self._troubled)))
        self._troubled[token_hash] = (failures, until)

    async def close(self) -> None:
        """Stop sending, after waiting at most `STOP_SECONDS` for answers, and close the provider. The queue is kept.

        The outcomes of attempts that have ended are stored, however long the store takes: notifications that were sent
        must not be sent again by the next server.
        """
        await self._work.close(self._give_up, patience=STOP_SECONDS)
        await self._provider.close()

    def _give_up(self) -> bool:
        # Cancels the attempts without an answer, and returns whether there were none, so that nothing is to be stored.
        attempts = list(self._attempts)
        for task in attempts:
            task.cancel()
        return not attempts
