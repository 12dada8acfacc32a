"""Messages that wait for a network, over a restart of the process too (K5).

Rules: what is queued is on the device before the call returns; it is sent in the order in which it was queued, once
(under its muid); one that the server refuses holds up none of the others; nothing runs while nothing waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol, cast

from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.wire.codec import message_from_wire
from tailwire.wire.encoding import message_to_wire
from tailwire.wire.entities import BaseMessage, MediaMessage

log = logging.getLogger("tailwire")
FORMAT = 1
FIRST_WAIT, MAX_WAIT = 2.0, 60.0
LATER = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_TOO_MANY_REQUESTS", "ERR_MISSION_FAILED"})
LATER |= {
    "AUTH_ERR_AUTH_TOKEN_NOT_FOUND",
    "ERR_AUTH_TOKEN_EXPIRED",
}  # the token is being renewed, or the next login brings a good one


class OutboxStatus(StrEnum):
    """What became of a queued message."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OutboxEntry:
    """A queued message.

    Attributes:
        message: what was queued; what the server stored, once it is sent.
        status: pending, sent, failed or cancelled.
        error: why it failed; while it waits, why it was not sent at the last try.
    """

    def __init__(self, outbox: Outbox, message: BaseMessage, body: dict[str, Any]) -> None:
        self._outbox = outbox
        self._body = body
        self._under_way = False
        self._ended = asyncio.Event()
        self.message = message
        self.status = OutboxStatus.PENDING
        self.error: CometChatException | None = None

    @property
    def muid(self) -> str:
        """The id under which the server stores it once."""
        return str(self._body["muid"])

    def cancel(self) -> bool:
        """Do not send it. False when it is too late: it is on its way, or has come to its end."""
        self._outbox.check()
        if self.status is not OutboxStatus.PENDING or self._under_way or not self._outbox.keeps(self):
            return False
        self._outbox._end(self, OutboxStatus.CANCELLED)
        return True

    def retry(self) -> bool:
        """Queue it again, as the last one. False unless it has failed."""
        self._outbox.check()
        return self.status is OutboxStatus.FAILED and self._outbox._again(self)

    async def result(self) -> BaseMessage:
        """Wait until it has come to its end.

        Returns:
            The message as the server stored it.

        Raises:
            CometChatException: why it failed; `OUTBOX_CANCELLED`; `ERR_CLIENT_CLOSED` when it still waits on the
                device.
        """
        self._outbox.check()
        await self._ended.wait()
        if self.status is OutboxStatus.SENT:
            return self.message
        if self.status is OutboxStatus.PENDING:
            raise failure("ERR_CLIENT_CLOSED")
        if self.status is OutboxStatus.CANCELLED:
            raise failure("OUTBOX_CANCELLED")
        raise self.error or failure("ERR_MISSION_FAILED")


class OutboxStore(Protocol):
    """Where queued messages are kept. A session store that has these methods keeps them over a restart."""

    def load_outbox(self, app_id: str, uid: str) -> Mapping[str, Any] | None: ...
    def save_outbox(self, app_id: str, uid: str, outbox: Mapping[str, Any] | None) -> None: ...


def keeping(store: object) -> OutboxStore | None:
    """Return a session store as one that keeps queued messages too, or None where it does not."""
    keeps = hasattr(store, "load_outbox") and hasattr(store, "save_outbox")
    return cast(OutboxStore, store) if keeps else None


