"""Delivers messages and changes, from publications or from the log in the store, to the sockets of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from tailwire.server.ports.broker import (
    FramePublication,
    Listener,
    MembershipChange,
    Publication,
    conversation_subjects,
    group_subject,
    user_subject,
)
from tailwire.server.ports.changes import GROUP_REMOVED, Change
from tailwire.server.ports.log import LoggedChange, LoggedMessage, LogPage
from tailwire.server.telemetry.logs import log

LEAVE_SECONDS = 5.0
"""How long sockets stay subscribed to a removed group, so that the frame that reports the removal can reach them."""
Item = tuple[str, Publication] | LoggedMessage | LoggedChange
"""An item of the log: a tuple of a subject and a publication to it, or a message or change read from the store."""


class Sockets(Protocol):
    """What the message log needs to know about the sockets of this process; `Hub` implements it.

    Attributes:
        on_joined: called with the uid of a user and the guid of a group, when the user's sockets begin to receive the
            group's frames.
        on_left: called with a uid and a guid when the user's sockets no longer receive the group's frames.
    """

    on_joined: Callable[[str, str], None]
    on_left: Callable[[str, str], None]

    def in_group(self, uid: str, guid: str) -> bool:
        """Return whether a user has a socket of this process that receives the frames of a group."""

    def leave_group(self, guid: str) -> None:
        """Unsubscribe all sockets from a group that was removed."""

    def members_here(self, guid: str) -> list[str]:
        """Return the uids of users with a socket of this process that receives the frames of a group."""


class LocalDelivery:
    """Passes publications to the hub, and items from the store as publications.

    Attributes:
        subjects: the subjects that have sockets of this process. `MessageLog` maintains it.
        listener: the function of the hub that takes a subject and a publication.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._leaving: dict[str, asyncio.TimerHandle] = {}  # groups that were removed, and when their sockets leave
        self.subjects: set[str] = set()
        self.listener: Listener = _no_listener
        self._frame: Callable[[LoggedMessage], FramePublication] = _no_frame
        self._sockets: Sockets | None = None

    def attach(self, sockets: Sockets, frame: Callable[[LoggedMessage], FramePublication]) -> None:
        """Set the sockets of this process, and the function that makes frames of messages read from the store."""
        self._sockets, self._frame = sockets, frame

    def deliver(self, subject: str, publication: Publication) -> None:
        """Pass a publication to the hub if its subject has sockets of this process."""
        if subject in self.subjects:
            self.listener(subject, publication)

    def deliver_item(self, item: Item) -> None:
        """Deliver an item of the log to the sockets concerned. The caller delivers items in the order of their ids.

        An exception is logged and not raised, so that one item cannot hold up the next ones.
        """
        try:
            if self._leaving:
                self._leave_before(item)
            if isinstance(item, LoggedMessage):
                self._deliver_message(item)
            elif isinstance(item, LoggedChange):
                self._apply(item)
            else:
                self.deliver(*item)
        except Exception:  # noqa: BLE001 - logged; the next items have to be delivered
            log.exception("an entry of the log could not be delivered")

    def _deliver_message(self, message: LoggedMessage) -> None:
        row = message.row
        concerned = conversation_subjects(row.conversation_id)
        if message.withheld and self._sockets is not None:
            members = self._sockets.members_here(row.receiver)
            concerned = tuple(user_subject(uid) for uid in members if uid not in message.withheld)
        subjects = [subject for subject in concerned if subject in self.subjects]
        also = user_subject(message.member) if message.member else ""
        if also in self.subjects and self._sockets and not self._sockets.in_group(message.member, row.receiver):
            subjects.append(also)
        if subjects:
            publication = self._frame(message)
            for subject in subjects:
                self.listener(subject, publication)

    def _apply(self, entry: LoggedChange) -> None:
        kind, key = entry.change.kind, entry.change.key
        if kind == "member":
            guid, _, uid = key.partition("/")
            self.deliver(user_subject(uid), MembershipChange(guid, entry.holds))
        elif kind == GROUP_REMOVED and group_subject(key) in self.subjects and key not in self._leaving:
            # The frame that reports the removal is not in the log; its publication comes soon.
            self._leaving[key] = self._loop.call_later(LEAVE_SECONDS, self._leave_group, key)

    def _leave_group(self, guid: str) -> None:
        self._leaving.pop(guid).cancel()
        if self._sockets is not None:
            self._sockets.leave_group(guid)

    def _leave_before(self, item: Item) -> None:
        # Whatever names the guid from now on concerns another group.
        if isinstance(item, LoggedMessage):
            guid = item.row.receiver if item.row.receiver_type == "group" else ""
        elif isinstance(item, LoggedChange):
            guid = item.change.key.partition("/")[0] if item.change.kind in ("group", "member") else ""
        else:
            guid = next((guid for guid in self._leaving if group_subject(guid) == item[0]), "")
        if guid in self._leaving:
            self._leave_group(guid)

    def close(self) -> None:
        """Cancel the timers that would unsubscribe sockets from removed groups."""
        for timer in self._leaving.values():
            timer.cancel()
        self._leaving.clear()

    def concerns_sockets(self, change: Change) -> bool:
        """Return whether a change affects the subscriptions of sockets of this process.

        It does if it adds or removes a member with sockets here, or removes a group with sockets here. A `Change` does
        not tell whether a member was added or removed, so the caller must read this from the store before it delivers
        later items.
        """
        if change.kind == "member":
            return user_subject(change.key.partition("/")[2]) in self.subjects
        return change.kind == GROUP_REMOVED and group_subject(change.key) in self.subjects

    def groups_to_join(self, page: LogPage) -> set[str]:
        """Return the subjects of groups to subscribe to before a part of the log is delivered.

        These are the groups that users with sockets of this process join in it, and that no socket here receives yet.
        """
        members = [entry.change.key.partition("/") for entry in page.changes if _is_joining(entry)]
        return {group_subject(guid) for guid, _, uid in members if user_subject(uid) in self.subjects} - self.subjects

    def group_to_join(self, subject: str, change: MembershipChange) -> set[str]:
        """Return the subject of the group to subscribe to before a change is delivered, as `groups_to_join`; or none.

        Args:
            subject: the subject of the user who joins or leaves.
            change: the published change.
        """
        return {group_subject(change.guid)} - self.subjects if change.joined and subject in self.subjects else set()


def _is_joining(entry: LoggedChange) -> bool:
    return entry.change.kind == "member" and entry.holds


def _no_listener(subject: str, publication: Publication) -> None:
    raise RuntimeError("a publication came before the log was given a listener")


def _no_frame(message: LoggedMessage) -> FramePublication:
    raise RuntimeError("a message was read before the log was attached to the sockets")
