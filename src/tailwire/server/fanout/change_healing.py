"""Delivers changes that the broker has lost, such as reactions, receipts and pins, by reading them from the change log.

Another process publishes a change soon after its commit. If this process has not received the publication after
`HEAL_SECONDS`, it reads the change from the store and delivers it to the sockets concerned. If the publication comes
later nevertheless, it is ignored, so that each change is delivered once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from typing import NamedTuple, Protocol

from tailwire.server.fanout.numbers import ChangeNumbers, Missing
from tailwire.server.ports.broker import FramePublication, group_subject, user_subject
from tailwire.server.ports.change_log import LIST_KINDS, ChangeRow, receivers_of
from tailwire.server.ports.log import LogReader, Look
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

HEAL_SECONDS = 1.0
"""A change counts as lost if its publication has not come this long after the change was first seen in the store."""
MAX_CHECKS = 10
"""How often the check of who lacks a change is made, as long as newer changes come during it. After that it is left to
the next poll of the log.
"""

ChangeFrame = Callable[[ChangeRow], Awaitable[bytes | None]]
"""A function that takes a row of the change log and returns the frame that was published for it; None if that is no
longer possible, because what has changed does not exist now.
"""
Deliver = Callable[[str, FramePublication], None]


class Members(Protocol):
    """Knows which users with sockets of this process are members of a group; `Hub` implements it.

    Attributes:
        on_joined: called with the uid of a user and the guid of a group, when the user's sockets begin to receive the
            group's frames.
        on_left: called with a uid and a guid when the user's sockets no longer receive the group's frames.
    """

    on_joined: Callable[[str, str], None]
    on_left: Callable[[str, str], None]

    def members_here(self, guid: str) -> list[str]:
        """Return the uids of users with a socket of this process that receives the frames of a group."""


class _UsersWithout(NamedTuple):
    """Users whose sockets may lack a change.

    Attributes:
        subject: the subject to which the change was published: that of a group, or of one user.
        uids: the users.
        sure: True if it is certain that they lack the change; False if they may have received it before.
        left: True if they have left the group since the change.
    """

    subject: str
    uids: Sequence[str]
    sure: bool
    left: bool = False


class ChangeHealing:
    """Delivers changes that sockets of this process have missed.

    A change is identified by its number in the change log.

    Args:
        reader: reads the change log.
        subscribed: returns whether a subject has sockets of this process.
        deliver: delivers a publication to the sockets of a subject.
        held: returns the numbers of changes that were received, but wait in `HeldFrames` to be delivered.

    Attributes:
        numbers: records which changes were received for which subjects.
        settled: all changes up to this number have been written to the sockets concerned; 0 if that is not known.
    """

    def __init__(
        self,
        reader: LogReader,
        subscribed: Callable[[str], bool],
        deliver: Deliver,
        held: Callable[[], Container[int]],
        metrics: Metrics,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._reader = reader
        self._subscribed = subscribed
        self._deliver = deliver
        self._held = held
        self._metrics = metrics
        self._loop = loop
        self.numbers = ChangeNumbers(0)
        self.settled = 0
        self._delivered = 0  # all changes up to this number had been passed to the hub at the last poll of the log
        self._frame: ChangeFrame = _no_frame
        self._members: Members | None = None
        self._looks: deque[tuple[int, float, int]] = deque()  # of each poll: newest number, time, highest id
        self._goal = 0  # all changes up to this number are old enough to count as lost
        self._task: asyncio.Task[None] | None = None

    def attach(self, members: Members, frame: ChangeFrame) -> None:
        """Set what knows the groups' members here, whose callbacks are replaced, and what makes frames of changes."""
        self._members, self._frame = members, frame
        members.on_joined = lambda uid, guid: self.numbers.join(group_subject(guid), uid, self._held())
        members.on_left = lambda uid, guid: self.numbers.leave(
            group_subject(guid), uid, self._held(), self._loop.time()
        )

    def start(self, newest: int) -> None:
        """Treat all changes up to now as received, and look for missing ones only among later ones.

        This must be called before sockets connect.

        Args:
            newest: the number of the newest change in the store.
        """
        self.numbers = ChangeNumbers(newest)

    def subscribe(self, subject: str) -> None:
        """Record that a subject now has its first socket of this process."""
        self.numbers.subscribe(subject, self._loop.time())

    def record_live(self, subject: str, publication: FramePublication) -> bool:
        """Record that a published frame has come, before it is delivered.

        Returns:
            False if the subject has already received the same change, so that the frame must not be delivered.
        """
        number = publication.number
        return not number or not self._subscribed(subject) or self.numbers.record_received(number, subject)

    def record_look(self, look: Look, began: float, last_passed: int, *, held: bool) -> None:
        """Process a poll of the log's state, and schedule the reading of changes that have been missing for too long.

        Args:
            look: the state of the log in the store.
            began: the event loop time at which it was requested.
            last_passed: all messages and changes of memberships up to this id have been delivered.
            held: whether `HeldFrames` has frames that wait to be delivered.
        """
        newest = look.newest_change
        if newest < self.numbers.end:
            self._looks.clear()
            self._goal = 0
            self.settled = self._delivered = 0
        self.numbers.record_newest(newest, began)
        if not held:  # what was delivered before the last look has been written
            self.settled, self._delivered = self._delivered, self.numbers.end
        self._looks.append((newest, began, look.highest))
        old = self._loop.time() - HEAL_SECONDS
        # A user who joined a group before a change receives the group before the change is read.
        while self._looks and self._looks[0][1] <= old and self._looks[0][2] <= last_passed:
            self._goal = self._looks.popleft()[0]
        if self._goal > self.numbers.end and self._task is None:
            self._task = self._loop.create_task(self._heal(self._goal), name="tailwire change log reader")

    async def close(self) -> None:
        """Cancel reading from the change log that is in progress."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _heal(self, goal: int) -> None:
        # Changes that cannot be read now are read after the next look.
        try:
            while self.numbers.end < goal:
                rows, up_to = await self._reader.changes(self.numbers.end, goal)
                for row in rows:
                    if not await self._heal_one(row):
                        self.numbers.record_settled(row.number - 1)
                        return
                self.numbers.record_settled(up_to)
        except Exception as e:  # noqa: BLE001 - logged; later changes have to be read
            level = logging.DEBUG if isinstance(e, Refused) else logging.ERROR
            log.log(level, "the change log could not be read; trying again later: %r", e)
        finally:
            self._task = None

    async def _heal_one(self, row: ChangeRow) -> bool:
        # Delivers a row to those who lack it. Returns whether everybody has it now; False to try again later.
        if not self._find_missing(row):
            return True
        # The frames, by the end of the membership of those who may receive them.
        payloads: dict[int | None, bytes | None] = {None: await self._make_frame(row)}
        if payloads[None] is None:
            return True
        for _ in range(MAX_CHECKS):
            self.numbers.arrived.clear()
            allowed = dict(await self._reader.receivers(row.number, self._candidates(row)))
            ends = set(allowed.values()) - payloads.keys()
            for until in ends:
                payloads[until] = await self._make_frame(row._replace(until_id=until))
            missing = self._find_missing(row)
            if not (ends or any(m.subject in self.numbers.arrived for m in missing)):
                break
            # A newer change of the same thing may have come meanwhile, and replaced this one: ask again.
        else:
            return False
        for one in missing:
            self._send(row, one, {uid: payloads[allowed[uid]] for uid in one.uids if uid in allowed})
        return True

    async def _make_frame(self, row: ChangeRow) -> bytes | None:
        try:
            return await self._frame(row)
        except Refused:
            raise
        except Exception:  # noqa: BLE001 - logged; one entry must not hold up the others
            log.exception("a change that was lost between servers cannot be delivered: number %d", row.number)
            return None

    def _send(self, row: ChangeRow, missing: _UsersWithout, payloads: Mapping[str, bytes | None]) -> None:
        self.numbers.record_delivered_to(row.number, missing.subject, missing.uids)
        if not missing.left:
            self.numbers.record_received(row.number, missing.subject)
            self.numbers.record_delivered_late(row.number, missing.subject)
        # Clients that know numbers can tell whether they have received the change.
        feature = "lists" if row.kind in LIST_KINDS else "" if missing.sure else "chain"
        publications: dict[bytes, FramePublication] = {}
        for uid, payload in payloads.items():
            if payload is not None:
                if payload not in publications:
                    publications[payload] = FramePublication(
                        payload, row.device, feature=feature, number=row.number, caused_by=row.uid
                    )
                self._deliver(user_subject(uid), publications[payload])
        if publications:
            self._metrics.changes_healed += 1

    def _find_missing(self, row: ChangeRow) -> list[_UsersWithout]:
        found = []
        guid, uids = receivers_of(row)
        concerned = (
            [(group_subject(guid), self._members_here(guid))] if guid else [(user_subject(uid), [uid]) for uid in uids]
        )
        for subject, here in concerned:
            left = self.numbers.left_without(row.number, subject) if guid else []
            if guid and (late := self.numbers.late_for(row.number)):
                found.append(_UsersWithout(subject, late, sure=True))
            elif (
                self._subscribed(subject)
                and (missing := self.numbers.is_missing(row.number, subject)) is not Missing.NO
            ):
                found.append(_UsersWithout(subject, here, sure=missing is Missing.YES))
                left = [uid for uid in left if uid not in here]  # the rest have joined again: they are in `here`
            for uid in left:
                missing = self.numbers.is_missing(row.number, user_subject(uid))
                found.append(_UsersWithout(subject, [uid], sure=missing is Missing.YES, left=True))
        return found

    def _candidates(self, row: ChangeRow) -> list[str]:
        return [uid for missing in self._find_missing(row) for uid in missing.uids]

    def _members_here(self, guid: str) -> list[str]:
        return self._members.members_here(guid) if self._members is not None else []


async def _no_frame(row: ChangeRow) -> bytes | None:
    raise RuntimeError("a change was read before the log was attached to the sockets")