class Outbox:
    """The queued messages of one client.

    Args:
        store: None keeps them in memory alone.
        send: sends the body of a message, in the order of its conversation; gives the message as it was stored.
        tell: an entry has changed.
        limit: the most that wait.
        unique: makes a muid.
    """

    def __init__(
        self,
        app_id: str,
        store: OutboxStore | None,
        send: Callable[[Mapping[str, Any]], Awaitable[BaseMessage]],
        tell: Callable[[OutboxEntry], object],
        limit: int,
        unique: Callable[[], str],
    ) -> None:
        self._app_id = app_id
        self._store = store
        self._send = send
        self._tell = tell
        self._limit = limit
        self._unique = unique
        self._uid = ""
        self._entries: list[OutboxEntry] = []
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._unreached = False  # it waits because the server was not reached
        self._rested = self._hinted = False  # it has waited a moment; meanwhile another request has succeeded
        self._complained = False
        self._closed = False
        self.check: Callable[[], None] = lambda: None  # that the event loop is the client's

    @property
    def entries(self) -> list[OutboxEntry]:
        """What waits or has failed, in order."""
        return list(self._entries)

    def begin(self, uid: str) -> None:
        """A user is logged in: what they had queued goes on."""
        if uid == self._uid:
            self.wake()
            return
        self._stop()
        for entry in self._entries:
            entry._ended.set()  # of the user before: what waits stays on the device for their next login
        self._uid, self._entries = uid, []
        saved = self._store.load_outbox(self._app_id, uid) if self._store is not None else None
        listed = (saved or {}).get("entries")
        for one in listed if isinstance(listed, list) else ():
            try:
                entry = OutboxEntry(self, _restored(one["body"]), one["body"])
                if one.get("error"):
                    entry.error = CometChatException(*one["error"])
                if one["status"] == OutboxStatus.FAILED:
                    self._settle(entry, OutboxStatus.FAILED)
            except (KeyError, TypeError, ValueError) as e:
                log.warning("a queued message cannot be read, it is left out: %r", e)
                continue
            self._entries.append(entry)
        self._go_on()

    def keeps(self, entry: OutboxEntry) -> bool:
        """Return whether an entry is one of the logged-in user's."""
        return entry in self._entries

    def forget(self) -> None:
        """The user logs out: what they had queued is not sent, and not kept."""
        for entry in self._entries:
            if entry.status is OutboxStatus.PENDING:
                self._settle(entry, OutboxStatus.CANCELLED)
        self._entries = []
        self._save()
        self._stop()
        self._uid = ""

    def put(self, message: BaseMessage) -> OutboxEntry:
        """Queue a message. It is on the device when this returns.

        Raises:
            CometChatException: `OUTBOX_FULL`, `ERR_INVALID_ARGUMENT`; `OUTBOX_NOT_SAVED` when it cannot be kept on the
                device: then it is not queued.
        """
        if isinstance(message, MediaMessage) and message.files:
            raise failure("ERR_INVALID_ARGUMENT", "Upload the files first: a queued message has attachments by URL.")
        if sum(e.status is OutboxStatus.PENDING for e in self._entries) >= self._limit:
            raise failure("OUTBOX_FULL", {"limit": self._limit})
        message.muid = message.muid or self._unique()
        entry = OutboxEntry(self, message, message_to_wire(message))
        self._entries.append(entry)
        try:
            self._write()
        except Exception as e:
            self._entries.remove(entry)
            raise failure("OUTBOX_NOT_SAVED", f"{type(e).__name__}: {e}. Make room, or use send_message().") from e
        self._tell(entry)
        self._go_on()
        return entry

    def wake(self) -> None:
        """The network may be back."""
        self._wake.set()
        self._go_on()

    def reached(self) -> None:
        """A request has succeeded: what waits only because the server was not reached goes on."""
        if self._unreached:
            self._hinted = True
            if self._rested:
                self._wake.set()

    async def close(self) -> None:
        """Stop; what waits stays on the device, and whoever waits for it is told so."""
        self._closed = True
        for entry in self._entries:
            entry._ended.set()
        task = self._task
        self._stop()
        if task is not None and task is not asyncio.current_task():
            await asyncio.wait([task])

    def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _next(self) -> OutboxEntry | None:
        return next((e for e in self._entries if e.status is OutboxStatus.PENDING), None)

    def _go_on(self) -> None:
        if self._task is None and self._uid and not self._closed and self._next() is not None:
            self._task = asyncio.get_running_loop().create_task(self._work(), name="tailwire outbox")

    async def _work(self) -> None:
        wait = FIRST_WAIT
        try:
            while (entry := self._next()) is not None:
                self._wake.clear()
                error = await self._try(entry)
                if error is None:
                    wait = FIRST_WAIT
                elif error.code in LATER:
                    self._unreached = error.code == "NO_INTERNET_CONNECTION"
                    await self._pause(max(wait, error.retry_after or 0.0))
                    wait = min(wait * 2, MAX_WAIT)
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _try(self, entry: OutboxEntry) -> CometChatException | None:
        # Whatever goes wrong, the task goes on: a message that waits is not left behind.
        entry._under_way = True
        try:
            entry.message = await self._send(entry._body)
        except CometChatException as e:
            entry.error = e
        except Exception as e:
            if not self._complained:
                self._complained = True
                log.exception("a queued message was not sent for a reason that was not foreseen; it is tried again")
            entry.error = failure("ERR_MISSION_FAILED", f"{type(e).__name__}: {e}")
        else:
            entry.error = None
        finally:
            entry._under_way = False
        if entry.error is None or entry.error.code not in LATER:
            self._end(entry, OutboxStatus.FAILED if entry.error else OutboxStatus.SENT)
        return entry.error

    async def _pause(self, seconds: float) -> None:
        # At least the first wait passes before the success of another request cuts it short: what succeeds for others
        # and fails for this one does not keep it busy.
        self._hinted = self._rested = False
        try:
            if not await self._woken(min(seconds, FIRST_WAIT)) and not self._hinted:
                self._rested = True
                await self._woken(seconds - FIRST_WAIT)
        finally:
            self._unreached = self._rested = False

    async def _woken(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._wake.wait()
        except TimeoutError:
            return False

    def _end(self, entry: OutboxEntry, status: OutboxStatus) -> None:
        self._settle(entry, status)
        if status is not OutboxStatus.FAILED and entry in self._entries:
            self._entries.remove(entry)
        self._save()
        self._tell(entry)

    @staticmethod
    def _settle(entry: OutboxEntry, status: OutboxStatus) -> None:
        entry.status = status
        entry._ended.set()

    def _again(self, entry: OutboxEntry) -> bool:
        if entry not in self._entries:
            return False
        self._entries.remove(entry)
        self._entries.append(entry)
        entry.status, entry.error = OutboxStatus.PENDING, None
        entry._ended.clear()
        self._save()
        self._tell(entry)
        self._go_on()
        return True

    def _save(self) -> None:
        try:
            self._write()
        except Exception:
            log.exception("the queued messages are not saved on the device; they are saved with the next change")

    def _write(self) -> None:
        if self._store is None or not self._uid:
            return
        entries = [
            {
                "body": e._body,
                "status": str(e.status),
                "error": [e.error.code, e.error.message, e.error.details] if e.error else None,
            }
            for e in self._entries
        ]
        self._store.save_outbox(self._app_id, self._uid, {"format": FORMAT, "entries": entries} if entries else None)


def _restored(body: Mapping[str, Any]) -> BaseMessage:
    for name in ("muid", "receiver", "receiverType"):
        if not isinstance(body[name], str) or not body[name]:
            raise ValueError(f"{name} is missing")
    message = message_from_wire({**body, "id": "1"})
    message.id = 0
    return message
