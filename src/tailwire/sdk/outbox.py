"""The outbox: messages that are sent when there is a network, even after a restart of the process (K5).

Rules: a message is saved on the device before `add()` returns. Messages are sent in the order in which they were
queued, and the server stores each once, because it recognises their muid (the client's own id of a message). A message
that the server refuses does not delay the others. No task runs while no message is pending.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.gate import Gate
from tailwire.sdk.io.world import World
from tailwire.sdk.retry import RETRYABLE_CODES, TOKEN_REJECTED_CODES, RetryPolicy, Waits
from tailwire.sdk.session import OutboxStore
from tailwire.wire.codec import message_from_wire
from tailwire.wire.encoding import message_to_wire
from tailwire.wire.entities import BaseMessage, MediaMessage

log = logging.getLogger("tailwire")
FORMAT_VERSION = 1
OUTBOX_RETRY = RetryPolicy(first=2.0, longest=60.0)
RETRIED_CODES = RETRYABLE_CODES | TOKEN_REJECTED_CODES
"""After these error codes a message stays pending and is sent again; after all others it has failed.

They include the codes of a rejected token, which is being renewed, or replaced by the next login.
"""


class OutboxStatus(StrEnum):
    """The state of a queued message."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OutboxEntry:
    """A queued message.

    Attributes:
        message: the message as it was queued; once it is sent, as the server stored it.
        status: pending, sent, failed or cancelled.
        error: why the message failed; while it is pending, why the last attempt to send it failed; else None.
    """

    def __init__(self, outbox: Outbox, message: BaseMessage, body: dict[str, Any]) -> None:
        self._outbox = outbox
        self._body = body
        self._ended = asyncio.Event()
        self.message = message
        self.status = OutboxStatus.PENDING
        self.error: CometChatException | None = None

    @property
    def muid(self) -> str:
        """The client's own id of the message, by which the server recognises a repeated send."""
        return str(self._body["muid"])

    def cancel(self) -> bool:
        """Withdraw the message, also a failed one, which is otherwise kept on the device.

        Returns:
            False if nothing was changed, because the message is being sent, or was sent or cancelled, because the user
            who queued it has logged out, or another one has logged in, or because the client is closed: then cancel
            the entry of `queued_messages()` of the next client.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP` outside of the client's event loop.
        """
        self._outbox.check()
        return self._outbox.cancel(self)

    def retry(self) -> bool:
        """Queue a failed message again, after all others.

        Returns:
            False if nothing was changed, because the message has not failed, because the user who queued it has logged
            out, or another one has logged in, or because the client is closed.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP` outside of the client's event loop.
        """
        self._outbox.check()
        return self._outbox.retry(self)

    async def result(self) -> BaseMessage:
        """Wait until the message is sent, has failed or was cancelled.

        Returns:
            The message as the server stored it.

        Raises:
            CometChatException: the error of the message if it failed; `OUTBOX_CANCELLED` if it was withdrawn, or its
                user logged out; `ERR_CLIENT_CLOSED` if the client was closed, or another user logged in, while it was
                pending: it stays on the device; `ERR_WRONG_EVENT_LOOP` outside of the client's event loop.
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


class Outbox:
    """The queued messages of one client.

    Args:
        store: keeps the messages on the device; None to keep them in memory only.
        send: sends the body of a message, after earlier sends of its conversation; returns the message as the server
            stored it.
        report_change: called in the event loop with each entry that was added or has changed.
        limit: the maximum number of pending messages.
        world: supplies muids, and the jitter of the waits.
        gate: checks that methods of entries are called in the client's event loop.
    """

    def __init__(
        self,
        app_id: str,
        store: OutboxStore | None,
        send: Callable[[Mapping[str, Any]], Awaitable[BaseMessage]],
        report_change: Callable[[OutboxEntry], object],
        limit: int,
        world: World,
        gate: Gate,
    ) -> None:
        self._app_id = app_id
        self._store = store
        self._send = send
        self._report_change = report_change
        self._limit = limit
        self._world = world
        self._gate = gate
        self._uid = ""
        self._entries: list[OutboxEntry] = []
        self._sending: OutboxEntry | None = None
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._unreached = False  # waits because the server could not be reached
        self._waited_once = False  # the first wait is over; a success of another request may cut the rest short
        self._other_succeeded = False  # another request has succeeded during the first wait
        self._logged_unexpected = False
        self._closed = False  # once it is True, the saved messages may belong to another client

    def check(self) -> None:
        """Raise unless the running event loop is the client's, or the client is closed.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP` on another event loop, or outside of any.
        """
        self._gate.check_readable()

    @property
    def entries(self) -> list[OutboxEntry]:
        """The entries that are pending or have failed, in order."""
        return list(self._entries)

    def load(self, uid: str) -> Mapping[str, Any] | None:
        """Return the saved outbox of a user who logs in, for `begin`; None if they have none, or are logged in already.

        Raises:
            CometChatException: `SESSION_NOT_READ` if the store cannot read it; or what else the store raises.
        """
        return self._store.load_outbox(self._app_id, uid) if self._store is not None and uid != self._uid else None

    def begin(self, uid: str, saved: Mapping[str, Any] | None) -> None:
        """Take over the queued messages of a user who has logged in, and start to send them.

        Pending messages of the previous user stay on the device until their next login.

        Args:
            saved: what `load` returned for this user.
        """
        if uid == self._uid:
            self.try_now()
            return
        self._stop()
        for entry in self._entries:
            entry._ended.set()  # of the previous user: pending ones stay on the device until their next login
        self._uid, self._entries = uid, []
        listed = (saved or {}).get("entries")
        for one in listed if isinstance(listed, list) else ():
            try:
                entry = OutboxEntry(self, _message_from(one["body"]), one["body"])
                if one.get("error"):
                    entry.error = CometChatException(*one["error"])
                if one["status"] == OutboxStatus.FAILED:
                    self._set_ended(entry, OutboxStatus.FAILED)
            except (KeyError, TypeError, ValueError) as e:
                log.warning("a queued message is invalid and is dropped: %r", e)
                continue
            self._entries.append(entry)
        self._start_task()

    def discard_all(self) -> None:
        """Cancel the pending entries, and delete all entries from the device, because the user logs out."""
        for entry in self._entries:
            if entry.status is OutboxStatus.PENDING:
                self._set_ended(entry, OutboxStatus.CANCELLED)
        self._entries = []
        self._save()
        self._stop()
        self._uid = ""

    def add(self, message: BaseMessage) -> OutboxEntry:
        """Queue a message, and save it on the device before returning. Sets its `muid` if it has none.

        Raises:
            CometChatException: the message is not queued: `OUTBOX_FULL` when the maximum number of messages is pending;
                `ERR_INVALID_ARGUMENT` when the message has files that are not uploaded; `OUTBOX_NOT_SAVED` when it
                cannot be saved on the device.
        """
        if isinstance(message, MediaMessage) and message.files:
            raise failure("ERR_INVALID_ARGUMENT", "Upload the files first: a queued message has attachments by URL.")
        if sum(e.status is OutboxStatus.PENDING for e in self._entries) >= self._limit:
            raise failure("OUTBOX_FULL", {"limit": self._limit})
        message.muid = message.muid or self._world.unique()
        entry = OutboxEntry(self, message, message_to_wire(message))
        self._entries.append(entry)
        try:
            self._write()
        except Exception as e:
            self._entries.remove(entry)
            raise failure("OUTBOX_NOT_SAVED", f"{type(e).__name__}: {e}. Make room, or use send_message().") from e
        self._report_change(entry)
        self._start_task()
        return entry

    def cancel(self, entry: OutboxEntry) -> bool:
        """Cancel an entry: see `OutboxEntry.cancel`."""
        waits = entry.status in (OutboxStatus.PENDING, OutboxStatus.FAILED)
        if self._closed or not waits or entry is self._sending or entry not in self._entries:
            return False
        self._end(entry, OutboxStatus.CANCELLED)
        return True

    def retry(self, entry: OutboxEntry) -> bool:
        """Queue a failed entry again: see `OutboxEntry.retry`."""
        if self._closed or entry.status is not OutboxStatus.FAILED or entry not in self._entries:
            return False
        self._entries.remove(entry)
        self._entries.append(entry)
        entry.status, entry.error = OutboxStatus.PENDING, None
        entry._ended.clear()
        self._save()
        self._report_change(entry)
        self._start_task()
        return True

    def try_now(self) -> None:
        """End the wait between two attempts, because the network may be back, and start to send pending messages."""
        self._wake.set()
        self._start_task()

    def try_soon(self) -> None:
        """Shorten the wait between two attempts after the server was not reached, because another request succeeded.

        The wait still lasts at least as long as the first wait of `OUTBOX_RETRY`.
        """
        if self._unreached:
            self._other_succeeded = True
            if self._waited_once:
                self._wake.set()

    def stop(self) -> None:
        """Send nothing from now on, because the client is being closed.

        Pending messages stay on the device; their `result()` raises `ERR_CLIENT_CLOSED`.
        """
        self._closed = True
        for entry in self._entries:
            entry._ended.set()
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Wait until the task has ended, after `stop()`."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def _stop(self) -> None:
        task, self._task = self._task, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _next_pending(self) -> OutboxEntry | None:
        return next((e for e in self._entries if e.status is OutboxStatus.PENDING), None)

    def _start_task(self) -> None:
        if self._task is None and self._uid and not self._closed and self._next_pending() is not None:
            self._task = asyncio.get_running_loop().create_task(self._send_all(), name="tailwire outbox")

    async def _send_all(self) -> None:
        waits = Waits(OUTBOX_RETRY, self._world.chance)
        try:
            while (entry := self._next_pending()) is not None:
                self._wake.clear()
                error = await self._attempt(entry)
                if error is None:
                    waits.reset()
                elif error.code in RETRIED_CODES:
                    self._unreached = error.code == "NO_INTERNET_CONNECTION"
                    await self._pause(waits.next_wait(error.retry_after))
        finally:
            if self._task is asyncio.current_task():
                self._task = None

    async def _attempt(self, entry: OutboxEntry) -> CometChatException | None:
        # Nothing may end the task: a pending message would never be sent.
        self._sending = entry
        try:
            entry.message = await self._send(entry._body)
        except CometChatException as e:
            entry.error = e
        except Exception as e:
            if not self._logged_unexpected:
                self._logged_unexpected = True
                log.exception("a queued message could not be sent because of an unexpected error; it is tried again")
            entry.error = failure("ERR_MISSION_FAILED", f"{type(e).__name__}: {e}")
        else:
            entry.error = None
        finally:
            if self._sending is entry:  # else another user's task has begun meanwhile
                self._sending = None
        if entry.error is None or entry.error.code not in RETRIED_CODES:
            self._end(entry, OutboxStatus.FAILED if entry.error else OutboxStatus.SENT)
        return entry.error

    async def _pause(self, seconds: float) -> None:
        # The success of another request cuts the wait short, but not below the first wait: other requests may
        # succeed while this one keeps failing.
        self._other_succeeded = self._waited_once = False
        try:
            if not await self._wait_woken(min(seconds, OUTBOX_RETRY.first)) and not self._other_succeeded:
                self._waited_once = True
                await self._wait_woken(seconds - OUTBOX_RETRY.first)
        finally:
            self._unreached = self._waited_once = False

    async def _wait_woken(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._wake.wait()
        except TimeoutError:
            return False

    def _end(self, entry: OutboxEntry, status: OutboxStatus) -> None:
        self._set_ended(entry, status)
        if status is not OutboxStatus.FAILED and entry in self._entries:
            self._entries.remove(entry)
        self._save()
        self._report_change(entry)

    @staticmethod
    def _set_ended(entry: OutboxEntry, status: OutboxStatus) -> None:
        entry.status = status
        entry._ended.set()

    def _save(self) -> None:
        try:
            self._write()
        except Exception:
            log.exception("the queued messages could not be saved on this device; the next change saves them again")

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
        self._store.save_outbox(
            self._app_id, self._uid, {"format": FORMAT_VERSION, "entries": entries} if entries else None
        )


def _message_from(body: Mapping[str, Any]) -> BaseMessage:
    for name in ("muid", "receiver", "receiverType"):
        if not isinstance(body[name], str) or not body[name]:
            raise ValueError(f"{name} is missing")
    message = message_from_wire({**body, "id": "1"})
    message.id = 0
    return message
