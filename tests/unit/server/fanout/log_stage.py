"""A `MessageLog` on virtual time, with a simulated store and simulated other processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from tailwire.server.fanout.log import MessageLog
from tailwire.server.ports.broker import (
    FramePublication,
    MembershipChange,
    Publication,
    Record,
    TokenRevoked,
    conversation_subjects,
    group_subject,
    user_subject,
)
from tailwire.server.ports.change_log import ChangeKind, ChangeRow
from tailwire.server.ports.changes import Change, ChangeFeed
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.log import Batch, LoggedChange, LoggedMessage, LogPage, Look
from tailwire.server.ports.records import MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.metrics import Metrics

SUBJECTS = (group_subject("g"), user_subject("a"), user_subject("b"))
TO_GROUP, TO_USER, NOTHING, CHANGE = "group", "user", "nothing", "change"


def row(number: int, kind: str) -> MessageRow:
    """Return a message from user a to group g, or to user b."""
    receiver = "g" if kind == TO_GROUP else "b"
    key = key_of("a", receiver, kind)
    return MessageRow(
        number, key, "a", receiver, kind, "message", "text", 1, 1, None, None, None, None, None, None, b"{}"
    )


def frame(message: LoggedMessage) -> FramePublication:
    return FramePublication(b"%d" % message.row.id, id=message.row.id)


async def change_frame(row: ChangeRow) -> bytes | None:
    await asyncio.sleep(0.001)
    return b"%d" % row.number if row.until_id is None else b"%d until %d" % (row.number, row.until_id)


@dataclass
class PlayedStore:
    """A store of committed entries by id. It answers with pages of three entries, after a moment."""

    entries: dict[int, str] = field(default_factory=dict)
    kinds: dict[int, tuple[str, str]] = field(default_factory=dict)  # kind and key of changes; users by default
    left: set[int] = field(default_factory=set)  # the ids of changes by which a member left a group
    highest: int = 0
    fails: bool = False
    delay: float = 0.001
    reads: int = 0
    processes: int = 2
    given_out: int = 0  # the highest id in records of others
    newest: int = 0
    changes_made: dict[int, tuple[ChangeRow, str]] = field(default_factory=dict)
    members: set[str] = field(default_factory=lambda: {"a", "b"})  # the members who may receive changes
    ended: dict[str, int] = field(default_factory=dict)  # former members, and the last message of their membership

    def commit(self, kinds: Sequence[str]) -> tuple[int, int]:
        """Commit a batch, and return its range of ids."""
        first = self.highest + 1
        for number, kind in enumerate(kinds, first):
            if kind != NOTHING:
                self.entries[number] = kind
        self.highest += len(kinds)
        return first, self.highest

    def record_given_out(self, number: int) -> None:
        self.given_out = max(self.given_out, number)

    async def look(self) -> Look:
        await self._answer()
        changes = [number for number, kind in self.entries.items() if kind == CHANGE]
        newest = max(self.changes_made, default=0)
        return Look(max(self.entries, default=0), min(changes, default=0), self.processes, newest)

    def change_made(self, key: str, subject: str = "u/a/b", to_uid: str = "") -> int:
        """Commit an entry of the change log, which replaces one with the same key. Return its number."""
        self.newest += 1
        for number in [number for number, (_, known) in self.changes_made.items() if known == key]:
            del self.changes_made[number]
        row = ChangeRow(self.newest, 0, subject, ChangeKind.REACTION_ADDED, "c", "", to_uid, 1, "", 1)
        self.changes_made[self.newest] = row, key
        return self.newest

    async def changes(self, after: int, up_to: int) -> tuple[list[ChangeRow], int]:
        self.reads += 1
        found = [row for n, (row, _) in sorted(self.changes_made.items()) if after < n <= up_to][:3]
        await self._answer()
        return found, found[-1].number if len(found) == 3 else up_to

    async def receivers(self, number: int, uids: Sequence[str]) -> list[tuple[str, int | None]]:
        found = [(uid, None) for uid in uids if uid in self.members] if number in self.changes_made else []
        found += [(uid, self.ended[uid]) for uid in uids if uid in self.ended and number in self.changes_made]
        await self._answer()
        return found

    async def read(self, after: int, up_to: int) -> LogPage:
        self.reads += 1
        found = sorted(number for number in self.entries if after < number <= up_to)
        if len(found) > 3:
            found, up_to = found[:3], found[2]
        kinds = [(number, self.entries[number]) for number in found]
        await self._answer()
        return LogPage(
            up_to,
            [LoggedMessage(row(number, kind)) for number, kind in kinds if kind != CHANGE],
            [LoggedChange(self.change(number), number not in self.left) for number, kind in kinds if kind == CHANGE],
        )

    def change(self, number: int) -> Change:
        return Change(number, *self.kinds.get(number, ("user", str(number))))

    async def _answer(self) -> None:
        await asyncio.sleep(self.delay)
        if self.fails:
            raise Refused("ERR_UNAVAILABLE")


class PlayedBroker:
    """A connection to other processes; the test plays incoming news, and sees what is sent."""

    def __init__(self, *, carries_messages: bool) -> None:
        self.carries_messages = carries_messages
        self.connected = self.effective = True
        self.confirmed_at = 0.0
        self.subscribed: list[str] = []
        self.sent: list[tuple[str, Publication]] = []
        self.recorded: list[tuple[Record, list[tuple[str, Publication]]]] = []

    async def start(self, receiver: MessageLog) -> None:
        self.receiver = receiver

    def record_look(self, *, alone: bool, began: float) -> None:
        self.alone = alone

    def subscribe(self, subject: str) -> None:
        self.subscribed.append(subject)

    def unsubscribe(self, subject: str) -> None:
        self.subscribed.remove(subject)

    def connect(self, connected: bool) -> None:
        """Lose the connection, or make it again: its subscriptions take effect after 2 ms, confirmed after 3 ms."""
        loop = asyncio.get_running_loop()
        self.connected, self.effective, self.confirmed_at = connected, False, loop.time() + 0.003
        if connected:
            loop.call_later(0.002, self._take_effect)
        self.receiver.connection_changed()

    def _take_effect(self) -> None:
        self.effective = self.connected

    async def wait_confirmed(self) -> None:
        await asyncio.sleep(max(0.0, self.confirmed_at - asyncio.get_running_loop().time()))

    def publish(self, subject: str, publication: Publication) -> None:
        self.sent.append((subject, publication))

    def record(self, record: Record, publications: Sequence[tuple[str, Publication]]) -> None:
        self.recorded.append((record, list(publications)))

    async def close(self) -> None:
        pass


class PlayedSockets:
    def __init__(self) -> None:
        self.left: list[str] = []
        self.here = ["a", "b"]
        self.on_joined = lambda uid, guid: None
        self.on_left = lambda uid, guid: None

    def in_group(self, uid: str, guid: str) -> bool:
        return False

    def leave_group(self, guid: str) -> None:
        self.left.append(guid)
        for uid in self.here:
            self.on_left(uid, guid)
        self.here = []

    def members_here(self, guid: str) -> list[str]:
        return self.here


class LogStage:
    """A log, and its deliveries.

    Attributes:
        heard: ids by subject, in the order of their delivery.
        happened: deliveries and reported changes, in order: `("frame", id)`, `("change", id)`.
    """

    def __init__(self, *, carries_messages: bool) -> None:
        self.store = PlayedStore()
        self.broker = PlayedBroker(carries_messages=carries_messages)
        self.feed, self.metrics = ChangeFeed(), Metrics()
        self.heard: dict[str, list[int]] = {subject: [] for subject in SUBJECTS}
        self.happened: list[tuple[str, int]] = []
        self.others: list[Publication] = []
        self.changed: dict[str, list[int]] = {user_subject(uid): [] for uid in "ab"} | {group_subject("g"): []}

    async def __aenter__(self) -> LogStage:
        self.feed.listen(self._changed)
        self.log = MessageLog(self.broker, self.store, self.feed, self.metrics, asyncio.get_running_loop())
        self.sockets = PlayedSockets()
        self.log.attach(self.sockets, frame, change_frame)
        self.log.listen(self._deliver)
        for subject in SUBJECTS:
            self.log.subscribe(subject)
        await self.log.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.log.close()

    def _changed(self, changes: Sequence[Change] | None) -> None:
        self.happened += [("change", change.id) for change in changes or ()]

    def _deliver(self, subject: str, publication: Publication) -> None:
        if isinstance(publication, FramePublication) and publication.id:
            assert publication.payload == b"%d" % publication.id
            self.heard[subject].append(publication.id)
            self.happened.append(("frame", publication.id))
        elif isinstance(publication, MembershipChange | TokenRevoked | FramePublication):
            self.others.append(publication)
            if isinstance(publication, FramePublication) and publication.number:
                self.changed[subject].append(publication.number)

    def publications(self, first: int, last: int) -> list[tuple[str, FramePublication]]:
        """Return the publications of a process for the messages of its batch."""
        found = []
        for number in range(first, last + 1):
            kind = self.store.entries.get(number, NOTHING)
            if kind in (TO_GROUP, TO_USER):
                publication = FramePublication(b"%d" % number, id=number)
                message = row(number, kind)
                for subject in conversation_subjects(message.conversation_id):
                    found.append((subject, publication))
        return found

    def own(self, first: int, last: int, *, skipped: int = 0) -> None:
        """Play the answer to a batch of this process.

        Args:
            skipped: the id of a message whose sender was cancelled before they published it.
        """
        ids = [n for n in range(first, last + 1) if self.store.entries.get(n) in (TO_GROUP, TO_USER)]
        self.log.committed(Batch(first, last, ids))
        for subject, publication in self.publications(first, last):
            if publication.id != skipped:
                self.log.publish(subject, publication)
        self.log.answered()

    def changes(self, first: int, last: int) -> tuple[Change, ...]:
        return tuple(self.store.change(n) for n in range(first, last + 1) if self.store.entries.get(n) == CHANGE)

    def theirs(
        self, first: int, last: int, *, payloads: bool = True, record: bool = True, part: slice = slice(None)
    ) -> None:
        """Play the news of a batch of another process.

        Args:
            part: which of its publications arrive.
        """
        if self.broker.carries_messages and payloads and self.broker.effective:
            for subject, publication in self.publications(first, last)[part]:
                self.log.received(subject, publication)
        if record and (self.broker.effective or not self.broker.carries_messages):
            changes = self.changes(first, last) if self.broker.carries_messages else ()
            self.log.recorded(Record(first, last, changes))

    def wanted(self, subject: str) -> list[int]:
        """Return the ids of the messages for a subject."""
        kinds = (TO_GROUP,) if subject == group_subject("g") else (TO_USER,)
        return sorted(number for number, kind in self.store.entries.items() if kind in kinds)

    def check(self) -> None:
        """Check that each subject has received each of its messages once, in order."""
        for subject in SUBJECTS:
            assert self.heard[subject] == self.wanted(subject), subject
